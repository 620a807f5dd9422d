"""C compilers in base images and apt packages, and what shows that kernels are compiled at run time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from torchpin.facts.image_names import parse_image_name
from torchpin.facts.load import build_row, load_table
from torchpin.facts.rows import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageCompiler(Row):
    """Whether the images that `image` matches have a C and a C++ compiler."""

    id: str
    image: str
    compiler: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemCompiler(Row):
    """What an apt package brings without its recommendations: a C or C++ compiler, the headers of the C library."""

    package: str
    c: bool = False
    cxx: bool = False
    headers: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CompilingSetting(Row):
    """A variable, an argument of the command or an import of a service that compiles; `pattern` matches all of it."""

    id: str
    where: Literal["variable", "argument", "import"]
    pattern: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CompilingPackage(Row):
    """A package that compiles kernels when it first runs."""

    package: str
    because: str


def image_compiler(image: str) -> ImageCompiler | None:
    """The row of an image such as `nvidia/cuda:12.8.1-runtime-ubuntu22.04`; None: not in the facts."""
    name = parse_image_name(image).original
    rows = (build_row(ImageCompiler, row) for row in load_table("compilers")["images"])
    return next((row for row in rows if re.fullmatch(row.image, name)), None)


@cache
def system_compilers() -> tuple[SystemCompiler, ...]:
    """The apt packages with compilers or headers."""
    return tuple(build_row(SystemCompiler, row) for row in load_table("compilers")["compilers"])


@cache
def compiling_settings() -> tuple[CompilingSetting, ...]:
    """The settings of services that compile."""
    return tuple(build_row(CompilingSetting, row) for row in load_table("compilers")["settings"])


@cache
def compiling_packages() -> tuple[CompilingPackage, ...]:
    """The packages that compile when they first run."""
    return tuple(build_row(CompilingPackage, row) for row in load_table("compilers")["packages"])
