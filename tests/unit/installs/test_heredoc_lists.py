"""Requirement lists that a COPY has in a heredoc are read at their lines of the Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.adopt.draft import draft_adoption
from torchpin.installs.commands import install_commands
from torchpin.installs.project import parse_project
from torchpin.lint.scan import find_matches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.project.install import InstallCommand

DOCKERFILE = """FROM nvidia/cuda:12.6.3-runtime-ubuntu22.04
ARG EINOPS=0.8.1
RUN apt-get update && apt-get install -y python3-pip
COPY <<EOF /app/requirements.txt
# the channel of CUDA 12.6
--index-url https://download.pytorch.org/whl/cu126
torch==2.7.1
  einops==${EINOPS}
EOF
WORKDIR /app
RUN pip3 install -r requirements.txt
"""


def install(dockerfile: str, files: Mapping[str, str] = {}) -> InstallCommand:
    """The last install of pip."""
    project = parse_project({**files, "Dockerfile": dockerfile})
    return [step for step in install_commands(project, "Dockerfile") if step.tool == "pip"][-1]


def rows(step: InstallCommand) -> list[tuple[str, str]]:
    return [(target.text, target.location) for target in step.targets]


def test_a_list_in_a_heredoc_is_installed_from_its_lines() -> None:
    step = install(DOCKERFILE)
    assert rows(step) == [("torch==2.7.1", "Dockerfile:7:1"), ("einops==0.8.1", "Dockerfile:8:3")]
    assert (step.index, step.missing) == ("https://download.pytorch.org/whl/cu126", ())


def test_it_is_not_a_file_of_the_project_with_that_name() -> None:
    files = {"requirements.txt": "timm==1.0.12\n"}
    assert rows(install(DOCKERFILE, files)) == rows(install(DOCKERFILE))


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        ("COPY <<'EOF' /app/requirements.txt", "einops==${EINOPS}"),
        ('COPY --chown=1 <<"EOF" /app/requirements.txt', "einops==${EINOPS}"),
        ("COPY <<-EOF /app/requirements.txt", "einops==0.8.1"),
    ],
)
def test_a_quoted_name_keeps_variables_as_they_are(copy: str, expected: str) -> None:
    text = DOCKERFILE.replace("COPY <<EOF /app/requirements.txt", copy)
    assert [target for target, _ in rows(install(text))] == ["torch==2.7.1", expected]


def test_the_name_in_a_folder_is_that_of_the_heredoc() -> None:
    text = DOCKERFILE.replace("<<EOF /app/requirements.txt", "<<list.txt /app/")
    text = text.replace("\nEOF\n", "\nlist.txt\n")
    named = install(text.replace("-r requirements.txt", "-r list.txt"))
    assert rows(named)[0] == ("torch==2.7.1", "Dockerfile:7:1")
    assert install(text).missing == ("requirements.txt",)


def test_it_includes_what_lies_beside_it_in_the_image() -> None:
    text = DOCKERFILE.replace("torch==2.7.1", "-r base.txt").replace("WORKDIR", "COPY lists/ /app/\nWORKDIR")
    step = install(text, {"lists/base.txt": "timm==1.0.12\n", "base.txt": "httpx\n"})
    assert rows(step)[0] == ("timm==1.0.12", "lists/base.txt:1:1")
    (problem, *_) = install(text.replace("base.txt", "gone.txt")).problems
    assert (str(problem.position), problem.message) == ("Dockerfile:7:4", "gone.txt is not in the project")


def test_it_may_hold_constraints() -> None:
    text = DOCKERFILE.replace("install -r requirements.txt", "install timm==1.0.12 -c requirements.txt")
    step = install(text)
    assert [target.location for target in step.constraints] == ["Dockerfile:7:1", "Dockerfile:8:3"]
    assert rows(step)[0][0] == "timm==1.0.12"


def test_a_draft_and_the_rules_have_its_lines() -> None:
    draft = draft_adoption({"Dockerfile": DOCKERFILE.replace("==${EINOPS}", "")}, "x")
    assert "2.7.1" in draft.text
    assert draft.unpinned == ("einops",)
    assert [match.finding.location for match in draft.matches if match.id == "ADO012"] == ["Dockerfile:8:3"]
    broken = DOCKERFILE.replace("torch==2.7.1", "torch = 2.7.1")
    places = [match.finding.location for match in find_matches(parse_project({"Dockerfile": broken}))]
    assert "Dockerfile:7:1" in places
