"""The repository's files for images: which are copied, with which modes, their digest, and what is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from support.descriptions import PLAIN, read_service
from torchpin.errors import InputError
from torchpin.model import CopiedFiles, Service
from torchpin.tools import copied_files
from torchpin.tools.copied_files import (
    copied_digests,
    copy_members,
    copy_problem,
    find_problem,
    list_members,
)

if TYPE_CHECKING:
    from pathlib import Path

SERVICE = read_service(PLAIN)
TREE = {
    "app/server.py": "server",
    "app/run.sh": "#!/bin/sh",
    "app/static/a.css": "a",
    "app/static/b.css": "b",
    "app/debug.log": "log",
    "app/__pycache__/server.cpython-310.pyc": "bytecode",
    "app/.git/config": "git",
    "services/lora/service.yaml": PLAIN,
    "services/lora/smoke.py": "smoke",
    "services/lora/server.py": "server",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, TREE)
    (tmp_path / "app/run.sh").chmod(0o750)
    (tmp_path / "app/link").symlink_to("static/a.css")
    (tmp_path / "app/static/up").symlink_to("../server.py")
    (tmp_path / "app/empty").mkdir()
    return tmp_path


def write(root: Path, texts: dict[str, str]) -> None:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def modes(root: Path, *left_out: str, service: Service = SERVICE, **entry: Any) -> dict[str, str]:
    """What an entry copies, with the letter of its kind and its mode."""
    copied = CopiedFiles(**{"origin": "app", "target": "/app", **entry})
    return {
        member.path: f"{member.kind[0]}{member.mode:o}"
        for member in list_members(root, service, copied, left_out)
    }


def refusal(root: Path, **entry: Any) -> str:
    with pytest.raises(InputError) as excinfo:
        modes(root, **entry)
    return str(excinfo.value)


def test_a_folder_is_copied_with_git_s_modes_without_bytecode_git_and_empty_folders(root: Path) -> None:
    assert modes(root) == {
        "": "f755",
        "debug.log": "f644",
        "link": "l777",
        "run.sh": "f755",
        "server.py": "f644",
        "static": "f755",
        "static/a.css": "f644",
        "static/b.css": "f644",
        "static/up": "l777",
    }


def test_patterns_leave_out_and_bring_back(root: Path) -> None:
    kept = modes(root, ignore=("**/*.log", "static", "!static/b.css", "link"))
    assert [*kept] == ["", "run.sh", "server.py", "static", "static/b.css"]


def test_the_repository_s_dockerignore_counts_from_its_root(root: Path) -> None:
    write(root, {".dockerignore": "# all but the styles\n*\n!app/static/*.css\n\n"})
    assert [*modes(root)] == ["", "static", "static/a.css", "static/b.css"]
    assert refusal(root, origin="app/server.py") == (
        "app/server.py is left out by .dockerignore; add `!app/server.py` at its end"
    )
    assert modes(root, origin="app/static/a.css") == {"": "f644"}


def test_a_mode_is_that_of_files_and_folders_can_be_entered_by_who_reads_them(root: Path) -> None:
    assert modes(root, mode="0640", ignore=("*", "!server.py")) == {"": "f750", "server.py": "f640"}
    assert modes(root, origin="app/run.sh", mode="500") == {"": "f500"}


def test_what_torchpin_reads_itself_and_files_of_variables_are_left_out(root: Path) -> None:
    left_out = ("services/lora/service.yaml", "services/lora/smoke.py", "services/lora/.env")
    write(root, {"services/lora/.env": "A=1"})
    assert [*modes(root, *left_out, origin="services/lora")] == ["", "server.py"]


def test_the_digest_is_of_paths_modes_and_contents_and_of_nothing_else(root: Path) -> None:
    entry = CopiedFiles(origin="app", target="/app")

    def digest() -> str:
        service = read_service(f"{PLAIN}files: [{{from: app, to: /app}}]\n")
        return copied_digests(root, service, {"files/0": entry}, ())["files/0"]

    digests = [digest()]
    os.utime(root / "app/server.py", (0, 0))
    (root / "app/static/a.css").chmod(0o600)
    write(root, {"app/__pycache__/x.pyc": "more"})
    assert digest() == digests[0]
    for change in (
        lambda: write(root, {"app/server.py": "serves"}),
        lambda: (root / "app/server.py").chmod(0o755),
        lambda: (root / "app/debug.log").rename(root / "app/debug2.log"),
        (root / "app/static/up").unlink,
        lambda: write(root, {"app/new.py": ""}),
    ):
        change()
        digests.append(digest())
    assert len({*digests}) == len(digests)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_copy_is_the_same_tree_whatever_the_umask(root: Path, tmp_path: Path, umask: int) -> None:
    members = list_members(root, SERVICE, CopiedFiles(origin="app", target="/app"), ())
    before = os.umask(umask)
    try:
        digest = copy_members(members, tmp_path / "copy" / "files")
    finally:
        os.umask(before)
    copy = tmp_path / "copy"
    copied = list_members(copy, SERVICE, CopiedFiles(origin="files", target="/app"), ())
    assert [(member.path, member.kind, member.mode) for member in copied] == [
        (member.path, member.kind, member.mode) for member in members
    ]
    assert (copy / "files/static/b.css").read_text() == "b"
    assert (copy / "files/run.sh").stat().st_mode & 0o777 == 0o755
    assert (copy / "files/link").read_text() == "a"
    assert digest == copy_members(copied, tmp_path / "again")


def test_a_link_out_of_the_folder_is_refused_with_what_to_do(root: Path) -> None:
    for target in ("../services/lora/server.py", "/etc/passwd", "static/../../x"):
        (root / "app/out").symlink_to(target)
        assert refusal(root) == (
            f"app/out is a link out of app, to {target}; copy what it leads to with an entry of its own, or leave it out with "
            "`ignore`"
        )
        assert "out" not in modes(root, ignore=("out",))
        (root / "app/out").unlink()


def test_a_link_out_of_the_repository_is_refused(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (root / "other").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    assert f"{root}/other is a link out of {root}, to " in refusal(root, origin="other")


def test_problems_name_files_of_the_repository_by_their_paths_in_it(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / "other").symlink_to(elsewhere)
    entry = CopiedFiles(origin="other", target="/other")
    message = f"other is a link out of the repository, to {elsewhere}; replace it with a plain file or folder"
    assert find_problem(root, SERVICE, entry) == copy_problem(root, SERVICE, entry, ()) == message


def test_a_pointer_of_git_lfs_is_named(root: Path) -> None:
    write(root, {"app/model.onnx": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"})
    message = "app/model.onnx is a pointer of Git LFS, not the file; run `git lfs pull`, then try again"
    assert refusal(root) == message
    assert refusal(root, origin="app/model.onnx") == message
    assert find_problem(root, SERVICE, CopiedFiles(origin="app/model.onnx", target="/m")) == message


@pytest.mark.parametrize("name", [".env", ".env.production", "prod.env", ".netrc", "id_rsa"])
def test_a_file_with_secrets_is_refused_but_where_it_is_named_itself(root: Path, name: str) -> None:
    write(root, {f"app/{name}": "A=1"})
    assert refusal(root).startswith(f"app/{name} may hold secrets, which everybody reads who has the image; ")
    assert name not in modes(root, ignore=(name,))
    assert modes(root, origin=f"app/{name}") == {"": "f644"}


def test_an_example_of_variables_holds_no_secret(root: Path) -> None:
    write(root, {"app/.env.example": "A="})
    assert ".env.example" in modes(root)


def test_a_pipe_is_named_and_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "app/pipe")
    assert refusal(root) == "app/pipe is a named pipe, not a file; leave it out with `ignore`"
    assert (
        refusal(root, origin="app/pipe") == "app/pipe is a named pipe, not a file or folder; name another one"
    )


def test_what_is_not_there_is_looked_for(root: Path) -> None:
    assert refusal(root, origin="app/servr.py") == "app/servr.py does not exist; did you mean app/server.py?"
    assert refusal(root, origin="server.py") == (
        "server.py does not exist; paths are from the root of the repository, so write services/lora/server.py"
    )
    assert refusal(root, origin="lib/x") == "lib/x does not exist; add it, or correct the path"


def test_nothing_left_is_refused(root: Path) -> None:
    assert refusal(root, ignore=("*",)) == (
        "nothing of app is left by `ignore` and .dockerignore; correct these, or leave it out"
    )


def test_too_much_is_refused_with_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_files, "MOST_BYTES", 12)
    assert refusal(root).endswith("; leave models and data out, and mount them as a volume")
    write(root, {"model.bin": "x" * 13})
    assert refusal(root, origin="model.bin").startswith("model.bin has more than ")
    monkeypatch.setattr(copied_files, "MOST_FILES", 2)
    assert refusal(root) == "app has more than 2 files; leave some out with `ignore`"


def test_all_that_cannot_be_copied_is_one_error_with_places(root: Path) -> None:
    service = read_service(
        f"{PLAIN}files:\n  - {{from: a, to: a}}\n  - {{from: app, to: b}}\n  - {{from: c, to: c}}\n"
    )
    copied = {f"files/{number}": entry for number, entry in enumerate(service.files)}
    with pytest.raises(InputError) as excinfo:
        copied_digests(root, service, copied, ())
    assert [str(problem.position) for problem in excinfo.value.problems] == [
        "services/lora/service.yaml:14:12", "services/lora/service.yaml:16:12",
    ]  # fmt: skip
