"""Edits of a description in place, at the offsets of its YAML nodes: comments, quotes, order and spacing are kept."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from torchpin.description.yaml_reader import Loader
from torchpin.errors import InputError
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Change, EditedValue

Keys = tuple["str | int", ...]
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\+)\]")
# YAML reads a date as a date only without quotes, as the reader of waivers requires.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TOP_LEVEL_DEPTH = 2  # a key of the top level, and one in it
_PRECEDING_KEY = {"digest": "image"}  # a new key, and the key that it is added behind


@dataclass(frozen=True, kw_only=True, slots=True)
class _Splice:
    start: int
    end: int
    text: str


def apply_changes(text: str, changes: Sequence[Change], *, file: str = "") -> str:
    """The text of a description with all changes applied; key paths are those of the given text.

    A value of None removes a key or a list item, and its parent with the last one; `list[+]` appends; a missing key is
    added to its mapping, and a missing mapping or list of the top level with it. A comment above a removed key is kept.
    After each change the text is parsed again and compared with the expected data.

    Raises InputError for what cannot be edited in place: an anchor, a text of several lines, a path that does not exist.
    """
    whole = text
    text = text.removeprefix("\ufeff")  # libyaml's offsets do not count it
    mark = whole[: len(whole) - len(text)]
    for change in sorted(changes, key=_edit_order):
        text = _apply_change(text, change, file)
    return mark + text


def _apply_change(text: str, change: Change, file: str) -> str:
    root = yaml.compose(text, Loader=Loader)
    expected = _node_data(root)
    keys = parse_key_path(change.path)
    if change.value is None and _is_last(_node_at(root, keys[:-1]), keys):
        keys = keys[:-1]
    splice = _splice(text, root, keys, change, file)
    _apply_to_data(expected, keys, change.value)
    edited_text = text[: splice.start] + splice.text + text[splice.end :]
    if _text_data(edited_text) != expected:
        raise _edit_error(
            file, root, change.path, "cannot be edited in place without changing something else"
        )
    return edited_text


def unified_diff(before: str, after: str, file: str) -> str:
    """The change of a text as a unified diff without context."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{file}", f"b/{file}", n=0
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def parse_key_path(path: str) -> Keys:
    """`layers[0].packages[+]` as ("layers", 0, "packages", "+")."""
    return tuple(name or (int(index) if index.isdigit() else index) for name, index in _STEP.findall(path))


def _edit_order(change: Change) -> tuple[int, tuple[int, ...]]:
    """The sort key of a change: values are set first, then added, then removed, the last item of a list first.

    A removal shifts the indexes of the items behind it, and all paths are those of the text before any change.
    """
    numbers = tuple(-key for key in parse_key_path(change.path) if isinstance(key, int))
    if change.value is None:
        return 2, numbers
    return (1 if change.path.endswith("[+]") else 0), ()


def _node_data(node: yaml.Node | None) -> Any:
    """A node as plain data; scalars as they are written, so `3.10` is a text and not the number 3.1."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _node_data(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_node_data(value) for value in node.value]
    return node.value if isinstance(node, yaml.ScalarNode) else None


def _text_data(text: str) -> Any:
    """The plain data of a text; None if it is no YAML."""
    try:
        return _node_data(yaml.compose(text, Loader=Loader))
    except yaml.YAMLError:
        return None


def _is_last(parent: yaml.Node | None, keys: Keys) -> bool:
    """Whether a key is the last of a block list or mapping, which must go with it: block style cannot be empty."""
    if not isinstance(parent, yaml.CollectionNode) or parent.flow_style or len(keys) == 1:
        return False
    return len(parent.value) == 1 and _node_at(parent, keys[-1:]) is not None


def _apply_to_data(data: Any, keys: Keys, value: EditedValue | None) -> None:
    """Applies a change to plain data, in place."""
    for number, key in enumerate(keys[:-1]):
        if isinstance(data, dict) and key not in data:
            data[key] = [] if keys[number + 1] == "+" else {}
        data = data[key]
    last = keys[-1]
    if last == "+" and isinstance(data, list):
        data.append(_plain_value(value))
    elif value is not None:
        data[last] = _plain_value(value)
    else:
        del data[last]


def _plain_value(value: EditedValue | None) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, str):
        return value
    return {key: _plain_value(part) for key, part in (value or {}).items()}


def _splice(text: str, root: yaml.Node | None, keys: Keys, change: Change, file: str) -> _Splice:
    """The text range that a change replaces, and its new text. Raises InputError where it cannot be made in place."""
    parent, value = _node_at(root, keys[:-1]), change.value
    last = keys[-1] if keys else ""
    if (
        parent is None
        and len(keys) == _TOP_LEVEL_DEPTH
        and isinstance(root, yaml.MappingNode)
        and value is not None
    ):
        return _add_section(text, root, str(keys[0]), last, value)
    if parent is None or not keys:
        raise _edit_error(file, root, change.path, "does not exist: a parent key is missing")
    if last == "+" and isinstance(parent, yaml.SequenceNode) and value is not None:
        return _append_item(text, parent, value)
    node = _node_at(parent, (last,))
    if node is None and isinstance(parent, yaml.MappingNode) and value is not None:
        return _add_key(text, parent, str(last), value)
    if node is None:
        raise _edit_error(file, root, change.path, "does not exist")
    if value is None:
        return _remove_node(text, parent, last)
    if not isinstance(value, str):
        return _replace_value(text, parent, last, node, value)
    start, end = node.start_mark.index, node.end_mark.index
    written = text[start:end]
    if (
        not isinstance(node, yaml.ScalarNode)
        or written[:1] in {"&", "*", "|", ">"}
        or "\n" in written.strip()
    ):
        raise _edit_error(file, node, change.path, "is not a plain value on one line")
    ancestors = [_node_at(root, keys[:depth]) for depth in range(len(keys))]
    block = not any(
        isinstance(ancestor, yaml.CollectionNode) and ancestor.flow_style for ancestor in ancestors
    )
    new = _quote(value, written[:1], block=block)
    return _Splice(start=start, end=start + len(written.rstrip()), text=new)


def _node_at(node: yaml.Node | None, keys: Sequence[str | int]) -> yaml.Node | None:
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
        else:
            return None
    return node


def _quote(value: str, quote: str, *, block: bool = False) -> str:
    """A value in the quotes of the value that it replaces, or in double quotes if YAML would not read it as this text.

    `block` is False inside of braces or brackets, where a comma or a bracket needs quotes too.
    """
    if quote == "'":
        return "'" + value.replace("'", "''") + "'"
    if quote != '"' and _is_plain(value, block=block):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_plain(value: str, *, block: bool) -> bool:
    """Whether YAML reads a value as this text without quotes, found out by parsing it."""
    try:
        text = f"x: {value}" if block else f"x: [{value}]"
        parsed = _node_at(yaml.compose(text, Loader=Loader), ("x",) if block else ("x", 0))
    except yaml.YAMLError:
        return False
    if not isinstance(parsed, yaml.ScalarNode) or parsed.style or parsed.value != value:
        return False
    return parsed.tag.endswith(":str") and "\n" not in value and re.search(r":(\s|$)|\s#", value) is None


def _block_lines(value: Mapping[str, str | tuple[str, ...]], indent: str) -> list[str]:
    return [f"{indent}{key}: {_block_value(part)}" for key, part in value.items()]


def _block_value(value: str | tuple[str, ...]) -> str:
    """A value behind the key of a block mapping."""
    if isinstance(value, tuple):
        return _flow(value)
    return value if _DATE.fullmatch(value) else _quote(value, "", block=True)


def _flow(value: EditedValue) -> str:
    if isinstance(value, str):
        return _quote(value, "")
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"


def _item_lines(value: EditedValue, indent: str) -> list[str]:
    """An item of a block list, as lines."""
    if not isinstance(value, Mapping):
        return [f"{indent}- {_block_value(value)}"]
    first, *following = _block_lines(value, f"{indent}  ")
    return [f"{indent}- {first.strip()}", *following]


def _pair_lines(key: str, value: EditedValue, indent: str) -> list[str]:
    """A key of a block mapping with its value, as lines."""
    if not isinstance(value, Mapping):
        return [f"{indent}{key}: {_quote(value, '', block=True) if isinstance(value, str) else _flow(value)}"]
    return [f"{indent}{key}:", *_block_lines(value, f"{indent}  ")]


def _add_section(text: str, root: yaml.MappingNode, top: str, last: str | int, value: EditedValue) -> _Splice:
    """A new list or mapping of the top level with its first entry: reasons before waivers, others at the end."""
    inside = _item_lines(value, "  ") if last == "+" else _pair_lines(str(last), value, "  ")
    newline = _newline(text)
    lines = newline.join([f"{top}:", *inside]) + newline
    anchor = (
        next((name for name, _ in root.value if name.value == "waivers"), None) if top == "reasons" else None
    )
    if anchor is not None:
        offset = anchor.start_mark.index
        return _Splice(start=offset, end=offset, text=f"{lines}{newline}")
    end = len(text.rstrip())
    return _Splice(start=end, end=len(text), text=f"{newline}{newline}{lines}")


def _replace_value(
    text: str,
    parent: yaml.Node,
    key: str | int,
    node: yaml.Node,
    value: tuple[str, ...] | Mapping[str, str | tuple[str, ...]],
) -> _Splice:
    """A mapping in place of a value, in block or flow style as the value was; a list in flow style."""
    if isinstance(value, tuple) and isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _replace_list(text, node, _key_end(text, parent, key), value)
    if (
        isinstance(value, tuple)
        or not isinstance(node, yaml.MappingNode)
        or node.flow_style
        or not node.value
    ):
        return _Splice(start=node.start_mark.index, end=node.end_mark.index, text=_flow(value))
    newline, indent = _newline(text), " " * node.value[0][0].start_mark.column
    start = text.rfind("\n", 0, node.start_mark.index) + 1
    end = _insert_after(text, node, []).start
    return _Splice(
        start=start, end=end, text="".join(f"{line}{newline}" for line in _block_lines(value, indent))
    )


def _key_end(text: str, parent: yaml.Node, key: str | int) -> int:
    """The offset behind the colon of a key, or behind the dash of an item."""
    if isinstance(parent, yaml.MappingNode):
        name = next(name for name, _ in parent.value if name.value == key)
        return text.index(":", name.end_mark.index) + 1
    return text.rindex("-", 0, parent.value[key].start_mark.index) + 1


def _replace_list(text: str, node: yaml.SequenceNode, key_end: int, value: tuple[str, ...]) -> _Splice:
    """A list in flow style in place of one in block style; comments above its items stay."""
    first_line = text.rfind("\n", 0, node.start_mark.index) + 1
    end = _insert_after(text, node, []).start
    return _Splice(start=key_end, end=end, text=f" {_flow(value)}{text[key_end:first_line]}")


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _append_item(text: str, parent: yaml.SequenceNode, value: EditedValue) -> _Splice:
    if parent.flow_style or not parent.value:
        return _insert_into_flow(parent, _flow(value))
    last = parent.value[-1]
    line = text[: parent.value[-1].start_mark.index].rpartition("\n")[2]
    return _insert_after(text, last, _item_lines(value, line.partition("-")[0]))


def _add_key(text: str, parent: yaml.MappingNode, key: str, value: EditedValue) -> _Splice:
    if parent.flow_style or not parent.value:
        return _insert_into_flow(parent, f"{key}: {_flow(value)}", after=_PRECEDING_KEY.get(key, ""))
    before = next(
        (pair for pair in parent.value if pair[0].value == _PRECEDING_KEY.get(key)), parent.value[-1]
    )
    return _insert_after(text, before[1], _pair_lines(key, value, " " * parent.value[0][0].start_mark.column))


def _insert_into_flow(parent: yaml.CollectionNode, entry: str, after: str = "") -> _Splice:
    """An entry before the closing bracket, or behind the value of the key `after`."""
    pairs = parent.value if isinstance(parent, yaml.MappingNode) else []
    anchor = next((value for name, value in pairs if name.value == after), None)
    if anchor is not None:
        offset = anchor.end_mark.index
        return _Splice(start=offset, end=offset, text=f", {entry}")
    offset = parent.end_mark.index - 1
    return _Splice(start=offset, end=offset, text=f", {entry}" if parent.value else entry)


def _insert_after(text: str, node: yaml.Node, lines: Sequence[str]) -> _Splice:
    """Lines behind the last line of a node, past the comment on that line."""
    end = _last_node(node).end_mark.index
    while end > 0 and text[end - 1].isspace():  # a block scalar ends behind its newline
        end -= 1
    stop = text.find("\n", end)
    newline = _newline(text)
    if stop < 0:
        return _Splice(start=len(text), end=len(text), text="".join(f"{newline}{line}" for line in lines))
    return _Splice(start=stop + 1, end=stop + 1, text="".join(f"{line}{newline}" for line in lines))


def _last_node(node: yaml.Node) -> yaml.Node:
    """The last scalar or flow node inside a node.

    The end mark of a block collection is the start of the next token, behind comments and empty lines that are not its.
    """
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node


def _remove_node(text: str, parent: yaml.Node, key: str | int) -> _Splice:
    rows = parent.value if isinstance(parent, yaml.CollectionNode) else []
    number = key if isinstance(key, int) else [name.value for name, _ in rows].index(key)
    first = rows[number][0] if isinstance(parent, yaml.MappingNode) else rows[number]
    last = rows[number][1] if isinstance(parent, yaml.MappingNode) else rows[number]
    if isinstance(parent, yaml.CollectionNode) and parent.flow_style:
        return _remove_from_flow(parent, number, first, last)
    start = text.rfind("\n", 0, first.start_mark.index) + 1
    end = _insert_after(text, last, []).start
    return _Splice(start=start, end=end, text="")


def _remove_from_flow(parent: yaml.CollectionNode, number: int, first: yaml.Node, last: yaml.Node) -> _Splice:
    """Removes an entry with the comma behind it, or with the comma before it if it is the last."""
    ends = [row[1] if isinstance(row, tuple) else row for row in parent.value]
    starts = [row[0] if isinstance(row, tuple) else row for row in parent.value]
    if number + 1 < len(parent.value):
        return _Splice(start=first.start_mark.index, end=starts[number + 1].start_mark.index, text="")
    before = ends[number - 1].end_mark.index if number else first.start_mark.index
    return _Splice(start=before, end=last.end_mark.index, text="")


def _edit_error(file: str, node: yaml.Node | None, path: str, reason: str) -> InputError:
    line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node else (1, 1)
    problem = Problem(position=Position(file=file, line=line, column=column), path=path, message=reason)
    return InputError("edit it by hand; nothing was written", [problem])
