"""The probe reads which GPUs a library has code for, by the headers that nvcc 13.5 wrote."""

from __future__ import annotations

import platform
import struct
from typing import TYPE_CHECKING

import pytest

from support.elf import elf, place, with_section
from support.runtime_scripts import probe_code, probe_findings

if TYPE_CHECKING:
    from pathlib import Path

MODULE = ".cpython-311-x86_64-linux-gnu.so"
# One entry each, without its payload: -gencode arch=compute_X,code=Y of nvcc 13.5.
ENTRIES = {
    "sm_80": "020001014000000028 0c0000000000000000000000000000 08000100 50000000 0000000000000000 1100000000000000 000000000000000000000000000000 00",
    "sm_90a": "0200010140000000f0 0c0000000000000000000000000000 08000100 5a000000 0000000000000000 1100100000000000 000000000000000000000000000000 00",
    "compute_120": "0100010150000000e0 00000000000000dc000000 40000000 05000900 78000000 0000000000000000 1180000000000000 0000000000000000 4201000000000000 48000000000000000000000000000000",
}  # fmt: skip


def fat_binary(*names: str) -> bytes:
    """A fat binary with code for these architectures; the code itself is zeros."""
    entries = b""
    for name in names:
        header = bytes.fromhex(ENTRIES[name].replace(" ", ""))
        header_size, size = struct.unpack_from("<IQ", header, 4)
        assert len(header) == header_size
        entries += header + bytes(size)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entries)) + entries


def library(*binaries: bytes, section: str = ".nv_fatbin") -> bytes:
    return with_section(elf(), section, bytes(8).join(binaries))  # padded, as linkers do


def names(folder: Path, content: bytes) -> list[str]:
    (folder / "ops.so").write_bytes(content)
    return [code.name() for code in probe_code.gpu_code([str(folder / "ops.so")])]


def test_every_architecture_is_read_once(tmp_path: Path) -> None:
    content = library(fat_binary("sm_80", "sm_90a", "compute_120"), fat_binary("sm_80"))
    assert names(tmp_path, content) == ["compute_120", "sm_80", "sm_90a"]
    assert names(tmp_path, library(fat_binary("sm_80"), section="__nv_relfatbin")) == ["sm_80"]


@pytest.mark.parametrize(
    "content",
    [
        elf(),
        b"",
        b"!<arch>\n",
        library(fat_binary("sm_80"))[:200],
        library(b"\x50\xed\x55\xba" + b"\xff" * 12),
    ],
    ids=["no GPU code", "empty", "no library", "cut off", "a damaged header"],
)
def test_what_has_no_code_that_can_be_read_has_none(content: bytes, tmp_path: Path) -> None:
    assert names(tmp_path, content) == []


@pytest.mark.parametrize(
    ("name", "runs", "does_not"),
    [
        ("sm_80", ["8.0", "8.6", "8.9"], ["7.5", "9.0", "12.0"]),
        ("sm_90a", ["9.0"], ["9.1", "10.0"]),
        ("compute_120", ["12.0", "12.1", "13.0"], ["10.0", "9.0"]),
    ],
)
def test_code_runs_where_nvidia_says(name: str, runs: list[str], does_not: list[str], tmp_path: Path) -> None:
    (tmp_path / "ops.so").write_bytes(library(fat_binary(name)))
    (code,) = probe_code.gpu_code([str(tmp_path / "ops.so")])
    verdicts = {text: code.runs_on(probe_findings.capability_numbers(text)) for text in [*runs, *does_not]}
    assert verdicts == dict.fromkeys(runs, True) | dict.fromkeys(does_not, False)


def findings(
    folder: Path, *capabilities: str, compiled: tuple[str, ...] = ("my-ops",)
) -> list[tuple[str, str]]:
    report = probe_findings.file_findings([str(folder)], [], (), platform.machine(), compiled, capabilities)
    return [(entry["id"], entry["message"]) for entry in report["findings"]]


def test_a_described_gpu_without_code_is_named(tmp_path: Path) -> None:
    place(tmp_path, {f"my_ops{MODULE}": library(fat_binary("sm_80", "sm_90a"))}, "my-ops")
    assert findings(tmp_path, "8.6", "9.0") == []
    assert findings(tmp_path, "8.6", "12.0") == [
        ("IMG011", "my-ops was compiled for sm_80 sm_90a, which does not run on GPUs of capability 12.0")
    ]
    assert findings(tmp_path, "12.0", compiled=()) == []  # of other packages the facts tell


def test_a_package_without_gpu_code_has_none_that_is_missing(tmp_path: Path) -> None:
    place(tmp_path, {f"my_ops{MODULE}": elf(), "my_ops.py": b""}, "my-ops")
    assert findings(tmp_path, "8.6") == []
