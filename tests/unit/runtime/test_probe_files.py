"""What the probe reads out of shared libraries and RECORD files, and which of them cannot be loaded."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.elf import elf, place
from support.runtime_scripts import probe_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MACHINE = platform.machine()
OTHER = "aarch64" if MACHINE == "x86_64" else "x86_64"
SYSTEM = {"libc.so.6": "", "libstdc++.so.6": ""}
MODULE = ".cpython-311-x86_64-linux-gnu.so"


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """A system with glibc 2.35, libstdc++ 3.4.30 and libz, whatever this machine has."""
    folder = tmp_path / "system"
    place(
        folder,
        {
            "libc.so.6": elf(soname="libc.so.6", defined=["GLIBC_2.2.5", "GLIBC_2.35", "GLIBC_PRIVATE"]),
            "libstdc++.so.6": elf(soname="libstdc++.so.6", defined=["GLIBCXX_3.4", "GLIBCXX_3.4.30"]),
            "libz.so.1": elf(soname="libz.so.1"),
        },
    )
    libraries = {path.name: str(path) for path in folder.iterdir()}
    monkeypatch.setattr(probe_files, "system_libraries", lambda machine: dict(libraries))
    return libraries


def unresolved(folder: Path, *base: Path) -> list[tuple[Any, ...]]:
    """(file, what is wrong, the CUDA library that is there, nothing of its package can be loaded) for each problem."""
    owners = probe_files.records([str(folder)])
    problems, _ = probe_files.unresolved([str(folder)], [str(path) for path in base], owners, MACHINE)
    return sorted(
        (problem.path[len(str(folder)) + 1 :], problem.reason, problem.other_cuda, problem.is_main)
        for problem in problems
    )


def read(tmp_path: Path, content: bytes) -> Any:
    (tmp_path / "lib.so").write_bytes(content)
    return probe_files.read_library(str(tmp_path / "lib.so"), MACHINE, definitions=True)


def test_the_dynamic_section_is_read(tmp_path: Path) -> None:
    versions = {"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.34"], "libstdc++.so.6": ["GLIBCXX_3.4.21"]}
    library = read(
        tmp_path, elf("liba.so.1", "libc.so.6", soname="libx.so.2", versions=versions, defined=["X_1", "X_2"])
    )
    assert (library.soname, library.needed) == ("libx.so.2", ("liba.so.1", "libc.so.6"))
    assert library.versions == ("GLIBC_2.2.5", "GLIBC_2.34", "GLIBCXX_3.4.21")
    assert library.defined == ("X_1", "X_2")


@pytest.mark.parametrize("word", ["$ORIGIN", "${ORIGIN}"])
def test_the_folders_of_a_file_are_seen_from_it(word: str, tmp_path: Path) -> None:
    assert read(tmp_path, elf(rpath=f"{word}/../lib:/opt/x")).folders == (
        str(tmp_path.parent / "lib"),
        "/opt/x",
    )
    assert read(tmp_path, elf(rpath="/old", runpath=f"{word}/own")).folders == (str(tmp_path / "own"),)


@pytest.mark.parametrize(
    "content",
    [b"", b"/* GNU ld script */ GROUP ( libx.so.1 )", elf(machine=OTHER), b"\x7fELF\x01\x01" + bytes(60)],
    ids=["empty", "a linker script", "another machine", "32 bits"],
)
def test_what_is_no_library_of_this_machine_is_left_alone(content: bytes, tmp_path: Path) -> None:
    assert read(tmp_path, content) is None


WHOLE = elf("liba.so.1", soname="libx.so.2", versions={"libc.so.6": ["GLIBC_2.34"]}, defined=["X_1"])


@settings(max_examples=300)
@given(st.integers(0, len(WHOLE)), st.binary(max_size=16), st.booleans())
def test_a_damaged_file_raises_nothing_else(start: int, junk: bytes, cut: bool) -> None:
    import tempfile
    from pathlib import Path

    damaged = WHOLE[:start] + junk + (b"" if cut else WHOLE[start + len(junk) :])
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = read(Path(folder), damaged)
        except ValueError:
            return
    assert library is None or isinstance(library.needed, tuple)


def test_a_damaged_file_is_a_problem(tmp_path: Path) -> None:
    place(tmp_path / "site", {"pkg/_c.so": WHOLE[:200]}, "pkg")
    ((path, reason, _, _),) = unresolved(tmp_path / "site")
    assert (path, reason[:28]) == ("pkg/_c.so", "cannot be read (damaged ELF ")


RESOLVED: dict[str, dict[str, bytes]] = {
    "the system": {"pkg/_c.so": elf("libz.so.1", "libc.so.6")},
    "its own folder": {"pkg/_c.so": elf("libown.so.3", runpath="$ORIGIN/../pkg.libs"), "pkg.libs/libown.so.3": elf()},
    "another package, which loads it first": {"pkg/_c.so": elf("libcudart.so.12"), "nvidia/lib/libcudart.so.12": elf()},
    "a library under its own name": {"pkg/_c.so": elf("libq.so.1"), "q/libq-2.so": elf(soname="libq.so.1")},
    "the driver": {"pkg/_c.so": elf("libcuda.so.1", "libnvidia-ml.so.1", "libnvcuvid.so.1")},
    "the loader": {"pkg/_c.so": elf("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1")},
    "a folder that the file names": {"pkg/_c.so": elf("data.so.1", rpath="$ORIGIN"), "pkg/data.so.1": b"not even ELF"},
}  # fmt: skip


@pytest.mark.parametrize("files", RESOLVED.values(), ids=RESOLVED)
def test_a_needed_library_is_found_in(files: Mapping[str, bytes], tmp_path: Path) -> None:
    place(tmp_path / "site", files, "pkg")
    assert unresolved(tmp_path / "site") == []


def test_what_the_base_brings_resolves_and_is_not_examined(tmp_path: Path) -> None:
    place(tmp_path / "site", {"pkg/_c.so": elf("libtorch.so")}, "pkg")
    place(tmp_path / "base", {"torch/lib/libtorch.so": elf("libgone.so.1")}, "torch")
    assert unresolved(tmp_path / "site", tmp_path / "base") == []


def test_the_only_module_of_a_package_is_its_main_one(tmp_path: Path) -> None:
    place(
        tmp_path / "site",
        {"cv2/cv2.abi3.so": elf("libGL.so.1", "libz.so.1"), "cv2.libs/liba.so.1": elf()},
        "opencv-python",
    )
    assert unresolved(tmp_path / "site") == [("cv2/cv2.abi3.so", "libGL.so.1", "", True)]


def test_a_part_beside_others_is_not(tmp_path: Path) -> None:
    files = {f"numba/_core{MODULE}": elf("libz.so.1"), f"numba/tbbpool{MODULE}": elf("libtbb.so.12")}
    place(tmp_path / "site", files, "numba")
    assert unresolved(tmp_path / "site") == [(f"numba/tbbpool{MODULE}", "libtbb.so.12", "", False)]


def test_of_libraries_for_several_versions_one_is_enough(tmp_path: Path) -> None:
    builds = {
        f"bnb/libbnb_cuda{cuda}.so": elf(f"libcudart.so.{cuda[:2]}") for cuda in ("118", "126", "128", "130")
    }
    place(tmp_path / "site", {**builds, "bnb/libbnb_cpu.so": elf()}, "bitsandbytes")
    place(tmp_path / "site", {"nvidia/lib/libcudart.so.12": elf()}, "nvidia-cuda-runtime-cu12")
    assert unresolved(tmp_path / "site") == []


def test_where_none_of_them_is_for_this_cuda_each_is_named(tmp_path: Path) -> None:
    builds = {f"bnb/libbnb_cuda{cuda}.so": elf(f"libcudart.so.{cuda[:2]}") for cuda in ("126", "128")}
    place(tmp_path / "site", {**builds, "bnb/libbnb_cpu.so": elf()}, "bitsandbytes")
    place(tmp_path / "site", {"nvidia/lib/libcudart.so.13": elf()}, "nvidia-cuda-runtime")
    assert unresolved(tmp_path / "site") == [
        (f"bnb/libbnb_cuda{cuda}.so", "libcudart.so.12", "libcudart.so.13", False) for cuda in ("126", "128")
    ]


def test_another_version_of_a_library_that_is_not_cudas_is_no_other_cuda(tmp_path: Path) -> None:
    files = {"a/_c.so": elf("libavutil.so.56"), "b/libavutil.so.58": elf(), "a/rest.so": elf()}
    place(tmp_path / "site", files, "a")
    assert unresolved(tmp_path / "site") == [("a/_c.so", "libavutil.so.56", "", False)]


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.35", "GLIBC_PRIVATE"]}, ""),
        ({"libc.so.6": ["GLIBC_2.38", "GLIBC_2.36"]}, "GLIBC_2.38, newer than 2.35"),
        ({"libstdc++.so.6": ["GLIBCXX_3.4.30", "CXXABI_1.3.99"]}, ""),
        ({"libstdc++.so.6": ["GLIBCXX_3.4.9", "GLIBCXX_3.4.32"]}, "GLIBCXX_3.4.32, newer than 3.4.30"),
    ],
)
def test_symbol_versions_are_held_against_the_systems(
    versions: Mapping[str, list[str]], reason: str, tmp_path: Path
) -> None:
    place(tmp_path / "site", {f"flash{MODULE}": elf("libc.so.6", versions=versions)}, "flash-attn")
    assert unresolved(tmp_path / "site") == ([(f"flash{MODULE}", reason, "", True)] if reason else [])


def test_where_a_package_brings_a_libstdcxx_the_systems_is_no_limit(tmp_path: Path) -> None:
    versions = {"libstdc++.so.6": ["GLIBCXX_3.4.32"]}
    files = {"a/_c.so": elf(versions=versions), "a/libstdc++.so.6": elf(soname="libstdc++.so.6")}
    place(tmp_path / "site", files, "a")
    assert unresolved(tmp_path / "site") == []


def test_a_system_without_glibc_has_no_limit(
    tmp_path: Path, system: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    musl = {name: path for name, path in system.items() if name == "libz.so.1"}
    monkeypatch.setattr(probe_files, "system_libraries", lambda machine: dict(musl))
    place(
        tmp_path / "site",
        {"a/_c.so": elf("libc.musl-x86_64.so.1", versions={"libc.so.6": ["GLIBC_2.99"]})},
        "a",
    )
    assert [reason for _, reason, _, _ in unresolved(tmp_path / "site")] == ["libc.musl-x86_64.so.1"]


def test_the_owners_of_files_are_read_from_records(tmp_path: Path) -> None:
    place(tmp_path, {"a/x.py": b"1", "shared.py": b"2"}, "Some_Package", "1.0rc1")
    place(tmp_path, {"shared.py": b"3"}, "other")
    with (tmp_path / "other-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("../../bin/tool,sha256=x,5\nno comma\n")
    owners = probe_files.records([str(tmp_path)])
    assert [owned.package for owned in owners[f"{tmp_path}/a/x.py"]] == ["some-package"]
    assert sorted(owned.package for owned in owners[f"{tmp_path}/shared.py"]) == ["other", "some-package"]
    assert owners[str(tmp_path.parent.parent / "bin/tool")][0].size == 5


def test_the_loaders_own_list_is_read(tmp_path: Path) -> None:
    import struct

    strings = b"liba.so.1\0/usr/lib/liba.so.1\0"
    entry = struct.pack("<iIIIQ", 1, 72, 82, 0, 0)
    cache = b"glibc-ld.so.cache1.1" + struct.pack("<II", 1, len(strings)) + bytes(20) + entry + strings
    (tmp_path / "new").write_bytes(cache)
    (tmp_path / "old").write_bytes(b"ld.so-1.7.0\0" + bytes(20) + cache)
    for name in ("new", "old"):
        assert probe_files.loader_cache(str(tmp_path / name)) == {"liba.so.1": "/usr/lib/liba.so.1"}
    assert probe_files.loader_cache(str(tmp_path / "none")) == {}
