"""What uv prints while it works, as progress: the packages that it selects, fetches, builds and installs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.progress import Step

# Only what the resolver says, which `--quiet` does not silence; its lines begin with the level.
RESOLVER_LOG = "uv_resolver=debug"
_LOGGED = re.compile(r"(?:DEBUG|INFO|TRACE) ")
_SELECTING = re.compile(r"DEBUG Selecting: (?P<name>[\w.-]+)==")
_INSTALL = re.compile(r"\s*(?P<action>Downloading|Downloaded|Building|Built) (?P<name>[\w.-]+)")
_PREPARED = re.compile(r"Prepared \d+ packages? in ")
_ENDED = re.compile(
    r"(?:Resolved|Audited|Installed|Uninstalled) \d+ packages? in |Using Python | [-+~] [\w.-]+(?:==| @ )"
)
_NAMED = 3  # packages that a note names; the others are counted


class SelectedPackages:
    """The packages that a resolution has selected so far; one that it gives up and selects again counts once."""

    def __init__(self, running: Step) -> None:
        self._running, self._names = running, set[str]()

    def read(self, line: str) -> bool:
        """Whether a line of uv's stderr is its log, which no message shows."""
        if selected := _SELECTING.match(line):
            self._names.add(canonicalize_name(selected["name"]))
            # the present lock is only an estimate: a new one may have more packages
            total = self._running.total if len(self._names) <= self._running.total else 0
            self._running.advance(len(self._names), total=total, note=selected["name"])
        return _LOGGED.match(line) is not None


class InstalledPackages:
    """How far an install is, by the bytes of its packages' files, name to bytes; uv names those above a megabyte alone."""

    def __init__(self, running: Step, sizes: Mapping[str, int]) -> None:
        self._running, self._sizes = running, sizes
        self._fetching: dict[str, None] = {}
        self._building: dict[str, None] = {}
        self._fetched: set[str] = set()

    def read(self, line: str) -> bool:
        """Whether a line of uv's output is progress."""
        if match := _INSTALL.match(line):
            name = canonicalize_name(match["name"])
            if match["action"] in {"Downloading", "Building"}:
                (self._fetching if match["action"] == "Downloading" else self._building)[name] = None
            else:
                self._fetching.pop(name, None)
                self._building.pop(name, None)
                self._fetched.add(name)
            done = sum(self._sizes.get(package, 0) for package in self._fetched)
            self._running.advance(done, note=self._note())
            return True
        if _PREPARED.match(line):
            self._running.advance(self._running.total, note="installing")
            return True
        return _ENDED.match(line) is not None

    def _note(self) -> str:
        parts = (("downloading", self._fetching), ("building", self._building))
        return ", ".join(f"{verb} {_names(packages)}" for verb, packages in parts if packages)


def _names(packages: Mapping[str, None]) -> str:
    names = [*packages]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
