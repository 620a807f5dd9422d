"""The probe's findings about installed files: ids, levels, messages and what to do."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import pytest

from support.elf import elf, place
from support.runtime_scripts import (
    expected,
    probe,
    probe_document,
    probe_expectation,
    probe_files,
    probe_findings,
)

if TYPE_CHECKING:
    from pathlib import Path

MODULE = ".cpython-311-x86_64-linux-gnu.so"
SYSTEM = dict.fromkeys(("libc.so.6", "libstdc++.so.6", "libz.so.1"), "")


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_files, "system_libraries", lambda machine: dict(SYSTEM))


def findings(folder: Path, *requested: str) -> list[tuple[str, ...]]:
    report = probe_findings.file_findings([str(folder)], [], requested, platform.machine())
    return [(entry["level"], entry["id"], entry["about"], entry["message"]) for entry in report["findings"]]


OPENCV = "cv2/cv2.abi3.so of opencv-python needs libGL.so.1, which the environment does not have"


@pytest.mark.parametrize(
    ("requested", "level"),
    [((), "warning"), (("opencv-python",), "error"), (("cv2",), "error"), (("cv",), "warning")],
)
def test_a_package_that_cannot_be_loaded_is_an_error_where_it_is_asked_for(
    requested: tuple[str, ...], level: str, tmp_path: Path
) -> None:
    place(tmp_path, {"cv2/cv2.abi3.so": elf("libGL.so.1")}, "opencv-python")
    assert findings(tmp_path, *requested) == [(level, "IMG007", "opencv-python", OPENCV)]


def test_a_part_that_can_be_left_out_is_a_note_whoever_asks(tmp_path: Path) -> None:
    files = {f"numba/_core{MODULE}": elf(), f"numba/tbbpool{MODULE}": elf("libtbb.so.12")}
    place(tmp_path, files, "numba")
    ((level, _, about, _),) = findings(tmp_path, "numba")
    assert (level, about) == ("note", "numba")


def test_a_library_for_another_cuda_is_a_warning(tmp_path: Path) -> None:
    """onnxruntime-gpu 1.27.0 is built for CUDA 13: its CPU works, and its CUDA provider is left out without a word."""
    provider = elf(
        "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10", "libcudnn.so.9", "libcufft.so.12"
    )
    files = {
        "ort/state.so": elf(),
        "ort/libproviders_cuda.so": provider,
        "ort/libproviders_trt.so": elf("libnvinfer.so.10"),
    }
    place(tmp_path, files, "onnxruntime-gpu")
    nvidia = {f"nvidia/lib/{name}": elf() for name in ("libcublas.so.12", "libcurand.so.10", "libcudnn.so.9")}
    place(tmp_path, nvidia, "nvidia-cublas-cu12")
    assert findings(tmp_path, "onnxruntime-gpu") == [
        (
            "warning",
            "IMG007",
            "onnxruntime-gpu",
            (
                "ort/libproviders_cuda.so of onnxruntime-gpu needs libcublasLt.so.13 libcublas.so.13 libcufft.so.12, which "
                "the environment does not have; it has libcublas.so.12, and 1 more of its libraries"
            ),
        )
    ]
    place(
        tmp_path,
        {f"nvidia/cu13/{name}": elf() for name in ("libcublasLt.so.13", "libcublas.so.13", "libcufft.so.12")},
        "nvidia-cublas",
    )
    assert [level for level, *_ in findings(tmp_path, "onnxruntime-gpu")] == ["note"]  # TensorRT


def test_a_newer_glibc_names_both_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_files, "system_limits", lambda *_: {"GLIBC": (2, 31)})
    place(tmp_path, {f"flash{MODULE}": elf(versions={"libc.so.6": ["GLIBC_2.32"]})}, "flash-attn")
    message = f"flash{MODULE} of flash-attn needs GLIBC_2.32, newer than 2.31, the one of this system"
    assert findings(tmp_path, "flash-attn") == [("error", "IMG008", "flash-attn", message)]


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libGL.so.1", "libgl1"),
        ("libgomp.so.1", "libgomp1"),
        ("libX11.so.6", "libx11-6"),
        ("libglib-2.0.so.0", "libglib2.0-0"),
        ("libgthread-2.0.so.0", "libglib2.0-0"),
        ("libstdc++.so.6", "libstdc++6"),
        ("libsndfile.so.1", "libsndfile1"),
        ("libsox.so", "libsox-dev"),
    ],
)
def test_debian_names_the_package_of_a_library_by_a_rule(library: str, package: str) -> None:
    assert probe_findings.debian_package(library) == package


def help_of(folder: Path) -> str:
    report = probe_findings.file_findings([str(folder)], [], (), platform.machine())
    return str(report["findings"][0]["help"])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (elf("libGL.so.1", "libSM.so.6"), "(by Debian's naming libgl1, libsm6)"),
        (
            elf("libtorch.so", "libc10.so"),
            "pin the packages that bring libtorch.so libc10.so, or another build of pkg",
        ),
        (elf("libz.so.1")[:120], "install pkg again"),
    ],
)
def test_what_to_do_depends_on_what_is_missing(content: bytes, text: str, tmp_path: Path) -> None:
    place(tmp_path, {"pkg/_c.so": content}, "pkg")
    assert text in help_of(tmp_path)


def test_two_packages_with_other_bytes_under_one_path_are_a_warning(tmp_path: Path) -> None:
    place(
        tmp_path,
        {"cv2/__init__.py": b"x" * 900, "cv2/a.so": elf("libc.so.6"), "LICENSE": b"1"},
        "opencv-python",
    )
    place(
        tmp_path,
        {"cv2/__init__.py": b"y" * 900, "cv2/a.so": elf(), "LICENSE": b"2"},
        "opencv-python-headless",
    )
    assert findings(tmp_path) == [
        (
            "warning",
            "IMG009",
            "opencv-python opencv-python-headless",
            (
                "opencv-python and opencv-python-headless both install 2 files that differ, such as cv2/__init__.py; the one "
                "that was installed last has overwritten it"
            ),
        )
    ]


@pytest.mark.parametrize(
    "path", ["tests/conftest.py", "LICENSE.txt", "README.md", "docs/a.py", "google/__init__.py"]
)
def test_files_beside_the_code_are_a_note(path: str, tmp_path: Path) -> None:
    place(tmp_path, {path: b"1"}, "one")
    place(tmp_path, {path: b"2"}, "two")
    assert [(level, id) for level, id, *_ in findings(tmp_path)] == [("note", "IMG009")]


def test_the_same_bytes_have_no_owner_to_lose(tmp_path: Path) -> None:
    for package in ("one", "two"):
        place(tmp_path, {"shared/code.py": b"same"}, package)
    assert findings(tmp_path) == []


def test_an_image_that_compiles_nothing_needs_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_findings, "compiler_findings", lambda: pytest.fail("asked"))
    assert "findings" in probe.examined([], compiles=False)


def test_without_a_compiler_what_to_add_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_findings.shutil, "which", lambda name: None)
    monkeypatch.setenv("CC", "icc")
    (entry,) = probe_findings.compiler_findings()
    assert (entry["id"], entry["level"]) == ("IMG010", "error")
    assert "add gcc and libc6-dev to `apt:`" in entry["help"]


def test_errors_fail_the_proof_warnings_are_shown_and_notes_are_not() -> None:
    entries = [
        {"id": "IMG007", "level": level, "about": "pkg", "message": f"{level} text", "help": "do this"}
        for level in ("error", "warning", "note")
    ]
    document = probe_document(findings=entries)
    problems = probe_expectation.problems(document, expected())
    assert problems == ["IMG007 error text; do this"]
    text = probe_expectation.verdict(document, problems)
    assert (
        text
        == "probe: WARN IMG007 warning text; do this\nprobe: FAIL IMG007 error text; do this\nprobe: 1 problem\n"
    )
    assert (
        probe_expectation.verdict(document, []).splitlines()[0] == "probe: WARN IMG007 warning text; do this"
    )


def test_an_expectation_names_what_is_asked_for() -> None:
    text = json.dumps(expected(requested=["Opencv_Python"], imports=["cv2.dnn", "torch"], compiles=True))
    assert probe_expectation.requested_names(probe_expectation.expectation(text)) == [
        "opencv-python",
        "cv2",
        "torch",
    ]


@pytest.mark.parametrize(("key", "value"), [("requested", "cv2"), ("compiles", "yes")])
def test_a_wrong_expectation_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"invalid value of {key}"):
        probe_expectation.expectation(json.dumps(expected(**{key: value})))
