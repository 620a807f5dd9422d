"""Bytecode of wheels by this Python: what it is compared with is what Python and uv make of the same files."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from types import MappingProxyType

import pytest

from support.wheel_files import artifact_of, build_wheel
from torchpin.assembly.archive import WheelArchive
from torchpin.assembly.layer import LayerPlan
from torchpin.assembly.wheel import InstalledWheel, VenvLayout, install_wheel
from torchpin.errors import ToolError
from torchpin.model import Settings
from torchpin.tools.bytecode import BytecodeStore, find_interpreter
from torchpin.tools.layer_store import LayerStore, make_layers
from torchpin.tools.wheel_store import WheelStore

FILENAME = "modules-1.0-py3-none-any.whl"
SOURCES = {
    "modules/__init__.py": b"'''Module.'''\nNAMES = {'a', 'b', 'c'}\ndef f(x): return x in {'left', 'right', 'self'}\n",
    "modules/größe.py": "# coding: utf-8\nVALUE = 'größe'\n".encode(),
    "modules/template.py": b"def {{ name }}():\n",
    "modules/null.py": b"x = 1\0",
    "modules/empty.py": b"",
    "modules/escape.py": b"x = '\\d'\n",
    "modules/tests/test_modules.py": b"import modules\n",
    "modules/contests/tests.py": b"import modules\n",
    "top.py": b"import modules\nclass Top:\n    def self(self): return self\n",
}
CONTENT = build_wheel(FILENAME, {**SOURCES, "modules-1.0.data/scripts/tool.py": b"#!python\n"})
WHEEL = artifact_of(FILENAME, CONTENT)
PYTHON = f"3.{sys.version_info.minor}"
TAG = sys.implementation.cache_tag


def layout_of(root: Path) -> VenvLayout:
    return VenvLayout(root=str(root), python=PYTHON)


def installed(layout: VenvLayout) -> InstalledWheel:
    return install_wheel(WheelArchive(io.BytesIO(CONTENT), FILENAME), "modules", layout)


@pytest.fixture
def store(tmp_path: Path) -> BytecodeStore:
    return BytecodeStore(folder=tmp_path / "bytecode", interpreter=Path(sys.executable))


def test_bytecode_is_that_of_python_for_the_path_in_the_image(store: BytecodeStore, tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "venv")
    compiled = store.compiled(installed(layout), WHEEL.sha256, layout)
    root = Path(layout.root, layout.site_packages)
    left_out = {"modules/template.py", "modules/null.py", "modules/tests/test_modules.py"}
    compilable = {str(root / path) for path in SOURCES if path not in left_out}
    assert {*compiled} == compilable
    for path in compilable:
        source = Path(path)
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(SOURCES[str(source.relative_to(root))])
        program = (
            "import py_compile, sys\n"
            "py_compile.compile(sys.argv[1], cfile=sys.argv[2], invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)"
        )
        command = (sys.executable, "-W", "ignore", "-c", program, path, str(tmp_path / "pyc"))
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "0"})
        assert strip_marks(compiled[path]) == strip_marks((tmp_path / "pyc").read_bytes())


def strip_marks(content: bytes) -> tuple[bytes, object]:
    """The header and the code of bytecode; which of its texts are marked as shared differs from run to run."""
    import marshal

    code = marshal.loads(content[16:])
    return content[:16], code


def test_what_was_compiled_is_kept_and_what_is_broken_is_compiled_again(
    store: BytecodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = layout_of(tmp_path / "venv")
    compiled = store.compiled(installed(layout), WHEEL.sha256, layout)
    (kept,) = (path for path in store.folder.rglob("*") if path.is_file())
    expected = kept.read_bytes()
    for broken in (b"", expected[:-1], b"x" + expected[1:], expected[:40] + b"\xff" + expected[41:]):
        kept.write_bytes(broken)
        assert store.compiled(installed(layout), WHEEL.sha256, layout) == compiled
        assert kept.read_bytes() == expected
    monkeypatch.setattr(BytecodeStore, "_compile", lambda *arguments: pytest.fail("it is kept"))
    assert store.compiled(installed(layout), WHEEL.sha256, layout) == compiled


def test_a_python_of_another_version_is_refused(store: BytecodeStore, tmp_path: Path) -> None:
    layout = VenvLayout(root=str(tmp_path), python="3.2")
    with pytest.raises(ToolError, match=r"is not a CPython 3\.2, which runs the bytecode"):
        store.compiled(installed(layout), WHEEL.sha256, layout)


def test_this_python_is_found(tmp_path: Path) -> None:
    interpreter = find_interpreter(PYTHON, tmp_path / "pythons", Settings())
    assert interpreter.is_file()
    assert not (tmp_path / "pythons").exists() or not [*(tmp_path / "pythons").glob("cpython*")]


def test_a_python_that_is_not_there_and_cannot_be_fetched_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    mirrored = Settings(mirrors=MappingProxyType({"python": (tmp_path / "nowhere").as_uri()}))
    missing = "3.10" if sys.version_info.minor != 10 else "3.14"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="python install"):
        find_interpreter(missing, tmp_path / "pythons", mirrored)


def test_layers_have_bytecode_beside_the_sources_or_alone(tmp_path: Path, store: BytecodeStore) -> None:
    layout = layout_of(Path("/opt/venv"))
    wheels = WheelStore(folder=tmp_path / "wheels")
    path = wheels.path(WHEEL)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)

    class Stored:
        store = wheels

        def fetch(self, artifact: object, report: object) -> Path:
            return path

    layers = LayerStore(
        folder=tmp_path / "layers", layout=layout, epoch=1, compression="none", bytecode=store
    )
    plans = [
        LayerPlan(name="plain", wheels=(WHEEL,)),
        LayerPlan(name="both", wheels=(WHEEL,), content="wheels and bytecode"),
        LayerPlan(name="alone", wheels=(WHEEL,), content="bytecode"),
    ]
    names = []
    for blob in make_layers(plans, layers, Stored(), lambda *call: None):
        with tarfile.open(blob.path) as archive:
            names.append({member.name for member in archive if member.isfile()})
    plain, both, alone = names
    assert both == plain | alone
    assert not plain & alone
    site_packages = f"opt/venv/{layout.site_packages}"
    assert f"{site_packages}/modules/__pycache__/__init__.{TAG}.pyc" in alone
    assert f"{site_packages}/__pycache__/top.{TAG}.pyc" in alone
    assert not any(name.startswith("opt/venv/bin") for name in alone)
    without = LayerStore(folder=tmp_path / "layers", layout=layout, epoch=1, compression="none")
    with pytest.raises(ToolError, match="alone: there is no Python that compiles bytecode"):
        make_layers(plans[2:], without, Stored(), lambda *call: None)


def test_python_runs_assembled_bytecode_without_its_sources(tmp_path: Path, store: BytecodeStore) -> None:
    """So the path in it, the name of the file and the magic number are right."""
    layout = layout_of(tmp_path / "venv")
    for path, content in store.compiled(installed(layout), WHEEL.sha256, layout).items():
        target = Path(path).with_suffix(".pyc")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    program = "import top; print(top.modules.f('left'), top.modules.f.__code__.co_filename)"
    completed = subprocess.run(
        (sys.executable, "-c", program),
        cwd=Path(layout.root, layout.site_packages),
        check=True,
        capture_output=True,
        text=True,
    )
    assert completed.stdout == f"True {layout.root}/{layout.site_packages}/modules/__init__.py\n"
