"""What a module imports and defines, by small sources like those of real packages."""

from __future__ import annotations

from textwrap import dedent

import pytest

from torchpin.measure import package, python_source
from torchpin.measure.python_source import Import, ModuleSource


def parse(text: str, module: str = "package.module", *, is_package: bool = False) -> ModuleSource:
    source = python_source.parse_module(dedent(text).encode(), module, is_package=is_package)
    assert source is not None
    return source


def imported(text: str) -> set[tuple[str, str]]:
    return {(row.module, row.name) for row in parse(text).imports}


def test_imports_that_certainly_run_are_read() -> None:
    assert imported(
        """
        import torch.utils._pytree as pytree
        from torchvision.transforms.functional_tensor import rgb_to_grayscale
        from .local import helper
        class Settings:
            import numpy
        """
    ) == {
        ("torch.utils._pytree", ""),
        ("torchvision.transforms.functional_tensor", "rgb_to_grayscale"),
        ("package.local", "helper"),
        ("numpy", ""),
    }


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import pkg_resources\nexcept ImportError:\n    pkg_resources = None",
        "try:\n    import old\nexcept (ModuleNotFoundError, OSError):\n    import new",
        "try:\n    import old\nexcept Exception:\n    pass",
        "try:\n    import old\nexcept:\n    pass",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy",
        "import typing\nif typing.TYPE_CHECKING:\n    import numpy",
        "if is_torch_available():\n    import torch",
        "def load():\n    import torch",
        "async def load():\n    from torch import nn",
        "from contextlib import suppress\nwith suppress(ImportError):\n    import torch",
        "for name in names:\n    import torch",
    ],
)
def test_imports_that_may_not_run_or_may_fail_are_left_out(text: str) -> None:
    assert imported(text) <= {("typing", "TYPE_CHECKING"), ("typing", ""), ("contextlib", "suppress")}


def test_branches_that_type_checkers_do_not_see_run() -> None:
    assert ("torch", "") in imported("if TYPE_CHECKING:\n    import a\nelse:\n    import torch")
    assert ("torch", "") in imported("if not TYPE_CHECKING:\n    import torch")
    assert ("torch", "") in imported("try:\n    import torch\nexcept AttributeError:\n    raise")
    assert ("torch", "") in imported("try:\n    pass\nfinally:\n    import torch")


def test_relative_imports_are_resolved_from_modules_and_packages() -> None:
    assert parse("from .. import b", "a.c.d").imports == (Import(module="a", name="b"),)
    assert parse("from .x import y", "a.c", is_package=True).imports == (Import(module="a.c.x", name="y"),)
    assert parse("from . import y", "a.c", is_package=True).imports == (Import(module="a.c", name="y"),)


def test_attributes_of_numpy_that_run_with_the_import_are_read() -> None:
    rows = imported(
        """
        import numpy as np
        TYPES = {"f": np.float_}
        def double(value=np.int_(2)):
            return np.complex_(value)
        """
    )
    assert {("numpy", "float_"), ("numpy", "int_")} <= rows
    assert ("numpy", "complex_") not in rows


def test_modules_that_are_imported_by_a_call_and_attributes_of_pyarrow_are_read() -> None:
    rows = imported(
        """
        import pyarrow as pa
        __import__("pkg_resources").declare_namespace(__name__)
        class Array(pa.PyExtensionType): ...
        def later(): __import__("torchvision")
        """
    )
    assert rows == {("pyarrow", ""), ("pyarrow", "PyExtensionType"), ("pkg_resources", "")}


def test_names_of_every_branch_are_defined() -> None:
    source = parse(
        """
        import a.b as c, d.e
        from .x import y as z
        try:
            from new import first
        except ImportError:
            first = None
        if condition:
            second: int = 1
        class Third: ...
        for fourth in (): pass
        with open("f") as fifth: pass
        __all__ = ["sixth"]
        """
    )
    assert {"c", "d", "z", "first", "second", "Third", "fourth", "fifth", "sixth"} <= source.names
    assert not source.opaque


def test_tables_of_lazy_modules_give_names_with_their_modules() -> None:
    source = parse(
        """
        _import_structure = {"configuration_utils": ["PretrainedConfig"], "models": []}
        _import_structure["modeling_utils"] = ["PreTrainedModel"]
        _import_structure["models"].extend(["AutoModel"])
        _import_structure["utils"].append("logging")
        sys.modules[__name__] = _LazyModule(__name__, globals()["__file__"], _import_structure)
        """,
        "transformers",
        is_package=True,
    )
    assert source.lazy["PreTrainedModel"] == "modeling_utils"
    assert source.lazy["AutoModel"] == "models"
    assert source.lazy["logging"] == "utils"
    assert "PretrainedConfig" in source.lazy
    assert not source.opaque


@pytest.mark.parametrize(
    "text",
    [
        "globals()[name] = 1",
        "globals().update(table)",
        "def __getattr__(name): return table[name]",
        "sys.modules[__name__] = Other()",
        "exec(text)",
        "setattr(module, name, value)",
    ],
)
def test_modules_whose_text_does_not_show_all_names_are_opaque(text: str) -> None:
    assert parse(text).opaque


def test_folders_whose_modules_are_loaded_on_first_use() -> None:
    source = parse(
        'structure = define_import_structure(Path(__file__).parent / "models", prefix="models")',
        "transformers",
        is_package=True,
    )
    assert source.folders == ("transformers.models",)
    assert not source.opaque


def test_plugins_are_loaded_by_the_endings_of_their_files() -> None:
    source = parse(
        """
        files = [name for name in scandir(folder) if name.endswith("_arch.py")]
        modules = [importlib.import_module(f"basicsr.archs.{name}") for name in files]
        """
    )
    assert source.plugins == (("basicsr.archs", ("_arch",)),)


@pytest.mark.parametrize(
    "content",
    [
        b"def broken(:",
        b"\0",
        b"x = " + b"(" * 10_000 + b")" * 10_000,
        b"x = " + b"-" * 100_000 + b"1",
        b"# coding: nonsense\n",
        b"x = 1\n" * 400_000,
        "\ufffe".encode("utf-16"),
    ],
)
def test_what_is_no_module_gives_nothing(content: bytes) -> None:
    assert python_source.parse_module(content, "module", is_package=False) is None


def test_literal_tables_are_read() -> None:
    tree = parse(
        '__expired_attributes__ = {"float_": "use float64"}\n_type_info = [("object", ""), ("bool", "")]'
    ).tree
    assert package._literal_names(tree, "__expired_attributes__") == {"float_"}
    assert package._literal_names(tree, "_type_info") == {"object", "bool"}
    assert package._literal_names(tree, "missing") == frozenset()
