"""Small ELF files: shared libraries of 64 bits with the dynamic section that a test names, and no code."""

from __future__ import annotations

import platform
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MACHINES = {"x86_64": 62, "aarch64": 183}
HEADER, SEGMENT = 64, 56
NEEDED, STRINGS, SONAME, RPATH, RUNPATH = 1, 5, 14, 15, 29
VERSIONS, VERSIONS_COUNT, DEFINED, DEFINED_COUNT = 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFFC, 0x6FFFFFFD


class _Strings:
    def __init__(self) -> None:
        self.content = b"\0"

    def add(self, text: str) -> int:
        self.content += text.encode() + b"\0"
        return len(self.content) - len(text.encode()) - 1


def elf(
    *needed: str,
    soname: str = "",
    rpath: str = "",
    runpath: str = "",
    versions: Mapping[str, Sequence[str]] | None = None,
    defined: Sequence[str] = (),
    machine: str = "",
) -> bytes:
    """The bytes of a shared library for this machine; `versions`: library to the symbol versions needed of it."""
    strings = _Strings()
    tags = [(NEEDED, strings.add(name)) for name in needed]
    texts = ((SONAME, soname), (RPATH, rpath), (RUNPATH, runpath))
    tags += [(tag, strings.add(text)) for tag, text in texts if text]
    needs = _needed_versions(versions or {}, strings)
    defines = _defined_versions(defined, strings)
    count = 4 if needs else 0
    start = HEADER + 2 * SEGMENT
    dynamic_size = 16 * (len(tags) + 2 + (2 if needs else 0) + (2 if defines else 0))
    needs_at = start + dynamic_size
    defines_at = needs_at + len(needs)
    strings_at = defines_at + len(defines)
    tags.append((STRINGS, strings_at))
    tags += [(VERSIONS, needs_at), (VERSIONS_COUNT, len(versions or {}))] if count else []
    tags += [(DEFINED, defines_at), (DEFINED_COUNT, len(defined))] if defines else []
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in [*tags, (0, 0)])
    body = dynamic + needs + defines + strings.content
    size = start + len(body)
    code = MACHINES[machine or platform.machine()]
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, code, 1, 0, HEADER, 0, 0, HEADER, SEGMENT, 2, 0, 0, 0)
    loaded = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    segment = struct.pack("<IIQQQQQQ", 2, 6, start, start, start, dynamic_size, dynamic_size, 8)
    return header + loaded + segment + body


def _needed_versions(versions: Mapping[str, Sequence[str]], strings: _Strings) -> bytes:
    content = b""
    for number, (library, names) in enumerate(versions.items(), start=1):
        entries = b"".join(
            struct.pack("<IHHII", 0, 0, 2, strings.add(name), 16 if index < len(names) else 0)
            for index, name in enumerate(names, start=1)
        )
        following = 16 + len(entries) if number < len(versions) else 0
        content += struct.pack("<HHIII", 1, len(names), strings.add(library), 16, following) + entries
    return content


def _defined_versions(names: Sequence[str], strings: _Strings) -> bytes:
    content = b""
    for number, name in enumerate(names, start=1):
        following = 28 if number < len(names) else 0
        content += struct.pack("<HHHHIII", 1, 0, number, 1, 0, 20, following)
        content += struct.pack("<II", strings.add(name), 0)
    return content


def place(folder: Path, files: Mapping[str, bytes], package: str = "", version: str = "1.0") -> None:
    """Write files below a package folder, with the RECORD of a distribution that installed them if one is named."""
    import base64
    import hashlib

    lines = []
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    if package:
        info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n")
        (info / "RECORD").write_text("".join(lines) + f"{info.name}/RECORD,,\n")


def with_section(library: bytes, name: str, content: bytes) -> bytes:
    """A library with a table of two sections behind it: one of this name and content, and the names."""
    names = b"\0" + name.encode() + b"\0.shstrtab\0"
    content_at = len(library)
    names_at = content_at + len(content)
    table_at = names_at + len(names)
    sections = [
        struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, content_at, len(content), 0, 0, 8, 0),
        struct.pack("<IIQQQQIIQQ", len(name) + 2, 3, 0, 0, names_at, len(names), 0, 0, 1, 0),
    ]
    head = bytearray(library)
    struct.pack_into("<Q", head, 40, table_at)
    struct.pack_into("<HHH", head, 58, 64, len(sections), 1)
    return bytes(head) + content + names + b"".join(sections)
