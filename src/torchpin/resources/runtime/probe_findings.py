"""What the probe finds wrong with the files of an environment, as findings with an id, a level and what to do.

The ids are those of torchpin's checks (`invoke explain IMG007`). Standard library only, Python 3.8 and later; `probe.py`
is in the same folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe_code import gpu_code
from probe_files import LIBRARY, Owned, Unresolved, records, unresolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ERROR, WARNING, NOTE = "error", "warning", "note"
SHOWN_NAMES = 4  # of missing libraries; the others are counted
# written by many projects by mistake or as documentation, imported by nobody
ASIDE = re.compile(
    r"(?:tests?|docs?|examples?|benchmarks?|share|etc|man)/|[^/]+\.(?:md|rst|txt|cfg|toml)|LICENSE[^/]*"
)
NAMESPACE = re.compile(r"[^/]+/__init__\.py")
SHORT = 400  # bytes: an __init__.py that only declares a namespace is shorter
# of one Debian package that is named for another of its libraries
GLIB = re.compile(r"lib(?:gthread|gobject|gio|gmodule)-2\.0\.so\.0")
SOURCE = "#include <stdlib.h>\n#include <Python.h>\nint torchpin_probe(void) { return PY_MAJOR_VERSION; }\n"
COMPILE_SECONDS = 60
COMPILERS = ("cc", "gcc", "clang")  # what triton and torch look for, after $CC


def finding(id: str, level: str, about: str, message: str, help: str) -> dict[str, str]:
    """Return a finding as JSON has it."""
    return {"id": id, "level": level, "about": about, "message": message, "help": help}


def debian_package(library: str) -> str:
    """Return the name that Debian's rules give the package of a library: libgl1 for libGL.so.1."""
    if GLIB.fullmatch(library):
        return "libglib2.0-0"
    name, _, version = library.lower().partition(".so.")
    if not version:  # a name for compilers, which the development package has
        return f"{name.rpartition('.so')[0] or name}-dev"
    name = re.sub(r"-(?=\d)", "", name)
    return f"{name}-{version}" if name[-1:].isdigit() else f"{name}{version}"


def library_findings(
    problems: Sequence[Unresolved], requested: Iterable[str], root: Sequence[str]
) -> list[dict[str, str]]:
    """Return a finding for each package with libraries that cannot be loaded; `root`: the package folders.

    An error: nothing of a package can be loaded that the description asks for, by its name or by an import (`requested`:
    names of packages and of modules). A warning: nothing of another package can be loaded, or it needs another CUDA than
    the environment has. A note: a part that only some use.
    """
    asked_for = set(requested)
    groups: dict[tuple[str, str], list[Unresolved]] = {}
    for problem in problems:
        groups.setdefault((problem.id, problem.package or relative(problem.path, root)), []).append(problem)
    findings = []
    for (id, package), members in sorted(groups.items()):
        first = min(members, key=lambda problem: (not problem.is_main, not problem.other_cuda, problem.path))
        module = relative(first.path, root).split("/")[0]
        is_requested = package in asked_for or module in asked_for
        level = (
            (ERROR if is_requested else WARNING) if first.is_main else WARNING if first.other_cuda else NOTE
        )
        more = f", and {len(members) - 1} more of its libraries" if len(members) > 1 else ""
        message = f"{relative(first.path, root)} of {package} {reason_text(first)}{more}"
        findings.append(finding(id, level, package, message, help_text(first, package)))
    return findings


def reason_text(problem: Unresolved) -> str:
    """Return why a library cannot be loaded, as the end of a sentence."""
    if problem.id == "IMG008":
        return f"needs {problem.reason}, the one of this system"
    if problem.reason.startswith("cannot be read"):
        return problem.reason
    names = problem.reason.split()
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    there = f"; it has {problem.other_cuda}" if problem.other_cuda else ""
    return f"needs {' '.join(names[:SHOWN_NAMES])}{more}, which the environment does not have{there}"


def help_text(problem: Unresolved, package: str) -> str:
    """Return what to do about a library that cannot be loaded."""
    if problem.id == "IMG008":
        return f"choose a base image with a newer system, or a build of {package} for this one"
    if problem.reason.startswith("cannot be read"):
        return f"install {package} again"
    if problem.other_cuda:
        return f"choose a version of {package} that is built for the CUDA of torch, or a torch of the CUDA of {package}"
    names = problem.reason.split()
    if any(re.match(r"lib(?:cu|nv|torch|c10)", name) for name in names):
        return f"pin the packages that bring {' '.join(names[:SHOWN_NAMES])}, or another build of {package}"
    packages = ", ".join(dict.fromkeys(debian_package(name) for name in names[:SHOWN_NAMES]))
    return f"add the system packages that have them to `apt:` (by Debian's naming {packages})"


def relative(path: str, root: Sequence[str]) -> str:
    """Return a path inside its package folder."""
    return next((path[len(folder) + 1 :] for folder in root if path.startswith(f"{folder}/")), path)


def shared_findings(owners: Mapping[str, Sequence[Owned]], root: Sequence[str]) -> list[dict[str, str]]:
    """Return a finding for each pair of packages that own files with different bytes under the same path."""
    pairs: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for path, entries in owners.items():
        if len(entries) > 1 and len({entry.digest for entry in entries}) > 1:
            names = sorted({entry.package for entry in entries if entry.digest})
            for first, second in ((a, b) for a in names for b in names if a < b):
                size = max(entry.size for entry in entries)
                pairs.setdefault((first, second), []).append((relative(path, root), size))
    findings = []
    for (first, second), files in sorted(pairs.items()):
        counted = [path for path, size in files if not is_aside(path, size)]
        candidates = counted or [path for path, _ in files]
        example = min(candidates, key=lambda path: (not path.endswith((".py", ".so")), path.count("/"), path))
        number = len(counted or files)
        plural = f"{number} files that differ, such as" if number > 1 else "a different"
        message = f"{first} and {second} both install {plural} {example}; the one that was installed last has overwritten it"
        help = f"keep one of {first} and {second}"
        findings.append(finding("IMG009", WARNING if counted else NOTE, f"{first} {second}", message, help))
    return findings


def is_aside(path: str, size: int) -> bool:
    """Return whether a file is one that does no harm when another package overwrites it."""
    return bool(ASIDE.match(path)) or (bool(NAMESPACE.fullmatch(path)) and size < SHORT)


def compiler() -> str | None:
    """Return the C compiler that triton and torch would call; None: there is none."""
    return next(
        filter(None, (shutil.which(name) for name in (os.environ.get("CC") or "", *COMPILERS) if name)), None
    )


def compiler_findings() -> list[dict[str, str]]:
    """Return a finding if a kernel cannot be compiled at run time; found out by compiling a small module."""
    path = compiler()
    if path is None:
        message = "kernels are compiled at run time, and there is no C compiler (no cc, gcc or clang, and CC is not set)"
        help = "add gcc and libc6-dev to `apt:`, or say `compiles: false` under `run:`"
        return [finding("IMG010", ERROR, "compiler", message, help)]
    error = compile_error(path)
    if error is None:
        return []
    help = "add python3-dev to `apt:`" if "Python.h" in error else "add gcc and libc6-dev to `apt:`"
    message = f"kernels are compiled at run time, and {path} fails: {error}"
    return [finding("IMG010", ERROR, "compiler", message, help)]


def compile_error(path: str) -> str | None:
    """Return the first error of a C compiler that compiles a small module for Python; None: it compiles it."""
    paths = sysconfig.get_paths()
    includes = [f"-I{folder}" for folder in dict.fromkeys([paths["include"], paths["platinclude"]])]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(SOURCE, encoding="utf-8")
        command = [path, "-shared", "-fPIC", *includes, str(source), "-o", f"{folder}/probe.so"]
        try:
            completed = subprocess.run(
                command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return str(error)[-200:]
    if completed.returncode == 0:
        return None
    lines = completed.stderr.splitlines()
    return next((line.strip() for line in lines if "error" in line), completed.stderr.strip()[-200:])


def code_findings(
    owners: Mapping[str, Sequence[Owned]], compiled: Iterable[str], capabilities: Sequence[str]
) -> list[dict[str, str]]:
    """Return a finding for each compiled package whose GPU code does not run on GPUs of all capabilities.

    A package without any GPU code has none that could be missing.
    """
    findings = []
    for package in sorted(compiled):
        paths = [
            path
            for path, entries in owners.items()
            if entries[-1].package == package and LIBRARY.search(path)
        ]
        codes = gpu_code(paths)
        missing = [
            text for text in capabilities if not any(code.runs_on(capability_numbers(text)) for code in codes)
        ]
        if codes and missing:
            names = " ".join(dict.fromkeys(code.name() for code in codes))
            message = f"{package} was compiled for {names}, which does not run on GPUs of capability {', '.join(missing)}"
            help = "add the architecture to TORCH_CUDA_ARCH_LIST under `build.env:`, or to what the project's own variable names"
            findings.append(finding("IMG011", ERROR, package, message, help))
    return findings


def capability_numbers(text: str) -> tuple[int, int]:
    """Return a capability such as 9.0 or 9.0a as numbers."""
    major, _, minor = text.rstrip("af").partition(".")
    return int(major), int(minor)


def file_findings(
    folders: Sequence[str],
    base: Sequence[str],
    requested: Iterable[str],
    machine: str,
    compiled: Iterable[str] = (),
    capabilities: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what is wrong with the installed files, and the number of libraries that were read.

    `compiled`: the packages that the image's build compiled, for GPUs of these `capabilities`.
    """
    owners = records(folders)
    problems, count = unresolved(folders, base, owners, machine)
    return {
        "libraries": count,
        "findings": [
            *library_findings(problems, requested, folders),
            *shared_findings(owners, folders),
            *code_findings(owners, compiled, capabilities),
        ],
    }
