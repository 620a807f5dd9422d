"""`check`: which files are checked, exit codes, directives, baseline, fixes, descriptions."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin.checks.registry import REGISTRY
from torchpin.commands.check import CheckOptions, CheckReport, check
from torchpin.errors import InputError
from torchpin.lint import descriptions, directives
from torchpin.output.check_formats import json_report
from torchpin.output.check_report import summary_line
from torchpin.tools.resources import read_resource

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04\n"
TORCH = "RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu126\n"
assert descriptions  # importing it registers its rule


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(text.encode())


def run(*paths: str, **options: object) -> CheckReport:
    return check(CheckOptions(paths=paths, **options))  # type: ignore[arg-type] # each option has its own type


def found(report: CheckReport) -> list[tuple[str, str]]:
    return [(match.id, match.finding.location) for match in report.result.matches]


# --- exit codes and what is checked ------------------------------------------------------------------------------------


def test_an_error_fails_and_a_warning_only_where_it_is_to() -> None:
    write({"Dockerfile": BASE + "RUN pip install lightning>=2.0\n", "b/Dockerfile": "FROM ubuntu\n"})
    assert run(select=("ADO001",)).exit_code == 1
    assert run(select=("ADO006",)).exit_code == 0
    assert run(select=("ADO006",), fail_on="warning").exit_code == 1
    assert run(select=("ADO013",), fail_on="warning").exit_code == 0


def test_the_errors_come_first() -> None:
    write({"Dockerfile": "FROM ubuntu\nRUN pip install lightning>=2.0\n"})
    assert [match.finding.level for match in run().result.matches] == ["error", "warning", "warning"]


def test_a_named_file_is_checked_with_what_it_includes_and_no_other_file_is() -> None:
    write({
        "docker/Dockerfile": f"{BASE}{TORCH}RUN pip install -r requirements-gpu.txt\n",
        "requirements-gpu.txt": "numpy==1.26.4\nnumpy==2.0\n",
        "requirements-docs.txt": "sphinx\n",
        "other/Dockerfile": "FROM ubuntu\n",
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["tqdm"]\n',
    })  # fmt: skip
    Path(".git").mkdir()
    assert found(run("docker/Dockerfile")) == [("ADO004", "requirements-gpu.txt:2:1")]
    assert found(run("requirements-docs.txt")) == [("ADO012", "requirements-docs.txt:1:1")]
    assert found(run("other/Dockerfile", "pyproject.toml")) == [
        ("ADO006", "other/Dockerfile:1:1"),
        ("ADO012", "pyproject.toml:4:18"),
    ]


def test_requirement_files_that_nothing_reads_are_checked_each_for_itself() -> None:
    write(
        {
            "requirements-a.txt": "numpy==1.26.4\n",
            "requirements-b.txt": "numpy==2.0\n",
            "requirements-c.txt": "numpy==1\nnumpy==2\n",
        }
    )
    assert found(run()) == [("ADO004", "requirements-c.txt:2:1")]


def test_each_pyproject_of_a_repository_is_checked() -> None:
    text = '[project]\nname = "x"\nversion = "1"\ndependencies = ["numpy<1", "numpy>2"]\n'
    write({"a/pyproject.toml": text, "b/c/pyproject.toml": text})
    assert {match.place[0] for match in run(select=("ADO004",)).result.matches} == {
        "a/pyproject.toml", "b/c/pyproject.toml",
    }  # fmt: skip


def test_a_text_of_standard_input_goes_by_a_name() -> None:
    write({"requirements.txt": "numpy==1\n"})
    report = run(
        "-", stdin="FROM a:1\nRUN pip install -r requirements.txt numpy==2\n", stdin_name="gone/Dockerfile"
    )
    assert ("ADO004", "requirements.txt:1:1") not in found(report)
    report = run(
        "-", stdin="FROM a:1\nRUN pip install -r requirements.txt numpy==2\n", stdin_name="Dockerfile"
    )
    assert ("ADO004", "requirements.txt:1:1") in found(report)
    with pytest.raises(InputError, match="--stdin-filename"):
        run("-", stdin="")
    with pytest.raises(InputError, match="standard input cannot be written"):
        run("-", stdin="", stdin_name="Dockerfile", fix="safe")


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone/Dockerfile", "does not exist"), ("notes.md", "is not one of the files"), ("pipe.txt", "is not a file"), ("latin.txt", "not UTF-8")],
)  # fmt: skip
def test_a_named_file_that_cannot_be_read_is_said_and_the_others_are_checked(name: str, message: str) -> None:
    write({"notes.md": "", "Dockerfile": "FROM ubuntu\n"})
    os.mkfifo("pipe.txt")
    Path("latin.txt").write_bytes(b"caf\xe9\n")
    report = run(name, "Dockerfile", select=("ADO006",))
    assert (report.exit_code, found(report)) == (2, [("ADO006", "Dockerfile:1:1")])
    (problem,) = report.problems
    assert name in problem
    assert message in problem


def test_what_is_none_of_its_files_is_passed_over() -> None:
    write({
        "a/Dockerfile.j2": "FROM {{ base }}\n", "b/Dockerfile.dockerignore": "*\n", "node_modules/x/Dockerfile": "FROM ubuntu\n",
        "services/web/service.yaml": "apiVersion: v1\nkind: Service\n", "ok/Dockerfile": "FROM ubuntu:24.04\n",
    })  # fmt: skip
    os.mkfifo("requirements-pipe.txt")
    Path("ok/loop").symlink_to("..")
    report = run()
    assert (found(report), report.exit_code) == ([], 0)
    assert report.skipped == ("requirements-pipe.txt: skipped, not a file",)


def test_a_folder_that_is_named_and_has_no_file_to_check_is_an_error() -> None:
    Path("docker").mkdir()
    with pytest.raises(InputError, match=r"^there is no Dockerfile, .* to check in docker$"):
        run("docker")


def test_a_project_without_a_file_to_check_passes_and_says_so() -> None:
    """As the workflow of a new repository runs it."""
    report = run()
    assert (found(report), report.exit_code) == ([], 0)
    assert summary_line(report).startswith("nothing was checked: there is no Dockerfile")
    assert json_report(report)["summary"] == summary_line(report)


DOCKERFILE = """\
ARG CUDA=12.4.1
FROM nvidia/cuda:${CUDA}-runtime-ubuntu22.04 AS base
ARG CHANNEL=cu124
RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/${CHANNEL}
FROM base AS test
RUN pip install torch==2.6.0
"""
COMPOSE = """\
services:
  api:
    build: {context: ., target: base, args: {CUDA: 12.6.3, CHANNEL: cu126}}
"""
BAKE = """\
target "old" {
  target = "base"
  args = { CHANNEL = "cu121" }
}
target "new" {
  target = "base"
  args = { CHANNEL = "cu126" }
}
"""


def test_a_dockerfile_is_checked_as_compose_has_it_built() -> None:
    write({"Dockerfile": DOCKERFILE})
    assert found(run()) == [("ADO003", "Dockerfile:6:17")]  # and not as a contradiction once more
    write({"compose.yaml": COMPOSE})
    assert found(run()) == []
    assert found(run("compose.yaml")) == []
    assert found(run("Dockerfile")) == []


def test_each_target_of_a_bake_file_is_checked() -> None:
    write({"Dockerfile": DOCKERFILE, "docker-bake.hcl": BAKE})
    (match,) = [match for match in run("docker-bake.hcl").result.matches if match.finding.level == "error"]
    assert (match.id, match.finding.location) == ("TOR001", "Dockerfile:4:17")
    assert "cu121" in match.finding.message


def test_what_a_build_file_names_and_is_not_there_is_said() -> None:
    write({"compose.yaml": "services:\n  a:\n    build: ./gone\n"})
    report = run("compose.yaml")
    assert (report.exit_code, report.problems) == (2, ("compose.yaml:3:12: gone/Dockerfile does not exist",))


@pytest.mark.parametrize("current", [".", "deploy"])
def test_a_build_file_may_build_what_lies_elsewhere_in_its_repository(
    current: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("repo/.git").mkdir(parents=True)
    monkeypatch.chdir("repo")
    services = (
        "  a:\n    build: {context: .., target: base, args: {CHANNEL: cu121}}\n  b:\n    build: ../..\n"
    )
    write(
        {
            "Dockerfile": DOCKERFILE,
            "deploy/compose.yaml": f"services:\n{services}",
            "../Dockerfile": "FROM x\n",
        }
    )
    root = Path.cwd()
    monkeypatch.chdir(current)
    report = run(os.path.relpath(root / "deploy/compose.yaml"))
    (match,) = [match for match in report.result.matches if match.finding.level == "error"]
    assert (match.id, Path(match.place[0]).absolute()) == ("TOR001", root / "Dockerfile")
    (problem,) = report.problems
    assert "is outside of the repository" in problem


# --- directives and baseline -------------------------------------------------------------------------------------------


def test_a_directive_ignores_and_one_of_no_use_is_found() -> None:
    write({"Dockerfile": "# torchpin: ignore=ADO006 because it is the newest that is tested\nFROM ubuntu\n"})
    report = run()
    assert (found(report), [(match.id, row.reason) for match, row in report.result.ignored]) == (
        [], [("ADO006", "it is the newest that is tested")],
    )  # fmt: skip
    write(
        {
            "Dockerfile": "# torchpin: ignore=ADO006 because it is the newest that is tested\nFROM ubuntu:24.04\n"
        }
    )
    assert found(run()) == [("ADO021", "Dockerfile:1:1")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "tqdm  # torchpin: ignore=ADO012 because it is a tool\n"),
        ("requirements.txt", "# torchpin: ignore-file=ADO012 because this is read by a compiler\ntqdm\nrich\n"),
        ("pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = [\n "tqdm",  # torchpin: ignore=ADO012 because of a reason\n]\n'),
    ],
)  # fmt: skip
def test_a_directive_stands_in_each_kind_of_file(name: str, text: str) -> None:
    write({name: text})
    assert found(run()) == []


@pytest.mark.parametrize("id_", [directives.INVALID, directives.UNUSED])
def test_the_examples_of_the_pages_about_directives(id_: str) -> None:
    write(REGISTRY[id_].wrong)
    assert id_ in {match.id for match in run().result.matches}
    write(REGISTRY[id_].right)
    assert id_ not in {match.id for match in run().result.matches}


def test_only_what_is_not_in_the_baseline_fails() -> None:
    write({"Dockerfile": f"{BASE}RUN pip install a>=1\n"})
    report = run(baseline="known.json", write_baseline=True)
    assert (report.exit_code, report.written) == (0, ("known.json",))
    write({"Dockerfile": f"{BASE}LABEL a=b\nRUN pip install a>=1\n"})
    assert run(baseline="known.json").exit_code == 0
    write({"Dockerfile": f"{BASE}RUN pip install a>=1\nRUN pip install b>=1\n"})
    report = run(baseline="known.json")
    assert (report.exit_code, found(report)[0]) == (1, ("ADO001", "Dockerfile:3:19"))
    write({"Dockerfile": BASE})
    assert {key[0] for key in run(baseline="known.json").result.stale} == {"ADO001", "ADO012"}
    assert not run("Dockerfile", baseline="known.json").problems


def test_a_baseline_that_is_none_is_an_error() -> None:
    write({"Dockerfile": BASE, "known.json": "{}"})
    with pytest.raises(InputError, match=r"known\.json cannot be read: it is not a baseline"):
        run(baseline="known.json")
    with pytest.raises(
        InputError, match=r"does not exist; `invoke check --baseline gone\.json --write-baseline`"
    ):
        run(baseline="gone.json")
    with pytest.raises(InputError, match=r"`invoke check --baseline known\.json --write-baseline`"):
        run(write_baseline=True)


# --- fixes -------------------------------------------------------------------------------------------------------------

FIXES = [
    ("RUN pip install lightning>=2.0\n", "RUN pip install 'lightning>=2.0'\n"),
    ("RUN pip install a>=1,<2 b==1\n", "RUN pip install 'a>=1,<2' b==1\n"),
    ("RUN V=2 && pip install a>=$V\n", "RUN V=2 && pip install a>=$V\n"),
    (f"{TORCH}RUN pip install xformers\n", f"{TORCH}RUN pip install xformers==0.0.31.post1\n"),
    (f"{TORCH}RUN pip install triton==3.0.0\n", f"{TORCH}RUN pip install triton==3.3.1\n"),
    ("RUN pip install torch --extra-index-url https://download.pytorch.org/whl/cu126\n",
     "RUN pip install torch --index-url https://download.pytorch.org/whl/cu126\n"),
    ("RUN pip install torch tqdm --extra-index-url https://download.pytorch.org/whl/cu126\n",
     "RUN pip install torch tqdm --extra-index-url https://download.pytorch.org/whl/cu126\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), FIXES)
def test_safe_fixes_are_edits_at_their_place(before: str, after: str) -> None:
    write({"Dockerfile": BASE + before})
    report = run(fix="safe")
    assert Path("Dockerfile").read_text() == BASE + after
    assert report.written == (("Dockerfile",) if before != after else ())
    assert [path.name for path in Path().iterdir()] == ["Dockerfile"]  # nothing of the transaction stays
    assert not run(fix="safe").written


def test_the_line_ends_of_a_file_stay() -> None:
    write({"Dockerfile": f"{BASE}RUN pip install a>=1\n".replace("\n", "\r\n")})
    run(fix="safe")
    assert Path("Dockerfile").read_bytes() == f"{BASE}RUN pip install 'a>=1'\n".replace("\n", "\r\n").encode()


def test_a_difference_is_shown_and_nothing_written() -> None:
    write({"Dockerfile": f"{BASE}RUN pip install a>=1"})
    report = run(fix="safe", diff=True)
    assert (report.written, len(report.fixed), report.exit_code) == ((), 1, 1)
    assert report.difference.endswith(
        "-RUN pip install a>=1\n\\ No newline at end of file\n+RUN pip install 'a>=1'\n\\ No newline at end of file\n"
    )


def test_what_is_not_utf_8_is_not_written(project: Path) -> None:
    (project / "Dockerfile").write_bytes(f"{BASE}RUN pip install a>=1\n".encode("utf-16"))
    report = run(fix="safe")
    assert report.written == ()
    assert (project / "Dockerfile").read_bytes() == f"{BASE}RUN pip install a>=1\n".encode("utf-16")


# --- descriptions ------------------------------------------------------------------------------------------------------


DESCRIPTION = read_resource("example/service.yaml")
FILE = "services/example/service.yaml"


def test_a_description_is_read_and_judged() -> None:
    write({FILE: DESCRIPTION})
    assert run(FILE).exit_code == 0
    write({FILE: re.sub(r"numpy==\S+", "numpy==2.3.0", DESCRIPTION).replace("torch:", "torch: ", 1)})
    write({FILE: DESCRIPTION.replace("torch:", "tprch:", 1)})
    report = run(FILE)
    assert report.exit_code == 1
    assert {match.id for match in report.result.matches} == {"ADO022"}
    assert report.result.matches[0].place[1] > 0
    assert found(run()) == found(report)


def test_what_the_judge_finds_has_its_level_and_can_be_ignored() -> None:
    write({FILE: re.sub(r"^  version: .*", '  version: "99.0.0"', DESCRIPTION, count=1, flags=re.MULTILINE)})
    report = run(FILE)
    errors = [match for match in report.result.matches if match.finding.level == "error"]
    assert report.exit_code == 1
    assert errors
    ids = ",".join({match.id for match in errors})
    text = Path(FILE).read_text()
    write({FILE: f"# torchpin: ignore-file={ids} because this release is to come\n{text}"})
    assert run(FILE).exit_code == 0


def test_a_byte_order_mark_stays_and_a_file_of_another_encoding_stops_no_other(project: Path) -> None:
    text = f"{BASE}RUN pip install a>=1\n"
    (project / "Dockerfile").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (project / "b.Dockerfile").write_bytes(text.encode("utf-16"))
    report = run(fix="safe")
    assert (report.written, [match.id for match in report.result.matches if match.edits]) == (
        ("Dockerfile",), ["ADO001"],
    )  # fmt: skip
    assert (project / "Dockerfile").read_bytes() == b"\xef\xbb\xbf" + text.replace("a>=1", "'a>=1'").encode()
    assert report.skipped == ("b.Dockerfile: not fixed, since it is not UTF-8; save it as UTF-8",)


def test_a_redirect_in_the_exec_form_is_found_without_a_name() -> None:
    write({"Dockerfile": BASE + 'RUN ["sh", "-c", "pip install a>=1"]\n'})
    (match,) = run(select=("ADO001",)).result.matches
    assert "any version of the package" in match.finding.message
