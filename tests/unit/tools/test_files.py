"""Files are written whole or not at all, and only where they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torchpin.errors import ToolError
from torchpin.tools.files import make_work_folder, read_inside, read_text, write_files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_new_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    assert write_files({path: "é\r\n"}) == (path,)
    assert path.read_bytes() == b"\xc3\xa9\r\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["a", "b", "c.txt"]


def test_only_what_differs_is_written_and_answered(tmp_path: Path) -> None:
    unchanged, changed, new = (tmp_path / name for name in ("same", "other", "new"))
    unchanged.write_text("same")
    changed.write_text("before")
    os.utime(unchanged, (0, 0))
    before = unchanged.stat()
    assert write_files({unchanged: "same", changed: "after", new: ""}) == (new, changed)
    assert (unchanged.stat().st_mtime, unchanged.stat().st_ino) == (0, before.st_ino)
    assert (changed.read_text(), new.read_text()) == ("after", "")


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    files: dict[Path, str | None] = {tmp_path / "a": "1", tmp_path / "b": "2", tmp_path / "none": None}
    assert write_files(files) == (tmp_path / "a", tmp_path / "b")
    assert write_files(files) == ()


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.sh"
    path.write_text("before")
    path.chmod(0o755)
    write_files({path: "after"})
    assert path.stat().st_mode & 0o777 == 0o755


def test_none_removes_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    assert write_files({tmp_path / "a": None, tmp_path / "absent": None}) == (tmp_path / "a",)
    assert names(tmp_path) == []


def test_a_failed_staging_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before")
    (tmp_path / "file").write_text("")
    (tmp_path / "gone").write_text("")
    files: dict[Path, str | None] = {
        tmp_path / "a": "after",
        tmp_path / "gone": None,
        tmp_path / "file" / "below": "",
    }
    with pytest.raises(ToolError) as excinfo:
        write_files(files)
    assert (
        str(excinfo.value)
        == f"{tmp_path / 'file'}: File exists; a folder of this name is needed; move what is there away, then try again; "
        "no partial file was kept"
    )
    assert (tmp_path / "a").read_text() == "before"
    assert names(tmp_path) == ["a", "file", "gone"]


def test_a_failed_rename_leaves_no_staged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    (tmp_path / "a").write_text("before")
    with pytest.raises(ToolError, match="No space left on device"):
        write_files({tmp_path / "a": "after", tmp_path / "b": "new"})
    assert (tmp_path / "a").read_text() == "before"


def test_an_interruption_while_staging_leaves_no_staged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Path, mode: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "chmod", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "a": "1"})
    assert names(tmp_path) == []


def test_what_is_not_there_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xc3\xa9\r\n")
    assert read_text(tmp_path / "a") == "é\r\n"
    assert read_text(tmp_path / "b") is None
    assert read_text(tmp_path / "a" / "b") is None


def test_what_is_not_a_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    for name, kind in (("pipe", "a named pipe"), ("folder", "a folder"), ("link", "a device")):
        with pytest.raises(ToolError) as excinfo:
            read_text(tmp_path / name)
        assert str(excinfo.value) == f"{tmp_path / name} is {kind}, not a file; move it away, then try again"


def test_a_file_with_more_bytes_than_are_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_text(tmp_path / "a", most_bytes=5) == "12345"
    with pytest.raises(ToolError) as excinfo:
        read_text(tmp_path / "a", most_bytes=4)
    assert (
        str(excinfo.value)
        == f"{tmp_path / 'a'} has 5 bytes, and at most 4 are read; make it smaller, or move it away"
    )


@pytest.mark.parametrize(
    ("link", "to", "path"),
    [
        ("a.txt", "../away/a.txt", "a.txt"),
        ("folder", "../away", "folder/a.txt"),
        ("a.txt", "../none", "a.txt"),
    ],
)
def test_a_link_out_of_the_root_is_refused_with_both_names(
    tmp_path: Path, link: str, to: str, path: str
) -> None:
    root = tmp_path / "root"
    write_files({root / "b.txt": "", tmp_path / "away" / "a.txt": "private"})
    (root / link).symlink_to(to)
    with pytest.raises(ToolError) as excinfo:
        read_inside(root, path)
    assert str(excinfo.value) == (
        f"{root / link} is a link out of {root}, to {(root / to).resolve()}; replace it with a plain file or folder"
    )


def test_a_link_inside_of_the_root_is_followed(tmp_path: Path) -> None:
    write_files({tmp_path / "a" / "b.txt": "text"})
    (tmp_path / "link.txt").symlink_to("a/b.txt")
    (tmp_path / "entry").symlink_to(tmp_path)  # the root's own name may be a link
    assert read_inside(tmp_path / "entry", "link.txt") == "text"


@pytest.mark.parametrize("to", ["torchpin.toml", ".git/config", ".torchpin/written.json", ".git"])
def test_a_link_to_settings_or_to_files_of_git_is_refused_with_both_names(tmp_path: Path, to: str) -> None:
    files = {"torchpin.toml": "private", ".git/config": "private", ".torchpin/written.json": "private"}
    write_files({tmp_path / path: text for path, text in files.items()})
    (tmp_path / "a").symlink_to(to)
    with pytest.raises(ToolError) as excinfo:
        read_inside(tmp_path, "a")
    assert str(excinfo.value) == (
        f"{tmp_path / 'a'} is a link to what is not for others to read, to {tmp_path / to}; replace it with a plain file "
        "or folder"
    )
    assert read_inside(tmp_path, "torchpin.toml") == "private"
    assert read_inside(tmp_path, ".torchpin/written.json") == "private"


def test_a_link_that_is_put_there_after_the_look_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files({tmp_path / "root" / "a": "text", tmp_path / "private": "private"})

    def swap(root: Path, path: str) -> Path:
        (root / path).unlink()
        (root / path).symlink_to(tmp_path / "private")
        return root / path

    monkeypatch.setattr("torchpin.tools.files.expect_inside", swap)
    with pytest.raises(ToolError, match="is a link that was put there while this command ran"):
        read_inside(tmp_path / "root", "a")


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ToolError, match="pipe is a named pipe, not a file; move it away"):
        read_text(tmp_path / "pipe")
    with pytest.raises(ToolError, match="is a folder, not a file; move it away"):
        read_text(tmp_path)


def test_git_ignores_the_folder_of_working_files_by_what_it_holds(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_work_folder(tmp_path) == tmp_path / ".torchpin"
        assert names(tmp_path) == [".gitignore", ".torchpin"]
    assert (tmp_path / ".torchpin" / ".gitignore").read_text() == "*\n"


def test_a_folder_of_working_files_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / ".torchpin").symlink_to(tmp_path / "away")
    with pytest.raises(ToolError, match="is a link out of"):
        make_work_folder(tmp_path / "repository")
    assert names(tmp_path / "away") == []
