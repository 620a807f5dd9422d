"""Stub wheels of torch and its companions, a few kilobytes each: they report versions and build, but compute nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.tools.index_server import File, metadata_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can hold
TORCH_REQUIRES = ("filelock", "typing-extensions>=4.8.0")
DOC = (
    '"""torchpin\'s stub, not the real {name}: it reports its version and build and computes nothing."""\n\n'
)


def build_wheel(
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    requires_python: str | None = ">=3.8",
    modules: Mapping[str, str],
) -> tuple[str, bytes]:
    """File name and bytes of a wheel with `modules` (path to source). The same input gives the same bytes."""
    stem = f"{canonicalize_name(name).replace('-', '_')}-{Version(version)}"
    info = f"{stem}.dist-info"
    metadata = metadata_text(name, str(Version(version)), requires=requires, requires_python=requires_python)
    texts = {**modules, f"{info}/METADATA": metadata, f"{info}/WHEEL": _wheel_text(tag)}
    entries = {path: texts[path].encode() for path in sorted(texts)}
    record = "".join(_record_line(path, content) for path, content in entries.items())
    entries[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return f"{stem}-{tag}.whl", _zip_bytes(entries)


def index_file(filename: str, content: bytes) -> File:
    """A wheel as a file of an index page, with all fields that an index can have."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        path = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(path).decode()
    return File(
        filename=filename,
        sha256=hashlib.sha256(content).hexdigest(),
        metadata=metadata,
        content=content,
        requires_python=Parser().parsestr(metadata)["Requires-Python"],
        size=len(content),
    )


def torch_family(
    *,
    version: str,
    local: str | None,
    companions: Mapping[str, str],
    cuda: str | None,
    archs: Sequence[str],
    cudnn: int | None,
    python_tag: str,
    platform: str,
    requires: Sequence[str] = TORCH_REQUIRES,
    cxx11_abi: bool = False,
) -> tuple[File, ...]:
    """Stub wheels of torch and its companions, which require torch without local version, as the real ones do."""
    suffix = f"+{local}" if local else ""
    tag = f"{python_tag}-{python_tag}-{platform}"
    modules = torch_modules(f"{version}{suffix}", cuda=cuda, archs=archs, cudnn=cudnn, cxx11_abi=cxx11_abi)
    wheels = [build_wheel("torch", f"{version}{suffix}", tag=tag, requires=requires, modules=modules)]
    for name, companion in companions.items():
        modules = companion_modules(name, f"{companion}{suffix}", cuda=cuda)
        pin = (f"torch=={version}",)
        wheels.append(build_wheel(name, f"{companion}{suffix}", tag=tag, requires=pin, modules=modules))
    return tuple(index_file(*named_content) for named_content in wheels)


def torch_modules(
    version: str, *, cuda: str | None, archs: Sequence[str], cudnn: int | None, cxx11_abi: bool
) -> dict[str, str]:
    """The modules, path to source, of a torch that sees no GPU; as in the real one, a CPU build has no arch flags."""
    doc = DOC.format(name="torch")
    package = (
        f"{doc}from torch import _C, backends, cuda, version\n"
        "from torch.version import __version__\n\n"
        "__torchpin_stub__ = True\n\n\n"
        "def compiled_with_cxx11_abi():\n    return _C._GLIBCXX_USE_CXX11_ABI\n"
    )
    flags = f"\n\ndef _cuda_getArchFlags():\n    return {' '.join(archs)!r}\n" if cuda else ""
    return {
        "torch/__init__.py": package,
        "torch/_C.py": f"{doc}_GLIBCXX_USE_CXX11_ABI = {cxx11_abi!r}\n{flags}",
        "torch/version.py": doc + _version_source(version, cuda),
        "torch/cuda/__init__.py": (
            f"{doc}def is_available():\n    return False\n\n\n"
            "def device_count():\n    return 0\n\n\n"
            "def get_arch_list():\n    return []  # as in the real one without a GPU\n"
        ),
        "torch/backends/__init__.py": f"{doc}from torch.backends import cudnn\n",
        "torch/backends/cudnn/__init__.py": (
            f"{doc}def version():\n    return {cudnn!r}\n\n\n"
            f"def is_available():\n    return {cudnn is not None!r}\n"
        ),
    }


def companion_modules(name: str, version: str, *, cuda: str | None) -> dict[str, str]:
    """The modules, path to source, of a torchvision or torchaudio that imports torch and has a version."""
    doc = DOC.format(name=name)
    package = f"{doc}import torch\n\nfrom {name} import version\nfrom {name}.version import __version__\n"
    return {
        f"{name}/__init__.py": f"{package}\n__torchpin_stub__ = True\n",
        f"{name}/version.py": doc + _version_source(version, cuda),
    }


def _version_source(version: str, cuda: str | None) -> str:
    commit = hashlib.sha256(f"torchpin stub {version}".encode()).hexdigest()[:40]
    return (
        f"__version__ = {version!r}\ncuda = {cuda!r}\nhip = None\ndebug = False\ngit_version = {commit!r}\n"
    )


def _wheel_text(tag: str) -> str:
    pythons, abis, platforms = (field.split(".") for field in tag.split("-"))
    pure = "true" if platforms == ["any"] else "false"
    lines = ["Wheel-Version: 1.0", "Generator: torchpin", f"Root-Is-Purelib: {pure}"]
    lines += [
        f"Tag: {python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms
    ]
    return "\n".join(lines) + "\n"


def _record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


def _zip_bytes(entries: Mapping[str, bytes]) -> bytes:
    """A zip file of these entries: stored, since deflated bytes differ between versions of zlib, in the given order.

    RECORD is the last entry, as the wheel format recommends.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, content in entries.items():
            zip_info = zipfile.ZipInfo(path, EPOCH)
            zip_info.create_system = 3  # Unix, on every system: else Windows would write other bytes
            zip_info.external_attr = 0o100644 << 16
            archive.writestr(zip_info, content)
    return buffer.getvalue()
