"""No service below services/ is passed over: each has a description to read, or is named as what it is."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from torchpin.errors import InputError
from torchpin.tools.files import write_files
from torchpin.workspace import description_files, workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADVICE = "restore it from git, or run `invoke remove --service a`"
LINK_ADVICE = "restore it from git, or delete it and run `invoke remove --service a`"


def no_description(folder: Path) -> None:
    (folder / "smoke.py").write_text("")


def other_name(folder: Path) -> None:
    (folder / "service.yml").write_text("name: a\n")


def dangling_link(folder: Path) -> None:
    (folder / "service.yaml").symlink_to("../../gone.yaml")


def dangling_folder(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to("../gone")


def named_pipe(folder: Path) -> None:
    os.mkfifo(folder / "service.yaml")


def linked_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "service.yaml").symlink_to("pipe")


def folder_of_that_name(folder: Path) -> None:
    (folder / "service.yaml").mkdir()


def link_to_itself(folder: Path) -> None:
    (folder / "service.yaml").symlink_to("service.yaml")


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no description": (
        no_description,
        f"services/a: has no service.yaml; {ADVICE}, or move the folder out of services",
    ),
    "another name": (
        other_name,
        "services/a/service.yml: is not read under this name; rename it to service.yaml",
    ),
    "a dangling link": (
        dangling_link,
        f"services/a/service.yaml: is a link to ../../gone.yaml, which does not exist; {LINK_ADVICE}",
    ),
    "a folder that is a dangling link": (
        dangling_folder,
        f"services/a: is a link to ../gone, which does not exist; {LINK_ADVICE}",
    ),
    "a named pipe": (named_pipe, f"services/a/service.yaml: is a named pipe, not a file; {LINK_ADVICE}"),
    "a link to a named pipe": (
        linked_pipe,
        f"services/a/service.yaml: is a named pipe, not a file; {LINK_ADVICE}",
    ),
    "a folder": (folder_of_that_name, f"services/a/service.yaml: is a folder, not a file; {LINK_ADVICE}"),
    "a link to itself": (
        link_to_itself,
        "services/a/service.yaml: cannot be read: Too many levels of symbolic links; make it readable",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), FAULTS.values(), ids=FAULTS)
def test_a_folder_without_a_description_is_named_beside_all_others(
    spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "services/a"
    folder.mkdir(parents=True)
    spoil(folder)
    write_files({tmp_path / "services/b/service.yaml": "name: b\n", tmp_path / "services/c/service.YML": ""})
    with pytest.raises(InputError) as excinfo:
        workspace.read_descriptions(tmp_path)
    assert str(excinfo.value).splitlines() == [
        message,
        "services/c/service.YML: is not read under this name; rename it to service.yaml",
        "correct these first, since no service is passed over; nothing was written",
    ]


def test_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services/a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "services/a")  # the path of a socket is at most 108 characters long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("service.yaml")
        problem = description_files.find_problem(tmp_path, "a")
    assert str(problem) == f"services/a/service.yaml: is a socket, not a file; {LINK_ADVICE}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("services", "services cannot be listed: Permission denied; make it readable"),
        ("services/a", "services/a: cannot be listed: Permission denied; make it readable"),
        (
            "services/a/service.yaml",
            "services/a/service.yaml: cannot be read: Permission denied; make it readable",
        ),
    ],
)
def test_what_may_not_be_read_is_named(path: str, message: str, tmp_path: Path) -> None:
    write_files({tmp_path / "services/a/service.yaml": "name: a\n"})
    (tmp_path / path).chmod(0)
    try:
        with pytest.raises(InputError) as excinfo:
            workspace.read_descriptions(tmp_path)
    finally:
        (tmp_path / path).chmod(0o755)
    assert str(excinfo.value).splitlines()[0] == message


def test_what_a_listing_refuses_is_named_for_root_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files({tmp_path / "services/a/service.yaml": "name: a\n"})
    iterdir = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return iter(iterdir(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"^services/a: cannot be listed: Permission denied; make it"):
        workspace.read_descriptions(tmp_path)


def test_a_link_to_a_description_is_read(tmp_path: Path) -> None:
    write_files({tmp_path / "services/a/other.yaml": "name: a\n"})
    (tmp_path / "services/a/service.yaml").symlink_to("other.yaml")
    assert workspace.read_descriptions(tmp_path) == {"services/a/service.yaml": "name: a\n"}


def test_what_git_and_python_leave_behind_is_no_service(tmp_path: Path) -> None:
    files = ("README.md", ".cache/x", "__pycache__/y.pyc", "gone/__pycache__/z.pyc")
    write_files({tmp_path / "services" / name: "" for name in files})
    (tmp_path / "services/empty").mkdir()
    assert workspace.read_descriptions(tmp_path) == {}


def test_a_folder_of_somebody_else_is_no_service(tmp_path: Path) -> None:
    write_files({tmp_path / "services" / name: "" for name in ("web/package.json", "api/main.go")})
    write_files({tmp_path / name: "" for name in ("docker/web-dev/Dockerfile", "records/api-2026/report.md")})
    assert workspace.read_descriptions(tmp_path) == {}


@pytest.mark.parametrize(
    "trace",
    [
        "lockfiles/web-gpu/x",
        "docker/web-cpu/context.txt",
        "records/web-gpu/build.json",
        "services/web/smoke.py",
    ],
)
def test_a_folder_that_was_a_service_is_named(trace: str, tmp_path: Path) -> None:
    write_files({tmp_path / name: "" for name in ("services/web/package.json", trace)})
    with pytest.raises(InputError, match=r"^services/web: has no service\.yaml"):
        workspace.read_descriptions(tmp_path)
