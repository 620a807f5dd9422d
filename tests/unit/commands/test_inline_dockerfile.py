"""A Dockerfile in a compose file is checked at its places there, and drafted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.commands.adopt import adopt
from torchpin.commands.check import CheckOptions, CheckReport, check
from torchpin.project.image_builds import built_texts, inline_builds

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = """services:
  model:
    build:
      context: .
      args: {TORCH: 2.7.1}
      dockerfile_inline: |
        FROM nvidia/cuda:12.6.3-runtime-ubuntu22.04
        ARG TORCH=2.6.0

        RUN apt-get update && apt-get install -y python3-pip
        RUN echo $${TORCH} && pip3 install lightning>=2.0
        RUN pip3 install torch==$${TORCH} --index-url https://download.pytorch.org/whl/cu126
        COPY requirements.txt .
        RUN pip3 install -r requirements.txt
    ports: ["80:80"]
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "requirements.txt").write_text("einops==0.8.1\n")
    return folder


def places(report: CheckReport) -> list[tuple[str, str]]:
    return [(match.id, match.finding.location) for match in report.result.matches]


def test_findings_have_the_places_of_the_compose_file(project: Path) -> None:
    column = COMPOSE.splitlines()[10].index("=2.0") + 1  # where the redirect goes to
    assert ("ADO001", f"compose.yaml:11:{column}") in places(check(CheckOptions()))
    (project / "requirements.txt").unlink()
    report = check(CheckOptions(paths=("compose.yaml",)))
    assert ("ADO001", f"compose.yaml:11:{column}") in places(report)
    assert (report.problems, report.skipped) == ((), ())
    missing = [match.finding for match in report.result.matches if match.id == "ADO008"]
    assert [finding.location for finding in missing] == ["compose.yaml:14:13"]


def test_a_fix_is_written_into_the_compose_file(project: Path) -> None:
    report = check(CheckOptions(select=("ADO001",), fix="safe"))
    assert (places(report), report.written) == ([], ("compose.yaml",))
    text = COMPOSE.replace("lightning>=2.0", "'lightning>=2.0'")
    assert (project / "compose.yaml").read_text() == text


def test_a_comment_in_it_ignores_a_finding(project: Path) -> None:
    comment = "        # torchpin: ignore=ADO001 because the newest lightning is what is tested\n"
    line = COMPOSE.splitlines(keepends=True)[10]
    (project / "compose.yaml").write_text(COMPOSE.replace(line, comment + line))
    report = check(CheckOptions(select=("ADO001",)))
    assert (places(report), [match.id for match, _ in report.result.ignored]) == ([], ["ADO001"])


def test_a_contradiction_with_a_list_that_it_reads_is_found(project: Path) -> None:
    (project / "requirements.txt").write_text("torch==2.5.1\n")
    report = check(CheckOptions(fail_on="error"))
    assert ("ADO004", "requirements.txt:1:1") in places(report) or (
        "ADO003",
        "requirements.txt:1:1",
    ) in places(report)


def test_it_is_drafted_with_the_arguments_of_the_compose_file(project: Path) -> None:
    adoption = adopt(project).adoption
    assert "version: 2.7.1" in adoption.text
    assert "nvidia/cuda:12.6.3-runtime-ubuntu22.04" in adoption.text
    assert "channel: cu126" in adoption.text
    assert "einops==0.8.1" in adoption.text
    column = COMPOSE.splitlines()[11].index("torch==") + 1
    assert f"compose.yaml:12:{column}" in adoption.text
    assert "compose.yaml:7:9" in adoption.text  # the FROM
    assert [match.finding.location for match in adoption.matches if match.id == "ADO001"] == [
        "compose.yaml:11:54"
    ]


@pytest.mark.parametrize("style", [">", ">-", '"FROM ubuntu"'])
def test_another_scalar_is_said_to_be_skipped(project: Path, style: str) -> None:
    text = COMPOSE.replace("dockerfile_inline: |", f"dockerfile_inline: {style}")
    if style.startswith('"'):
        lines = text.splitlines(keepends=True)
        text = "".join([*lines[:6], lines[-1]])
    (project / "compose.yaml").write_text(text)
    report = check(CheckOptions(paths=("compose.yaml",)))
    assert report.result.matches == ()
    assert "as a literal block (`dockerfile_inline: |`)" in report.skipped[0]


def test_a_dockerfile_beside_it_is_not_built_with_its_arguments() -> None:
    texts = {"compose.yaml": COMPOSE, "Dockerfile": "FROM ubuntu\nARG TORCH=2.5.1\n"}
    assert built_texts(texts) == [texts]
    (build,) = inline_builds(texts)
    assert "Dockerfile" not in build.texts
    assert build.texts["compose.yaml"].splitlines()[7] == "ARG TORCH=2.7.1"
