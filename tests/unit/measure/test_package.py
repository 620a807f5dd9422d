"""Which modules an import loads, what they need of other packages, and which names a package has."""

from __future__ import annotations

from textwrap import dedent

import pytest

from torchpin.measure import package
from torchpin.measure.package import Distribution

PROVIDED = {"torch": "torch", "transformers": "transformers", "pkg_resources": "setuptools"}


def distribution(files: dict[str, str], *wanted: str) -> Distribution:
    contents = {path: dedent(text).encode() for path, text in files.items()}
    return Distribution(
        files={path: str(hash(content)) for path, content in contents.items()},
        read=contents.get,
        wanted=frozenset(wanted),
    )


BASICSR = {
    "basicsr/__init__.py": "from .data import *",
    "basicsr/data/__init__.py": """
        import importlib
        names = [name for name in scandir(folder) if name.endswith("_dataset.py")]
        modules = [importlib.import_module(f"basicsr.data.{name}") for name in names]
    """,
    "basicsr/data/real_dataset.py": "from basicsr.data.degradations import blur\nimport torch",
    "basicsr/data/degradations.py": "from torchvision.transforms.functional_tensor import rgb_to_grayscale",
    "basicsr/data/other.py": "import pkg_resources",
}


def test_imports_are_followed_within_the_package() -> None:
    rows = package.needs(distribution(BASICSR), ["basicsr"], {"torchvision": "torchvision", "torch": "torch"})
    assert {(row.imported.module, row.imported.name, row.file, row.entry) for row in rows} == {
        ("torch", "", "basicsr/data/real_dataset.py", "basicsr"),
        (
            "torchvision.transforms.functional_tensor",
            "rgb_to_grayscale",
            "basicsr/data/degradations.py",
            "basicsr",
        ),
    }


def test_a_name_of_a_lazy_package_loads_its_module() -> None:
    files = {
        "lib/__init__.py": """
            _import_structure = {"big": ["Big"], "small": ["Small"]}
            sys.modules[__name__] = _LazyModule(__name__, file, _import_structure)
        """,
        "lib/big.py": "import torch",
        "lib/small.py": "import pkg_resources",
        "lib/main.py": "from lib import Big",
    }
    assert package.needs(distribution(files), ["lib"], PROVIDED) == ()
    (row,) = package.needs(distribution(files), ["lib", "lib.main"], PROVIDED)
    assert (row.imported.module, row.file, row.entry) == ("torch", "lib/big.py", "lib.main")


def test_circles_and_missing_modules_end() -> None:
    files = {"a/__init__.py": "from .b import x", "a/b.py": "from a import y\nfrom .missing import z"}
    assert package.loaded_modules(distribution(files), ["a"]) == {"a": "a", "a.b": "a"}


def test_checks_are_those_of_loaded_modules_and_of_those_that_packages_keep_them_in() -> None:
    files = {
        "peft/__init__.py": "from . import core",
        "peft/core.py": "import torch\nif Version(torch.__version__) < Version('2.0.1'): raise ImportError",
        "peft/import_utils.py": """
            from .versions import TORCHAO_MINIMUM_VERSION
            def is_torchao_available():
                if parse(version("torchao")) < TORCHAO_MINIMUM_VERSION:
                    raise ImportError
            def _private():
                if version("transformers") < "4.1.0":
                    raise ImportError
            def convert(value):
                if version("transformers") < "4.2.0":
                    raise ValueError
        """,
        "peft/versions.py": 'TORCHAO_MINIMUM_VERSION = parse("0.16.0")',
        "peft/tests/import_utils.py": 'assert version("torch") >= "9.9.9"',
    }
    rows = package.requirements(distribution(files), ["peft"], ["torch", "torchao", "transformers"])
    assert {(row.check.needs, row.check.function, row.entry) for row in rows} == {
        ("torch>=2.0.1", "", "peft"),
        ("torchao>=0.16.0", "is_torchao_available", ""),
    }


TORCHVISION = {
    "torchvision/__init__.py": "from torchvision import io\nfrom .version import __version__",
    "torchvision/io/__init__.py": "from .video import *",
    "torchvision/io/video.py": "def read_video(): ...",
    "torchvision/version.py": "__version__ = '0.17.0'",
    "torchvision/_C.so": "",
    "torchvision/lazy/__init__.py": """
        _import_structure = {"video": ["Reader"]}
        sys.modules[__name__] = _LazyModule(_import_structure)
    """,
    "torchvision/lazy/video.py": "",
    "torchvision/alias/__init__.py": 'sys.modules["torchvision.alias.old"] = load(".old")',
    "torchvision/dynamic.py": "def __getattr__(name): ...",
}


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("torchvision.transforms.functional_tensor", "", False),
        ("torchvision.transforms.functional_tensor", "rgb_to_grayscale", False),
        ("torchvision.io", "", True),
        ("torchvision.io", "read_video", True),
        ("torchvision.io", "video", True),
        ("torchvision.io", "write_video", False),
        ("torchvision", "__version__", True),
        ("torchvision", "io", True),
        ("torchvision._C", "", True),
        ("torchvision._C", "ops", None),
        ("torchvision.lazy", "Reader", True),
        ("torchvision.lazy", "Writer", False),
        ("torchvision.alias.old", "", None),
        ("torchvision.dynamic", "anything", None),
        ("elsewhere", "", False),
    ],
)
def test_names_are_there_or_not_or_not_shown(module: str, name: str, expected: bool | None) -> None:
    assert package.has_name(distribution(TORCHVISION), module, name) is expected


def test_stars_of_each_other_end() -> None:
    files = {"a/__init__.py": "from .b import *", "a/b.py": "from . import *\nfrom a import *"}
    assert package.has_name(distribution(files), "a", "name") is False


def test_a_star_of_a_module_that_is_not_there_brings_no_names() -> None:
    assert package.has_name(distribution({"a/__init__.py": "from .gone import *"}), "a", "name") is False


def test_names_of_other_packages_that_a_star_brings_are_not_shown() -> None:
    assert package.has_name(distribution({"a/__init__.py": "from other import *"}), "a", "name") is None


def test_folders_of_lazy_modules_export_what_their_modules_do() -> None:
    files = {
        "transformers/__init__.py": """
            _import_structure = {"utils": ["logging"]}
            structure = define_import_structure(Path(__file__).parent / "models")
        """,
        "transformers/utils.py": "",
        "transformers/models/bloom.py": '__all__ = [\n    "BloomModel",\n]\nclass HiddenModel: ...',
    }
    names = ("BloomModel", "HiddenModel", "HybridCache", "logging")
    answers = {name: package.has_name(distribution(files, *names), "transformers", name) for name in names}
    assert answers == {"BloomModel": True, "HiddenModel": None, "HybridCache": False, "logging": True}


def test_numpy_lists_the_names_that_it_removed() -> None:
    files = {
        "numpy/__init__.py": "from .core import *\n_type_info = [('object', '')]\ndef __getattr__(name): ...",
        "numpy/core/__init__.py": "float_ = 1\nndarray = 2",
        "numpy/_expired_attrs_2_0.py": '__expired_attributes__ = {"float_": "gone"}',
    }
    numpy = distribution(files)
    names = ("float_", "object", "ndarray", "other")
    assert [package.has_name(numpy, "numpy", name) for name in names] == [False, False, True, None]


def test_modules_of_the_release_before_are_read_once() -> None:
    reads: list[str] = []

    def read(path: str) -> bytes:
        reads.append(path)
        return b"import torch"

    first = Distribution(files={"a/__init__.py": "1"}, read=read)
    package.needs(first, ["a"], PROVIDED)
    for fingerprint, expected in (("1", 1), ("2", 2)):
        second = Distribution(files={"a/__init__.py": fingerprint}, read=read, before=first)
        assert len(package.needs(second, ["a"], PROVIDED)) == 1
        assert len(reads) == expected


def test_a_module_that_cannot_be_read_needs_nothing_and_shows_nothing() -> None:
    files = {"a/__init__.py": "def broken(:", "a/b.py": "from a import x"}
    assert package.needs(distribution(files), ["a"], PROVIDED) == ()
    assert package.has_name(distribution(files), "a", "x") is None
    assert package.has_name(distribution(files), "a.c", "") is None
