"""The layer of what is built from source, out of the tar of an environment: what was there before is not in it."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from torchpin.assembly.image import read_prefix
from torchpin.errors import ToolError
from torchpin.tools.shared_prefixes import Entry, _entry, described_config, write_new

EPOCH = 86400


def make_tar(*members: tuple[str, dict[str, Any], bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, attributes, content in members:
            member = tarfile.TarInfo(name)
            member.mtime, member.uid, member.size = 7, 5, len(content)
            for attribute, value in attributes.items():
                setattr(member, attribute, value)
            archive.addfile(member, io.BytesIO(content))
    file.seek(0)
    return file


def entries(file: io.BytesIO) -> set[Entry]:
    with tarfile.open(fileobj=file) as archive:
        return {_entry(archive, member, f"opt/{member.name}") for member in archive}


FOLDER = {"type": tarfile.DIRTYPE, "mode": 0o755}
BELOW = (
    ("venv", FOLDER, b""),
    ("venv/bin", FOLDER, b""),
    ("venv/bin/python", {"type": tarfile.SYMTYPE, "mode": 0o777, "linkname": "/usr/bin/python3"}, b""),
    ("venv/pyvenv.cfg", {"mode": 0o644}, b"home = /usr/bin"),
)
NEW = (
    ("venv/lib", FOLDER, b""),
    ("venv/lib/b.py", {"mode": 0o644}, b"x" * 700),
    ("venv/lib/a.so", {"mode": 0o755}, b"so"),
    ("venv/lib/same.so", {"type": tarfile.LNKTYPE, "mode": 0o755, "linkname": "venv/lib/a.so"}, b""),
    ("venv/lib/empty", FOLDER, b""),
    ("venv/lib/link", {"type": tarfile.SYMTYPE, "mode": 0o777, "linkname": "b.py"}, b""),
)


def new_layer(*members: tuple[str, dict[str, Any], bytes]) -> bytes:
    layer = io.BytesIO()
    write_new(make_tar(*members), entries(make_tar(*BELOW)), layer, epoch=EPOCH)
    return layer.getvalue()


def test_a_layer_has_what_is_new_in_the_order_of_its_paths() -> None:
    with tarfile.open(fileobj=io.BytesIO(new_layer(*BELOW, *NEW))) as archive:
        members = archive.getmembers()
        content = archive.extractfile("opt/venv/lib/same.so")
        assert content
        assert content.read() == b"so"
    assert [(member.name, f"{member.mode:o}", member.linkname) for member in members] == [
        ("opt", "755", ""),
        ("opt/venv", "755", ""),
        ("opt/venv/lib", "755", ""),
        ("opt/venv/lib/a.so", "755", ""),
        ("opt/venv/lib/b.py", "644", ""),
        ("opt/venv/lib/empty", "755", ""),
        ("opt/venv/lib/link", "777", "b.py"),
        ("opt/venv/lib/same.so", "755", ""),
    ]
    assert {(member.uid, member.mtime) for member in members} == {(0, EPOCH)}


def test_a_changed_file_is_new() -> None:
    changed = ("venv/pyvenv.cfg", {"mode": 0o600}, b"home = /usr/bin")
    with tarfile.open(fileobj=io.BytesIO(new_layer(*BELOW[:3], changed))) as archive:
        assert archive.getnames() == ["opt", "opt/venv", "opt/venv/pyvenv.cfg"]


def test_the_order_of_an_engine_does_not_matter() -> None:
    assert new_layer(*BELOW, *NEW) == new_layer(*NEW[:1], *NEW[2:4], *BELOW, *NEW[4:], NEW[1])


def test_what_is_no_file_is_an_error() -> None:
    with pytest.raises(ToolError, match="venv/pipe in the environment"):
        new_layer(*BELOW, ("venv/pipe", {"type": tarfile.FIFOTYPE}, b""))


def test_an_engine_says_what_made_the_layers_above_the_base() -> None:
    environment = "RUN |1 A=/x /bin/sh -c /run/torchpin/uv venv /opt/venv # buildkit"
    history = [
        {"CreatedBy": "RUN /bin/sh -c uv pip install /run/torchpin/layers/x.txt # buildkit"},
        {"CreatedBy": environment},
        {"CreatedBy": "ARG UV_CACHE_DIR=/run/torchpin/cache"},
        {"CreatedBy": "RUN /bin/sh -c apt-get install"},
        {"CreatedBy": "/bin/sh -c #(nop) ADD file:1 in /"},
    ]
    attributes = {"RootFS": {"Layers": ["a", "b", "c", "d"]}, "Config": {"Env": ["A=b"], "Labels": None}}
    prefix = read_prefix(described_config(attributes, history))
    assert prefix.steps == ("", "", environment, history[0]["CreatedBy"])
    assert (prefix.base, prefix.below_torch, prefix.below_wheels) == (2, 3, 3)
    assert prefix.settings == {"Env": ["A=b"]}
