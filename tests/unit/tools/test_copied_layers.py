"""The layers of what is copied into an image: their paths, modes and digests do not depend on the machine."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from support.descriptions import PLAIN, read_service
from torchpin.errors import ToolError
from torchpin.model import CopiedFiles
from torchpin.tools.copied_files import copied_digests, list_members
from torchpin.tools.copied_layers import list_tree, text_tar, write_tree

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = 86400
ENTRY = CopiedFiles(origin="app", target="app")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app/static").mkdir(parents=True)
    (tmp_path / "app/run.sh").write_text("#!/bin/sh")
    (tmp_path / "app/run.sh").chmod(0o750)
    (tmp_path / "app/static/ü.css").write_bytes(b"a" * 600)
    (tmp_path / "app/link").symlink_to("static/ü.css")
    return tmp_path


def read(content: bytes) -> dict[str, tuple[bytes, str, bytes | str]]:
    """The members of a tar: kind, mode and content, or where a link leads."""
    members = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            assert (member.uid, member.gid, member.uname, member.mtime) == (0, 0, "", EPOCH)
            data = archive.extractfile(member).read() if member.isreg() else member.linkname  # type: ignore[union-attr]
            members[member.name] = (member.type, f"{member.mode:o}", data)
    return members


def test_texts_lie_in_their_folders() -> None:
    assert read(text_tar({"opt/x/b.sh": "#!/bin/sh\n", "opt/a.py": "é"}, epoch=EPOCH)) == {
        "opt": (tarfile.DIRTYPE, "755", ""),
        "opt/x": (tarfile.DIRTYPE, "755", ""),
        "opt/a.py": (tarfile.REGTYPE, "644", "é".encode()),
        "opt/x/b.sh": (tarfile.REGTYPE, "755", b"#!/bin/sh\n"),
    }


def test_a_copied_folder_is_a_layer(root: Path) -> None:
    service = read_service(PLAIN)
    members = list_members(root, service, ENTRY)
    file = io.BytesIO()
    content = write_tree(members, "/opt/lora/app", file, epoch=EPOCH)
    assert {"app": content} == copied_digests(root, service, {"app": ENTRY}, ())
    tree = {
        "opt": (tarfile.DIRTYPE, "755", ""),
        "opt/lora": (tarfile.DIRTYPE, "755", ""),
        "opt/lora/app": (tarfile.DIRTYPE, "755", ""),
        "opt/lora/app/static": (tarfile.DIRTYPE, "755", ""),
        "opt/lora/app/run.sh": (tarfile.REGTYPE, "755", b"#!/bin/sh"),
        "opt/lora/app/static/ü.css": (tarfile.REGTYPE, "644", b"a" * 600),
        "opt/lora/app/link": (tarfile.SYMTYPE, "777", "static/ü.css"),
    }
    assert read(file.getvalue()) == tree
    checkout = io.BytesIO()
    write_tree(list_tree(root / "app"), "/opt/lora/app", checkout, epoch=EPOCH)
    assert read(checkout.getvalue()) == tree


def test_a_single_file_is_a_layer(root: Path) -> None:
    entry = CopiedFiles(origin="app/run.sh", target="start", mode="0640")
    file = io.BytesIO()
    write_tree(list_members(root, read_service(PLAIN), entry), "/opt/lora/start", file, epoch=EPOCH)
    assert read(file.getvalue())["opt/lora/start"] == (tarfile.REGTYPE, "640", b"#!/bin/sh")


def test_the_umask_does_not_matter(root: Path) -> None:
    tree = root / "app"
    expected, other = io.BytesIO(), io.BytesIO()
    write_tree(list_tree(tree), "/opt/x", expected, epoch=EPOCH)
    (tree / "run.sh").chmod(0o700)
    (tree / "static").chmod(0o700)
    os.utime(tree / "run.sh", (1, 1))
    write_tree(list_tree(tree), "/opt/x", other, epoch=EPOCH)
    assert other.getvalue() == expected.getvalue()


def test_a_file_that_goes_meanwhile_is_an_error(root: Path) -> None:
    members = list_members(root, read_service(PLAIN), ENTRY)
    (root / "app/run.sh").unlink()
    (root / "app/run.sh").symlink_to("static")
    with pytest.raises(ToolError, match=r"run\.sh"):
        write_tree(members, "/opt/x", io.BytesIO(), epoch=EPOCH)
