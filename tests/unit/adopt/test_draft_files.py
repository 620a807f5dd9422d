"""The project's own files in a draft: what COPY takes ends where COPY puts it, and what cannot is said."""

from __future__ import annotations

import pytest

from torchpin.adopt.draft_files import ProjectFolder, copied_files, final_folder, final_user
from torchpin.project.build_context import IgnoreFiles

PATHS = (
    "app.py",
    "src/a.py",
    "src/b.py",
    "web/index.html",
    "requirements.txt",
    "Dockerfile",
    "services/x/service.yaml",
)


def copied(lines: str, root: str = "theirs") -> tuple[dict[str, str], list[str]]:
    """The entries, target by origin, and what is left out."""
    omitted: list[str] = []
    folder = ProjectFolder(paths=PATHS, root=root)
    entries = copied_files(
        f"FROM a:1\nWORKDIR /app\n{lines}", "Dockerfile", folder, ["requirements.txt"], [], omitted
    )
    return {entry.origin: entry.target for entry in entries}, omitted


@pytest.mark.parametrize(
    ("lines", "entries"),
    [
        ("COPY . .", {"theirs": "/app"}),
        ("COPY . /srv", {"theirs": "/srv"}),
        ("COPY app.py .", {"theirs/app.py": "/app/app.py"}),
        ("COPY app.py main.py", {"theirs/app.py": "/app/main.py"}),
        ("COPY src ./src", {"theirs/src": "/app/src"}),
        ("COPY src web /srv/", {"theirs/src": "/srv"}),
        ("COPY src/*.py /srv/", {"theirs/src/a.py": "/srv/a.py", "theirs/src/b.py": "/srv/b.py"}),
        ("COPY requirements.txt .", {}),  # an install reads it
        ("COPY --from=other /a /b", {}),
        ('COPY ["app.py", "/srv/"]', {"theirs/app.py": "/srv/app.py"}),
    ],
)
def test_what_is_copied_is_an_entry(lines: str, entries: dict[str, str]) -> None:
    assert copied(lines)[0] == entries


def test_the_root_of_a_repository_is_its_folders_without_those_of_services() -> None:
    assert copied("COPY . .", root="")[0] == {
        "app.py": "/app/app.py",
        "src": "/app/src",
        "web": "/app/web",
    }


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("COPY app.py /usr/bin/x", "the copy of app.py to /usr/bin/x (the place is the system's)"),
        (
            "COPY *.md /srv/",
            "the copy of *.md to /srv (no file of the project is known to be meant)",
        ),
        ("COPY missing.py .", "the copy of missing.py to /app (it is not in the project)"),
        ("ADD https://example.org/model.bin /m", "the download of https://example.org/model.bin"),
        ("COPY src web /srv/", "the copy of web to /srv (theirs/src is copied there)"),
    ],
)
def test_what_cannot_be_an_entry_is_said(lines: str, reason: str) -> None:
    assert reason in copied(lines)[1]


def test_a_context_comes_without_what_its_dockerignore_names() -> None:
    ignored = IgnoreFiles(lines={".dockerignore": ("*.log", "!keep.log")})
    folder = ProjectFolder(paths=PATHS, root="theirs", ignored=ignored)
    (entry,) = copied_files("FROM a:1\nCOPY . /app\n", "Dockerfile", folder, [], [], [])
    assert entry.ignore == ("*.log", "!keep.log")


def test_a_volume_hides_what_is_copied_below_it() -> None:
    omitted: list[str] = []
    folder = ProjectFolder(paths=PATHS, root="theirs")
    assert copied_files("FROM a:1\nCOPY src /data/src\n", "Dockerfile", folder, [], ["/data"], omitted) == ()
    assert omitted == ["the copy of src to /data/src (the volume /data hides it)"]


@pytest.mark.parametrize(
    ("lines", "user"),
    [("", ""), ("USER root", ""), ("USER app:app", "app"), ("USER 1000", "1000:0"), ("USER 5:6\nUSER 7:8", "7:8")],
)  # fmt: skip
def test_the_user_is_the_last_one(lines: str, user: str) -> None:
    assert final_user(f"FROM a:1\n{lines}\n") == user


def test_the_folder_is_that_of_the_last_workdir() -> None:
    assert final_folder("FROM a:1\nARG D=srv\nWORKDIR /$D\nWORKDIR x\n") == "/srv/x"
    assert final_folder("FROM a:1\n") == ""
