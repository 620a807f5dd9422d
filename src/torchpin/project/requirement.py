"""What an install is asked for: a requirement, an address, a file or a folder, as it is written."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

LONGEST_REQUIREMENT = 2_000  # characters; real ones have below 300
_KEPT_REQUIREMENTS = (
    200_000  # parsed requirements that are kept for the rules, which ask for each several times
)
_NAMED = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*@\s*(?P<address>\S.*)", re.DOTALL
)
_VCS = re.compile(r"(?P<kind>git|hg|svn|bzr)\+")
_EGG = re.compile(r"[#&]egg=(?P<name>[\w.-]+)(?P<extras>\[[^\]]*\])?")
_SUBDIRECTORY = re.compile(r"[#&]subdirectory=(?P<path>[^&\s]*)")
_REVISION = re.compile(r"(?<=[^/])@(?P<revision>[^@#?]*)(?=[#?]|$)")
_PATH = re.compile(r"\.{0,2}/|\.{1,2}(?:$|\[)|file:|~/")
_ARCHIVE = re.compile(r"\.(?:tar\.(?:gz|bz2|xz)|tgz|zip|whl)$")

Origin = Literal["command", "requirement file", "pyproject", "lock", "conda file", "Pipfile"]


class DirectReference(NamedTuple):
    """A package by its address or path. `name` and `version`: "" where the text does not say them.

    `revision`: what of the repository is checked out, "" for its default branch.
    """

    kind: Literal["git", "repository", "wheel", "archive", "folder"]
    address: str
    name: str = ""
    version: str = ""
    revision: str = ""
    subdirectory: str = ""
    extras: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallTarget:
    """A thing to install as it is written, and where (`file:line:column`).

    `requirement`: None for an address or an invalid requirement. `index`: the address of the index that it is taken from,
    where its own source or a lock says so. `origin`: the kind of place that names it.
    """

    text: str
    location: str
    requirement: Requirement | None = None
    reference: DirectReference | None = None
    index: str = ""
    origin: Origin = "command"
    editable: bool = False
    hashes: int = 0  # how many it has

    @property
    def name(self) -> str:
        """The normalized name, "" where the text does not say it."""
        if self.requirement:
            return canonicalize_name(self.requirement.name)
        return canonicalize_name(self.reference.name) if self.reference and self.reference.name else ""


def parse_target(
    text: str,
    location: str,
    *,
    origin: Origin = "command",
    index: str = "",
    editable: bool = False,
    hashes: int = 0,
) -> InstallTarget:
    """A requirement of a command or file. One of over 2,000 characters is cut, and counts as none."""
    is_read = len(text) <= LONGEST_REQUIREMENT
    return InstallTarget(
        text=text if is_read else f"{text[:80]}…",
        location=location,
        requirement=parse_requirement(text) if is_read else None,
        reference=direct_reference(text) if is_read else None,
        origin=origin,
        index=index,
        editable=editable,
        hashes=hashes,
    )


@lru_cache(maxsize=_KEPT_REQUIREMENTS)
def parse_requirement(text: str) -> Requirement | None:
    """The requirement of a text, None for one that is none."""
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):  # packaging follows the brackets of a marker by recursion
        return None


def direct_reference(text: str) -> DirectReference | None:
    """The address or path of a text: `name @ url`, `git+https://…@rev#egg=…`, a wheel, an archive, a folder; None for a name."""
    named = _NAMED.fullmatch(text)
    address = re.split(r"\s+;", named["address"])[0] if named else text.partition(" ;")[0].strip()
    name, extras = (named["name"], _extras(named["extras"])) if named else ("", frozenset[str]())
    egg, folder = _EGG.search(address), _SUBDIRECTORY.search(address)
    subdirectory = folder["path"] if folder else ""
    if egg and not name:
        name, extras = egg["name"], _extras(egg["extras"])
    vcs = _VCS.match(address)
    if vcs:
        place = address.partition("://")[2].partition("/")[2]
        revision = _REVISION.search(place)
        return DirectReference(
            kind="git" if vcs["kind"] == "git" else "repository",
            address=address.partition("#")[0],
            name=name,
            revision=revision["revision"] if revision else "",
            subdirectory=subdirectory,
            extras=extras,
        )
    path, bracket, bracketed = address.partition("#")[0].partition("[")
    if not ("://" in address or _PATH.match(address) or _ARCHIVE.search(path) or named):
        return None
    file = posixpath.basename(path.partition("?")[0])
    if _ARCHIVE.search(file):
        file_name, version = _file_name(file)
        kind: Literal["wheel", "archive"] = "wheel" if file.endswith(".whl") else "archive"
        return DirectReference(kind, address, name or file_name, version, "", subdirectory, extras)
    if "://" in address and not address.startswith("file:"):
        return DirectReference("archive", address, name, "", "", subdirectory, extras)
    extras = extras or _extras(bracket + bracketed if bracket else "")
    return DirectReference("folder", path.strip(), name, "", "", subdirectory, extras)


def _extras(text: str | None) -> frozenset[str]:
    names = (text or "").strip("[] ").split(",")
    return frozenset(canonicalize_name(name.strip()) for name in names if name.strip())


def _file_name(file: str) -> tuple[str, str]:
    """Name and version of a wheel or source archive, ("", "") where its name does not say them."""
    file = file.replace("%2B", "+").replace("%2b", "+")
    try:
        if file.endswith(".whl"):
            name, version, *_ = parse_wheel_filename(file)
        else:
            name, version = parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return "", ""
    return name, str(version)
