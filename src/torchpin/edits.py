"""Edits of a description at the places of its YAML nodes: comments, quotes, order and spacing of all else stay as they are."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from torchpin.errors import InputError
from torchpin.model import Mark, Problem
from torchpin.nodes import Loader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Change

Keys = tuple["str | int", ...]
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\+)\]")
_AFTER = {"digest": "image"}  # a new key that belongs behind another


@dataclass(frozen=True, kw_only=True, slots=True)
class _Splice:
    start: int
    end: int
    text: str


def edited(text: str, changes: Sequence[Change], *, file: str = "") -> str:
    """A description with its changes made, by the key paths of the text as it was.

    A value of None removes a key or a list's item; `list[+]` appends one; a missing key is added to its mapping, which
    has to be there. Raises InputError for what cannot be edited so: an anchor, a text over several lines, a path that
    leads nowhere. What comes out is read again and compared, so a text that is answered has these changes and no other.
    """
    root = yaml.compose(text, Loader=Loader)
    expected = _plain(root)
    splices: list[_Splice] = []
    for change in sorted(changes, key=lambda one: one.value is None):
        keys = keys_of(change.path)
        splices.append(_splice(text, root, keys, change, file))
    for change in sorted(changes, key=_removal_order):
        _apply(expected, keys_of(change.path), change.value)
    made = text
    for one in sorted(splices, key=lambda one: (one.start, one.end), reverse=True):
        made = made[: one.start] + one.text + made[one.end :]
    if _plain(yaml.compose(made, Loader=Loader)) != expected:
        raise _refused(
            file, root, changes[0].path, "cannot be edited in place without changing something else"
        )
    return made


def difference(before: str, after: str, file: str) -> str:
    """The change of a text as a unified diff without context."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{file}", f"b/{file}", n=0
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def keys_of(path: str) -> Keys:
    """`layers[0].packages[+]` as ("layers", 0, "packages", "+")."""
    return tuple(name or (int(index) if index.isdigit() else index) for name, index in _STEP.findall(path))


def _removal_order(change: Change) -> tuple[bool, tuple[int, ...]]:
    """Removals last, the later item of a list before the earlier one."""
    numbers = tuple(-key for key in keys_of(change.path) if isinstance(key, int))
    return change.value is None, numbers


def _plain(node: yaml.Node | None) -> Any:
    """A node as plain data; scalars as what stands there, whatever they resolve to."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    return node.value if isinstance(node, yaml.ScalarNode) else None


def _apply(data: Any, keys: Keys, value: str | None) -> None:
    for key in keys[:-1]:
        data = data[key]
    last = keys[-1]
    if last == "+":
        data.append(value)
    elif value is None:
        del data[last]
    else:
        data[last] = value


# --- where, and what -------------------------------------------------------------------------------------------------


def _splice(text: str, root: yaml.Node | None, keys: Keys, change: Change, file: str) -> _Splice:
    parent = _node(root, keys[:-1])
    last = keys[-1] if keys else ""
    if parent is None or not keys:
        raise _refused(file, root, change.path, "leads nowhere: a key on the way is missing")
    if last == "+" and isinstance(parent, yaml.SequenceNode) and change.value is not None:
        return _appended(text, parent, _quoted(change.value, ""))
    node = _node(parent, (last,))
    if node is None and isinstance(parent, yaml.MappingNode) and change.value is not None:
        return _added(text, parent, str(last), _quoted(change.value, ""))
    if node is None:
        raise _refused(file, root, change.path, "leads nowhere")
    if change.value is None:
        return _removed(text, parent, last)
    start, end = node.start_mark.index, node.end_mark.index
    written = text[start:end]
    if (
        not isinstance(node, yaml.ScalarNode)
        or written[:1] in {"&", "*", "|", ">"}
        or "\n" in written.strip()
    ):
        raise _refused(file, node, change.path, "is no plain value on one line")
    return _Splice(start=start, end=start + len(written.rstrip()), text=_quoted(change.value, written[:1]))


def _node(node: yaml.Node | None, keys: Sequence[str | int]) -> yaml.Node | None:
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
        else:
            return None
    return node


def _quoted(value: str, quote: str) -> str:
    """A value as it was quoted before; one that would be no text without quotes gets them."""
    if quote == "'":
        return "'" + value.replace("'", "''") + "'"
    plain = yaml.compose(f"x: [{value}]", Loader=Loader) if _is_simple(value) else None
    read = _node(plain, ("x", 0))
    is_text = isinstance(read, yaml.ScalarNode) and read.tag.endswith(":str") and read.value == value
    if quote != '"' and is_text:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_simple(value: str) -> bool:
    return re.fullmatch(r"[\w./+][\w ./@:=<>!~+-]*", value) is not None and not re.search(
        r":(\s|$)|\s#", value
    )


def _appended(text: str, parent: yaml.SequenceNode, value: str) -> _Splice:
    if parent.flow_style or not parent.value:
        return _into_flow(parent, value)
    last = parent.value[-1]
    indent = text[: last.start_mark.index].rpartition("\n")[2].rpartition("-")[0]
    return _line_after(text, last, f"{indent}- {value}")


def _added(text: str, parent: yaml.MappingNode, key: str, value: str) -> _Splice:
    if parent.flow_style or not parent.value:
        return _into_flow(parent, f"{key}: {value}", after=_AFTER.get(key, ""))
    before = next((pair for pair in parent.value if pair[0].value == _AFTER.get(key)), parent.value[-1])
    indent = " " * parent.value[0][0].start_mark.column
    return _line_after(text, before[1], f"{indent}{key}: {value}")


def _into_flow(parent: yaml.CollectionNode, entry: str, after: str = "") -> _Splice:
    """Before the closing bracket, or behind the value of one key."""
    pairs = parent.value if isinstance(parent, yaml.MappingNode) else []
    behind = next((value for name, value in pairs if name.value == after), None)
    if behind is not None:
        at = behind.end_mark.index
        return _Splice(start=at, end=at, text=f", {entry}")
    at = parent.end_mark.index - 1
    return _Splice(start=at, end=at, text=f", {entry}" if parent.value else entry)


def _line_after(text: str, node: yaml.Node, line: str) -> _Splice:
    """A line behind a node's last one, past the comment that stands on it."""
    end = _last(node).end_mark.index
    while end > 0 and text[end - 1].isspace():  # a block scalar ends behind its newline
        end -= 1
    stop = text.find("\n", end)
    newline = "\r\n" if "\r\n" in text else "\n"
    if stop < 0:
        return _Splice(start=len(text), end=len(text), text=f"{newline}{line}")
    return _Splice(start=stop + 1, end=stop + 1, text=f"{line}{newline}")


def _last(node: yaml.Node) -> yaml.Node:
    """The last node inside a block collection: its own end mark lies before whatever comes next."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node


def _removed(text: str, parent: yaml.Node, key: str | int) -> _Splice:
    rows = parent.value if isinstance(parent, yaml.CollectionNode) else []
    number = key if isinstance(key, int) else [name.value for name, _ in rows].index(key)
    first = rows[number][0] if isinstance(parent, yaml.MappingNode) else rows[number]
    last = rows[number][1] if isinstance(parent, yaml.MappingNode) else rows[number]
    if isinstance(parent, yaml.CollectionNode) and parent.flow_style:
        return _out_of_flow(parent, number, first, last)
    start = text.rfind("\n", 0, first.start_mark.index) + 1
    behind = _line_after(text, last, "").start
    return _Splice(start=start, end=behind, text="")


def _out_of_flow(parent: yaml.CollectionNode, number: int, first: yaml.Node, last: yaml.Node) -> _Splice:
    """An entry with the comma behind it, or before it where it is the last."""
    ends = [row[1] if isinstance(row, tuple) else row for row in parent.value]
    starts = [row[0] if isinstance(row, tuple) else row for row in parent.value]
    if number + 1 < len(parent.value):
        return _Splice(start=first.start_mark.index, end=starts[number + 1].start_mark.index, text="")
    before = ends[number - 1].end_mark.index if number else first.start_mark.index
    return _Splice(start=before, end=last.end_mark.index, text="")


def _refused(file: str, node: yaml.Node | None, path: str, why: str) -> InputError:
    line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node else (1, 1)
    problem = Problem(where=Mark(file=file, line=line, column=column), path=path, message=why)
    return InputError("Edit it by hand; nothing was written.", [problem])
