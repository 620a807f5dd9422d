"""What a module of Python imports and defines, by its syntax tree: nothing is executed."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Node = TypeVar("Node", bound=ast.AST)
_TRY = (ast.Try, *((ast.TryStar,) if hasattr(ast, "TryStar") else ()))  # Python 3.10 has no except*

LARGEST_SOURCE = (
    2_000_000  # bytes; transformers' largest module that is no test has some three hundred thousand
)
_COMPARING = re.compile(rb"ersion|_greater_or_equal|_available\([^)]|_gte\(")
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_ATTRIBUTES_OF = {
    "numpy",
    "pyarrow",
}  # the modules whose attributes are noted where they are used during the import
# Calls after which a module may have names that its text does not show.
_OPAQUE_CALLS = {"exec", "eval", "setattr", "attach_stub"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """What a module needs of another one while it is imported: `name` of `module`, or with `name` "" the module."""

    module: str
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleSource:
    """A module by its text.

    `imports`: those that are certainly made while it is imported. `names`: what it may define, in any branch. `stars`: the
    modules whose public names it takes over. `lazy`: names that it loads on first use, each with its submodule ("" if
    unknown). `opaque`: it may have names that its text does not show. `texts`: its short texts, which may be names of modules.
    `plugins`: the prefixes and endings of modules of a folder that it loads by their file names. `folders`: those whose
    modules it loads on first use of what they export. `compares_versions`, `makes_modules`: its
    text has the words for that.
    """

    module: str
    tree: ast.Module
    imports: tuple[Import, ...] = ()
    names: frozenset[str] = frozenset()
    stars: tuple[str, ...] = ()
    lazy: Mapping[str, str] = field(default_factory=dict)
    opaque: bool = False
    texts: frozenset[str] = frozenset()
    plugins: tuple[tuple[str, tuple[str, ...]], ...] = ()
    folders: tuple[str, ...] = ()
    compares_versions: bool = True
    makes_modules: bool = False


def parse_module(content: bytes, module: str, *, is_package: bool) -> ModuleSource | None:
    """A module by its text; None for one that is too large, or no Python of this version."""
    if len(content) > LARGEST_SOURCE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # texts with unknown escapes
            tree = ast.parse(content)
        source = _read_module(tree, module, is_package=is_package)
        return replace(
            source,
            compares_versions=bool(_COMPARING.search(content)),
            makes_modules=b"sys.modules" in content,
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read_module(tree: ast.Module, module: str, *, is_package: bool) -> ModuleSource:
    package = module if is_package else module.rpartition(".")[0]
    statements = [statement for statement, certain in executed(tree.body) if certain]
    everything = [statement for statement, _ in executed(tree.body, every_branch=True)]
    calls = {last_name(node.func) for node in _module_level(everything, ast.Call)}
    lazy = _lazy_names(everything)
    names = frozenset(name for statement in everything for name in defined_names(statement))
    return ModuleSource(
        module=module,
        tree=tree,
        imports=tuple(dict.fromkeys(_imports(statements, package))),
        names=names - {"*"},
        stars=tuple(
            dict.fromkeys(
                absolute_module(statement, package)
                for statement in everything
                if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"
            )
        ),
        lazy=lazy,
        opaque=_is_opaque(everything, names, calls, lazy),
        texts=frozenset(
            node.value
            for node in _module_level(everything, ast.Constant)
            if isinstance(node.value, str) and len(node.value) < 80  # noqa: PLR2004 - the name of a module
        ),
        plugins=tuple(_plugins(everything, tree)),
        folders=tuple(dict.fromkeys(_lazy_folders(everything, package))),
    )


def executed(
    body: Iterable[ast.stmt], *, certain: bool = True, every_branch: bool = False
) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements that run while a module is imported, each with whether it certainly does, and an error ends the import.

    `every_branch`: also those for type checkers.
    """
    for statement in body:
        yield statement, certain
        match statement:
            case ast.If():
                yield from _executed_branches(statement, certain=certain, every_branch=every_branch)
            case _ if isinstance(statement, _TRY):
                yield from _executed_attempt(statement, certain=certain, every_branch=every_branch)
            case ast.With():
                suppresses = any("suppress" in ast.dump(item.context_expr) for item in statement.items)
                inner = certain and not suppresses
                yield from executed(statement.body, certain=inner, every_branch=every_branch)
            case ast.For() | ast.While():
                yield from executed(
                    [*statement.body, *statement.orelse], certain=False, every_branch=every_branch
                )
            case ast.Match():
                for match_case in statement.cases:
                    yield from executed(match_case.body, certain=False, every_branch=every_branch)
            case ast.ClassDef() if not every_branch:
                yield from executed(statement.body, certain=certain)


def _executed_attempt(
    statement: ast.Try, *, certain: bool, every_branch: bool
) -> Iterator[tuple[ast.stmt, bool]]:
    is_safe = any(_catches_import_errors(handler.type) for handler in statement.handlers)
    blocks = [(statement.body, not is_safe), (statement.orelse, not is_safe), (statement.finalbody, True)]
    for block, stays_certain in (*blocks, *((handler.body, False) for handler in statement.handlers)):
        yield from executed(block, certain=certain and stays_certain, every_branch=every_branch)


def _executed_branches(
    statement: ast.If, *, certain: bool, every_branch: bool
) -> Iterator[tuple[ast.stmt, bool]]:
    for_checkers = _mentions_type_checking(statement.test)
    is_negated = isinstance(statement.test, ast.UnaryOp) and isinstance(statement.test.op, ast.Not)
    branches = {True: statement.body, False: statement.orelse}
    for is_body, block in branches.items():
        if for_checkers and is_body != is_negated:  # what type checkers alone see
            if every_branch:
                yield from executed(block, certain=False, every_branch=True)
        else:
            yield from executed(block, certain=certain and for_checkers, every_branch=every_branch)


def _mentions_type_checking(test: ast.expr) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        or (isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING")
        for node in ast.walk(test)
    )


def _catches_import_errors(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(last_name(part) in _IMPORT_ERRORS for part in parts)


def _imports(statements: Iterable[ast.stmt], package: str) -> Iterator[Import]:
    aliases: dict[str, str] = {}
    for statement in statements:
        match statement:
            case ast.Import():
                for alias in statement.names:
                    yield Import(module=alias.name)
                    aliases[alias.asname or alias.name.partition(".")[0]] = alias.name
            case ast.ImportFrom():
                module = absolute_module(statement, package)
                if module != "__future__":
                    yield from (
                        Import(module=module, name="" if alias.name == "*" else alias.name)
                        for alias in statement.names
                    )
    for call in _module_level(statements, ast.Call):
        if last_name(call.func) == "__import__" and call.args and (name := text_of(call.args[0])):
            yield Import(module=name)
    yield from _attribute_uses(statements, aliases)


def _attribute_uses(statements: Iterable[ast.stmt], aliases: Mapping[str, str]) -> Iterator[Import]:
    """The attributes of a few modules that are used while the module is imported: `np.float_` in a table."""
    modules = {alias: module for alias, module in aliases.items() if module in _ATTRIBUTES_OF}
    if not modules:
        return
    for node in _module_level(statements, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id in modules:
            yield Import(module=modules[node.value.id], name=node.attr)


def absolute_module(statement: ast.ImportFrom, package: str) -> str:
    """The module of `from … import …`, with the dots of a relative one resolved."""
    if not statement.level:
        return statement.module or ""
    parent = package.split(".")[: len(package.split(".")) - statement.level + 1]
    return ".".join([*parent, *([statement.module] if statement.module else [])])


def _module_level(statements: Iterable[ast.stmt], kind: type[Node]) -> Iterator[Node]:
    """The nodes of a kind in the expressions of statements themselves: without the bodies of functions and blocks."""
    queue: list[ast.AST] = [part for statement in statements for part in _own_parts(statement)]
    while queue:
        node = queue.pop()
        if isinstance(node, kind):
            yield node
        if not isinstance(node, ast.Lambda):
            queue.extend(ast.iter_child_nodes(node))


def _own_parts(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions that run with a statement; not its blocks, and not annotations, which may be left as text."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from statement.decorator_list
            yield from (
                default
                for default in (*statement.args.defaults, *statement.args.kw_defaults)
                if default is not None
            )
        case ast.ClassDef():
            yield from (*statement.decorator_list, *statement.bases, *statement.keywords)
        case ast.AnnAssign():
            yield from (part for part in (statement.target, statement.value) if part is not None)
        case _:
            yield from (
                node
                for node in ast.iter_child_nodes(statement)
                if not isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case))
            )


def defined_names(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement gives to its module."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name
        case ast.Import() | ast.ImportFrom():
            for alias in statement.names:
                yield alias.asname or (
                    alias.name.partition(".")[0] if isinstance(statement, ast.Import) else alias.name
                )
        case (
            ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.With() | ast.Expr() | ast.If()
        ):
            yield from (
                node.id
                for part in _own_parts(statement)
                for node in ast.walk(part)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
            yield from _exported_names(statement)


def _exported_names(statement: ast.stmt) -> Iterator[str]:
    """The texts of `__all__`: what a module says that it has."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
        yield from (
            node.value
            for node in ast.walk(statement)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )


def _lazy_names(statements: Iterable[ast.stmt]) -> dict[str, str]:
    """Names by the tables of modules that load on first use: `{"submodule": ["Name", …]}`, and what is added to such a one."""
    lazy: dict[str, str] = {}
    for statement in statements:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Subscript) and (key := text_of(target.slice)) is not None:
                    lazy |= _named(statement.value, key)
        for node in _module_level([statement], ast.Dict):
            for key_node, value in zip(node.keys, node.values, strict=True):
                if (key := text_of(key_node)) is not None and isinstance(
                    value, (ast.List, ast.Tuple, ast.Set)
                ):
                    lazy |= {key: key, **_named(value, key)}
        for call in _module_level([statement], ast.Call):
            lazy |= _added(call)
    return lazy


def _added(call: ast.Call) -> dict[str, str]:
    """The names of `structure["submodule"].extend(["Name"])`, or `.append("Name")`."""
    function = call.func
    if not (isinstance(function, ast.Attribute) and function.attr in {"append", "extend"} and call.args):
        return {}
    if not isinstance(function.value, ast.Subscript) or (key := text_of(function.value.slice)) is None:
        return {}
    return _named(call.args[0], key)


def _named(value: ast.expr | None, key: str) -> dict[str, str]:
    if value is None:
        return {}
    return {
        node.value: key
        for node in ast.walk(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _lazy_folders(statements: Iterable[ast.stmt], package: str) -> Iterator[str]:
    """The folders of `define_import_structure(Path(__file__).parent / "models")`, which exports what their modules do."""
    for call in _module_level(statements, ast.Call):
        if last_name(call.func) == "define_import_structure":
            parts = [
                node.value
                for argument in call.args[:1]
                for node in ast.walk(argument)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != "__file__"
            ]
            yield ".".join([package, *parts])


def _is_opaque(
    statements: list[ast.stmt], names: frozenset[str], calls: set[str], lazy: Mapping[str, str]
) -> bool:
    if calls & _OPAQUE_CALLS:
        return True
    if _writes_globals(statements):
        return True
    # a module that answers for names on first use shows them in a table, or nowhere
    answers = "__getattr__" in names or _replaces_itself(statements)
    return answers and not lazy and "define_import_structure" not in calls


def _writes_globals(statements: Iterable[ast.stmt]) -> bool:
    """Whether names are added that no statement shows: `globals()[name] = …`, `globals().update(…)`, `vars()`, `locals()`."""
    for node in _module_level(statements, ast.AST):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr="update" | "setdefault")) if _is_namespace(
                value
            ):
                return True
            case ast.Subscript(value=value, ctx=ast.Store()) if _is_namespace(value):
                return True
    return False


def _is_namespace(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) in {"globals", "vars", "locals"}


def _replaces_itself(statements: Iterable[ast.stmt]) -> bool:
    """Whether `sys.modules[__name__]` is set."""
    return any(
        isinstance(node.ctx, ast.Store) and last_name(node.value) == "modules"
        for node in _module_level(statements, ast.Subscript)
    )


def _plugins(statements: Iterable[ast.stmt], tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """`importlib.import_module(f"package.folder.{name}")`, with the endings that names of files are asked for."""
    prefixes = [
        text
        for call in _module_level(statements, ast.Call)
        if last_name(call.func) == "import_module" and call.args and isinstance(call.args[0], ast.JoinedStr)
        if (text := text_of(call.args[0].values[0])) and text.endswith(".")
    ]
    endings = tuple(
        text.removesuffix(".py")
        for node in (ast.walk(tree) if prefixes else ())
        if isinstance(node, ast.Call) and last_name(node.func) == "endswith" and node.args
        if (text := text_of(node.args[0]))
    )
    yield from ((prefix.rstrip("."), endings) for prefix in prefixes)


def last_name(node: ast.expr | None) -> str:
    """`version` for `importlib.metadata.version`, "" for what is no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
