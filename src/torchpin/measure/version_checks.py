"""Which versions of other packages a module of Python compares with constants, and whether it raises where they do not fit."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from torchpin.measure.comparisons import AVAILABLE, Scope, comparisons, constant_version
from torchpin.measure.python_source import executed, last_name, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_REQUIRE = {"require_version", "require_version_core"}


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


def version_constants(tree: ast.Module) -> dict[str, str]:
    """The versions that a module holds in names: `TORCHAO_MINIMUM_VERSION` to `0.16.0`."""
    scope = Scope(values={}, modules={})
    return {
        name: version
        for name, value in _assigned(tree.body).items()
        if name.isupper() and (version := constant_version(value, scope)[0])
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
    scope = Scope(
        values=values | _assigned(tree.body),
        modules=_module_aliases(every),
        tables={**(tables or {}), **requirement_tables(tree)},
    )
    certain = [statement for statement, is_certain in executed(tree.body) if is_certain]
    checks = [check for statement in certain for check in _statement_checks([statement], scope)]
    checks += _looped_requirements(certain, scope)
    for statement in every:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            checks += _function_checks(statement, scope)
    called = _called_functions(certain)
    # what a function raises that the module calls at its top ends the import
    return tuple(
        dict.fromkeys(
            VersionCheck(needs=check.needs, raises=check.raises, constant=check.constant)
            if check.function in called
            else check
            for check in checks
        )
    )


def _function_checks(
    function: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope
) -> Iterator[VersionCheck]:
    if any(_may_check(statement) for statement in _blocks(function.body)):
        values = {**scope.values, **_assigned(function.body)}
        inner = replace(scope, values=values, function=function.name)
        for block in _all_blocks(function.body):
            yield from _statement_checks(block, inner)


def _called_functions(statements: Iterable[ast.stmt]) -> set[str]:
    """The functions that statements call for their own sake: `check_versions()`."""
    return {
        statement.value.func.id
        for statement in statements
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
    }


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


def _statement_checks(block: list[ast.stmt], scope: Scope) -> Iterator[VersionCheck]:
    """The checks of the statements of one block; a `raise` may follow an `if` that returns."""
    for number, statement in enumerate(block):
        match statement:
            case ast.If():
                yield from _branch_checks(statement, _raised(block[number + 1 :]), scope)
            case ast.Assert():
                yield from _checks(statement.test, scope, "AssertionError", opposite=False)
            case ast.Return(value=value) if value is not None and AVAILABLE.fullmatch(scope.function):
                yield from _checks(value, scope, "", opposite=False)
            case ast.Expr(value=ast.Call() as call):
                yield from _required(call, scope)


def _branch_checks(statement: ast.If, afterwards: str, scope: Scope) -> Iterator[VersionCheck]:
    raised = _raised(statement.body)
    returns = bool(statement.body) and isinstance(statement.body[-1], ast.Return)
    otherwise = _raised(statement.orelse) or (afterwards if returns and not statement.orelse else "")
    if raised:
        yield from _checks(statement.test, scope, raised, opposite=True)
    elif otherwise:
        yield from _checks(statement.test, scope, otherwise, opposite=False)
    elif AVAILABLE.fullmatch(scope.function) and _returns(statement.body, value=False):
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


def _checks(test: ast.expr, scope: Scope, raises: str, *, opposite: bool) -> Iterator[VersionCheck]:
    """The requirements that follow where a test must not hold (`opposite`), or must hold."""
    for comparison in comparisons(test, scope, opposite=opposite):
        yield VersionCheck(
            needs=comparison.requirement(opposite=opposite),
            raises=raises,
            function=scope.function,
            constant=comparison.constant,
        )


def _required(call: ast.Call, scope: Scope) -> Iterator[VersionCheck]:
    """`require_version("torch>=2.0")` and `require_version_core(deps["torch"])`."""
    if last_name(call.func) in _REQUIRE and call.args:
        text = text_of(call.args[0]) or ""
        match call.args[0]:
            case ast.Subscript(value=ast.Name(id=table), slice=ast.Constant(value=str(key))):
                text = scope.tables.get(table, {}).get(key, "")
        if _is_requirement(text):
            yield VersionCheck(needs=text, raises="ImportError", function=scope.function)


def _looped_requirements(statements: Iterable[ast.stmt], scope: Scope) -> Iterator[VersionCheck]:
    """`for name in names: require_version_core(deps[name])` at the top of a module, less the names that it may pass over."""
    for loop in (statement for statement in statements if isinstance(statement, ast.For)):
        names = _strings(scope.values.get(last_name(loop.iter), loop.iter))
        tables = {
            last_name(node.args[0].value)
            for node in ast.walk(loop)
            if isinstance(node, ast.Call) and last_name(node.func) in _REQUIRE and node.args
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


def _is_requirement(text: str) -> bool:
    try:
        return bool(text) and bool(Requirement(text).name)
    except InvalidRequirement:
        return False
