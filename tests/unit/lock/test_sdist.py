"""The build requirements of source archives."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from torchpin.errors import ToolError
from torchpin.lock import sdist


def make_tar(mode: str = "gz", **files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_toml", ".toml"))
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def make_zip(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_toml", ".toml"), text)
    return buffer.getvalue()


FLIT = '[build-system]\nrequires = ["flit_core >=3.2,<4"]\nbuild-backend = "flit_core.buildapi"\n'


@pytest.mark.parametrize(
    ("content", "requirements"),
    [
        (make_tar(a__pyproject_toml=FLIT), ("flit_core >=3.2,<4",)),
        (make_tar("bz2", a__pyproject_toml=FLIT), ("flit_core >=3.2,<4",)),
        (make_tar(a__setup="", a__b__pyproject_toml=FLIT), ("setuptools", "wheel")),
        (make_tar(a__pyproject_toml="[project]\n"), ("setuptools", "wheel")),
        (
            make_tar(a__pyproject_toml='[build-system]\nrequires = ["setuptools>=61", "cython"]\n'),
            ("cython", "setuptools>=61", "wheel"),
        ),
        (
            make_tar(a__pyproject_toml='[build-system]\nrequires = ["setuptools", "wheel"]\n'),
            ("setuptools", "wheel"),
        ),
        (make_tar(a__pyproject_toml="[build-system]\nrequires = []\n"), ()),
    ],
)
def test_a_source_says_what_builds_it(content: bytes, requirements: tuple[str, ...]) -> None:
    assert sdist.build_requirements(content, "a-1.tar.gz") == requirements


@pytest.mark.parametrize(
    ("files", "installs"),
    [
        ({"a-1/a.egg-info/top_level.txt": "flash_attn\nhopper\n"}, ("flash_attn", "hopper")),
        ({"a-1/src/antlr.egg-info/top_level.txt": "antlr4\n\n"}, ("antlr4",)),
        ({"a-1/vendored/src/b.egg-info/top_level.txt": "b\n", "a-1/top_level.txt": "c\n"}, ()),
        ({"a-1/PKG-INFO": ""}, ()),
    ],
)
def test_a_source_of_setuptools_lists_what_it_installs(
    files: dict[str, str], installs: tuple[str, ...]
) -> None:
    assert sdist.top_level(make_tar(**files), "a-1.tar.gz") == installs
    assert sdist.top_level(make_zip(**files), "a-1.zip") == installs


def test_a_damaged_source_lists_nothing() -> None:
    with pytest.raises(ToolError, match=r"^a-1\.zip cannot be read"):
        sdist.top_level(b"PK", "a-1.zip")


def test_a_zipped_source_says_what_builds_it() -> None:
    assert sdist.build_requirements(make_zip(a__pyproject_toml=FLIT), "a-1.zip") == ("flit_core >=3.2,<4",)
    assert sdist.build_requirements(make_zip(a__setup=""), "a-1.zip") == ("setuptools", "wheel")


@pytest.mark.parametrize(
    "content",
    [
        make_tar(a__pyproject_toml="[build-system]\nrequires = 5\n"),
        make_tar(a__pyproject_toml="[build-system]\nrequires = [5]\n"),
        make_tar(a__pyproject_toml="build-system = 5\n"),
        make_tar("xz", a__pyproject_toml=FLIT + "#" * 5000)[:120],
        make_tar(a__pyproject_toml=FLIT + "#" * 5000)[:60],
        make_tar("bz2", a__pyproject_toml=FLIT)[:60],
        make_tar(a__pyproject_toml="a = " + "[" * 100_000),
        make_tar(a__pyproject_toml="#" * 1_000_001),
        b"",
        b"\x1f\x8b",
        b"BZh9",
    ],
    ids=range(11),  # the bytes of an archive hold the time at which it was made
)
def test_what_is_no_source_archive_is_an_error_with_its_name(content: bytes) -> None:
    with pytest.raises(
        ToolError, match=r"^a-1\.tar\.gz cannot be read \(.+\); pin a version that has a wheel$"
    ):
        sdist.build_requirements(content, "a-1.tar.gz")


def test_a_damaged_zip_is_an_error_with_its_name() -> None:
    content = make_zip(a__pyproject_toml=FLIT)
    for damaged in (content[:20], content.replace(b"flit", b"tilf", 1), b""):
        with pytest.raises(ToolError, match=r"^a-1\.zip cannot be read"):
            sdist.build_requirements(damaged, "a-1.zip")


def test_a_small_archive_that_unpacks_to_gigabytes_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "_MOST_UNPACKED", 1_000_000)
    bomb = make_tar(a__setup="0" * 2_000_000, a__pyproject_toml=FLIT)
    with pytest.raises(ToolError, match="it unpacks to more than 1000000 bytes"):
        sdist.build_requirements(bomb, "a-1.tar.gz")


def test_an_archive_has_a_bound_of_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "_MOST_MEMBERS", 3)
    with pytest.raises(ToolError, match="it has more than 3 files"):
        sdist.build_requirements(make_tar(**{f"a__{number}": "" for number in range(4)}), "a-1.tar.gz")
