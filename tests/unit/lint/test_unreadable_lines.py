"""What of a line cannot be read is one finding, whatever there is of it."""

from __future__ import annotations

from torchpin.installs.project import parse_project
from torchpin.lint.scan import find_matches


def unread(run: str) -> list[tuple[str, str]]:
    project = parse_project({"Dockerfile": f"FROM python:3.11.9-slim\n{run}\n"})
    findings = [match.finding for match in find_matches(project, {"ADO008"})]
    return [(finding.location, finding.message) for finding in findings]


def test_several_reasons_of_a_line_are_one_finding_at_the_first_place() -> None:
    assert unread("RUN pip install a -r x.txt && pip install '$$' -r y.txt") == [
        (
            "Dockerfile:2:5",
            "x.txt is not in the project; y.txt is not in the project; `$$` is not a valid requirement",
        )
    ]


def test_the_same_reason_is_told_once() -> None:
    assert unread("RUN pip install -r x.txt && pip3 install -r x.txt") == [
        ("Dockerfile:2:5", "x.txt is not in the project")
    ]


def test_each_line_has_its_own() -> None:
    assert unread("RUN pip install -r x.txt && \\\n    pip install -r y.txt") == [
        ("Dockerfile:2:5", "x.txt is not in the project"),
        ("Dockerfile:3:5", "y.txt is not in the project"),
    ]


def test_of_many_reasons_some_are_told() -> None:
    files = " ".join(f"-r {name}.txt" for name in "abcdefgh")
    ((_, message),) = unread(f"RUN pip install {files}")
    assert message.count("is not in the project") == 5
    assert message.endswith("; 3 more")


def test_of_conda_only_what_a_draft_does_not_take_is_told() -> None:
    assert unread("RUN conda install -y python=3.11 pytorch::pytorch=2.3.1 pytorch-cuda=12.1") == []
    assert unread("RUN conda install -y python=3.11 ffmpeg pytorch-lightning") == [
        ("Dockerfile:2:5", "packages from conda are not read: ffmpeg, pytorch-lightning")
    ]


def test_tools_whose_projects_are_not_read_are_told() -> None:
    reason = "its settings and its lock are not read, so what it installs is not known"
    assert unread("RUN pixi install --locked") == [("Dockerfile:2:5", f"`pixi install --locked`: {reason}")]
    assert unread("RUN hatch version") == []


def test_a_list_that_the_build_makes_is_told_from_a_missing_one() -> None:
    reason = "is written or cloned while the image is built, so what it holds is not known"
    line = "RUN curl -o x.txt https://a.example/x.txt && pip install -r x.txt"
    assert unread(line) == [("Dockerfile:2:46", f"x.txt {reason}")]
