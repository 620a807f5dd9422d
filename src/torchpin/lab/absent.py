"""Whether an error of a service in the lab is due to something that the lab does not have."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.lab.scope import requires_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torchpin.lab.scope import LabPackages
    from torchpin.model import Environment, Lock

_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):", re.MULTILINE)
_CHAINED = ("another exception occurred:", "the direct cause of the following exception:")
_PACKAGE_FILE = re.compile(r"/site-packages/(?P<module>\w+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """What the lab does not have of an environment.

    `packages`: those that are left out, `modules`: theirs, each with its package. `present`: the modules of packages that are
    there, `torch_users`: those of them that require torch, each with its package. `stubs`: modules that compute nothing.
    `sources`: the folders of sources, whose stubs have no code. `has_system_packages`: whether the description has some, none
    of which is there.
    """

    packages: frozenset[str] = frozenset()
    modules: Mapping[str, str] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    stubs: frozenset[str] = frozenset()
    torch_users: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    has_system_packages: bool = False


def explain(absent: Absent, text: str) -> str:
    """Which gap of the lab explains the error at the end of a text; "" for none."""
    error = _last_error(text)
    matches = [(match, about) for pattern, about in _ERRORS for match in pattern.finditer(error)]
    for match, about in sorted(matches, key=lambda row: -row[0].start()):
        if reason := about(absent, match):
            return reason
    return _explain_frame(absent, error)


def _last_error(text: str) -> str:
    """The last traceback of a text with those that it follows from; the whole text where it has none."""
    starts = [match.start() for match in _TRACEBACK.finditer(text)]
    while len(starts) > 1 and text[starts[-2] : starts[-1]].rstrip().endswith(_CHAINED):
        del starts[-1]
    return text[starts[-1] :] if starts else text


def _explain_frame(absent: Absent, text: str) -> str:
    """An error that is raised inside a package that requires the real torch."""
    frames = [*_FRAME.finditer(text)]
    inside = _PACKAGE_FILE.search(frames[-1]["file"]) if frames else None
    package = absent.torch_users.get(inside["module"]) if inside else None
    return f"{package} fails, which requires the real torch" if package else ""


def _module(absent: Absent, match: re.Match[str]) -> str:
    name = match["module"]
    top = name.partition(".")[0]
    if top in absent.stubs:
        return f"{name} is not in the stub of {top}"
    if package := absent.modules.get(top):
        return f"{package} is left out" if package == top else f"{top} is left out ({package})"
    if absent.sources and top not in absent.present:
        return f"{name} may be code of {' or '.join(absent.sources)}, which is a stub"
    return ""


def _attribute(absent: Absent, match: re.Match[str]) -> str:
    module, name = match["module"], match["name"]
    top = module.partition(".")[0]
    return f"{module}.{name} is not in the stub of {top}" if top in absent.stubs else ""


def _package(absent: Absent, match: re.Match[str]) -> str:
    name = canonicalize_name(match["package"])
    return f"{name} is left out" if name in absent.packages else ""


def _library(absent: Absent, match: re.Match[str]) -> str:
    if re.match(r"lib(c10|torch|cu|nv)", match["library"]):
        return f"{match['library']} comes with the real torch"
    return f"{match['library']} is a library of a system package" if absent.has_system_packages else ""


def _file(absent: Absent, match: re.Match[str]) -> str:
    path = match["path"]
    for name, folder in absent.sources.items():
        if f"/{folder}/" in path:
            return f"{path} is a file of {name}, which is a stub"
    is_program = "/" not in path
    return f"{path} is a program of a system package" if is_program and absent.has_system_packages else ""


_ERRORS: tuple[tuple[re.Pattern[str], Callable[[Absent, re.Match[str]], str]], ...] = (
    (re.compile(r"No module named '?(?P<module>[\w.]+)"), _module),
    (re.compile(r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'"), _attribute),
    (
        re.compile(r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'"),
        _attribute,
    ),
    (re.compile(r"No package metadata was found for (?P<package>[\w.-]+)"), _package),
    (re.compile(r"The '(?P<package>[\w.-]+)[^']*' distribution was not found"), _package),
    (re.compile(r"(?P<library>\S+\.so[.\d]*): cannot open shared object file"), _library),
    (re.compile(r"No such file or directory: '(?P<path>[^']+)'"), _file),
    (re.compile(r"can't open file '(?P<path>[^']+)'"), _file),
    (re.compile(r"exec: (?P<path>[\w./-]+): not found"), _file),
    (re.compile(r'exec: "(?P<path>[\w./-]+)": executable file not found'), _file),
)


def absent_of(env: Environment, lock: Lock, scope: LabPackages) -> Absent:
    """What the lab lacks of an environment as it is described, with its committed lock."""
    modules = {
        entry.removesuffix(".py").partition(".")[0]: wheel.name
        for wheel in lock.wheels
        for entry in wheel.installs
    } | {name.replace("-", "_"): name for name in scope.left_out}
    return Absent(
        packages=frozenset(scope.left_out),
        modules={module: name for module, name in modules.items() if name in scope.left_out},
        present=frozenset(module for module, name in modules.items() if name in scope.real),
        stubs=frozenset(name.replace("-", "_") for name in scope.stubs),
        torch_users={
            module: name
            for module, name in modules.items()
            if name in scope.real and requires_torch(lock, name)
        },
        sources={source.name: source.folder for source in env.service.sources},
        has_system_packages=bool(env.service.apt),
    )


def failing_line(text: str, path: str) -> str:
    """`path:line` of the last frame of a traceback in a file, "" where it has none."""
    frames = [
        frame for frame in _FRAME.finditer(text) if frame["file"].endswith(f"/{path.rpartition('/')[2]}")
    ]
    return f"{path}:{frames[-1]['line']}" if frames else ""
