"""The bytecode of what wheels install: the sources that a Python compiles, and where it looks for what comes of them.

It is never compared with its source again (`unchecked-hash`, PEP 552), so there is no time in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.assembly.wheel import TreeFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.assembly.wheel import InstalledWheel, VenvLayout

TESTS = "tests"  # folders with packages' own tests: a fifth of their sources, and no service runs them
_LARGEST_SOURCE = 50_000_000  # bytes; the largest that people import have some two million


def read_sources(wheel: InstalledWheel, layout: VenvLayout) -> list[tuple[str, bytes]]:
    """The sources of a wheel's modules but its own tests, by their path in the image, in the order of the paths."""
    return [
        (f"{layout.root}/{path}", wheel.archive.read(file.member, _LARGEST_SOURCE))
        for path, file in sorted(wheel.files.items(), key=lambda item: item[0])
        if _is_source(path, layout) and file.member and file.size <= _LARGEST_SOURCE
    ]


def with_bytecode(
    wheel: InstalledWheel, compiled: Mapping[str, bytes], layout: VenvLayout, *, alone: bool
) -> InstalledWheel:
    """A wheel with bytecode, by the path of its source in the image, beside its files or, `alone`, instead of them."""
    files = {
        _cached_path(path.removeprefix(f"{layout.root}/"), layout): TreeFile(
            size=len(content), executable=False, content=content
        )
        for path, content in compiled.items()
    }
    if alone:
        return replace(wheel, files=files, folders=frozenset())
    return replace(wheel, files={**wheel.files, **files})


def _is_source(path: str, layout: VenvLayout) -> bool:
    return path.startswith(f"{layout.site_packages}/") and path.endswith(".py") and f"/{TESTS}/" not in path


def _cached_path(path: str, layout: VenvLayout) -> str:
    """`package/__pycache__/module.cpython-311.pyc` of `package/module.py`."""
    folder, _, name = path.rpartition("/")
    tag = f"cpython-{layout.python.replace('.', '')}"
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"
