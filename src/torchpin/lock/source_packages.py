"""What the files of a source say of its package: name, requirements and build requirements, without running any of it."""

from __future__ import annotations

import ast
import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidName, canonicalize_name

from torchpin.lock import sdist
from torchpin.lock.requirement_files import parse_requirement
from torchpin.parsing import parse_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FILES = ("pyproject.toml", "setup.cfg", "setup.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePackage:
    """A package that is built from a source. `requires` is None where only its build knows them, `name` is "" likewise."""

    name: str
    requires: tuple[str, ...] | None
    build: tuple[str, ...]


def read_package(read: Callable[[str], str | None]) -> SourcePackage | None:
    """The package of a source, whose files `read` gives; None for a source that is not a package.

    Raises ValueError for a file that cannot be read as what it is.
    """
    pyproject, setup_cfg, setup_py = map(read, FILES)
    if pyproject is None and setup_cfg is None and setup_py is None:
        return None
    build = sdist.parse_build_requirements(pyproject)
    project = _table(parse_toml(pyproject) if pyproject else {}, "project")
    if project.get("name"):
        return _checked(project["name"], _project_requires(project), build)
    cfg_name, cfg_requires = _setup_cfg(setup_cfg)
    py_name, py_requires = _setup_py(setup_py)
    return _checked(cfg_name or py_name, py_requires if cfg_requires is None else cfg_requires, build)


def _checked(name: object, requires: tuple[str, ...] | None, build: tuple[str, ...]) -> SourcePackage:
    """The package of these values. Raises ValueError for a name that no package has, and for what is not a requirement."""
    try:
        canonical = canonicalize_name(str(name), validate=True) if name else ""
    except InvalidName:
        message = f"{name!r} is not the name of a package"
        raise ValueError(message) from None
    for text in requires or ():
        parse_requirement(text)
    return SourcePackage(name=canonical, requires=requires, build=build)


def without_family(requirements: Collection[str], family: Collection[str]) -> tuple[str, ...]:
    """Build requirements less those on torch's family, which the build sees as the image has it.

    Raises ValueError for one that is not a requirement, or an address.
    """
    remaining = []
    for text in requirements:
        requirement = parse_requirement(text)
        if requirement.url:
            message = f"the build requires {text!r}, an address that a lock of PyPI's files has not"
            raise ValueError(message)
        if canonicalize_name(requirement.name) not in family:
            remaining.append(str(requirement))
    return tuple(sorted({*remaining}))


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key, {})
    return value if isinstance(value, dict) else {}


def _project_requires(project: dict[str, Any]) -> tuple[str, ...] | None:
    dynamic = project.get("dynamic", [])
    if not isinstance(dynamic, list):
        message = "project.dynamic in pyproject.toml is not a list"
        raise ValueError(message)  # noqa: TRY004 - as every other fault of the file
    if "dependencies" in dynamic:
        return None
    requires = project.get("dependencies", [])
    if not isinstance(requires, list) or not all(isinstance(text, str) for text in requires):
        message = "project.dependencies in pyproject.toml is not a list of texts"
        raise ValueError(message)
    return tuple(requires)


def _setup_cfg(text: str | None) -> tuple[str, tuple[str, ...] | None]:
    """The name, and the requirements where it lists them: without them another file may."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text or "")
    except configparser.Error as error:
        message = f"setup.cfg: {str(error).splitlines()[0]}"
        raise ValueError(message) from None
    name = parser.get("metadata", "name", fallback="").strip()
    name = "" if name.startswith(("file:", "attr:")) else name
    requires = parser.get("options", "install_requires", fallback=None)
    if requires is None or requires.strip().startswith("file:"):
        return name, None
    rows = requires.replace(";\n", "\n").splitlines() if "\n" in requires else requires.split(";")
    lines = (line.partition(" #")[0].strip() for line in rows)
    return name, tuple(line for line in lines if line)


def _setup_py(text: str | None) -> tuple[str, tuple[str, ...] | None]:
    """The name and requirements that a call of `setup` has as literals; requirements are none where it names none."""
    try:
        tree = ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = f"setup.py: {error}"
        raise ValueError(message) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "setup":
            arguments = {keyword.arg: keyword.value for keyword in node.keywords}
            name = _literal(arguments.get("name"))
            return name if isinstance(name, str) else "", _install_requires(arguments)
    return "", None


def _install_requires(arguments: dict[str | None, ast.expr]) -> tuple[str, ...] | None:
    if None in arguments:  # **values, which may name some
        return None
    if "install_requires" not in arguments:
        return ()
    value = _literal(arguments["install_requires"])
    is_list = isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)
    return tuple(value) if is_list else None


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
