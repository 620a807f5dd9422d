"""The builds of a bake file, docker-bake.hcl or docker-bake.json: its targets with what they inherit and its variables' defaults."""

from __future__ import annotations

import re
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from torchpin.model import Position, Problem
from torchpin.parsing import parse_json
from torchpin.project.image_build import BuildFile, ImageBuild, build_inputs, project_paths
from torchpin.project.secret_values import is_secret
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_NAME = r"docker-bake(?:\.[\w.-]+)?\.(?:hcl|json)|[\w.-]+[.-]bake\.(?:hcl|json)|bake\.(?:hcl|json)"
_MOST_BUILDS = 500
_MOST_TEXT = 200_000  # characters; real ones have some thousand, and the parser takes a second for these
_MOST_REFERENCES = 20_000  # to variables, those within their defaults too: each may have two of the next one
_DEEPEST = 20  # targets that one inherits from, and variables in the default of a variable
_REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.-]*)\}")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}

_OWN = {"matrix", "name"}  # what is not inherited

Table = dict[str, Any]


def is_bake_file(name: str) -> bool:
    """Whether a file's name is one that docker buildx bake reads, or the usual one of another, as gpu.bake.hcl."""
    return re.fullmatch(FILE_NAME, name) is not None


def read_bake_file(file: str, text: str, current: str = "") -> BuildFile:
    """A bake file's builds, with paths by `current` as in `project_paths`. An argument that its expressions compute, beyond the names of variables, is left out."""
    if len(text) > _MOST_TEXT:
        return BuildFile(problems=(_problem(file, 1, f"it has more than {_MOST_TEXT} characters"),))
    try:
        tables = _json_tables(text) if file.endswith(".json") else _hcl_tables(text)
    except _BrokenError as error:
        return BuildFile(problems=(_problem(file, error.line, str(error)),))
    return _BakeReader(file, text, tables, current).read()


class _BrokenError(ValueError):
    """A file that is no JSON or HCL."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _problem(file: str, line: int, message: str) -> Problem:
    return Problem(position=Position(file=file, line=line, column=1), path="", message=message)


def _json_tables(text: str) -> Table:
    try:
        root = parse_json(text)
    except ValueError as error:
        raise _BrokenError(1, str(error)) from None
    if not isinstance(root, dict):
        raise _BrokenError(1, "expected an object")
    return {kind: rows if isinstance(rows, dict) else {} for kind, rows in root.items()}


def _hcl_tables(text: str) -> Table:
    """The blocks of HCL by kind and name, strings without quotes, expressions as `${…}`."""
    import hcl2
    from lark.exceptions import LarkError

    try:
        root = hcl2.loads(text if text.endswith("\n") else f"{text}\n")
    except (LarkError, RecursionError, ValueError) as error:
        line = getattr(error, "line", 1)
        raise _BrokenError(line if isinstance(line, int) and line > 0 else 1, "invalid HCL") from None
    tables: Table = {}
    for kind, blocks in root.items():
        for block in _rows(blocks):
            for name, values in _table(block).items():
                if isinstance(values, dict):  # a block with a name; others are no targets or variables
                    tables.setdefault(kind, {}).setdefault(_plain_key(name), {}).update(_plain_values(values))
    return tables


def _plain(text: str) -> str:
    """A value as HCL's parser gives it: a text is in quotes, a name of a variable is not."""
    match = _QUOTED.fullmatch(text)
    if match is None:
        return text if text.startswith("${") else f"${{{text}}}"
    if match[1].startswith("<<"):
        return _heredoc(match[1])
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])


def _heredoc(text: str) -> str:
    lines = text.split("\n")
    body = lines[1:-1]
    if lines[0].startswith("<<-"):
        indent = min((len(line) - len(line.lstrip()) for line in body if line.strip()), default=0)
        body = [line[indent:] for line in body]
    return "\n".join([*body, ""])


def _plain_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            _plain_key(key): _plain_values(inner) for key, inner in value.items() if key != "__is_block__"
        }
    if isinstance(value, list):
        return [_plain_values(inner) for inner in value]
    return _plain(value) if isinstance(value, str) else value


def _plain_key(key: str) -> str:
    match = _QUOTED.fullmatch(key)
    return match[1] if match else key


class _BakeReader:
    def __init__(self, file: str, text: str, tables: Table, current: str) -> None:
        self._file, self._text, self._current = file, text, current
        self._targets: Table = tables.get("target", {})
        self._variables: Table = tables.get("variable", {})
        self._groups: Table = tables.get("group", {})
        self._problems: list[Problem] = []
        self._inherited_targets: dict[str, Table] = {}
        self._left = _MOST_REFERENCES

    def read(self) -> BuildFile:
        builds = [
            build
            for name in self._targets
            if isinstance(self._targets[name], dict) and name not in self._only_inherited()
            for build in self._builds(name)
        ]
        if len(builds) > _MOST_BUILDS:
            self._problems.append(_problem(self._file, 1, f"it has more than {_MOST_BUILDS} builds"))
        return BuildFile(builds=tuple(builds[:_MOST_BUILDS]), problems=tuple(self._problems))

    def _only_inherited(self) -> set[str]:
        """The targets that are there for others to inherit from: in no group, though there are groups."""
        in_groups = {name for group in self._groups.values() for name in _texts(_table(group).get("targets"))}
        inherited = {name for row in self._targets.values() for name in _texts(_table(row).get("inherits"))}
        return {name for name in self._targets if name.startswith("_") or name in inherited} - in_groups

    def _builds(self, name: str) -> Iterator[ImageBuild]:
        """The builds of a target, one for each combination of its matrix."""
        target = self._inherited(name, 0)
        if not _is_table_of_lists(target.get("matrix", {})):
            position = Position(file=self._file, line=self._line(name), column=1)
            message = f"{name}: its matrix is computed, so its builds are not read"
            self._problems.append(Problem(position=position, path=f"target.{name}", message=message))
            return
        for values in islice(_combinations(target.get("matrix")), _MOST_BUILDS + 1):
            build = self._build(name, target, values)
            if build:
                yield build

    def _build(self, name: str, target: Table, values: Mapping[str, str]) -> ImageBuild | None:
        context, dockerfile, stage, own_name = (
            self._filled(target.get(key, ""), values) for key in ("context", "dockerfile", "target", "name")
        )
        position = Position(file=self._file, line=self._line(name), column=1)
        paths = (
            None
            if context is None or dockerfile is None
            else project_paths(self._file, context, dockerfile, self._current)
        )
        if paths is None or stage is None:
            message = f"{name}: its context, Dockerfile or target is computed, or not a path in the project"
            self._problems.append(Problem(position=position, path=f"target.{name}", message=message))
            return None
        args = _table(target.get("args"))
        filled = {key: self._filled(value, values) for key, value in args.items()}
        platforms = [self._filled(platform, values) for platform in _rows(target.get("platforms"))]
        return ImageBuild(
            name=own_name or name,
            context=paths[0],
            dockerfile=paths[1],
            position=position,
            inputs=build_inputs(
                {
                    key: HIDDEN if is_secret(key, value) else value
                    for key, value in filled.items()
                    if value is not None
                },
                stage,
                tuple(platform for platform in platforms if platform),
                self._contexts(target, values),
            ),
            inline=self._filled(target.get("dockerfile-inline", ""), values) or "",
        )

    def _contexts(self, target: Table, values: Mapping[str, str]) -> dict[str, str]:
        """The further contexts that are folders of the project."""
        contexts: dict[str, str] = {}
        for name, value in _table(target.get("contexts")).items():
            folder = self._filled(value, values)
            paths = project_paths(self._file, folder, "", self._current) if folder else None
            if paths:
                contexts[name] = paths[0]
        return contexts

    def _inherited(self, name: str, depth: int) -> Table:
        """A target over those that it inherits from, the last of which wins; arguments are merged."""
        target = self._targets.get(name)
        if not isinstance(target, dict) or depth > _DEEPEST:
            return {}
        if name not in self._inherited_targets:
            self._inherited_targets[name] = {}  # of a target that inherits from itself
            merged: Table = {}
            for parent in _texts(target.get("inherits")):
                inherited = self._inherited(self._filled(parent, {}) or parent, depth + 1)
                merged = _merged(merged, {key: row for key, row in inherited.items() if key not in _OWN})
            self._inherited_targets[name] = _merged(merged, target)
        return self._inherited_targets[name]

    def _filled(self, value: Any, values: Mapping[str, str], depth: int = 0) -> str | None:
        """A value with the variables filled in; None where an expression computes it."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return str(value)
        if not isinstance(value, str):
            return None
        parts: list[str] = []
        position = 0
        for match in _REFERENCE.finditer(value):
            filled = self._variable(match[1], values, depth)
            if filled is None:
                return None
            parts += [value[position : match.start()], filled]
            position = match.end()
        text = "".join(parts) + value[position:]
        return None if "${" in value[position:] or len(text) > _MOST_TEXT else text

    def _variable(self, name: str, values: Mapping[str, str], depth: int) -> str | None:
        if name in values:
            return values[name]
        row = self._variables.get(name)
        self._left -= 1
        if not isinstance(row, dict) or depth > _DEEPEST or self._left < 0:
            return None
        return self._filled(row.get("default", ""), values, depth + 1)

    def _line(self, name: str) -> int:
        match = re.search(rf'^\s*(?:target\s+)?"{re.escape(name)}"\s*[:{{]', self._text, re.MULTILINE)
        return self._text.count("\n", 0, match.end()) + 1 if match else 1


def _table(value: Any) -> Table:
    return value if isinstance(value, dict) else {}


def _rows(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [row for row in _rows(value) if isinstance(row, str)]


def _is_table_of_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(row, list) for row in value.values())


def _merged(first: Table, second: Table) -> Table:
    args = {**_table(first.get("args")), **_table(second.get("args"))}
    return {**first, **second, **({"args": args} if args else {})}


def _combinations(matrix: Any) -> Iterator[dict[str, str]]:
    """The values of each combination of a matrix, those of objects by `name.key`; one without any where there is none."""
    axes = [[_axis_values(name, value) for value in _rows(values)] for name, values in _table(matrix).items()]
    for combination in product(*axes):
        yield {name: value for part in combination for name, value in part.items()}


def _axis_values(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {f"{name}.{key}": str(inner) for key, inner in value.items()}
    return {name: str(value)}
