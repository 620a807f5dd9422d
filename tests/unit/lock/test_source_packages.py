"""The package of a source, read without running its code."""

from __future__ import annotations

import pytest

from torchpin.lock.source_packages import SourcePackage, read_package, without_family

SETUPTOOLS = ("setuptools", "wheel")


@pytest.mark.parametrize(
    ("files", "package"),
    [
        ({}, None),
        (
            {"pyproject.toml": '[project]\nname = "My.Pkg"\ndependencies = ["a>=1", "b"]\n'},
            SourcePackage(name="my-pkg", requires=("a>=1", "b"), build=SETUPTOOLS),
        ),
        (
            {"pyproject.toml": '[project]\nname = "a"\n[build-system]\nrequires = ["hatchling"]\n'},
            SourcePackage(name="a", requires=(), build=("hatchling",)),
        ),
        (
            {"pyproject.toml": '[project]\nname = "a"\ndynamic = ["version", "dependencies"]\n'},
            SourcePackage(name="a", requires=None, build=SETUPTOOLS),
        ),
        (
            {"setup.py": "from setuptools import setup, find_packages\n\nsetup(name='library', packages=find_packages())"},
            SourcePackage(name="library", requires=(), build=SETUPTOOLS),
        ),  # that of kohya-ss/sd-scripts at v0.10.0
        (
            {"setup.py": "import setuptools\nsetuptools.setup(name='a', install_requires=['b>=1'])"},
            SourcePackage(name="a", requires=("b>=1",), build=SETUPTOOLS),
        ),
        (
            {"setup.py": "setup(name=NAME, install_requires=read('requirements.txt'))"},
            SourcePackage(name="", requires=None, build=SETUPTOOLS),
        ),
        ({"setup.py": "setup(name='a', **more)"}, SourcePackage(name="a", requires=None, build=SETUPTOOLS)),
        (
            {
                "setup.cfg": "[metadata]\nname = a_b\n[options]\ninstall_requires =\n    c>=1  # why\n    d\n",
                "setup.py": "setup()",
            },
            SourcePackage(name="a-b", requires=("c>=1", "d"), build=SETUPTOOLS),
        ),
        (
            {"setup.cfg": "[metadata]\nname = file: NAME\n[options]\ninstall_requires = c;d\n"},
            SourcePackage(name="", requires=("c", "d"), build=SETUPTOOLS),
        ),
    ],
)  # fmt: skip
def test_a_package_is_what_its_files_say(files: dict[str, str], package: SourcePackage | None) -> None:
    assert read_package(files.get) == package


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "[project"},
        {"pyproject.toml": '[project]\nname = "a"\ndependencies = "b"\n'},
        {"pyproject.toml": '[build-system]\nrequires = "b"\n'},
        {"setup.cfg": "name = a\n"},
        {"setup.py": "def ("},
        {"pyproject.toml": '[project]\nname = "a"\ndynamic = true\n'},
        {"pyproject.toml": '[project]\nname = "a b"\n'},
        {"pyproject.toml": '[project]\nname = "a\\nb"\n'},
        {"pyproject.toml": '[project]\nname = "a"\ndependencies = ["not one!"]\n'},
        {"pyproject.toml": '[project]\nname = "a"\ndependencies = ["b; platform_version != \'\\n\'"]\n'},
        {"setup.py": "setup(name='a', install_requires=['b; os_name != \"\\n\"'])"},
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(files: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_package(files.get)


def test_torch_is_no_build_requirement_since_the_build_sees_it() -> None:
    requires = ("torch>=2.4", "setuptools>=61", "ninja; sys_platform == 'linux'", "Torchvision")
    assert without_family(requires, {"torch", "torchvision"}) == (
        'ninja; sys_platform == "linux"',
        "setuptools>=61",
    )


@pytest.mark.parametrize("text", ["a b", "a @ https://example.org/a.whl"])
def test_a_build_requirement_that_cannot_be_locked_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a requirement|an address"):
        without_family([text], {"torch"})
