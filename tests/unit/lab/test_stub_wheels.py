"""Stub wheels: their bytes, names and metadata, and what their modules return."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename

from torchpin.lab import stub_wheels

if TYPE_CHECKING:
    from torchpin.tools import index_server

CU121 = {"archs": ("sm_50", "sm_90"), "cuda": "12.1", "cudnn": 90100, "local": "cu121", "version": "2.5.1"}


def family(**changes: object) -> tuple[index_server.File, ...]:
    arguments = {
        **CU121,
        "companions": {"torchvision": "0.20.1"},
        "python_tag": "cp311",
        "platform": "linux_x86_64",
    }
    return stub_wheels.torch_family(**{**arguments, **changes})  # type: ignore[arg-type]


def archive_texts(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def module_values(file: index_server.File, path: str) -> dict[str, object]:
    """What a module of the stub that imports nothing defines."""
    assert file.content
    values: dict[str, object] = {}
    exec(archive_texts(file.content)[path], values)
    return values


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}\.py", fullmatch=True), st.text(max_size=40), max_size=4))
def test_a_wheel_is_the_same_bytes_whatever_the_order_of_its_modules(modules: dict[str, str]) -> None:
    reordered = dict(reversed(modules.items()))
    assert stub_wheels.build_wheel("a", "1", modules=modules) == stub_wheels.build_wheel(
        "a", "1", modules=reordered
    )


def test_a_wheel_has_fixed_timestamps_and_unix_permissions() -> None:
    _, content = stub_wheels.build_wheel("a", "1", modules={"a.py": ""})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}
        assert {info.create_system for info in archive.infolist()} == {3}


def test_a_wheels_record_names_every_file_with_its_true_hash_and_size() -> None:
    _, content = stub_wheels.build_wheel("a", "1", modules={"b/__init__.py": "x = 'é'\n", "a.py": ""})
    files = archive_texts(content)
    rows = {
        name: (digest, size) for name, digest, size in csv.reader(files["a-1.dist-info/RECORD"].splitlines())
    }
    assert list(rows) == list(files)
    assert rows.pop("a-1.dist-info/RECORD") == ("", "")
    for name, (digest, size) in rows.items():
        raw = files[name].encode()
        encoded = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={encoded}", str(len(raw)))


def test_a_wheels_file_name_keeps_the_plus_of_a_local_version() -> None:
    name, content = stub_wheels.build_wheel(
        "Torch", "2.5.1+cu121", tag="cp311-cp311-linux_x86_64", modules={}
    )
    assert name == "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"
    assert "torch-2.5.1+cu121.dist-info/METADATA" in archive_texts(content)
    assert "Root-Is-Purelib: false" in archive_texts(content)["torch-2.5.1+cu121.dist-info/WHEEL"]


def test_a_wheels_name_and_version_are_written_as_the_format_wants_them() -> None:
    name, content = stub_wheels.build_wheel("Flash.Attn-x", "2.8.3-post1", modules={})
    assert name == "flash_attn_x-2.8.3.post1-py3-none-any.whl"
    assert parse_wheel_filename(name)[0] == "flash-attn-x"
    assert "Root-Is-Purelib: true" in archive_texts(content)["flash_attn_x-2.8.3.post1.dist-info/WHEEL"]


def test_a_wheel_lists_each_tag_of_a_compressed_set() -> None:
    _, content = stub_wheels.build_wheel("a", "1", tag="py2.py3-none-any", modules={})
    assert "Tag: py2-none-any\nTag: py3-none-any\n" in archive_texts(content)["a-1.dist-info/WHEEL"]


def test_metadata_declares_the_extras_that_its_requirements_name() -> None:
    requires = (
        "numpy<2",
        "optree>=0.13.0; extra == 'optree'",
        'x; python_version > "3" and extra == "opt-x"',
    )
    _, content = stub_wheels.build_wheel("a", "1", requires=requires, modules={})
    metadata = Parser().parsestr(archive_texts(content)["a-1.dist-info/METADATA"])
    assert metadata.get_all("Requires-Dist") == list(requires)
    assert metadata.get_all("Provides-Extra") == ["optree", "opt-x"]
    assert metadata["Requires-Python"] == ">=3.8"


def test_a_wheel_may_leave_its_pythons_open() -> None:
    _, content = stub_wheels.build_wheel("a", "1", requires_python=None, modules={})
    assert "Requires-Python" not in archive_texts(content)["a-1.dist-info/METADATA"]


def test_a_published_wheel_is_described_by_its_own_bytes() -> None:
    name, content = stub_wheels.build_wheel("a", "1", requires=("b",), modules={"a.py": ""})
    file = stub_wheels.index_file(name, content)
    assert (file.filename, file.content, file.size) == (name, content, len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.metadata == archive_texts(content)["a-1.dist-info/METADATA"]
    assert file.requires_python == ">=3.8"


def test_the_family_is_named_as_on_the_real_index() -> None:
    assert [file.filename for file in family()] == [
        "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl",
        "torchvision-0.20.1+cu121-cp311-cp311-linux_x86_64.whl",
    ]
    assert family(local=None)[0].filename == "torch-2.5.1-cp311-cp311-linux_x86_64.whl"


def test_companions_require_their_torch_without_its_local_version() -> None:
    torch, torchvision = family()
    assert "Requires-Dist: torch==2.5.1\n" in (torchvision.metadata or "")
    assert "Requires-Dist: typing-extensions>=4.8.0\n" in (torch.metadata or "")


def test_another_local_version_is_another_wheel() -> None:
    assert family()[0].sha256 != family(local="cu124")[0].sha256


def test_a_cuda_torch_answers_for_its_build() -> None:
    native = module_values(family()[0], "torch/_C.py")
    assert native["_cuda_getArchFlags"]() == "sm_50 sm_90"  # type: ignore[operator]
    assert native["_GLIBCXX_USE_CXX11_ABI"] is False
    version = module_values(family()[0], "torch/version.py")
    assert (version["__version__"], version["cuda"]) == ("2.5.1+cu121", "12.1")


def test_a_cpu_torch_has_no_arch_flags_and_no_cudnn() -> None:
    torch = family(local="cpu", cuda=None, archs=(), cudnn=None, cxx11_abi=True)[0]
    native = module_values(torch, "torch/_C.py")
    assert "_cuda_getArchFlags" not in native
    assert native["_GLIBCXX_USE_CXX11_ABI"] is True
    cudnn = module_values(torch, "torch/backends/cudnn/__init__.py")
    assert cudnn["version"]() is None  # type: ignore[operator]
    assert cudnn["is_available"]() is False  # type: ignore[operator]


@pytest.mark.parametrize("path", ["torch/__init__.py", "torch/_C.py", "torch/cuda/__init__.py"])
def test_every_module_says_that_it_is_a_stand_in(path: str) -> None:
    assert "stub, not the real torch" in archive_texts(family()[0].content or b"")[path]
