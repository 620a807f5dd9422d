"""Where locked wheels are fetched from: indexes and their mirrors, addresses, and the repository."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.private_index import HEADER, PASSWORD, USER, serve_privately
from support.wheel_files import artifact_of, build_wheel
from torchpin.errors import ToolError
from torchpin.model import (
    Base,
    Environment,
    Index,
    Layer,
    LayerLock,
    Lock,
    Package,
    PackageFile,
    Service,
    Settings,
    Torch,
    Variant,
)
from torchpin.tools import index_server
from torchpin.tools.index_server import File
from torchpin.tools.wheel_sources import WheelSources

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.model import Artifact


def ignore(size: int) -> None:
    """Nothing is told."""


def environment(url: str) -> Environment:
    variant = Variant(name="cpu", channel="cpu", platform="linux/amd64")
    service = Service(
        name="cropper",
        summary="",
        python=Version("3.12.11"),
        base=Base(image="ubuntu:22.04"),
        torch=Torch(version=Version("2.5.1"), companions=MappingProxyType({})),
        variants=(variant,),
        layers=(
            Layer(name="web", packages=(Requirement("idna==3.10"),)),
            Layer(
                name="files",
                packages=(
                    Package("addressed==1.0", file=PackageFile(url="https://x.example/addressed-1.0-py3-none-any.whl", sha256="0" * 64)),
                    Package("committed==1.0", file=PackageFile(path="wheels/committed-1.0-py3-none-any.whl")),
                ),
            ),
        ),
        indexes=(Index(name="corp", url=url),),
    )  # fmt: skip
    return Environment(service=service, variant=variant)


def wheel_of(name: str, version: str = "1.0") -> tuple[Artifact, bytes]:
    filename = f"{name}-{version}-py3-none-any.whl"
    content = build_wheel(filename, {f"{name}.py": b""})
    return artifact_of(filename, content), content


def layer_of(name: str, origin: str, *packages: Artifact) -> LayerLock:
    return LayerLock(
        environment="cropper-cpu",
        name=name,
        origin=origin,
        python="3.12.11",
        platform="linux/amd64",
        uv="0.13.9",
        inputs_digest="",
        packages=packages,
    )


def index_row(wheel: tuple[Artifact, bytes]) -> File:
    return File(filename=wheel[0].filename, sha256=wheel[0].sha256, content=wheel[1])


def test_each_wheel_comes_from_where_its_lock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirrored channel, PyPI's mirror, an index of the description, an address's mirror, and the repository."""
    torch, idna, inner = wheel_of("torch", "2.5.1+cpu"), wheel_of("idna", "3.10"), wheel_of("inner")
    addressed, committed = wheel_of("addressed"), wheel_of("committed")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / committed[0].filename).write_bytes(committed[1])
    (tmp_path / addressed[0].filename).write_bytes(addressed[1])
    channels = {
        "cpu": {"torch": [index_row(torch)]},
        "pypi": {"idna": [index_row(idna)], "inner": [index_row(wheel_of("inner", "9.9"))]},
        "corp": {"inner": [index_row(inner)]},
    }
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", USER)
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", PASSWORD)
    with index_server.serve(channels) as base, serve_privately(channels) as corp:
        env = environment(f"{corp.base}/corp")
        mirrors = {"cpu": f"{base}/cpu", "pypi": f"{base}/pypi/", "addressed": tmp_path.as_uri()}
        settings = Settings(mirrors=MappingProxyType(mirrors), cache=str(tmp_path / "cache"))
        files = (replace(addressed[0], origin="address"), replace(committed[0], origin="repository"))
        layers = [
            layer_of("00-torch", "cpu", torch[0]),
            layer_of("01-web", "pypi", idna[0]),
            layer_of("02-inner", "corp", inner[0]),
            layer_of("03-files", "pypi", *files),
        ]
        lock = Lock(layers=tuple(layers))
        wheels = WheelSources(tmp_path, env, lock, settings)
        for package in lock.packages.values():
            content = wheels.fetch(package, ignore).read_bytes()
            assert artifact_of(package.filename, content).sha256 == package.sha256
        assert {header for _, _, header in corp.seen} >= {HEADER}
        with pytest.raises(ToolError, match=r"/pypi/idna/ does not list idna-3.11-py3-none-any.whl"):
            wheels.address(replace(idna[0], filename="idna-3.11-py3-none-any.whl"))
        with pytest.raises(ToolError, match=r"idna-3.10.tar.gz is an archive of sources"):
            wheels.fetch(replace(idna[0], filename="idna-3.10.tar.gz"), ignore)
        (tmp_path / "wheels" / committed[0].filename).write_bytes(b"another")
        with pytest.raises(ToolError, match="is not the file that is locked"):
            wheels.fetch(lock.packages["committed"], ignore)
