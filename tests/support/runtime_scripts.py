"""The scripts of images as modules, and an environment for the probe to look at."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

RUNTIME = Path(__file__).parents[2] / "src/torchpin/resources/runtime"
COMMIT = "966e9d7f6bb4058abbddb815dd40462b35ffb1d2"
OTHER = "0123456789abcdef0123456789abcdef01234567"


def load_script(name: str, **imports: ModuleType) -> ModuleType:
    """A script as a module; `imports` are the scripts that it imports, which no other test finds by their names."""
    spec = importlib.util.spec_from_file_location(name, RUNTIME / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # images contain the folder as it is
        for script, imported in imports.items():
            patch.setitem(sys.modules, script, imported)
        spec.loader.exec_module(module)
    return module


probe_expectation = load_script("probe_expectation")
probe_files = load_script("probe_files", probe_expectation=probe_expectation)
probe_code = load_script("probe_code")
probe_findings = load_script("probe_findings", probe_files=probe_files, probe_code=probe_code)
probe_kept = load_script("probe_kept", probe_expectation=probe_expectation, probe_files=probe_files)
probe = load_script(
    "probe",
    probe_expectation=probe_expectation,
    probe_findings=probe_findings,
    probe_kept=probe_kept,
)


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


def probe_document(**changes: object) -> dict[str, Any]:
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


def write_record(site: Path, folder: str, text: str | None) -> None:
    (site / folder).mkdir(parents=True)
    if text is not None:
        (site / folder / "METADATA").write_text(text, encoding="utf-8")


def place_environment(monkeypatch: pytest.MonkeyPatch, prefix: Path, base: Path, *folders: Path) -> None:
    monkeypatch.setattr(probe.sys, "prefix", str(prefix))
    monkeypatch.setattr(probe.sys, "base_prefix", str(base))
    monkeypatch.setattr(
        probe.sysconfig, "get_paths", lambda: {"purelib": str(prefix), "platlib": str(prefix)}
    )
    monkeypatch.setattr(probe, "site_folders", lambda: [str(folder) for folder in folders])


def checkout(tmp_path: Path, head: str) -> Path:
    git = tmp_path / "checkout" / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text(head)
    return git


def torch_document(version: str, cuda: str | None, *archs: str) -> dict[str, Any]:
    return probe_document(torch={"version": version, "cuda": cuda, "archs": list(archs)})
