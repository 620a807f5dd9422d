"""Whether an image has the compiler that kernels need at run time, and what shows that a service compiles any."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchpin.model import Environment

_OFF = {"", "0", "false", "no", "off", "none"}
_VERSIONED = re.compile(r"(?P<name>gcc|g\+\+|clang)-\d+")  # is found by $CC alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiler:
    """What an image has to compile with; None: not in the facts. `evidence` says what shows it."""

    c: bool | None
    cxx: bool | None
    headers: bool | None
    evidence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """What shows that a service compiles kernels: the key path of the description that says so, "" for none, and a clause."""

    path: str
    message: str
    evidence: str


def image_compiler(env: Environment) -> Compiler:
    """The compilers of an environment's image, from its base image and its system packages."""
    service = env.service
    return compiler_of(env.base.image, service.apt, has_variable="CC" in service.run.env)


def compiler_of(image: str, apt: Iterable[str], *, has_variable: bool) -> Compiler:
    """The compilers of a base image with system packages; `has_variable`: a variable names one with its version."""
    packages = [package.partition("=")[0] for package in apt]
    rows = {row.package: row for row in facts.system_compilers()}
    names = [_plain_name(name, has_variable=has_variable) for name in packages]
    installed = [rows[name] for name in names if name in rows]
    base = facts.image_compiler(image)
    fallback = base.compiler if base else None
    # gcc without its recommendations has no headers of the C library; most development packages bring them
    headers = any(row.headers for row in installed) or any(name.endswith("-dev") for name in packages)
    evidence = [f"{row.package} in `apt` ({row.source})" for row in installed if row.c or row.cxx]
    return Compiler(
        c=any(row.c for row in installed) or fallback,
        cxx=any(row.cxx for row in installed) or fallback,
        headers=headers or fallback,
        evidence="; ".join(evidence) or (base.citation if base else ""),
    )


def _plain_name(package: str, *, has_variable: bool) -> str:
    """The package's name, without its version where the variable CC can name it: gcc-12 has no `gcc`."""
    match = _VERSIONED.fullmatch(package)
    return match["name"] if match and has_variable else package


def compiling_signs(env: Environment, packages: Iterable[str]) -> Iterator[Sign]:
    """What shows that an environment compiles kernels at run time: its variables, command and imports, then its packages."""
    service = env.service
    values = [
        *(("variable", f"run.env.{name}", name, value) for name, value in service.run.env.items()),
        *(("argument", f"run.command[{number}]", word, word) for number, word in enumerate(service.run.command)),
        *(("argument", f"run.entrypoint[{number}]", word, word) for number, word in enumerate(service.run.entrypoint)),
        *(("import", f"imports[{number}]", name, name) for number, name in enumerate(service.imports)),
    ]  # fmt: skip
    for where, path, name, value in values:
        for row in facts.compiling_settings():
            if row.where == where and re.fullmatch(row.pattern, name) and value.lower() not in _OFF:
                key = path.partition("[")[0].removesuffix(f".{name}")
                yield Sign(path=path, message=f"`{key}` has {name}", evidence=row.citation)
                break
    present = set(packages)
    for package in facts.compiling_packages():
        if package.package in present:
            message = f"{package.package} compiles when it runs ({package.because})"
            yield Sign(path="", message=message, evidence=package.citation)
