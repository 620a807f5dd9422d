"""The build requirements of source archives."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

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


def test_a_zipped_source_says_what_builds_it() -> None:
    assert sdist.build_requirements(make_zip(a__pyproject_toml=FLIT), "a-1.zip") == ("flit_core >=3.2,<4",)
    assert sdist.build_requirements(make_zip(a__setup=""), "a-1.zip") == ("setuptools", "wheel")
