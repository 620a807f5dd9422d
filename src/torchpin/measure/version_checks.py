"""Which versions of other packages a module of Python compares with constants, and whether it raises where they do not fit."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from torchpin.facts.versions import is_version
from torchpin.measure.python_source import executed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OPERATORS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_PARSERS = {"parse", "Version", "LooseVersion", "StrictVersion", "parse_version", "str"}
_READERS = {"version", "get_version", "_get_version", "pkg_version", "package_version", "get_pkg_version"}
_VERSION = re.compile(r"v?\d{1,5}(?:\.\w{1,8}){1,5}")  # one number alone may count anything
_PACKAGE = re.compile(r"[A-Za-z][\w.-]{1,60}")
_IS_VERSION = re.compile(r"_?is_(\w+?)_version")
_AT_LEAST = re.compile(r"_?is_(\w+?)(?:_greater_or_equal(?:_than)?|_gte|_min_version)")
_AVAILABLE = re.compile(r"_?is_(\w+?)_(?:available|installed)")
_REQUIRE = {"require_version", "require_version_core"}
_DEEPEST = 8  # names and calls that are followed to a version


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionCheck:
    """A comparison of the version of a package that runs in a module.

    `needs`: the requirement which has to hold, `torchao>=0.16.0`. `raises`: the exception where it does not; "" where the
    package then counts as absent. `function`: where, "" at the top of the module. `constant`: the name of the version.
    """

    needs: str
    raises: str = ""
    function: str = ""
    constant: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scope:
    """The values of names in a function and its module, and what local names of modules stand for."""

    values: Mapping[str, ast.expr]
    modules: Mapping[str, str]
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    function: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    package: str
    operator: str
    version: str
    constant: str = ""

    def requirement(self, *, opposite: bool) -> str:
        operator = _OPPOSITE[self.operator] if opposite else self.operator
        return f"{canonicalize_name(self.package)}{operator}{self.version.removeprefix('v')}"


def version_constants(tree: ast.Module) -> dict[str, str]:
    """The versions that a module holds in names: `TORCHAO_MINIMUM_VERSION` to `0.16.0`."""
    scope = _Scope(values={}, modules={})
    return {
        name: version
        for name, value in _assigned(tree.body).items()
        if name.isupper() and (version := _constant(value, scope)[0])
    }


def requirement_tables(tree: ast.Module) -> dict[str, dict[str, str]]:
    """The tables of requirements in a module: name to package to requirement (`dependency_versions_table.py`)."""
    tables = {}
    for name, value in _assigned(tree.body).items():
        if isinstance(value, ast.Dict):
            rows = {
                key.value: text.value
                for key, text in zip(value.keys, value.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(text, ast.Constant)
                if isinstance(key.value, str) and isinstance(text.value, str) and _is_requirement(text.value)
            }
            if rows and len(rows) == len(value.keys):
                tables[name] = rows
    return tables


def version_checks(
    tree: ast.Module,
    *,
    constants: Mapping[str, str] | None = None,
    tables: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[VersionCheck, ...]:
    """The comparisons of versions in a module. `constants`, `tables`: what it imports from modules of its own package."""
    values: dict[str, ast.expr] = {name: ast.Constant(value) for name, value in (constants or {}).items()}
    every = list(_every_statement(tree.body))
    modules = _module_aliases(every)
    scope = _Scope(
        values=values | _assigned(tree.body),
        modules=modules,
        tables={**(tables or {}), **requirement_tables(tree)},
    )
    certain = [statement for statement, is_certain in executed(tree.body) if is_certain]
    checks = [check for statement in certain for check in _statement_checks([statement], scope)]
    checks += _looped_requirements(certain, scope)
    for function in every:
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if not any(_may_check(statement) for statement in _blocks(function.body)):
            continue
        inner = _Scope(
            values={**scope.values, **_assigned(function.body)},
            modules=modules,
            tables=scope.tables,
            function=function.name,
        )
        for block in _all_blocks(function.body):
            checks += _statement_checks(block, inner)
    called = {
        statement.value.func.id
        for statement in certain
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
    }
    # what a function raises that the module calls at its top ends the import
    return tuple(
        dict.fromkeys(
            VersionCheck(needs=check.needs, raises=check.raises, constant=check.constant)
            if check.function in called
            else check
            for check in checks
        )
    )


def _may_check(statement: ast.stmt) -> bool:
    """Whether a statement is of a kind that checks: to spare the others, which are most, what follows."""
    if isinstance(statement, (ast.If, ast.Assert, ast.Return)):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _every_statement(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those in functions and classes."""
    for statement in body:
        yield statement
        for block in _inner_blocks(statement):
            yield from _every_statement(block)


def _blocks(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a function, without those of inner functions and classes."""
    for statement in body:
        yield statement
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for block in _inner_blocks(statement):
                yield from _blocks(block)


def _all_blocks(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    yield body
    for statement in body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for block in _inner_blocks(statement):
                yield from _all_blocks(block)


def _inner_blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(statement, name, None)
        if isinstance(block, list) and block:
            yield block
    for handler in getattr(statement, "handlers", ()):
        yield handler.body
    for match_case in getattr(statement, "cases", ()):
        yield match_case.body


def _assigned(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    """The value of each name that statements, in any of their branches, set once; a name of several values has none."""
    values: dict[str, ast.expr] = {}
    several: set[str] = set()
    for statement in _blocks(body):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        for target in targets:
            if isinstance(target, ast.Name) and not _is_placeholder(statement.value):  # type: ignore[attr-defined]
                several |= {target.id} & {*values}
                values[target.id] = statement.value  # type: ignore[attr-defined]
    return {name: value for name, value in values.items() if name not in several}


def _is_placeholder(value: ast.expr | None) -> bool:
    """Whether a value says that a package is absent: `None`, `False`, `"N/A"`."""
    return isinstance(value, ast.Constant) and value.value in (None, False, True, "N/A", "", "0.0", "0.0.0")


def _module_aliases(statements: Iterable[ast.stmt]) -> dict[str, str]:
    return {
        alias.asname or alias.name.partition(".")[0]: alias.name.partition(".")[0]
        for statement in statements
        if isinstance(statement, ast.Import)
        for alias in statement.names
    }


def _statement_checks(block: list[ast.stmt], scope: _Scope) -> Iterator[VersionCheck]:
    """The checks of the statements of one block; a `raise` may follow an `if` that returns."""
    for number, statement in enumerate(block):
        match statement:
            case ast.If():
                yield from _branch_checks(statement, _raised(block[number + 1 :]), scope)
            case ast.Assert():
                yield from _checks(statement.test, scope, "AssertionError", opposite=False)
            case ast.Return(value=value) if value is not None and _AVAILABLE.fullmatch(scope.function):
                yield from _checks(value, scope, "", opposite=False)
            case ast.Expr(value=ast.Call() as call):
                yield from _required(call, scope)


def _branch_checks(statement: ast.If, afterwards: str, scope: _Scope) -> Iterator[VersionCheck]:
    raised = _raised(statement.body)
    returns = bool(statement.body) and isinstance(statement.body[-1], ast.Return)
    otherwise = _raised(statement.orelse) or (afterwards if returns and not statement.orelse else "")
    if raised:
        yield from _checks(statement.test, scope, raised, opposite=True)
    elif otherwise:
        yield from _checks(statement.test, scope, otherwise, opposite=False)
    elif _AVAILABLE.fullmatch(scope.function) and _returns(statement.body, value=False):
        yield from _checks(statement.test, scope, "", opposite=True)


def _returns(block: Iterable[ast.stmt], *, value: bool) -> bool:
    return any(
        isinstance(statement, ast.Return)
        and isinstance(statement.value, ast.Constant)
        and statement.value.value is value
        for statement in block
    )


def _raised(block: Iterable[ast.stmt]) -> str:
    """The exception that a block raises itself."""
    for statement in block:
        if isinstance(statement, ast.Raise) and statement.exc is not None:
            error = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
            name = error.attr if isinstance(error, ast.Attribute) else getattr(error, "id", "")
            return name or "an exception"
    return ""


def _checks(test: ast.expr, scope: _Scope, raises: str, *, opposite: bool) -> Iterator[VersionCheck]:
    """The requirements that follow where a test must not hold (`opposite`), or must hold."""
    for comparison in _comparisons(test, scope, opposite=opposite):
        yield VersionCheck(
            needs=comparison.requirement(opposite=opposite),
            raises=raises,
            function=scope.function,
            constant=comparison.constant,
        )


def _comparisons(test: ast.expr, scope: _Scope, *, opposite: bool) -> Iterator[_Comparison]:
    """The comparisons of which each alone decides: of `a or b` where none may hold, of `a and b` where all must.

    In `installed and a` where that must not hold, `a` decides: a package that is not installed has no version.
    """
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            for comparison in _comparisons(operand, scope, opposite=not opposite):
                yield _Comparison(
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
                    yield from _comparisons(value, scope, opposite=opposite)
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _OPERATORS:
            yield from _compared(left, _OPERATORS[type(operator)], right, scope)
        case ast.Call():
            yield from _called_comparison(test, scope)


def _is_presence(test: ast.expr, scope: _Scope) -> bool:
    """Whether a test asks if a package is there: `is_x_available()`, `_torchao_available`, `version is not None`."""
    match test:
        case ast.Call(func=function, args=[], keywords=[]):
            return bool(_AVAILABLE.fullmatch(_name(function)))
        case ast.Name(id=name):
            return name.endswith(("_available", "_installed")) or bool(_version_of(test, scope))
        case ast.Compare(ops=[ast.IsNot()]):
            return True
    return False


def _compared(left: ast.expr, operator: str, right: ast.expr, scope: _Scope) -> Iterator[_Comparison]:
    for measured, constant, sign in ((left, right, operator), (right, left, _SWAPPED[operator])):
        package, (version, name) = _version_of(measured, scope), _constant(constant, scope)
        if package and version:
            yield _Comparison(package=package, operator=sign, version=version, constant=name)
            return


def _called_comparison(call: ast.Call, scope: _Scope) -> Iterator[_Comparison]:
    """`is_torch_version(">=", "2.0")`, `is_torch_greater_or_equal("2.0")`, `compare_versions("torch", "<", "2.0")`."""
    name = _name(call.func)
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if (match := _IS_VERSION.fullmatch(name)) and len(arguments) == 2:  # noqa: PLR2004 - operator and version
        package, operator, version = match[1], _string(arguments[0]), _constant(arguments[1], scope)
    elif (match := _AT_LEAST.fullmatch(name) or _AVAILABLE.fullmatch(name)) and arguments:
        package, operator, version = match[1], ">=", _constant(arguments[0], scope)
    elif name == "compare_versions" and len(arguments) == 3:  # noqa: PLR2004 - package, operator and version
        package, operator, version = (
            _string(arguments[0]),
            _string(arguments[1]),
            _constant(arguments[2], scope),
        )
    else:
        return
    if operator in _OPPOSITE and version[0] and package:
        yield _Comparison(package=package, operator=operator, version=version[0], constant=version[1])


def _required(call: ast.Call, scope: _Scope) -> Iterator[VersionCheck]:
    """`require_version("torch>=2.0")` and `require_version_core(deps["torch"])`."""
    if _name(call.func) in _REQUIRE and call.args:
        text = _string(call.args[0])
        match call.args[0]:
            case ast.Subscript(value=ast.Name(id=table), slice=ast.Constant(value=str(key))):
                text = scope.tables.get(table, {}).get(key, "")
        if _is_requirement(text):
            yield VersionCheck(needs=text, raises="ImportError", function=scope.function)


def _looped_requirements(statements: Iterable[ast.stmt], scope: _Scope) -> Iterator[VersionCheck]:
    """`for name in names: require_version_core(deps[name])` at the top of a module, less the names that it may pass over."""
    for loop in (statement for statement in statements if isinstance(statement, ast.For)):
        names = _strings(scope.values.get(_name(loop.iter), loop.iter))
        tables = {
            _name(node.args[0].value)
            for node in ast.walk(loop)
            if isinstance(node, ast.Call) and _name(node.func) in _REQUIRE and node.args
            if isinstance(node.args[0], ast.Subscript)
        }
        passed_over = {
            text
            for node in ast.walk(loop)
            if isinstance(node, ast.If) and any(isinstance(inner, ast.Continue) for inner in ast.walk(node))
            for text in _strings(node.test)
        }
        for table in tables:
            rows = scope.tables.get(table, {})
            yield from (
                VersionCheck(needs=rows[name], raises="ImportError")
                for name in names
                if name in rows and name not in passed_over
            )


def _strings(node: ast.AST) -> list[str]:
    """The texts in an expression, those of a text that is split counted apart."""
    texts = [
        inner.value
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    ]
    return [part for text in texts for part in text.split()]


def _version_of(node: ast.expr, scope: _Scope, depth: int = 0) -> str:
    """The package whose installed version an expression is, "" if none shows."""
    inner: ast.expr | None = None
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr="__version__" | "__version_tuple__"):
            return scope.modules.get(module, "")
        case ast.Call(func=function, args=[argument, *_]) if _name(function) in _READERS and _string(
            argument
        ):
            package = _string(argument)
            return package if _PACKAGE.fullmatch(package) and not _VERSION.fullmatch(package) else ""
        case ast.Attribute(value=value, attr="base_version" | "public" | "release" | "version"):
            inner = value
        case ast.Subscript(value=ast.Call(func=ast.Attribute(value=value, attr="split" | "partition"))):
            inner = value
        case ast.Call(func=function, args=[argument]) if _name(function) in _PARSERS:
            inner = argument
        case ast.Name(id=name) if not isinstance(scope.values.get(name), ast.Constant):
            inner = scope.values.get(name)
    return _version_of(inner, scope, depth + 1) if inner is not None and depth < _DEEPEST else ""


def _constant(node: ast.expr, scope: _Scope, depth: int = 0) -> tuple[str, str]:
    """The version that an expression always is, and the name that holds it; two empty texts where it is none."""
    if depth > _DEEPEST:
        return "", ""
    match node:
        case ast.Constant(value=str(text)) if _VERSION.fullmatch(text) and is_version(text):
            return text, ""
        case ast.Call(func=function, args=[argument]) if _name(function) in _PARSERS:
            return _constant(argument, scope, depth + 1)
        case ast.Name(id=name) if name in scope.values:
            version, inner = _constant(scope.values[name], scope, depth + 1)
            return version, inner or name
    return "", ""


def _string(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_requirement(text: str) -> bool:
    try:
        return bool(text) and bool(Requirement(text).name)
    except InvalidRequirement:
        return False
