"""Edits of a description at the places of its YAML nodes: comments, quotes, order and spacing of all else stay as they are."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from torchpin.description.yaml_reader import Loader
from torchpin.errors import InputError
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Change

Keys = tuple["str | int", ...]
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\+)\]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TOP_LEVEL_DEPTH = 2  # a key of the top level, and one in it
_PRECEDING_KEY = {"digest": "image"}  # a new key that belongs behind another


@dataclass(frozen=True, kw_only=True, slots=True)
class _Splice:
    start: int
    end: int
    text: str


def apply_changes(text: str, changes: Sequence[Change], *, file: str = "") -> str:
    """A description with its changes made, by the key paths of the text as it was.

    A value of None removes a key or a list's item, and with the last one what held it; `list[+]` appends; a missing key
    is added to its mapping, and a missing mapping or list of the top level is added with it. Raises InputError for what
    cannot be edited so: an anchor, a text over several lines, a path that leads nowhere. What comes out of each change is
    read again and compared, so a text that is answered has these changes and no other. A comment above what is removed
    stays.
    """
    for change in sorted(changes, key=_edit_order):
        text = _apply_change(text, change, file)
    return text


def _apply_change(text: str, change: Change, file: str) -> str:
    root = yaml.compose(text, Loader=Loader)
    expected = _node_data(root)
    keys = parse_key_path(change.path)
    if change.value is None and _is_last(_node_at(root, keys[:-1]), keys):
        keys = keys[:-1]
    splice = _splice(text, root, keys, change, file)
    _apply_to_data(expected, keys, change.value)
    edited_text = text[: splice.start] + splice.text + text[splice.end :]
    if _node_data(yaml.compose(edited_text, Loader=Loader)) != expected:
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
    """What stands is set, then things are added, then they are removed, the later item of a list before the earlier one."""
    numbers = tuple(-key for key in parse_key_path(change.path) if isinstance(key, int))
    if change.value is None:
        return 2, numbers
    return (1 if change.path.endswith("[+]") else 0), ()


def _node_data(node: yaml.Node | None) -> Any:
    """A node as plain data; scalars as what stands there, whatever they resolve to."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _node_data(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_node_data(value) for value in node.value]
    return node.value if isinstance(node, yaml.ScalarNode) else None


def _is_last(parent: yaml.Node | None, keys: Keys) -> bool:
    """Whether nothing else is held by a block list or mapping: it goes with its last entry, since an empty one is none."""
    if not isinstance(parent, yaml.CollectionNode) or parent.flow_style or len(keys) == 1:
        return False
    return len(parent.value) == 1 and _node_at(parent, keys[-1:]) is not None


def _apply_to_data(data: Any, keys: Keys, value: str | Mapping[str, str] | None) -> None:
    """The same change of plain data."""
    for number, key in enumerate(keys[:-1]):
        if isinstance(data, dict) and key not in data:
            data[key] = [] if keys[number + 1] == "+" else {}
        data = data[key]
    last = keys[-1]
    if last == "+":
        data.append(_plain_value(value))
    elif value is not None:
        data[last] = _plain_value(value)
    else:
        del data[last]


def _plain_value(value: str | Mapping[str, str] | None) -> Any:
    return value if isinstance(value, str) else dict(value or {})


# --- where, and what -------------------------------------------------------------------------------------------------


def _splice(text: str, root: yaml.Node | None, keys: Keys, change: Change, file: str) -> _Splice:
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
        raise _edit_error(file, root, change.path, "leads nowhere: a key on the way is missing")
    if last == "+" and isinstance(parent, yaml.SequenceNode) and value is not None:
        return _append_item(text, parent, value)
    node = _node_at(parent, (last,))
    if node is None and isinstance(parent, yaml.MappingNode) and value is not None:
        return _add_key(text, parent, str(last), value)
    if node is None:
        raise _edit_error(file, root, change.path, "leads nowhere")
    if value is None:
        return _remove_node(text, parent, last)
    if not isinstance(value, str):
        return _replace_value(text, node, value)
    start, end = node.start_mark.index, node.end_mark.index
    written = text[start:end]
    if (
        not isinstance(node, yaml.ScalarNode)
        or written[:1] in {"&", "*", "|", ">"}
        or "\n" in written.strip()
    ):
        raise _edit_error(file, node, change.path, "is no plain value on one line")
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
    """A value as it was quoted before; one that would be no text without quotes gets them. `block`: in no braces."""
    if quote == "'":
        return "'" + value.replace("'", "''") + "'"
    if quote != '"' and _is_plain(value, block=block):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_plain(value: str, *, block: bool) -> bool:
    try:
        text = f"x: {value}" if block else f"x: [{value}]"
        parsed = _node_at(yaml.compose(text, Loader=Loader), ("x",) if block else ("x", 0))
    except yaml.YAMLError:
        return False
    if not isinstance(parsed, yaml.ScalarNode) or parsed.style or parsed.value != value:
        return False
    return parsed.tag.endswith(":str") and "\n" not in value and re.search(r":(\s|$)|\s#", value) is None


def _block_lines(value: Mapping[str, str], indent: str) -> list[str]:
    return [
        f"{indent}{key}: {text if _DATE.fullmatch(text) else _quote(text, '', block=True)}"
        for key, text in value.items()
    ]


def _flow(value: str | Mapping[str, str]) -> str:
    if isinstance(value, str):
        return _quote(value, "")
    return "{" + ", ".join(f"{key}: {_quote(text, '')}" for key, text in value.items()) + "}"


def _item_lines(value: str | Mapping[str, str], indent: str) -> list[str]:
    """An item of a block list, as lines."""
    if isinstance(value, str):
        return [f"{indent}- {_quote(value, '', block=True)}"]
    first, *following = _block_lines(value, f"{indent}  ")
    return [f"{indent}- {first.strip()}", *following]


def _pair_lines(key: str, value: str | Mapping[str, str], indent: str) -> list[str]:
    """A key of a block mapping with its value, as lines."""
    if isinstance(value, str):
        return [f"{indent}{key}: {_quote(value, '', block=True)}"]
    return [f"{indent}{key}:", *_block_lines(value, f"{indent}  ")]


def _add_section(
    text: str, root: yaml.MappingNode, top: str, last: str | int, value: str | Mapping[str, str]
) -> _Splice:
    """A list or mapping of the top level with its first entry, behind an empty line: reasons before waivers, else last."""
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


def _replace_value(text: str, node: yaml.Node, value: Mapping[str, str]) -> _Splice:
    """Another mapping in the place of a value, in the form that this one has."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        return _Splice(start=node.start_mark.index, end=node.end_mark.index, text=_flow(value))
    newline, indent = _newline(text), " " * node.value[0][0].start_mark.column
    start = text.rfind("\n", 0, node.start_mark.index) + 1
    end = _insert_after(text, node, []).start
    return _Splice(
        start=start, end=end, text="".join(f"{line}{newline}" for line in _block_lines(value, indent))
    )


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _append_item(text: str, parent: yaml.SequenceNode, value: str | Mapping[str, str]) -> _Splice:
    if parent.flow_style or not parent.value:
        return _insert_into_flow(parent, _flow(value))
    last = parent.value[-1]
    line = text[: parent.value[-1].start_mark.index].rpartition("\n")[2]
    return _insert_after(text, last, _item_lines(value, line.partition("-")[0]))


def _add_key(text: str, parent: yaml.MappingNode, key: str, value: str | Mapping[str, str]) -> _Splice:
    if parent.flow_style or not parent.value:
        return _insert_into_flow(parent, f"{key}: {_flow(value)}", after=_PRECEDING_KEY.get(key, ""))
    before = next(
        (pair for pair in parent.value if pair[0].value == _PRECEDING_KEY.get(key)), parent.value[-1]
    )
    return _insert_after(text, before[1], _pair_lines(key, value, " " * parent.value[0][0].start_mark.column))


def _insert_into_flow(parent: yaml.CollectionNode, entry: str, after: str = "") -> _Splice:
    """Before the closing bracket, or behind the value of one key."""
    pairs = parent.value if isinstance(parent, yaml.MappingNode) else []
    anchor = next((value for name, value in pairs if name.value == after), None)
    if anchor is not None:
        offset = anchor.end_mark.index
        return _Splice(start=offset, end=offset, text=f", {entry}")
    offset = parent.end_mark.index - 1
    return _Splice(start=offset, end=offset, text=f", {entry}" if parent.value else entry)


def _insert_after(text: str, node: yaml.Node, lines: Sequence[str]) -> _Splice:
    """Lines behind a node's last one, past the comment that stands on it."""
    end = _last_node(node).end_mark.index
    while end > 0 and text[end - 1].isspace():  # a block scalar ends behind its newline
        end -= 1
    stop = text.find("\n", end)
    newline = _newline(text)
    if stop < 0:
        return _Splice(start=len(text), end=len(text), text="".join(f"{newline}{line}" for line in lines))
    return _Splice(start=stop + 1, end=stop + 1, text="".join(f"{line}{newline}" for line in lines))


def _last_node(node: yaml.Node) -> yaml.Node:
    """The last node inside a block collection: its own end mark lies before whatever comes next."""
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
    """An entry with the comma behind it, or before it where it is the last."""
    ends = [row[1] if isinstance(row, tuple) else row for row in parent.value]
    starts = [row[0] if isinstance(row, tuple) else row for row in parent.value]
    if number + 1 < len(parent.value):
        return _Splice(start=first.start_mark.index, end=starts[number + 1].start_mark.index, text="")
    before = ends[number - 1].end_mark.index if number else first.start_mark.index
    return _Splice(start=before, end=last.end_mark.index, text="")


def _edit_error(file: str, node: yaml.Node | None, path: str, reason: str) -> InputError:
    line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node else (1, 1)
    problem = Problem(position=Position(file=file, line=line, column=column), path=path, message=reason)
    return InputError("Edit it by hand; nothing was written.", [problem])
