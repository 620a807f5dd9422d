"""What earlier proofs of an environment have shown: an import whose packages are all as they were need not run again.

An import rests on the packages that it loads, those that these require, with all their extras, and the system; what each
package is, its RECORD says, which has the hash of every file. Nothing is taken from an earlier proof where a package has
come or gone, or the system differs. Standard library only, Python 3.8 and later; `probe.py` is in the same folder.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import importlib
import json
import os
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from probe_expectation import is_list, is_table, normalized
from probe_files import OF_DRIVER, system_libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PACKAGE_LISTS = ("/var/lib/dpkg/status", "/etc/os-release")
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# what it imports by a name that it was given belongs to whoever gave it; names are known from Python 3.10 on
STANDARD_LIBRARY: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
LEVEL = 3  # the place of `level` behind the name among the arguments of `__import__`
DEEPER = 4  # times as many frames as usual: each import has one more while it is watched


class Package(NamedTuple):
    """An installed distribution. `record`: the hash of its RECORD, "" without one; `modules`: the top level of its files."""

    record: str
    modules: frozenset[str]
    requires: frozenset[str]
    at_start: bool  # a file of it runs when the interpreter starts


def packages(folders: Sequence[str]) -> dict[str, Package]:
    """Return the distributions in package folders by their names; an earlier folder shadows a later one."""
    found: dict[str, Package] = {}
    for folder in folders:
        for distribution in metadata.distributions(path=[folder]):
            fields = distribution.metadata  # which is parsed anew for each question
            name = normalized(str(fields["Name"] or ""))
            if not name or name in found:
                continue
            text = distribution.read_text("RECORD") or ""
            files = [line.split(",")[0].strip('"') for line in text.splitlines()]
            requires = fields.get_all("Requires-Dist") or distribution.requires or ()
            matches = (NAME.match(line) for line in requires)
            found[name] = Package(
                hashlib.sha256(text.encode()).hexdigest() if text else "",
                frozenset(
                    path.split("/")[0].split(".")[0] for path in files if not path.startswith(("..", "/"))
                ),
                frozenset(normalized(match[0]) for match in matches if match),
                any("/" not in path and path.endswith(".pth") for path in files),
            )
    return found


def system_digest(machine: str, installed: Mapping[str, Package]) -> str:
    """Return the hash of what all imports rest on: Python, the system's libraries and packages, and what starts with Python."""
    found = sorted(system_libraries(machine).items())
    # a container of a machine with GPUs has those of its driver, and the document is the same on all machines
    libraries = [
        (name, path) for name, path in found if not OF_DRIVER.fullmatch(name) and "nvidia" not in name
    ]
    sizes = [(name, path, os.path.getsize(path) if os.path.exists(path) else 0) for name, path in libraries]  # noqa: PTH110, PTH202
    lists = [
        Path(path).read_text("utf-8", "replace") if Path(path).is_file() else "" for path in PACKAGE_LISTS
    ]
    at_start = sorted((name, package.record) for name, package in installed.items() if package.at_start)
    state = [sys.version, sys.prefix, machine, sizes, lists, at_start, sorted(installed), search_path()]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def search_path() -> list[str]:
    """Return what PYTHONPATH names and is there: its modules come before those of packages, and no RECORD says what they are."""
    names = os.environ.get("PYTHONPATH", "")
    return [name for name in names.split(os.pathsep) if Path(name or ".").exists()] if names else []


class Imports:
    """Which modules import which, by the names of their top levels, as far as it was watched."""

    def __init__(self) -> None:
        self.edges: dict[str, set[str]] = {}

    def add(self, importer: object, name: object) -> None:
        """Note an import; one inside of a package says nothing new."""
        source, target = str(importer or "").split(".")[0], str(name).split(".")[0]
        if source != target and target:
            self.edges.setdefault(source, set()).add(target)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch import statements and `importlib.import_module`."""
        statement, function = builtins.__import__, importlib.import_module
        limit = sys.getrecursionlimit()

        def import_statement(name: str, *arguments: Any, **options: Any) -> Any:
            scope = arguments[0] if arguments else options.get("globals")
            level = arguments[LEVEL] if len(arguments) > LEVEL else options.get("level", 0)
            if not level:
                self.add((scope or {}).get("__name__"), name)
            return statement(name, *arguments, **options)

        def import_module(name: str, package: Any = None) -> Any:
            if not name.startswith("."):
                self.add(sys._getframe(1).f_globals.get("__name__"), name)
            return function(name, package)

        builtins.__import__, importlib.import_module = import_statement, import_module
        sys.setrecursionlimit(limit * DEEPER)
        try:
            yield
        finally:
            builtins.__import__, importlib.import_module = statement, function
            sys.setrecursionlimit(limit)


def rests_on(name: str, installed: Mapping[str, Package], edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the packages that an import rests on; none where one of them has no RECORD, or none has the module."""
    owners: dict[str, set[str]] = {}
    for owner, package in installed.items():
        for module in package.modules:
            owners.setdefault(module, set()).add(owner)
    first = name.partition(".")[0]
    modules, reached = {first}, set(owners.get(first, ()))
    size = 0
    while size < len(modules) + len(reached):
        size = len(modules) + len(reached)
        for module in modules - STANDARD_LIBRARY:
            modules = modules.union(edges.get(module, ()))
        for package in [installed[owner] for owner in reached]:
            modules = modules | package.modules
            reached |= package.requires & installed.keys()
        reached.update(*(owners.get(module, ()) for module in modules))
    is_known = first in owners and all(installed[owner].record for owner in reached)
    return sorted(reached) if is_known else []


def read_kept(path: str) -> dict[str, Any]:
    """Return what is kept of an earlier proof; nothing where there is no such file, or it is none."""
    try:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    fits = (
        isinstance(kept, dict)
        and is_table(kept.get("records"))
        and isinstance(kept.get("rests_on"), dict)
        and all(is_list(value) for value in kept["rests_on"].values())
        and isinstance(kept.get("system"), str)
    )
    return kept if fits else {}


def still_proven(kept: Mapping[str, Any], installed: Mapping[str, Package], system: str) -> list[str]:
    """Return the imports of an earlier proof whose packages and system are as they were."""
    records = {name: package.record for name, package in installed.items()}
    if kept.get("system") != system or search_path():
        return []
    return [
        name
        for name, names in kept["rests_on"].items()
        if names and all(records.get(package, "") == kept["records"].get(package, "-") for package in names)
    ]


class Proof:
    """A proof under way: what of it an earlier one has shown, and what the next one has to know.

    `proven` are the imports that need not run; `kept` is the document of the earlier proof.
    """

    def __init__(self, path: str, folders: Sequence[str], machine: str) -> None:
        self.kept = read_kept(path)
        self.installed = packages(folders)
        self.system = system_digest(machine, self.installed)
        proven = still_proven(self.kept, self.installed, self.system) if self.kept else []
        if not isinstance(self.kept.get("torch"), dict):
            proven = [name for name in proven if name != "torch"]
        self.proven = frozenset(proven)
        self.imports = Imports()

    def document(self, names: Iterable[str]) -> dict[str, Any]:
        """Return what the proof rests on: each package's RECORD, the packages of each import, the system."""
        edges = self.imports.edges
        return {
            "system": self.system,
            "records": {name: package.record for name, package in sorted(self.installed.items())},
            "rests_on": {
                name: self.kept["rests_on"][name]
                if name in self.proven
                else rests_on(name, self.installed, edges)
                for name in names
            },
        }
