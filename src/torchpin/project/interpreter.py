"""The Python of an image: what its installs are run with, or what its steps put there; nothing where no line gives it."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torchpin.project.runs import RunCommand

_PYTHON = re.compile(r"(?:python|pypy)(3(?:\.\d+)?)?t?$")
_PIP = re.compile(r"pip(3(?:\.\d+)?)?$")
_MINOR = re.compile(r"3\.\d{1,2}(?:\.\d{1,2})?")
_WHEEL = re.compile(r"-cp3(\d{1,2})-cp3\1t?-[^/\s]*\.whl(?![\w.])")
_APT_PYTHON = re.compile(r"python(3\.\d+)(?:-(?:dev|venv|distutils|full|minimal))?$")
_SYSTEM_PYTHON = re.compile(r"python3(?:-(?:pip|dev|venv|full|minimal))?$|python-is-python3$")
_PREFIXES = {"sudo", "env", "exec", "time", "then", "do", "else", "!", "{"}
# The installer of a conda that brings a Python of its own; its name may say which one: Miniconda3-py310_24.1.2-0-Linux-x86_64.sh.
_CONDA_INSTALLER = re.compile(r"(?:Miniconda|Miniforge|Mambaforge|Anaconda)3?-(?:py3(\d{1,2})_)?\S*\.sh")
_INSTALLS = {"install", "sync", "add"}


class PythonSource(NamedTuple):
    """`version`: 3.12 or 3.12.4, "" where nothing gives it; `location`: of the line that does; `reason`: what it says."""

    version: str
    location: str
    reason: str


UNKNOWN = PythonSource("", "", "")


@dataclass(kw_only=True, slots=True)
class _Interpreters:
    """What each name runs, while the commands are read. `system`: what the system's packages would install."""

    system: PythonSource = UNKNOWN
    is_default: bool = True
    names: dict[str, PythonSource] = field(default_factory=dict)  # python, python3, pip, uv
    folders: dict[str, PythonSource] = field(default_factory=dict)  # of virtual environments
    apt: list[PythonSource] = field(default_factory=list)
    used: list[tuple[bool, PythonSource]] = field(default_factory=list)  # whether with torch in it

    def set_all(self, source: PythonSource) -> None:
        self.names |= dict.fromkeys(("python", "python3", "pip", "uv"), source)

    def of(self, program: str) -> PythonSource:
        """What a program such as `python3`, `/opt/venv/bin/pip` or `pip3` runs; `python3.12` says it itself."""
        folder, name = posixpath.split(program)
        if environment := self.folders.get(posixpath.dirname(folder)):
            return environment
        plain = "python" if _PYTHON.fullmatch(name) and name != "python3" else name
        plain = "pip" if _PIP.fullmatch(name) else plain
        return self.names.get(plain) or self.names.get("python3") or self._of_apt()

    def apt_python(self) -> PythonSource:
        """The only Python that apt has installed."""
        return self.apt[0] if len({source.version for source in self.apt}) == 1 else UNKNOWN

    def _of_apt(self) -> PythonSource:
        installed = self.apt_python()
        return installed if installed.version or not self.is_default else self.system


def image_python(
    runs: Iterable[RunCommand],
    base: PythonSource,
    system: PythonSource,
    *,
    is_default: bool = True,
    pinned: PythonSource = UNKNOWN,
) -> PythonSource:
    """The Python that the installs of an image are for.

    `base`: that of the base image; `system`: the one that its system's packages would install; `is_default`: the image has
    no other one, so that `python3` is the system's though no line installs it; `pinned`: that of .python-version, for uv.
    """
    state = _Interpreters(system=system, is_default=is_default)
    if base.version:
        state.set_all(base)
    if pinned.version:
        state.names["uv"] = pinned
    wheel = UNKNOWN
    for run in runs:
        argv = _without_prefixes(run.command.texts)
        if not argv:
            continue
        if match := next((name_match for word in argv if (name_match := _WHEEL.search(word))), None):
            wheel = wheel if wheel.version else _source(run, f"3.{match[1]}", f"it installs {match[0][1:]}")
        _follow_installer(state, run, argv)
        setting = run.settings.get("UV_PYTHON")
        if setting and _MINOR.fullmatch(setting.value):
            line = setting.place.line if setting.place else run.command.line
            state.names["uv"] = PythonSource(setting.value, f"{run.file}:{line}:1", "UV_PYTHON says it")
        _follow(state, run, argv)
    with_torch = [source for has_torch, source in state.used if has_torch and source.version]
    without_torch = [source for _, source in state.used if source.version]
    chosen = (*with_torch, *without_torch, wheel)
    is_guess = bool(chosen) and chosen[0] == system
    if is_guess and wheel.version and not system.version.startswith(wheel.version):
        return wheel
    return next((source for source in chosen if source.version), base)


def _follow_installer(state: _Interpreters, run: RunCommand, argv: Sequence[str]) -> None:
    """What conda's installer changes: `pip` is no longer that of the system's Python."""
    match = next((name_match for word in argv if (name_match := _CONDA_INSTALLER.search(word))), None)
    if match:
        state.is_default = False
    if match and match[1]:
        state.set_all(_source(run, f"3.{match[1]}", f"{match[0]} has it"))


def _source(run: RunCommand, version: str, reason: str) -> PythonSource:
    return PythonSource(version, run.location, reason)


def _without_prefixes(argv: Sequence[str]) -> tuple[str, ...]:
    start = 0
    while start < len(argv) and (
        argv[start] in _PREFIXES or re.match(r"\w+=", argv[start]) or (start and argv[start].startswith("-"))
    ):
        start += 1
    return tuple(argv[start:])


def _follow(state: _Interpreters, run: RunCommand, argv: tuple[str, ...]) -> None:
    """What a command changes about the interpreters, and which one an install uses."""
    program = posixpath.basename(argv[0])
    if program in {"apt-get", "apt"} and "install" in argv:
        _follow_apt(state, run, argv)
    elif program == "ln" and len(argv) > 2:  # noqa: PLR2004 - a source and a name
        _link(state, run, argv[-2], argv[-1])
    elif program == "update-alternatives" and {"--install", "--set"} & {*argv}:
        paths = [word for word in argv[1:] if word.startswith("/")]
        _link(state, run, paths[-1] if paths else "", next((w for w in argv[1:] if _PYTHON.fullmatch(w)), ""))
    elif program in {"conda", "mamba", "micromamba"}:
        _follow_conda(state, run, argv)
    elif program == "pyenv" and argv[1:2] in (("install",), ("global",)):
        versions = [word for word in argv[2:] if _MINOR.fullmatch(word)]
        if versions:
            state.set_all(_source(run, versions[0], f"pyenv {argv[1]} {versions[0]}"))
    elif program == "uv":
        _follow_uv(state, run, argv)
    elif match := _PYTHON.fullmatch(program):
        _follow_python(state, run, argv, match[1] or "")
    elif match := _PIP.fullmatch(program):
        source = _named(run, match[1] or "", argv[0])
        _use(state, argv, source if source.version else state.of(argv[0]))


def _named(run: RunCommand, version: str, program: str) -> PythonSource:
    """What the name of a program says: 3.12 of `python3.12`; nothing of `python3`."""
    return _source(run, version, f"it is run by {program}") if "." in version else UNKNOWN


def _use(state: _Interpreters, argv: Sequence[str], source: PythonSource) -> None:
    if _INSTALLS & {*argv[1:4]}:
        state.used.append((any(re.match(r"torch(?![\w-])", word) for word in argv), source))


def _follow_apt(state: _Interpreters, run: RunCommand, argv: Sequence[str]) -> None:
    for word in argv:
        name = re.split(r"[=/]", word, maxsplit=1)[0]
        if match := _APT_PYTHON.fullmatch(name):
            state.apt.append(_source(run, match[1], f"apt installs {name}"))
        elif _SYSTEM_PYTHON.fullmatch(name) and state.system.version and "python3" not in state.names:
            source = _source(
                run, state.system.version, f"apt installs {name}, which is {state.system.version} there"
            )
            state.names.setdefault("python3", source)
            if name in {"python3-pip", "python-is-python3"}:
                state.names.setdefault("pip" if name == "python3-pip" else "python", source)


def _link(state: _Interpreters, run: RunCommand, source: str, name: str) -> None:
    version = re.search(r"python(3\.\d+)$", source)
    target = posixpath.basename(name)
    if version and target in {"python", "python3"}:
        linked = _source(run, version[1], f"{name} is {source}")
        state.names[target] = linked
        state.names.setdefault("python", linked)
        state.names["pip"] = linked


def _follow_conda(state: _Interpreters, run: RunCommand, argv: Sequence[str]) -> None:
    for word in argv[1:]:
        match = re.fullmatch(r"python=+(3\.\d{1,2}(?:\.\d{1,2})?)(?:\.\*)?", word)
        if match:
            state.set_all(_source(run, match[1], f"{posixpath.basename(argv[0])} installs {word}"))
    if "run" in argv[1:3]:
        inner = next(
            (n for n, word in enumerate(argv) if n > 1 and re.match(r"(?:\S*/)?(?:pip|python|uv)", word)), 0
        )
        if inner:
            _follow(state, run, tuple(argv[inner:]))


def _follow_uv(state: _Interpreters, run: RunCommand, argv: tuple[str, ...]) -> None:
    """`uv python install`, `uv venv`, and installs with `--python`."""
    named = UNKNOWN
    for number, word in enumerate(argv[1:], start=1):
        option, _, value = word.partition("=")
        if option in {"--python", "-p"}:
            value = value or next(iter(argv[number + 1 : number + 2]), "")
            named = _interpreter(state, run, value)
    if argv[1:3] == ("python", "install") or argv[1:3] == ("python", "pin"):
        versions = [word for word in argv[3:] if _MINOR.fullmatch(word)]
        if versions:
            state.names["uv"] = _source(run, versions[0], f"uv installs Python {versions[0]}")
        return
    brings_its_own = argv[1:2] in {("sync",), ("venv",), ("run",)}  # where the image has none
    default = state.names.get("python3") or state.apt_python() if brings_its_own else state.of("python3")
    source = named if named.version else state.names.get("uv") or default
    if argv[1:2] == ("venv",):
        paths = [word for word in argv[2:] if word.startswith("/")]
        state.folders |= dict.fromkeys(paths, source)
        state.set_all(source)
    else:
        _use(state, argv, source)


def _interpreter(state: _Interpreters, run: RunCommand, value: str) -> PythonSource:
    """What `--python` names: a version, or a program."""
    if match := re.fullmatch(r"(?:cpython-?|python)?(3\.\d{1,2}(?:\.\d{1,2})?)", posixpath.basename(value)):
        return _source(run, match[1], f"--python {value}")
    return state.of(value) if value else UNKNOWN


def _follow_python(state: _Interpreters, run: RunCommand, argv: tuple[str, ...], version: str) -> None:
    source = _named(run, version, argv[0])
    source = source if source.version else state.of(argv[0])
    module = argv[argv.index("-m") + 1 : argv.index("-m") + 2] if "-m" in argv else ()
    if module in {("venv",), ("virtualenv",)}:
        paths = [word for word in argv[argv.index("-m") + 2 :] if not word.startswith("-")]
        state.folders |= dict.fromkeys(paths, source)
        state.set_all(source)
    elif module == ("pip",):
        _use(state, argv[argv.index("-m") + 1 :], source)
    elif module == ("ensurepip",) or any("get-pip" in word for word in argv[1:]) or argv[1:] in {(), ("-",)}:
        state.names["pip"] = source  # the last: `curl … | python3.12`
