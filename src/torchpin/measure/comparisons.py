"""Comparisons of the version of a package with a constant, in expressions of Python."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.facts.versions import is_version
from torchpin.measure.python_source import last_name, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OPERATORS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_PARSERS = {"parse", "Version", "LooseVersion", "StrictVersion", "parse_version", "str"}
_READERS = {"version", "get_version", "_get_version", "pkg_version", "package_version", "get_pkg_version"}
_VERSION = re.compile(r"v?\d{1,5}(?:\.\w{1,8}){1,5}")  # one number alone may count anything
_PACKAGE = re.compile(r"[A-Za-z][\w.-]{1,60}")
_IS_VERSION = re.compile(r"_?is_(\w+?)_version")
_AT_LEAST = re.compile(r"_?is_(\w+?)(?:_greater_or_equal(?:_than)?|_gte|_min_version)")
AVAILABLE = re.compile(r"_?is_(\w+?)_(?:available|installed)")
_DEEPEST = 8  # names and calls that are followed to a version


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """The values of names in a function and its module, and what local names of modules stand for."""

    values: Mapping[str, ast.expr]
    modules: Mapping[str, str]
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    function: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    package: str
    operator: str
    version: str
    constant: str = ""

    def requirement(self, *, opposite: bool) -> str:
        operator = _OPPOSITE[self.operator] if opposite else self.operator
        return f"{canonicalize_name(self.package)}{operator}{self.version.removeprefix('v')}"


def comparisons(test: ast.expr, scope: Scope, *, opposite: bool) -> Iterator[Comparison]:
    """The comparisons of which each alone decides: of `a or b` where none may hold, of `a and b` where all must.

    In `installed and a` where that must not hold, `a` decides: a package that is not installed has no version.
    """
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            for comparison in comparisons(operand, scope, opposite=not opposite):
                yield Comparison(
                    package=comparison.package,
                    operator=_OPPOSITE[comparison.operator],
                    version=comparison.version,
                    constant=comparison.constant,
                )
        case ast.BoolOp(op=operator, values=values):
            decisive = isinstance(operator, ast.Or) if opposite else isinstance(operator, ast.And)
            others = [value for value in values if not _is_presence(value, scope)]
            if decisive or len(others) == 1:
                for value in others:
                    yield from comparisons(value, scope, opposite=opposite)
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _OPERATORS:
            yield from _compared(left, _OPERATORS[type(operator)], right, scope)
        case ast.Call():
            yield from _called_comparison(test, scope)


def _is_presence(test: ast.expr, scope: Scope) -> bool:
    """Whether a test asks if a package is there: `is_x_available()`, `_torchao_available`, `version is not None`."""
    match test:
        case ast.Call(func=function, args=[], keywords=[]):
            return bool(AVAILABLE.fullmatch(last_name(function)))
        case ast.Name(id=name):
            return name.endswith(("_available", "_installed")) or bool(_version_of(test, scope))
        case ast.Compare(ops=[ast.IsNot()]):
            return True
    return False


def _compared(left: ast.expr, operator: str, right: ast.expr, scope: Scope) -> Iterator[Comparison]:
    for measured, constant, sign in ((left, right, operator), (right, left, _SWAPPED[operator])):
        package, (version, name) = _version_of(measured, scope), constant_version(constant, scope)
        if package and version:
            yield Comparison(package=package, operator=sign, version=version, constant=name)
            return


def _called_comparison(call: ast.Call, scope: Scope) -> Iterator[Comparison]:
    """`is_torch_version(">=", "2.0")`, `is_torch_greater_or_equal("2.0")`, `compare_versions("torch", "<", "2.0")`."""
    name = last_name(call.func)
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if (match := _IS_VERSION.fullmatch(name)) and len(arguments) == 2:  # noqa: PLR2004 - operator and version
        package, operator, version = (
            match[1],
            text_of(arguments[0]) or "",
            constant_version(arguments[1], scope),
        )
    elif (match := _AT_LEAST.fullmatch(name) or AVAILABLE.fullmatch(name)) and arguments:
        package, operator, version = match[1], ">=", constant_version(arguments[0], scope)
    elif name == "compare_versions" and len(arguments) == 3:  # noqa: PLR2004 - package, operator and version
        package, operator, version = (
            text_of(arguments[0]) or "",
            text_of(arguments[1]) or "",
            constant_version(arguments[2], scope),
        )
    else:
        return
    if operator in _OPPOSITE and version[0] and package:
        yield Comparison(package=package, operator=operator, version=version[0], constant=version[1])


def _version_of(node: ast.expr, scope: Scope, depth: int = 0) -> str:
    """The package whose installed version an expression is, "" if none shows."""
    inner: ast.expr | None = None
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr="__version__" | "__version_tuple__"):
            return scope.modules.get(module, "")
        case ast.Call(func=function, args=[argument, *_]) if last_name(function) in _READERS and text_of(
            argument
        ):
            package = text_of(argument) or ""
            return package if _PACKAGE.fullmatch(package) and not _VERSION.fullmatch(package) else ""
        case ast.Attribute(value=value, attr="base_version" | "public" | "release" | "version"):
            inner = value
        case ast.Subscript(value=ast.Call(func=ast.Attribute(value=value, attr="split" | "partition"))):
            inner = value
        case ast.Call(func=function, args=[argument]) if last_name(function) in _PARSERS:
            inner = argument
        case ast.Name(id=name) if not isinstance(scope.values.get(name), ast.Constant):
            inner = scope.values.get(name)
    return _version_of(inner, scope, depth + 1) if inner is not None and depth < _DEEPEST else ""


def constant_version(node: ast.expr, scope: Scope, depth: int = 0) -> tuple[str, str]:
    """The version that an expression always is, and the name that holds it; two empty texts where it is none."""
    if depth > _DEEPEST:
        return "", ""
    match node:
        case ast.Constant(value=str(text)) if _VERSION.fullmatch(text) and is_version(text):
            return text, ""
        case ast.Call(func=function, args=[argument]) if last_name(function) in _PARSERS:
            return constant_version(argument, scope, depth + 1)
        case ast.Name(id=name) if name in scope.values:
            version, inner = constant_version(scope.values[name], scope, depth + 1)
            return version, inner or name
    return "", ""
