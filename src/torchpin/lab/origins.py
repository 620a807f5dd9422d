"""Stub repositories in place of sources: the tag, the requirements that the lab has, and no code."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from torchpin.lab.scope import lab_package_names, requirement_name
from torchpin.tools import process
from torchpin.tools.files import write_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torchpin.model import Environment, Lock, Source

_STUB_PACKAGE = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0"

[tool.setuptools]
py-modules = []
"""


def create_origins(
    folder: Path, environments: Sequence[Environment], locks: Mapping[str, Lock], *, full: bool = False
) -> dict[str, tuple[str, str]]:
    """Address and commit of a stub repository for each source, by the source's name."""
    return {
        source.name: _create_origin(
            folder, source, locks[env.name], lab_package_names(env.service, locks[env.name], full=full)
        )
        for env in environments
        for source in env.service.sources
    }


def _create_origin(folder: Path, source: Source, lock: Lock, names: frozenset[str]) -> tuple[str, str]:
    """Create a bare repository in place of a source: its address and the commit of the tag.

    The same input gives the same commit, since author and dates are fixed and the user's git settings are ignored.
    """
    upstream = next((candidate for candidate in lock.upstreams if candidate.source == source.name), None)
    lines = [line for line in (upstream.requirements if upstream else ()) if requirement_name(line) in names]
    work, bare = folder / f"{source.name}-work", folder / f"{source.name}.git"
    files = {work / "README.md": f"A stub of {source.name} {source.version}.\n"}
    if source.requirements:
        files[work / source.requirements[0]] = "".join(f"{line}\n" for line in lines)
        files |= dict.fromkeys((work / name for name in source.requirements[1:]), "")
    if upstream and upstream.distribution:
        files[work / "pyproject.toml"] = _STUB_PACKAGE.format(name=upstream.distribution)
    write_files(files)
    stamp = "2000-01-01T00:00:00+0000"
    person = {"NAME": "torchpin lab", "EMAIL": "lab@localhost"}
    identity = {
        f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in person.items()
    }
    dates = {
        "GIT_AUTHOR_DATE": stamp,
        "GIT_COMMITTER_DATE": stamp,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for command in (
        ("git", "init", "--quiet", "--initial-branch=main", str(work)),
        ("git", "-C", str(work), "add", "."),
        ("git", "-C", str(work), "commit", "--quiet", "--message", f"Stub of {source.version}"),
        *([("git", "-C", str(work), "tag", source.tag)] if source.tag else []),
        ("git", "clone", "--quiet", "--bare", str(work), str(bare)),
    ):
        process.run(command, env=clean | identity | dates, timeout=process.QUERY)
    commit = process.run(
        ("git", "-C", str(bare), "rev-parse", "HEAD"), env=clean, timeout=process.QUICK
    ).stdout.strip()
    shutil.rmtree(work)
    return f"file://{bare}", commit
