"""What the files of a source say of its package: name, requirements and build requirements, without running any of it."""

from __future__ import annotations

import ast
import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from torchpin.lock import sdist
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
    """The package of a source, whose files `read` gives; None for a source that is no package.

    Raises ValueError for a file that cannot be read as what it is.
    """
    pyproject, setup_cfg, setup_py = map(read, FILES)
    if pyproject is None and setup_cfg is None and setup_py is None:
        return None
    build = sdist.parse_build_requirements(pyproject)
    project = _table(parse_toml(pyproject) if pyproject else {}, "project")
    if project.get("name"):
        return SourcePackage(
            name=canonicalize_name(str(project["name"])), requires=_project_requires(project), build=build
        )
    cfg_name, cfg_requires = _setup_cfg(setup_cfg)
    py_name, py_requires = _setup_py(setup_py)
    name = cfg_name or py_name
    return SourcePackage(
        name=canonicalize_name(name) if name else "",
        requires=cfg_requires if cfg_requires is not None else py_requires,
        build=build,
    )


def without_family(requirements: Collection[str], family: Collection[str]) -> tuple[str, ...]:
    """Build requirements less those on torch's family, which the build sees as the image has it.

    Raises ValueError for one that is no requirement, or an address.
    """
    kept = []
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            message = f"{text!r} is not a requirement ({str(error).splitlines()[0]})"
            raise ValueError(message) from None
        if requirement.url:
            message = f"the build requires {text!r}, an address that a lock of PyPI's files has not"
            raise ValueError(message)
        if canonicalize_name(requirement.name) not in family:
            kept.append(str(requirement))
    return tuple(sorted({*kept}))


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key, {})
    return value if isinstance(value, dict) else {}


def _project_requires(project: dict[str, Any]) -> tuple[str, ...] | None:
    if "dependencies" in (project.get("dynamic") or ()):
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
    requires = parser.get("options", "install_requires", fallback=None)
    if requires is None or requires.strip().startswith("file:"):
        return parser.get("metadata", "name", fallback="").strip(), None
    lines = tuple(line.strip() for line in requires.replace(";\n", "\n").splitlines() if line.strip())
    return parser.get("metadata", "name", fallback="").strip(), lines


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
