"""What the probe finds: distributions, torch, GPUs, imports and the commits of sources."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.runtime_scripts import (
    COMMIT,
    OTHER,
    checkout,
    fake_torch,
    place_environment,
    probe,
    probe_expectation,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_gpu")


def fake_cuda(*names: str) -> SimpleNamespace:
    properties = [SimpleNamespace(name=name, major=8, minor=9, total_memory=47_810_936_832) for name in names]
    return SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: len(properties),
        get_device_properties=properties.__getitem__,
    )


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


@given(st.text("aZ09-_.", min_size=1))
def test_names_are_normalized_as_packaging_does(name: str) -> None:
    assert probe_expectation.normalized(name) == canonicalize_name(name)


@st.composite
def versions(draw: st.DrawFn) -> str:
    number = st.integers(0, 20).map(str) | st.just("007")
    text = draw(st.sampled_from(["", "v", "1!", "0!"]))
    text += ".".join(draw(st.lists(number | st.just("0"), min_size=1, max_size=4)))
    text += draw(st.sampled_from(["", "a1", ".beta.2", "-c3", "rc", "_PRE4", "alpha", "preview1", "b02"]))
    text += draw(st.sampled_from(["", ".post1", "-1", "post", "-r4", "rev.02"]))
    text += draw(st.sampled_from(["", ".dev0", "dev", "-dev3"]))
    return text + draw(st.sampled_from(["", "+cu121", "+CU121", "+ubuntu-1", "+ubuntu.01", "+1_a"]))


@given(versions(), versions())
def test_versions_are_equal_exactly_when_packaging_holds_them_equal(first: str, second: str) -> None:
    equal = probe_expectation.comparable(first) == probe_expectation.comparable(second)
    assert equal == (Version(first) == Version(second))


@given(versions())
def test_a_version_equals_its_normal_form(version: str) -> None:
    assert probe_expectation.comparable(version) == probe_expectation.comparable(str(Version(version)))


def test_a_version_outside_pep_440_is_compared_as_it_is() -> None:
    assert probe_expectation.comparable("2004d-final-x") == "2004d-final-x"


def test_installed_normalizes_and_sorts_the_names(tmp_path: Path) -> None:
    write_record(tmp_path, "zipp-3.0.dist-info", "Name: zipp\nVersion: 3.0\n\nbody")
    write_record(tmp_path, "Py_Yaml-6.0.2.dist-info", "Name: Py_Yaml\nVersion: 6.0.2\n")
    distributions, duplicates = probe.installed([str(tmp_path)])
    assert list(distributions.items()) == [("py-yaml", "6.0.2"), ("zipp", "3.0")]
    assert duplicates == []


def test_installed_tells_a_name_recorded_twice(tmp_path: Path) -> None:
    write_record(tmp_path, "tqdm-4.66.5.dist-info", "Name: tqdm\nVersion: 4.66.5\n")
    write_record(tmp_path, "tqdm-4.67.0.dist-info", "Name: tqdm\nVersion: 4.67.0\n")
    assert probe.installed([str(tmp_path)]) == ({"tqdm": "4.66.5"}, ["tqdm"])


def test_an_earlier_folder_shadows_a_later_one_without_being_a_duplicate(tmp_path: Path) -> None:
    write_record(tmp_path / "venv", "tqdm-4.67.0.dist-info", "Name: tqdm\nVersion: 4.67.0\n")
    write_record(tmp_path / "base", "tqdm-4.66.5.dist-info", "Name: tqdm\nVersion: 4.66.5\n")
    folders = [str(tmp_path / "venv"), str(tmp_path / "base")]
    assert probe.installed(folders) == ({"tqdm": "4.67.0"}, [])


def test_a_record_without_metadata_shows_under_its_folders_name(tmp_path: Path) -> None:
    write_record(tmp_path, "half_gone-1.2.dist-info", None)
    assert probe.installed([str(tmp_path)]) == ({"half-gone": "1.2"}, [])


def test_a_record_that_cannot_be_decoded_shows_under_its_folders_name(tmp_path: Path) -> None:
    write_record(tmp_path, "latin-1.0.dist-info", None)
    (tmp_path / "latin-1.0.dist-info" / "METADATA").write_bytes(b"Name: latin\nVersion: 1.0\nAuthor: \xe9\n")
    assert probe.installed([str(tmp_path)]) == ({"latin": "1.0"}, [])


def test_site_folders_count_a_linked_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib64").symlink_to("lib")
    folders = [str(tmp_path / "lib"), str(tmp_path / "lib64"), str(tmp_path / "absent")]
    monkeypatch.setattr(probe.site, "getsitepackages", lambda: folders)
    monkeypatch.setattr(probe.sysconfig, "get_paths", lambda: {"purelib": folders[0], "platlib": folders[1]})
    assert probe.site_folders() == [str((tmp_path / "lib").resolve())]


def test_what_lies_in_the_environment_and_what_it_sees_of_the_base_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_site, base_site = tmp_path / "opt/venv/lib/site-packages", tmp_path / "opt/conda/lib/site-packages"
    write_record(env_site, "tqdm-4.66.5.dist-info", "Name: tqdm\nVersion: 4.66.5\n")
    write_record(base_site, "tqdm-4.60.0.dist-info", "Name: tqdm\nVersion: 4.60.0\n")
    write_record(base_site, "torch-2.7.1.dist-info", "Name: torch\nVersion: 2.7.1+cu126\n")
    write_record(base_site, "torch-2.7.0.dist-info", "Name: torch\nVersion: 2.7.0\n")
    place_environment(monkeypatch, tmp_path / "opt/venv", tmp_path / "opt/conda", env_site, base_site)
    assert probe.environment() == ({"tqdm": "4.66.5"}, {"torch": "2.7.0"}, [])


def test_an_environment_below_its_base_is_still_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_site, base_site = tmp_path / "usr/venv/lib", tmp_path / "usr/lib"
    place_environment(monkeypatch, tmp_path / "usr/venv", tmp_path / "usr")
    folders = [str(env_site), str(base_site), str(tmp_path / "usr/venv2/lib")]
    assert probe.own_and_base(folders) == ([str(env_site)], folders[1:])


def test_where_there_is_no_base_every_folder_is_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(tmp_path / "dist", "tqdm-4.66.5.dist-info", "Name: tqdm\nVersion: 4.66.5\n")
    place_environment(monkeypatch, tmp_path / "usr", tmp_path / "usr", tmp_path / "dist")
    assert probe.environment() == ({"tqdm": "4.66.5"}, {}, [])


@given(st.dictionaries(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True), st.just("1.0")))
def test_the_freeze_record_is_sorted_and_reads_back(distributions: dict[str, str]) -> None:
    lines = probe.frozen(distributions).splitlines()
    assert lines == [f"{name}==1.0" for name in sorted(distributions)]


def test_torch_facts_are_read_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    assert probe.collect()["torch"] == {
        "version": "2.5.1+cu121",
        "cuda": "12.1",
        "cudnn": 90100,
        "cxx11_abi": False,
        "archs": ["sm_80", "sm_86", "sm_90", "compute_90"],
        "git_version": "a8d6afb511a69687bbb2b7e88a3cf67917e1697e",
    }


def test_a_cpu_build_has_no_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = SimpleNamespace(_GLIBCXX_USE_CXX11_ABI=True, _cuda_getArchFlags=lambda: None)
    monkeypatch.setitem(sys.modules, "torch", fake_torch(_C=flags, version=SimpleNamespace(cuda=None)))
    facts = probe.torch_facts(None)
    assert (facts["cuda"], facts["archs"], facts["cxx11_abi"]) == (None, [], True)


def test_a_torch_without_the_usual_attributes_answers_null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert probe.torch_facts(None) == {
        "version": None,
        "cuda": None,
        "cudnn": None,
        "cxx11_abi": None,
        "archs": [],
        "git_version": None,
    }


def test_a_missing_torch_is_null_and_a_broken_one_an_error() -> None:
    assert probe.torch_facts("ModuleNotFoundError: No module named 'torch'") is None
    error = "OSError: libcudart.so.12: cannot open shared object file"
    assert probe.torch_facts(error) == {"error": error}


def test_a_broken_torch_is_imported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    imported_names: list[str] = []

    def imported(name: str) -> str:
        imported_names.append(name)
        return "OSError: libcudart"

    monkeypatch.setattr(probe, "imported", imported)
    document = probe.collect(imports=["json", "torch"])
    assert imported_names == ["torch", "json"]
    assert document["torch"] == {"error": "OSError: libcudart"}
    assert document["imports"] == {"json": "OSError: libcudart", "torch": "OSError: libcudart"}


def test_gpus_are_listed_with_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    driver_file = tmp_path / "version"
    driver_file.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
    )
    monkeypatch.setattr(probe, "DRIVER_FILE", str(driver_file))
    monkeypatch.setitem(sys.modules, "torch", fake_torch(cuda=fake_cuda("NVIDIA L40")))
    assert probe.gpu_facts() == {
        "driver": "550.54.15",
        "devices": [{"name": "NVIDIA L40", "capability": "8.9", "memory_bytes": 47_810_936_832}],
    }


def test_without_driver_and_device_gpu_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    assert probe.gpu_facts() is None


def test_a_driver_that_breaks_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(is_available=raising(RuntimeError("CUDA driver\ninitialization failed")))
    monkeypatch.setitem(sys.modules, "torch", fake_torch(cuda=cuda))
    error = "RuntimeError: CUDA driver initialization failed"
    assert probe.gpu_facts() == {"driver": None, "devices": [], "error": error}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\nGCC version: gcc 12.3",
            "535.104.05",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build", "570.124.06"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.65.06  Release", "580.65.06"),
        ("something else 1.2.3", None),
    ],
)
def test_the_drivers_version_is_read_from_the_kernel(
    text: str, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version").write_text(text)
    monkeypatch.setattr(probe, "DRIVER_FILE", str(tmp_path / "version"))
    assert probe.driver() == version


def test_nvidia_smi_tells_the_driver_where_the_kernel_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.shutil, "which", lambda name: f"/usr/bin/{name}")
    completed = SimpleNamespace(stdout="551.86\n551.86\n")
    monkeypatch.setattr(probe.subprocess, "run", lambda command, **options: completed)
    assert probe.driver() == "551.86"


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("nvidia-smi", 20), OSError("not executable")])
def test_a_failing_nvidia_smi_is_no_driver(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(probe.subprocess, "run", lambda command, **options: raising(error)())
    assert probe.driver() is None


def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", None),
        ("raise ImportError('no\\n  kernel')", "ImportError: no kernel"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise ValueError", "ValueError"),
    ],
)
def test_an_import_answers_its_error_on_one_line(
    text: str, error: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"probe_case_{len(text)}"
    write_module(tmp_path, monkeypatch, name, text)
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert probe.imported(name) == error


def test_an_interrupt_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, monkeypatch, "probe_interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        probe.imported("probe_interrupted")


def test_what_imports_print_does_not_reach_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = "import os, sys\nprint('noise one')\nsys.__stdout__.flush()\nos.write(1, b'noise two\\n')\n"
    write_module(tmp_path, monkeypatch, "probe_noisy", noise)
    assert probe.main(["--import", "probe_noisy"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["imports"] == {"probe_noisy": None}
    assert "noise one" in err
    assert "noise two" in err


def test_a_detached_head_is_the_commit(tmp_path: Path) -> None:
    git = checkout(tmp_path, f"{COMMIT}\n")
    assert probe.commit(str(git.parent)) == COMMIT


def test_a_branch_is_read_from_its_loose_ref(tmp_path: Path) -> None:
    git = checkout(tmp_path, "ref: refs/heads/feature/x\n")
    (git / "refs/heads/feature").mkdir(parents=True)
    (git / "refs/heads/feature/x").write_text(f"{COMMIT}\n")
    (git / "packed-refs").write_text(f"{OTHER} refs/heads/feature/x\n")
    assert probe.commit(str(git.parent)) == COMMIT


def test_a_branch_is_read_from_the_packed_refs(tmp_path: Path) -> None:
    git = checkout(tmp_path, "ref: refs/heads/main\n")
    packed = f"# pack-refs with: peeled\n{OTHER} refs/heads/dev\n{COMMIT} refs/heads/main\n"
    packed += f"{OTHER} refs/tags/v1\n^{OTHER}\n"
    (git / "packed-refs").write_text(packed)
    assert probe.commit(str(git.parent)) == COMMIT


def test_a_worktree_finds_its_refs_in_the_main_repository(tmp_path: Path) -> None:
    git = checkout(tmp_path, f"{OTHER}\n")
    worktree = git / "worktrees" / "second"
    worktree.mkdir(parents=True)
    (worktree / "HEAD").write_text("ref: refs/heads/second\n")
    (worktree / "commondir").write_text("../..\n")
    (git / "packed-refs").write_text(f"{COMMIT} refs/heads/second\n")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / ".git").write_text("gitdir: ../checkout/.git/worktrees/second\n")
    assert probe.commit(str(tmp_path / "second")) == COMMIT


def test_an_annotated_tag_in_the_packed_refs_is_its_commit(tmp_path: Path) -> None:
    (tmp_path / "packed-refs").write_text(f"{OTHER} refs/tags/v0.10.0\n^{COMMIT}\n")
    assert probe.packed_refs(tmp_path) == {"refs/tags/v0.10.0": COMMIT}


@pytest.mark.parametrize("head", ["ref: refs/heads/unborn\n", "", "not a commit", "ref: HEAD\n"])
def test_a_head_without_a_commit_is_an_error(head: str, tmp_path: Path) -> None:
    git = checkout(tmp_path, head)
    assert probe.commit(str(git.parent)) == "error: HEAD names no commit"


def test_a_folder_that_is_no_checkout_is_an_error(tmp_path: Path) -> None:
    assert probe.commit(str(tmp_path)).startswith("error: FileNotFoundError: ")
