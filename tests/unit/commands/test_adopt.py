"""`adopt`: the judged draft of a project's folder, skipped files, and folders that cannot be adopted."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.adoption import BASE, adopt_project
from torchpin.adopt.draft_values import DraftAnswers
from torchpin.commands import adopt, adopted_project, project_files
from torchpin.commands.new_service import described_text
from torchpin.description.policy import Policy
from torchpin.errors import InputError
from torchpin.lint.baseline import baseline_text
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.draft_values import OpenValue
    from torchpin.checks.registry import Result

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "check", "about"),
    [
        ("training-unquoted", "BAS001", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"),
        ("documents", "DEP004", "opencv"),
        ("plain-pypi", "DEP001", "transformers-accelerate"),
        ("extra-index", "BAS001", "nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04"),
    ],
)
def test_the_judge_judges_the_draft(name: str, check: str, about: str) -> None:
    assert (check, about) in [
        (result.check, finding.about) for result in adopt_project(name).results for finding in result.findings
    ]


def test_what_is_advice_about_the_draft_is_a_notice() -> None:
    notices = [
        (result.check, notice.about)
        for result in adopt_project("plain-pypi").results
        for notice in result.notices
    ]
    assert ("BAS003", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04") in notices


def test_where_there_is_nothing_to_read_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no Dockerfile, .* or uv\.lock in "):
        adopt.adopt(tmp_path)
    with pytest.raises(InputError, match=r"^not a directory: .*gone$"):
        adopt.adopt(tmp_path / "gone")


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("services/lora", r"^services/lora already exists; choose another name$"),
        ("elsewhere/lora", r"^--write requires services/NAME, where NAME is .*; not 'elsewhere/lora'$"),
        ("services/Lora!", r"^--write requires services/NAME"),
    ],
)
def test_a_destination_that_is_taken_or_invalid_is_an_error(destination: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adopt.parse_destination(workspace.open_repository(ROOT), destination)


def test_a_free_destination_gives_the_name_of_the_service() -> None:
    assert adopt.parse_destination(workspace.open_repository(ROOT), "./services/voice/") == "voice"


def test_a_file_that_is_no_text_is_a_finding_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(BASE)
    (tmp_path / "requirements.txt").write_bytes(b"caf\xe9")
    adopted = adopt.adopt(tmp_path)
    assert adopted.skipped == ()
    locations = {match.finding.location: match.finding.message for match in adopted.adoption.matches}
    reason = "cannot be read: not UTF-8 text at byte 3 (0xe9); save it as UTF-8"
    assert locations["requirements.txt:1:1"] == reason


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(BASE.encode("utf-16"))
    adopted = adopt.adopt(tmp_path)
    assert (adopted.skipped, adopted.adoption.files) == ((), ("Dockerfile",))
    assert not [match for match in adopted.adoption.matches if match.id == "ADO008"]


@contextmanager
def nested_folders(folder: Path, depth: int) -> Iterator[None]:
    """Folders `d`, one in another, deeper than a path can say; they go again, since a recursion could not remove them."""

    def enter(name: str, handle: int | None = None) -> int:
        opened = os.open(name, os.O_RDONLY, dir_fd=handle)
        if handle is not None:
            os.close(handle)
        return opened

    handle = enter(str(folder))
    for _ in range(depth):
        os.mkdir("d", dir_fd=handle)
        handle = enter("d", handle)
    yield
    for _ in range(depth):
        handle = enter("..", handle)
        os.rmdir("d", dir_fd=handle)
    os.close(handle)


def test_what_lies_too_deep_is_passed_over_and_said(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("tqdm==1\n")
    with nested_folders(tmp_path, 1_500):
        (message,) = adopt.adopt(tmp_path).skipped
    assert message.endswith("d/d: skipped what is below, deeper than 40 folders")


def test_files_beyond_the_bound_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_files, "_MOST_BYTES", 100)
    (tmp_path / "Dockerfile").write_text(BASE)
    (tmp_path / "requirements.txt").write_text("#" * 101)
    assert adopt.adopt(tmp_path).skipped == ("requirements.txt: skipped, over 100 bytes",)


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    private, project = tmp_path / "netrc", tmp_path / "project"
    private.write_text("machine example.org login user password s3cret\n")
    (project / ".git").mkdir(parents=True)
    (project / ".git" / "config").write_text("torch==2.5.1\n")
    (project / "pins.txt").write_text("torch==2.7.1\n")
    (project / "Dockerfile").write_text("FROM python:3.11\nRUN pip install torch==2.7.1\n")
    targets: dict[str, str | Path] = {
        "private": private,
        "environment": "/proc/self/environ",
        "git": ".git/config",
        "own": "pins.txt",
    }
    for name, target in targets.items():
        (project / f"requirements-{name}.txt").symlink_to(target)
    adopted = adopt.adopt(project)
    assert {
        line.split(": ")[0].removeprefix("requirements-"): line.split(", ")[1] for line in adopted.skipped
    } == {
        "private.txt": f"a link to {private}",
        "environment.txt": f"a link to {os.path.realpath('/proc/self/environ')}",
        "git.txt": f"a link to {project / '.git/config'}",
    }
    assert adopted.adoption.files == ("Dockerfile", "requirements-own.txt")
    assert "s3cret" not in repr(adopted)


OPEN = "FROM example/base:1\nRUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128\nCOPY app.py /app/\n"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "Dockerfile").write_text(OPEN)
    (folder / "app.py").write_text("print(1)\n")
    return folder


def test_an_open_value_is_in_the_draft_which_is_not_judged_or_written(theirs: Path) -> None:
    adopted = adopt.adopt(theirs)
    assert ("python: '?'\n" in adopted.adoption.text, adopted.results) == (True, ())
    with pytest.raises(
        InputError, match=r"^python: no line .*\nthe draft is not written .*: --python 3\.12$"
    ):
        adopt.require_answers(adopted.adoption)
    answered = adopt.adopt(theirs, answers=DraftAnswers(python="3.11"))
    assert answered.results
    adopt.require_answers(answered.adoption)


def test_a_person_is_asked_again_until_the_answer_can_be_one(theirs: Path) -> None:
    texts = iter(["three", "3.11"])
    texts_of_questions: list[str] = []

    def ask(value: OpenValue) -> str:
        texts_of_questions.append(value.text)
        return next(texts)

    adopted = adopt.adopt(theirs, ask=ask)
    assert (adopted.adoption.questions, "python: 3.11.13\n" in adopted.adoption.text) == ((), True)
    assert texts_of_questions[1] == "--python 'three' is not a Python version such as 3.10.14"


def test_a_person_may_leave_a_value_open(theirs: Path) -> None:
    assert [value.key for value in adopt.adopt(theirs, ask=lambda _: "").adoption.questions] == ["python"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (DraftAnswers(python="4"), r"^--python '4' is not a Python version"),
        (DraftAnswers(channel="cuda12"), r"^--channel 'cuda12' is not a channel"),
        (DraftAnswers(base="python"), r"^--base 'python' is not an image with a tag"),
        (DraftAnswers(base="python:3@sha256:1"), r"'sha256:1' is not a digest"),
        (DraftAnswers(torch="new"), r"^--torch 'new' is not a release version$"),
        (DraftAnswers(file="gone"), r"^--dockerfile: there is no gone in "),
    ],
)
def test_an_answer_that_can_be_none_is_an_error(theirs: Path, answers: DraftAnswers, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adopt.adopt(theirs, answers=answers)


def test_files_are_named_where_they_lie_in_the_repository_or_where_they_have_to_be_copied(
    theirs: Path,
) -> None:
    inside = adopt.adopt(theirs, root=theirs.parent).adoption
    assert "- from: theirs/app.py\n  to: /app/app.py\n" in inside.text
    assert not [step for step in inside.steps if step.startswith("files:")]
    outside = adopt.adopt(theirs, root=ROOT).adoption
    assert "- from: services/theirs/project/app.py\n  to: /app/app.py\n" in outside.text
    assert (
        "files: copy app.py of the project to services/theirs/project, which `files:` takes from"
        in outside.steps
    )


def test_what_the_steps_say_is_no_finding_once_more_and_lines_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM nvidia/cuda:12.6.3-base-ubuntu24.04\nRUN apt-get update && apt-get install -y python3-pip\n"
        "RUN pip install torch==2.6.0 --index-url https://download.pytorch.org/whl/cu126\nRUN pip install six\n"
    )
    adopted = adopt.adopt(tmp_path, root=tmp_path, name="api")

    def ids(results: tuple[Result, ...]) -> set[str]:
        return {row.check for row in results if row.findings or row.notices}

    reported = {"BAS002", "DES001", "DES002", "DEV001"}
    assert ids(adopted.further_results) == ids(adopted.results) - reported
    assert reported < ids(adopted.results)
    assert {"gpus", "base.digest", "layers", "summary and base.rationale"} <= {
        step.partition(":")[0] for step in adopted.adoption.steps
    }
    lines = described_text("api", adopted.adoption.text).splitlines()
    (base,) = (row.findings[0] for row in adopted.results if row.check == "BAS002")
    assert lines[int(base.location.split(":")[1]) - 1].startswith("  image: ")


def test_a_project_that_its_dockerfile_copies_whole_is_said_with_how_to_leave_files_out(
    tmp_path: Path,
) -> None:
    project = tmp_path / "images/api"
    project.mkdir(parents=True)
    (project / "Dockerfile").write_text("FROM python:3.12-slim\nRUN pip install torch==2.7.1\nCOPY . /app\n")
    (project / "app.py").touch()
    text = (
        "files: all of images/api is copied to /app, as images/api/Dockerfile says; list under its `ignore:` what the image "
        "does not need, such as Dockerfile"
    )
    assert text in adopt.adopt(project, root=tmp_path).adoption.steps
    outside = adopt.adopt(project, root=ROOT).adoption.steps
    assert "files: copy the project to services/api/project, which `files:` takes from" in outside
    (project / ".dockerignore").write_text("Dockerfile\n")
    assert not [
        step for step in adopt.adopt(project, root=tmp_path).adoption.steps if step.startswith("files:")
    ]


def test_how_packages_without_a_version_are_pinned_is_said_with_their_ranges(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM python:3.12-slim\nRUN pip install torch==2.7.1 'transformers>=4.48' pillow\n"
    )
    steps = adopt.adopt(tmp_path, root=tmp_path, name="api").adoption.steps
    assert (
        "layers: 2 packages left out, without a version; `--write services/api --resolve` pins them, "
        "or, once it is written, `invoke add api 'transformers>=4.48' pillow`"
    ) in steps


OWN = {
    "services/api/service.yaml": "name: api\n",
    "lockfiles/api-gpu/00-torch.requirements.txt": "# torchpin lock of api-gpu, layer 00-torch\n",
    "docker/api-gpu/Dockerfile": "# Made from services/api/service.yaml, its lock and Dockerfile.j2 by `invoke render`; do not edit.\n",
    "docs/PINNING.md": "", "DEVIATIONS.md": "", "tasks.py": "from torchpin.cli.entry import invoke_tasks\n",
    "noxfile.py": "import nox  # torchpin\n", "known.json": baseline_text((), {}),
}  # fmt: skip


@pytest.mark.parametrize("is_adopted", [True, False])
def test_what_torchpin_writes_is_not_copied_into_the_image(tmp_path: Path, is_adopted: bool) -> None:
    project = {
        "Dockerfile": "FROM python:3.12-slim\nRUN pip install torch==2.7.1\nWORKDIR /app\nCOPY . .\n",
        "app.py": "", "data.json": "{}", "docs/mine.md": "",
    }  # fmt: skip
    files = {**project, **OWN, "tasks.py": OWN["tasks.py"] if is_adopted else "import celery\n"}
    if not is_adopted:
        del files["services/api/service.yaml"]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    draft = adopt.adopt(tmp_path, root=tmp_path, name="api").adoption.text
    copied = set(re.findall(r"from: (\S+)", draft))
    header = "# - left out: DEVIATIONS.md, docker, known.json, lockfiles, noxfile.py, services, tasks.py (torchpin writes them)"
    assert (header in draft) == is_adopted
    assert copied >= {"app.py", "data.json", "docs"}
    assert (
        copied.isdisjoint({"tasks.py", "noxfile.py", "known.json", "DEVIATIONS.md", "docker"}) == is_adopted
    )


@pytest.mark.parametrize(
    ("text", "date", "time"),
    [("today", "", ""), ("2025-03-31", "2025-03-31", "2025-04-01T00:00:00Z")],
)
def test_a_project_is_resolved_as_of_a_day(tmp_path: Path, text: str, date: str, time: str) -> None:
    day = adopted_project.as_of_day(tmp_path, text)
    assert (day.date, day.time) == (date, time)
    cutoff = day.cutoff(Policy(), ())
    assert (cutoff.time if cutoff else "") == time


@pytest.mark.parametrize(
    ("text", "message"),
    [("commit", r"^--as-of commit: no commit has changed "), ("May", r"^--as-of 'May' is neither ")],
)
def test_a_day_that_is_none_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adopted_project.as_of_day(tmp_path, text)
