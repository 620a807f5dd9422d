"""The modules of a distribution: which are loaded by an import, what they need of other packages, and what they have."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin.measure import python_source, version_checks
from torchpin.measure.function_uses import fills_module, function_uses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torchpin.measure.python_source import Import, ModuleSource
    from torchpin.measure.version_checks import VersionCheck

_MOST_MODULES = 1500  # of a package that are followed; `import torch` loads some thousand
# Modules whose checks of versions are read whether or not the import loads them: where packages keep theirs.
_CHECKING_FILES = (
    "import_utils", "_import_utils", "imports", "versions", "version_utils", "dependency_versions_check",
    "dependency_versions_table", "compat", "_compat", "constants", "packages",
)  # fmt: skip
_ENDINGS = (".py", ".pyi")
_ASKING = re.compile(
    r"_?is_\w+_(?:available|installed)"
)  # functions that others call before they use a package
_EXPORTS = re.compile(rb"^__all__\s*\+?=\s*[\[(](.*?)[\])]", re.DOTALL | re.MULTILINE)
_WORD = re.compile(rb"[A-Za-z_]\w*")
# What functions raise to say that another version has to be installed; a ValueError is about an argument as a rule.
_INSTALLATION_ERRORS = {"ImportError", "ModuleNotFoundError", "VersionConflict", "DistributionNotFound"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """A distribution's files, path to what tells equal contents, and how one is read; None: it is too large.

    `wanted`: the names that are looked for in folders whose modules are loaded on first use.
    `cache`, `checks`, `words`: modules and their checks by path and content; those of the release before serve where nothing changed.
    """

    files: Mapping[str, str]
    read: Callable[[str], bytes | None]
    before: Distribution | None = None
    wanted: frozenset[str] = frozenset()
    cache: dict[tuple[str, str], ModuleSource | None] = field(default_factory=dict)
    checks: dict[tuple[str, ...], tuple[VersionCheck, ...]] = field(default_factory=dict)
    words: dict[tuple[str, str], tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)

    def path(self, module: str, ending: str = ".py") -> str:
        """The file of a module, "" where it has none; a package without a file has none either."""
        stem = module.replace(".", "/")
        return next(
            (path for path in (f"{stem}/__init__{ending}", f"{stem}{ending}") if path in self.files), ""
        )

    def source(self, module: str, ending: str = ".py") -> ModuleSource | None:
        """A module by its text; None where it has none, or it cannot be read."""
        path = self.path(module, ending)
        if not path:
            return None
        key = (path, self.files[path])
        if key not in self.cache and self.before and key in self.before.cache:
            self.cache[key] = self.before.cache[key]
        if key not in self.cache:
            content = self.read(path)
            is_package = path.endswith(f"/__init__{ending}")
            self.cache[key] = (
                None
                if content is None
                else python_source.parse_module(content, module, is_package=is_package)
            )
        return self.cache[key]

    def wanted_words(self, path: str) -> tuple[frozenset[str], frozenset[str]]:
        """Which of the wanted names a file exports, and which stand in it at all."""
        key = (path, self.files[path])
        if key not in self.words and self.before and key in self.before.words:
            self.words[key] = self.before.words[key]
        if key not in self.words:
            content = self.read(path) or b""
            present = frozenset(
                name
                for name in self.wanted
                # the search for a text spares that for a word, which takes much longer
                if name.encode() in content and re.search(rb"\b%s\b" % re.escape(name.encode()), content)
            )
            exports = b" ".join(_EXPORTS.findall(content)) if present else b""
            exported = {*_WORD.findall(exports)}
            self.words[key] = (frozenset(name for name in present if name.encode() in exported), present)
        return self.words[key]

    def has_module(self, module: str) -> bool:
        """Whether there is a module or folder of this name, compiled ones too."""
        stem = module.replace(".", "/")
        return bool(self.path(module)) or any(
            path.startswith((f"{stem}/", f"{stem}.")) and path.endswith((*_ENDINGS, ".so", ".pyd"))
            for path in self.files
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a distribution imports of another: in a file, loaded by the import of `entry`; with `()`, used by that function."""

    imported: Import
    file: str
    entry: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A check of another package's version, in a file. `entry`: the module whose import runs it, "" for a function's."""

    check: VersionCheck
    file: str
    entry: str


def loaded_modules(distribution: Distribution, entries: Iterable[str]) -> dict[str, str]:
    """The modules of a distribution that the imports of `entries` certainly load, in their order, each with the entry."""
    loaded: dict[str, str] = {}
    for entry in entries:
        queue = [entry]
        while queue and len(loaded) < _MOST_MODULES:
            module = queue.pop(0)
            for name in _with_parents(module):
                if name not in loaded and distribution.path(name):
                    loaded[name] = entry
                    queue.extend(_followed(distribution, name))
    return loaded


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    yield from (".".join(parts[:number]) for number in range(1, len(parts) + 1))


def _followed(distribution: Distribution, module: str) -> Iterator[str]:
    """The modules of the same package that the import of a module imports."""
    source = distribution.source(module)
    if source is None:
        return
    top = module.partition(".")[0]
    for imported in source.imports:
        if imported.module.partition(".")[0] == top:
            yield imported.module
            if imported.name:
                yield from _loaded_by_name(distribution, imported)
    for star in source.stars:
        if star.partition(".")[0] == top and any(imported.module == star for imported in source.imports):
            yield star
    for prefix, endings in source.plugins:
        stem = prefix.replace(".", "/")
        for path in distribution.files:
            folder, _, file = path.rpartition("/")
            if folder == stem and file.endswith(".py") and file[:-3].endswith(endings or ("",)):
                yield f"{prefix}.{file[:-3]}".removesuffix(".__init__")


def _loaded_by_name(distribution: Distribution, imported: Import) -> Iterator[str]:
    """The submodule of that name, or the one that a module loads on first use of the name."""
    submodule = f"{imported.module}.{imported.name}"
    if distribution.path(submodule):
        yield submodule
        return
    source = distribution.source(imported.module)
    if source and imported.name not in source.names and imported.name in source.lazy:
        yield f"{imported.module}.{source.lazy[imported.name].lstrip('.')}"


def needs(
    distribution: Distribution, entries: Iterable[str], packages: Mapping[str, str]
) -> tuple[Need, ...]:
    """What the imports of `entries` need of other packages, and functions of what they load; `packages`: module to package."""
    rows: dict[Import, Need] = {}
    loaded = loaded_modules(distribution, entries)
    for module, entry in loaded.items():
        source = distribution.source(module)
        for imported in source.imports if source else ():
            top = imported.module.partition(".")[0]
            if top in packages and top != module.partition(".")[0] and imported not in rows:
                rows[imported] = Need(imported=imported, file=distribution.path(module), entry=entry)
    for module in loaded:
        source = distribution.source(module)
        for function, imported in function_uses(source.tree) if source else ():
            if imported.module in packages and imported not in rows:
                entry = f"{module}.{function}()"
                rows[imported] = Need(imported=imported, file=distribution.path(module), entry=entry)
    return tuple(rows.values())


def requirements(
    distribution: Distribution, entries: Iterable[str], packages: Iterable[str]
) -> tuple[Requirement, ...]:
    """The checks of other packages' versions in the modules that are loaded, and in those where packages keep them."""
    from packaging.requirements import Requirement as Parsed
    from packaging.utils import canonicalize_name

    required_names = {*packages}
    loaded = loaded_modules(distribution, entries)
    tops = {module.partition(".")[0] for module in loaded}
    others = [
        module
        for path in distribution.files
        if path.endswith(".py") and path.partition("/")[0] in tops
        if (module := path[:-3].replace("/", ".")).rpartition(".")[2] in _CHECKING_FILES
        if module not in loaded and "test" not in path
    ]
    rows: dict[VersionCheck, Requirement] = {}
    for module in (*loaded, *others):
        for check in _module_checks(distribution, module):
            parsed = Parsed(check.needs)
            entry = "" if check.function else loaded.get(module, "")
            if not parsed.specifier or canonicalize_name(parsed.name) not in required_names or check in rows:
                continue
            if entry or _asks_for_another_version(check):
                rows[check] = Requirement(check=check, file=distribution.path(module), entry=entry)
    return tuple(rows.values())


def _asks_for_another_version(check: VersionCheck) -> bool:
    """Whether what a function checks is asked of whoever installed the package, not of a value that it is called with."""
    if check.raises:
        is_private = check.function.startswith("_") and not _ASKING.fullmatch(check.function)
        return check.raises in _INSTALLATION_ERRORS and not is_private
    return ">" in check.needs and bool(check.constant) and "MIN" in check.constant


def _module_checks(distribution: Distribution, module: str) -> tuple[VersionCheck, ...]:
    source = distribution.source(module)
    if source is None or not source.compares_versions:
        return ()
    constants: dict[str, str] = {}
    tables: dict[str, Mapping[str, str]] = {}
    for imported in source.imports:
        if imported.name and imported.module.partition(".")[0] == module.partition(".")[0]:
            other = distribution.source(imported.module)
            if other is None or not (imported.name.isupper() or imported.name == "deps"):
                continue
            constants |= {
                name: version
                for name, version in version_checks.version_constants(other.tree).items()
                if name == imported.name
            }
            tables |= {
                name: rows
                for name, rows in version_checks.requirement_tables(other.tree).items()
                if name == imported.name
            }
    path = distribution.path(module)
    key = (path, distribution.files[path], repr(sorted(constants.items())), repr(sorted(tables.items())))
    earlier = distribution.before.checks if distribution.before else {}
    distribution.checks[key] = (
        earlier[key]
        if key in earlier
        else version_checks.version_checks(source.tree, constants=constants, tables=tables)
    )
    return distribution.checks[key]


def has_name(distribution: Distribution, module: str, name: str = "") -> bool | None:
    """Whether a module exists and, with `name`, has it; None where its text does not show it."""
    if not distribution.has_module(module):
        return None if _is_alias(distribution, module) else False
    if not name or distribution.has_module(f"{module}.{name}"):
        return True
    return _defines(distribution, module, name, seen=set())


def _is_alias(distribution: Distribution, module: str) -> bool:
    """Whether a parent of a missing module may make it: its text names it, or cannot be read."""
    parents = [parent for parent in [*_with_parents(module)][:-1] if distribution.has_module(parent)]
    last = module.rpartition(".")[2]
    for parent in parents:
        source = distribution.source(parent)
        if source is None and distribution.path(parent):
            return True
        if (
            source
            and source.makes_modules
            and any(last in text.replace("/", ".").split(".") for text in source.texts)
        ):
            return True
    return False


def _defines(distribution: Distribution, module: str, name: str, seen: set[str]) -> bool | None:
    if module in seen or name in expired_names(distribution, module):
        return False
    seen.add(module)
    source, stub = distribution.source(module), distribution.source(module, ".pyi")
    if any(text and (name in text.names or name in text.lazy) for text in (source, stub)):
        return True
    if not distribution.has_module(module) and not _is_alias(distribution, module):
        return False  # whoever takes all names of it over would fail
    if source is None:  # compiled, or not readable; or a folder without a file, which has modules alone
        return None if distribution.path(module) or not _is_folder(distribution, module) else False
    top = module.partition(".")[0]
    answers = {
        _defines(distribution, star, name, seen) if star.partition(".")[0] == top else None
        for text in (source, stub)
        if text
        for star in text.stars
        if not any(
            f"{star}.".startswith(f"{folder}.") for folder in source.folders
        )  # looked at below, as a whole
    }
    answers |= {_in_folder(distribution, folder, name) for folder in source.folders}
    if True in answers:
        return True
    is_open = None in answers or source.opaque or _hides_names(distribution, source)
    return None if is_open or _is_filled_by_others(distribution, module) else False


def _in_folder(distribution: Distribution, folder: str, name: str) -> bool | None:
    """Whether a folder whose modules are loaded on first use exports a name; None where it stands in a module all the same."""
    stem = folder.replace(".", "/")
    stands = False
    for path in distribution.files:
        if path.startswith(f"{stem}/") and path.endswith(".py"):
            exported, present = distribution.wanted_words(path)
            if name in exported:
                return True
            stands = stands or name in present
    return None if stands else False


def _is_folder(distribution: Distribution, module: str) -> bool:
    stem = module.replace(".", "/")
    return any(path.startswith(f"{stem}/") for path in distribution.files)


def _hides_names(distribution: Distribution, source: ModuleSource) -> bool:
    """Whether a module answers for names that no table of its text shows: the tables that it has name none of its modules."""
    if "__getattr__" not in source.names:
        return False
    keys = {key.lstrip(".") for key in source.lazy.values()}
    return not any(distribution.path(f"{source.module}.{key}") for key in keys)


def _is_filled_by_others(distribution: Distribution, module: str) -> bool:
    """Whether what the import of a top module loads gives it names: `setattr(torchaudio, name, …)`."""
    if "." in module:
        return False
    sources = map(distribution.source, loaded_modules(distribution, [module]))
    return any(source and fills_module(source.tree, module) for source in sources)


def expired_names(distribution: Distribution, module: str) -> frozenset[str]:
    """The names that NumPy has removed from its top, which its own tables list."""
    if module != "numpy":
        return frozenset()
    names: set[str] = set()
    for place, table in (("numpy._expired_attrs_2_0", "__expired_attributes__"), ("numpy", "_type_info")):
        source = distribution.source(place)
        if source:
            names |= _literal_names(source.tree, table)
    return frozenset(names)


def _literal_names(tree: ast.Module, table: str) -> frozenset[str]:
    """The keys of a mapping, or the elements of a collection (the first of tuples), that a module holds under a name."""
    for statement, _ in python_source.executed(tree.body):
        if isinstance(statement, ast.Assign) and any(
            python_source.last_name(target) == table for target in statement.targets
        ):
            value = statement.value
            nodes = value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])
            first = [node.elts[0] if isinstance(node, ast.Tuple) and node.elts else node for node in nodes]
            return frozenset(text for node in first if (text := python_source.text_of(node)))
    return frozenset()
