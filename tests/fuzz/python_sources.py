"""Modules of other people's packages, as they are measured."""

from __future__ import annotations

from packaging.requirements import Requirement

from fuzz.harness import Target
from fuzz.texts import fragments, mutated
from torchpin.measure import python_source, version_checks
from torchpin.measure.package import Distribution, has_name, needs

_MODULES = (
    'import importlib.metadata as m\nMIN = Version("1.2.0")\ndef is_x_available():\n    if parse(m.version("x")) < MIN:\n        raise ImportError("old")\n',
    'import torch\ntry:\n    from a import b\nexcept ImportError:\n    b = None\nif TYPE_CHECKING:\n    from .c import *\nelse:\n    import sys\n    sys.modules[__name__] = _LazyModule(__name__, {"d": ["E"]})\n',
    'deps = {"numpy": "numpy>=1.17"}\nfor name in ["numpy"]:\n    require_version_core(deps[name])\n__all__ = ["a"] + ["b"]\nfrom package.module import *\n',
)
_PIECES = fragments(
    "import ", "from . import ", "from .. import *\n", "*", "class A: ", "def f(): ", "    ", "lambda: ", "if ", "else:\n", "match x:\n case 1:\n  ", "not " * 300,
    "(" * 150, "-" * 500, "a.b" * 100, "f'{x}'", "async ", "await ", "\f", "version('x')", " < ", "and ", "raise ", "assert ", "# coding: latin-1\n", "yield ", "\N{OHM SIGN}",
)  # fmt: skip


def check_module(text: str) -> None:
    """A module is refused as none, or gives names and requirements that can be looked up."""
    content = text.encode("utf-8", "surrogatepass")
    source = python_source.parse_module(content, "package.module", is_package=False)
    distribution = Distribution(files={"package/module.py": "1"}, read={"package/module.py": content}.get)
    needs(distribution, ["package.module"], {"torch": "torch"})
    assert has_name(distribution, "package.module", "never_defined") in {None, False} or "never" in text
    if source is None:
        return
    assert all(isinstance(row.module, str) and isinstance(row.name, str) for row in source.imports)
    for check in version_checks.version_checks(source.tree):
        Requirement(check.needs)


TARGET = Target(name="python-source", strategy=mutated(_MODULES, _PIECES), check=check_module)
