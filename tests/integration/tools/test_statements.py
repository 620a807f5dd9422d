"""Licenses and contents are read out of parts of a wheel, else from what an index publishes beside it, or a source archive."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.errors import ToolError
from torchpin.model import (
    Artifact,
    LayerLock,
    LicenseStatement,
    Lock,
    Settings,
    SharedFiles,
    WheelContents,
)
from torchpin.tools import http, index_server, remote_wheel
from torchpin.tools.statements import read_statements

if TYPE_CHECKING:
    from collections.abc import Iterator

ENV = read_environment(DESCRIPTION)
MIT = "Metadata-Version: 2.1\nName: six\nVersion: 1\nLicense: MIT\n"
ZLIB = MIT.replace("MIT", "Zlib")


def wheel(metadata: str, *, folder: str = "six-1.dist-info", padding: int = 200_000) -> bytes:
    """A wheel whose list of files is longer than the end of it that is read at once."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{folder}/METADATA", metadata)
        archive.writestr("six/vendored/other-1.dist-info/METADATA", ZLIB)
        for number in range(padding // 100):
            archive.writestr(f"six/{number:090}", b"")
    return content.getvalue()


def sdist(metadata: str, **files: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, text in {"six-1/PKG-INFO": metadata, **files}.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def published(filename: str, content: bytes, metadata: str | None = None) -> index_server.File:
    return index_server.File(
        filename=filename, sha256=hashlib.sha256(content).hexdigest(), content=content, metadata=metadata
    )


FILES = (
    published("beside-1-py3-none-any.whl", wheel(ZLIB, folder="beside-1.dist-info")[:-30], MIT),
    published("six-1-py3-none-any.whl", wheel(MIT)),
    published("small-1-py3-none-any.whl", wheel(MIT, folder="small-1.dist-info", padding=0)),
    published("source-1.tar.gz", sdist(MIT)),
    published("silent-1-py3-none-any.whl", wheel("Name: silent\n", folder="silent-1.dist-info")),
    published("broken-1-py3-none-any.whl", wheel(MIT)[:-30]),
    published("without-1-py3-none-any.whl", wheel(MIT, folder="other-1.dist-info")),
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with index_server.serve({"cu121": {"six": FILES}}) as base_url:
        yield f"{base_url}/cu121/files"


def locked(*files: index_server.File) -> Lock:
    """A lock whose last layer, which is from PyPI, has these files."""
    artifacts = tuple(
        Artifact(
            name=file.filename.partition("-")[0],
            version="1",
            filename=file.filename,
            sha256=file.sha256 or "",
            size=len(file.content or b""),
        )
        for file in files
    )
    layer: LayerLock = make_lock(ENV).layers[-1]
    return Lock(layers=(replace(layer, packages=artifacts),))


def channel_lock() -> Lock:
    """The lock of the environment, each file with a hash of its own."""
    lock = make_lock(ENV)
    layers = tuple(
        replace(
            layer,
            packages=tuple(
                replace(package, sha256=hashlib.sha256(package.filename.encode()).hexdigest())
                for package in layer.packages
            ),
        )
        for layer in lock.layers
    )
    return replace(lock, layers=layers)


def urls(address: str, lock: Lock) -> dict[str, str]:
    return {package.sha256: f"{address}/{quote(package.filename)}" for package in lock.all_packages.values()}


def licenses(address: str, lock: Lock, current: Lock | None = None) -> tuple[LicenseStatement, ...]:
    return read(address, lock, current)[0]


def contents(address: str, lock: Lock, current: Lock | None = None) -> dict[str, WheelContents]:
    return {wheel.name: wheel for wheel in read(address, lock, current)[1]}


def read(
    address: str, lock: Lock, current: Lock | None = None
) -> tuple[tuple[LicenseStatement, ...], tuple[WheelContents, ...]]:
    return read_statements(ENV, Settings(), lock, urls(address, lock), current=current, other_builds=False)


def test_each_file_states_its_own_license_or_none(address: str) -> None:
    stated = {row.name: row.text for row in licenses(address, locked(*FILES))}
    assert stated == {"beside": "MIT", "six": "MIT", "small": "MIT", "source": "MIT"}


def test_only_the_end_of_a_wheel_and_its_metadata_are_read(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = []
    fetch = http.fetch

    def counted(url: str, **options: str) -> http.HttpResponse:
        response = fetch(url, **options)  # type: ignore[arg-type]
        ranges.append(len(response.content))
        return response

    monkeypatch.setattr(http, "fetch", counted)
    content = wheel(MIT, padding=2_000_000)
    large = published("six-1-py3-none-any.whl", content + b"")
    with index_server.serve({"x": {"six": (large,)}}) as base_url:
        remote = remote_wheel.read_wheel(
            f"{base_url}/x/files/six-1-py3-none-any.whl", large.filename, len(content)
        )
    assert remote
    assert remote.metadata == MIT.encode()
    assert len(remote.files) == 2 + 20_000
    assert sum(ranges) < len(content)
    assert len(ranges) <= 4


def test_a_server_that_sends_whole_files_only_tells_no_license(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_server, "parse_range", lambda *_: None)
    assert licenses(address, locked(FILES[1])) == ()


def test_what_the_present_lock_states_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = locked(FILES[1])
    statement = LicenseStatement(name="six", version="1", sha256=FILES[1].sha256 or "", text="read before")
    gone = replace(statement, sha256="0f" * 32)
    monkeypatch.setattr(http, "fetch", lambda *_, **__: pytest.fail("it was read again"))
    read_before = WheelContents(
        name="six", version="1", sha256=FILES[1].sha256 or "", installs=("read_before",)
    )
    present = replace(lock, licenses=(statement, gone), wheels=(read_before,))
    assert read("http://127.0.0.1:9", lock, current=present) == ((statement,), (read_before,))


def test_a_source_archive_that_does_not_match_its_hash_is_an_error(address: str) -> None:
    other = replace(FILES[3], sha256="0f" * 32)
    with pytest.raises(
        ToolError, match=r"^source-1\.tar\.gz does not match the hash that the index lists: 0f0f"
    ):
        licenses(address, locked(other))


def test_a_server_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchpin.tools.http.time.sleep", lambda _: None)
    with pytest.raises(
        ToolError, match=r"^the metadata of six-1-py3-none-any\.whl cannot be read: http://127\.0\.0\.1:9/"
    ):
        licenses("http://127.0.0.1:9", locked(FILES[1]))


@pytest.mark.network
def test_a_channel_without_metadata_is_answered_by_pypi_s_build() -> None:
    env = read_environment(DESCRIPTION)
    lock = channel_lock()
    statements, wheels = read_statements(env, Settings(), lock, {}, current=None, other_builds=True)
    (torch,) = (row for row in statements if row.name == "torch")
    (contents_of_torch,) = (wheel for wheel in wheels if wheel.name == "torch")
    assert contents_of_torch.installs == ("functorch", "torch", "torchgen")
    assert (contents_of_torch.contents_of, contents_of_torch.requires) == (torch.metadata_of, ())
    assert (torch.version, torch.text) == ("2.5.1+cu121", "BSD-3-Clause")
    assert torch.metadata_of.startswith("torch-2.5.1-cp310-")


@pytest.mark.network
def test_a_release_that_pypi_does_not_have_states_no_license() -> None:
    env = read_environment(DESCRIPTION)
    lock = channel_lock()
    first, *others = lock.layers
    unknown = tuple(replace(package, version="2.5.99+cu121") for package in first.packages)
    changed_lock = replace(lock, layers=(replace(first, packages=unknown), *others))
    licenses, wheels = read_statements(env, Settings(), changed_lock, {}, current=None, other_builds=True)
    assert licenses == ()
    assert {wheel.unread for wheel in wheels} == {"no index has its file"}


def test_a_pypi_that_cannot_be_read_is_no_missing_license(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    env = read_environment(DESCRIPTION)
    settings = Settings(mirrors={"pypi": "http://127.0.0.1:9/simple"})
    with pytest.raises(ToolError, match="Connection refused"):
        read_statements(env, settings, channel_lock(), {}, current=None, other_builds=True)


def small_wheel(name: str, texts: dict[str, str], requires: str = "torch>=2.2") -> index_server.File:
    """A wheel with these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(
            f"{name}-1.dist-info/METADATA", f"Name: {name}\nVersion: 1\nRequires-Dist: {requires}\n"
        )
        for path, text in texts.items():
            archive.writestr(path, text)
    return published(f"{name}-1-py3-none-any.whl", content.getvalue())


CODE = "import this\n" * 200
RUNTIMES = (
    small_wheel("runtime", {"runtime/__init__.py": CODE, "runtime/same.py": CODE, "LICENSE": "MIT"}),
    small_wheel("runtimegpu", {"runtime/__init__.py": CODE + "#", "runtime/same.py": CODE, "LICENSE": "BSD"}),
    small_wheel(
        "kernels", {f"kernels/lib_cuda{version}.so": "" for version in (118, 126)}, "nvidia-cublas-cu12"
    ),
)


def test_what_rules_need_is_read_out_of_each_wheel() -> None:
    with index_server.serve({"x": {"six": (*RUNTIMES, *FILES)}}) as base_url:
        wheels = contents(f"{base_url}/x/files", locked(*RUNTIMES, FILES[0], FILES[3]))
    assert {name: wheel.installs for name, wheel in wheels.items()} == {
        "beside": (),
        "kernels": ("kernels",),
        "runtime": ("LICENSE", "runtime"),
        "runtimegpu": ("LICENSE", "runtime"),
        "source": (),
    }
    assert wheels["kernels"].cuda_libraries == ("11.8", "12.6")
    assert wheels["kernels"].requires == ("nvidia-cublas-cu12",)
    assert wheels["runtime"].requires == ("torch>=2.2",)
    assert wheels["runtime"].shares == ()
    assert wheels["runtimegpu"].shares == (
        SharedFiles(package="runtime", count=1, example="runtime/__init__.py"),
    )
    assert wheels["beside"].unread == "its index serves no parts of the file, or the file is damaged"
    assert wheels["source"].unread == "it is a source archive: what it installs is known when it is built"


def test_a_source_archive_lists_its_folders_and_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = published("listed-1.tar.gz", sdist(MIT, **{"six-1/src/x.egg-info/top_level.txt": "antlr4\n"}))
    lock = locked(listed, FILES[3])
    with index_server.serve({"x": {"six": (listed, FILES[3])}}) as base_url:
        statements, wheels = read(f"{base_url}/x/files", lock)
    assert {wheel.name: (wheel.installs, wheel.contents_of) for wheel in wheels} == {
        "listed": (("antlr4",), "listed-1.tar.gz"),
        "source": ((), ""),
    }
    monkeypatch.setattr(http, "fetch", lambda *_, **__: pytest.fail("it was read again"))
    present = replace(lock, licenses=statements, wheels=wheels)
    assert read("http://127.0.0.1:9", lock, present) == (statements, wheels)


def test_a_new_wheel_is_compared_with_one_that_was_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    fetch = http.fetch

    def noted(url: str, **options: str) -> http.HttpResponse:
        fetched.append(http.filename(url))
        return fetch(url, **options)  # type: ignore[arg-type]

    with index_server.serve({"x": {"six": RUNTIMES}}) as base_url:
        address = f"{base_url}/x/files"
        first = locked(RUNTIMES[0], RUNTIMES[2])
        present = replace(first, wheels=read(address, first)[1])
        monkeypatch.setattr(http, "fetch", noted)
        wheels = contents(address, locked(*RUNTIMES), present)
        assert wheels["runtimegpu"].shares[0].count == 1
        assert {*fetched} == {RUNTIMES[0].filename, RUNTIMES[1].filename}
        fetched.clear()
        again = replace(present, wheels=tuple(wheels.values()))
        assert contents(address, locked(*RUNTIMES), again) == wheels
        assert fetched == []


def test_a_wheel_that_is_gone_when_another_is_compared_with_it_is_not_read() -> None:
    with index_server.serve({"x": {"six": RUNTIMES[:1]}}) as base_url:
        first = locked(RUNTIMES[0])
        present = replace(first, wheels=read(f"{base_url}/x/files", first)[1])
    with index_server.serve({"x": {"six": RUNTIMES[1:2]}}) as base_url:
        wheels = contents(f"{base_url}/x/files", locked(*RUNTIMES[:2]), present)
    assert wheels["runtime"].unread == "its index does not serve the file"
    assert wheels["runtimegpu"].installs == ("LICENSE", "runtime")
    assert wheels["runtimegpu"].shares == ()
