"""The probe's answer and its comparison with an expectation, without a process and without a GPU."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable

RUNTIME = Path(__file__).parents[2] / "docker" / "runtime"
COMMIT = "966e9d7f6bb4058abbddb815dd40462b35ffb1d2"
OTHER = "0123456789abcdef0123456789abcdef01234567"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RUNTIME / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # the folder goes into images as it is
        spec.loader.exec_module(module)
    return module


probe = load("probe")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "DRIVER_FILE", str(tmp_path / "no-driver"))
    monkeypatch.setattr(probe.shutil, "which", lambda name: None)


def fake_torch(**changes: object) -> SimpleNamespace:
    attributes: dict[str, Any] = {
        "__version__": "2.5.1+cu121",
        "version": SimpleNamespace(cuda="12.1", git_version="a8d6afb511a69687bbb2b7e88a3cf67917e1697e"),
        "backends": SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 90100)),
        "_C": SimpleNamespace(
            _GLIBCXX_USE_CXX11_ABI=False, _cuda_getArchFlags=lambda: "sm_80 sm_86 sm_90 compute_90"
        ),
        "cuda": SimpleNamespace(is_available=lambda: False),
    }
    return SimpleNamespace(**{**attributes, **changes})


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


def answer(**changes: object) -> dict[str, Any]:
    document: dict[str, Any] = {
        "python": "3.10.14",
        "implementation": "CPython",
        "machine": "x86_64",
        "libc": "glibc 2.35",
        "distributions": {"torch": "2.5.1+cu121", "tqdm": "4.66.5"},
        "inherited": {},
        "duplicates": [],
        "torch": {"version": "2.5.1+cu121", "cuda": "12.1", "archs": ["sm_80", "sm_86", "sm_90"]},
        "imports": {"torch": None},
        "sources": {"/opt/sd-scripts": COMMIT},
        "gpu": None,
    }
    return {**document, **changes}


def expected(**changes: object) -> dict[str, Any]:
    document: dict[str, Any] = {
        "environment": "lora-gpu",
        "python": "3.10.14",
        "distributions": {"torch": "2.5.1+cu121", "tqdm": "4.66.5"},
        "torch": {"version": "2.5.1+cu121", "cuda": "12.1", "archs": ["sm_86", "sm_90"]},
        "imports": ["torch"],
        "sources": {"/opt/sd-scripts": COMMIT},
    }
    return {**document, **changes}


def problems(document: dict[str, Any], expectation: dict[str, Any]) -> list[str]:
    messages: list[str] = probe.problems(document, expectation)
    return messages


# --- names and versions


@given(st.text("aZ09-_.", min_size=1))
def test_names_are_normalized_as_packaging_does(name: str) -> None:
    assert probe.normalized(name) == canonicalize_name(name)


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
    equal = probe.comparable(first) == probe.comparable(second)
    assert equal == (Version(first) == Version(second))


@given(versions())
def test_a_version_equals_its_normal_form(version: str) -> None:
    assert probe.comparable(version) == probe.comparable(str(Version(version)))


def test_a_version_outside_pep_440_is_compared_as_it_is() -> None:
    assert probe.comparable("2004d-final-x") == "2004d-final-x"


# --- distributions


def write_record(site: Path, folder: str, text: str | None) -> None:
    (site / folder).mkdir(parents=True)
    if text is not None:
        (site / folder / "METADATA").write_text(text, encoding="utf-8")


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


def environment_in(monkeypatch: pytest.MonkeyPatch, prefix: Path, base: Path, *folders: Path) -> None:
    monkeypatch.setattr(probe.sys, "prefix", str(prefix))
    monkeypatch.setattr(probe.sys, "base_prefix", str(base))
    monkeypatch.setattr(
        probe.sysconfig, "get_paths", lambda: {"purelib": str(prefix), "platlib": str(prefix)}
    )
    monkeypatch.setattr(probe, "site_folders", lambda: [str(folder) for folder in folders])


def test_what_lies_in_the_environment_and_what_it_sees_of_the_base_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_site, base_site = tmp_path / "opt/venv/lib/site-packages", tmp_path / "opt/conda/lib/site-packages"
    write_record(env_site, "tqdm-4.66.5.dist-info", "Name: tqdm\nVersion: 4.66.5\n")
    write_record(base_site, "tqdm-4.60.0.dist-info", "Name: tqdm\nVersion: 4.60.0\n")
    write_record(base_site, "torch-2.7.1.dist-info", "Name: torch\nVersion: 2.7.1+cu126\n")
    write_record(base_site, "torch-2.7.0.dist-info", "Name: torch\nVersion: 2.7.0\n")
    environment_in(monkeypatch, tmp_path / "opt/venv", tmp_path / "opt/conda", env_site, base_site)
    assert probe.environment() == ({"tqdm": "4.66.5"}, {"torch": "2.7.0"}, [])


def test_an_environment_below_its_base_is_still_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_site, base_site = tmp_path / "usr/venv/lib", tmp_path / "usr/lib"
    environment_in(monkeypatch, tmp_path / "usr/venv", tmp_path / "usr")
    folders = [str(env_site), str(base_site), str(tmp_path / "usr/venv2/lib")]
    assert probe.own_and_base(folders) == ([str(env_site)], folders[1:])


def test_where_there_is_no_base_every_folder_is_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(tmp_path / "dist", "tqdm-4.66.5.dist-info", "Name: tqdm\nVersion: 4.66.5\n")
    environment_in(monkeypatch, tmp_path / "usr", tmp_path / "usr", tmp_path / "dist")
    assert probe.environment() == ({"tqdm": "4.66.5"}, {}, [])


@given(st.dictionaries(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)*", fullmatch=True), st.just("1.0")))
def test_the_freeze_record_is_sorted_and_reads_back(distributions: dict[str, str]) -> None:
    lines = probe.frozen(distributions).splitlines()
    assert lines == [f"{name}==1.0" for name in sorted(distributions)]


# --- torch, GPU


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


# --- modules


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


# --- sources


def checkout(tmp_path: Path, head: str) -> Path:
    git = tmp_path / "checkout" / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text(head)
    return git


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


# --- problems: one pass, one fail each


def test_what_is_as_expected_has_no_problems() -> None:
    assert problems(answer(), expected()) == []


def test_another_python_is_a_problem() -> None:
    assert problems(answer(python="3.10.12"), expected()) == ["python: expected 3.10.14, found 3.10.12"]


@pytest.mark.parametrize(
    ("version", "compatible"), [("3.11.0", True), ("3.11.13", True), ("3.1.1", False), ("3.12.1", False)]
)
def test_a_python_without_its_last_part_is_any_of_that_series(*, version: str, compatible: bool) -> None:
    messages = problems(answer(python=version), expected(python="3.11"))
    assert messages == ([] if compatible else [f"python: expected 3.11, found {version}"])


def test_another_version_of_a_distribution_is_a_problem() -> None:
    document = answer(distributions={"torch": "2.5.1+cu124", "tqdm": "4.66.5"})
    assert problems(document, expected()) == ["torch: expected 2.5.1+cu121, found 2.5.1+cu124"]


def test_another_spelling_of_a_version_or_a_name_is_none() -> None:
    expectation = expected(distributions={"torch": "2.5.1+cu121", "T.Q_dm": "4.66.5.0"})
    document = answer(distributions={"torch": "2.5.1+cu121", "t-q-dm": "4.66.5"})
    assert problems(document, expectation) == []


def test_a_missing_distribution_is_a_problem() -> None:
    document = answer(distributions={"torch": "2.5.1+cu121"})
    assert problems(document, expected()) == ["tqdm: expected 4.66.5, not installed"]


def test_an_extra_distribution_is_a_problem() -> None:
    document = answer(distributions={"torch": "2.5.1+cu121", "tqdm": "4.66.5", "xformers": "0.0.28"})
    assert problems(document, expected()) == ["xformers: expected not to be installed, found 0.0.28"]


def test_a_distribution_recorded_twice_is_a_problem() -> None:
    assert problems(answer(duplicates=["tqdm"]), expected()) == [
        "tqdm: recorded more than once in site-packages"
    ]


def test_an_optional_distribution_may_be_absent_or_right() -> None:
    expectation = expected(optional={"Pandas": "2.2.3"})
    distributions = {"torch": "2.5.1+cu121", "tqdm": "4.66.5", "pandas": "2.2.3"}
    assert problems(answer(), expectation) == []
    assert problems(answer(distributions=distributions), expectation) == []


def test_an_optional_distribution_of_another_version_is_a_problem() -> None:
    distributions = {"torch": "2.5.1+cu121", "tqdm": "4.66.5", "pandas": "2.2.2"}
    messages = problems(answer(distributions=distributions), expected(optional={"pandas": "2.2.3"}))
    assert messages == ["pandas: expected 2.2.3, found 2.2.2"]


def base_answer(**changes: object) -> dict[str, Any]:
    """Answer what an environment above an image with torch says."""
    return answer(
        **{
            "distributions": {"tqdm": "4.66.5"},
            "inherited": {"torch": "2.5.1+cu121", "conda": "25.1.1"},
            **changes,
        }
    )


def expect_base_packages(**inherited: str) -> dict[str, Any]:
    return expected(distributions={"tqdm": "4.66.5"}, inherited=inherited)


@pytest.mark.parametrize("version", ["2.5.1+cu121", "2.5.1", "2.5.1.0+CU121"])
def test_what_the_base_brings_as_expected_is_no_problem(version: str) -> None:
    assert problems(base_answer(), expect_base_packages(Torch=version)) == []


@pytest.mark.parametrize("version", ["2.5.1+cu124", "2.5.0", "2.5.0+cu121"])
def test_another_version_in_the_base_is_a_problem(version: str) -> None:
    assert problems(base_answer(), expect_base_packages(torch=version)) == [
        f"torch: expected {version} from the base, found 2.5.1+cu121"
    ]


def test_what_the_base_does_not_bring_is_a_problem() -> None:
    assert problems(base_answer(inherited={}), expect_base_packages(torch="2.5.1+cu121")) == [
        "torch: expected 2.5.1+cu121 from the base, found none"
    ]


def test_what_should_come_from_the_base_and_was_installed_is_one_problem() -> None:
    assert problems(answer(), expect_base_packages(torch="2.5.1+cu121")) == [
        "torch: expected from the base, but it is installed in the environment"
    ]


def test_what_should_be_installed_and_comes_from_the_base_is_a_problem() -> None:
    assert problems(base_answer(), expected()) == [
        "torch: expected 2.5.1+cu121, not installed here; the base has 2.5.1+cu121"
    ]


def torch_answer(version: str, cuda: str | None, *archs: str) -> dict[str, Any]:
    return answer(torch={"version": version, "cuda": cuda, "archs": list(archs)})


def torch_expected(version: str, cuda: str | None, archs: list[str] | None = None) -> dict[str, Any]:
    return expected(torch={"version": version, "cuda": cuda, "archs": archs})


def test_another_build_of_torch_is_a_problem() -> None:
    document = torch_answer("2.5.1+cu124", "12.4")
    assert problems(document, torch_expected("2.5.1+cu121", "12.1")) == [
        "torch.__version__: expected 2.5.1+cu121, found 2.5.1+cu124",
        "torch CUDA: expected 12.1, found 12.4",
    ]


def test_without_a_local_part_only_torchs_release_is_compared() -> None:
    document = torch_answer("2.5.1+cu124", "12.4")
    assert problems(document, torch_expected("2.5.1", "12.4")) == []
    assert problems(document, torch_expected("2.5.0", "12.4")) == [
        "torch.__version__: expected 2.5.0, found 2.5.1+cu124"
    ]


def test_a_cpu_build_is_expected_to_have_no_cuda() -> None:
    expectation = torch_expected("2.5.1", None)
    assert problems(torch_answer("2.5.1+cpu", None), expectation) == []
    assert problems(torch_answer("2.5.1+cu124", "12.4"), expectation) == [
        "torch CUDA: expected none, found 12.4"
    ]


def test_cuda_expected_and_absent_is_a_problem() -> None:
    expectation = torch_expected("2.5.1", "12.4")
    assert problems(torch_answer("2.5.1+cpu", None), expectation) == ["torch CUDA: expected 12.4, found none"]


def test_a_missing_architecture_is_a_problem() -> None:
    document = torch_answer("2.5.1", "12.1", "sm_80", "sm_90")
    assert problems(document, torch_expected("2.5.1", "12.1", ["sm_80"])) == []
    assert problems(document, torch_expected("2.5.1", "12.1", ["sm_80", "sm_100", "sm_120"])) == [
        "torch architectures: expected sm_100 sm_120, found sm_80 sm_90"
    ]
    assert problems(torch_answer("2.5.1", "12.1"), torch_expected("2.5.1", "12.1", ["sm_80"])) == [
        "torch architectures: expected sm_80, found none"
    ]


def test_a_torch_that_is_missing_or_broken_is_a_problem() -> None:
    assert problems(answer(torch=None), expected()) == [
        "torch.__version__: expected 2.5.1+cu121, torch is not installed"
    ]
    assert problems(answer(torch={"error": "OSError: libcudart"}), expected()) == [
        "torch.__version__: expected 2.5.1+cu121, OSError: libcudart"
    ]


def test_where_no_torch_is_expected_none_is_looked_at() -> None:
    assert problems(answer(torch={"error": "OSError: libcudart"}), expected(torch=None)) == []


def test_a_failed_import_is_a_problem() -> None:
    document = answer(imports={"torch": None, "accelerate": "ImportError: no"})
    assert problems(document, expected()) == ["import accelerate: ImportError: no"]


def test_an_import_that_was_not_tried_is_a_problem() -> None:
    assert problems(answer(imports={}), expected()) == ["import torch: not tried"]


def test_another_commit_of_a_source_is_a_problem() -> None:
    document = answer(sources={"/opt/sd-scripts": OTHER})
    assert problems(document, expected()) == [f"/opt/sd-scripts: expected {COMMIT}, found {OTHER}"]
    assert problems(answer(sources={}), expected()) == [
        f"/opt/sd-scripts: expected {COMMIT}, found not asked"
    ]


# --- the verdict, the expectation, the command


def test_the_verdict_counts_and_names_the_build() -> None:
    assert probe.verdict(answer(), []) == "probe: ok, 2 distributions, torch 2.5.1+cu121, CUDA 12.1\n"
    assert (
        probe.verdict(torch_answer("2.5.1+cpu", None), [])
        == "probe: ok, 2 distributions, torch 2.5.1+cpu, no CUDA\n"
    )
    assert probe.verdict(answer(torch=None), []) == "probe: ok, 2 distributions, no torch\n"


def test_the_verdict_has_a_line_for_each_problem() -> None:
    assert probe.verdict(answer(), ["a: b"]) == "probe: FAIL a: b\nprobe: 1 problem\n"
    assert (
        probe.verdict(answer(), ["a: b", "c: d"]) == "probe: FAIL a: b\nprobe: FAIL c: d\nprobe: 2 problems\n"
    )


def test_an_expectation_needs_only_python_and_distributions() -> None:
    minimal = {"python": "3.10.14", "distributions": {}}
    assert probe.expectation(json.dumps(minimal)) == minimal
    assert probe.expectation(json.dumps(expected(optional={}))) == expected(optional={})


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        ([], "expected a JSON object"),
        ({"distribution": {}}, "missing key python; missing key distributions; unknown key distribution"),
        (expected(python=3.1), "wrong value of python"),
        (expected(distributions={"tqdm": None}), "wrong value of distributions"),
        (expected(imports="torch"), "wrong value of imports"),
        (expected(inherited=["torch"]), "wrong value of inherited"),
        (expected(inherited={"Torch": "2.5.1"}), "torch: expected both here and from the base"),
        (
            expected(optional={"pandas": "2"}, inherited={"pandas": "2"}),
            "pandas: expected both here and from the base",
        ),
        (expected(sources=[]), "wrong value of sources"),
        (expected(torch="2.5.1"), "wrong value of torch"),
        (expected(torch={"cuda": "12.1"}), "wrong value of torch"),
        (expected(torch={"version": "2.5.1", "arches": []}), "wrong value of torch"),
        (expected(torch={"version": "2.5.1", "archs": "sm_80"}), "wrong value of torch"),
    ],
)
def test_an_expectation_of_another_shape_is_refused(expectation: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        probe.expectation(json.dumps(expectation))


@pytest.fixture
def installed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Make an environment of one distribution and a fake torch; answer what to expect of it."""
    write_record(tmp_path / "site", "torch-2.5.1.dist-info", "Name: torch\nVersion: 2.5.1+cu121\n")
    write_record(tmp_path / "base", "conda-25.1.1.dist-info", "Name: conda\nVersion: 25.1.1\n")
    environment_in(monkeypatch, tmp_path / "site", tmp_path / "base", tmp_path / "site", tmp_path / "base")
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    monkeypatch.setattr(probe.platform, "python_version", lambda: "3.10.14")
    git = checkout(tmp_path, COMMIT)
    return expected(distributions={"torch": "2.5.1+cu121"}, sources={str(git.parent): COMMIT})


def run(tmp_path: Path, expectation: dict[str, Any], *arguments: str) -> int:
    (tmp_path / "expect.json").write_text(json.dumps(expectation))
    code: int = probe.main(["--expect", str(tmp_path / "expect.json"), *arguments])
    return code


def test_the_command_answers_0_for_what_is_expected(
    installed_environment: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, installed_environment) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["sources"] == installed_environment["sources"]
    assert json.loads(out)["inherited"] == {"conda": "25.1.1"}
    assert err == "probe: ok, 1 distributions, torch 2.5.1+cu121, CUDA 12.1\n"


def test_the_command_answers_1_and_says_why(
    installed_environment: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(tmp_path, {**installed_environment, "python": "3.11.9"}, "--import", "json", "probe_no_such") == 1
    )
    out, err = capsys.readouterr()
    assert list(json.loads(out)["imports"]) == ["torch", "json", "probe_no_such"]
    assert err == (
        "probe: FAIL python: expected 3.11.9, found 3.10.14\n"
        "probe: FAIL import probe_no_such: ModuleNotFoundError: No module named 'probe_no_such'\n"
        "probe: 2 problems\n"
    )


@pytest.mark.usefixtures("installed_environment")
def test_freeze_prints_the_record_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["--freeze"]) == 0
    assert capsys.readouterr() == ("torch==2.5.1+cu121\n", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--freeze", "--import", "json"], "--freeze stands alone"),
        (["--expect", "no/such/file"], "no/such/file: FileNotFoundError"),
        (["--expect", os.devnull], "JSONDecodeError"),
    ],
)
def test_wrong_arguments_and_files_answer_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as excinfo:
        probe.main(argv)
    assert excinfo.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
