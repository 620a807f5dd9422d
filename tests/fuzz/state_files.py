"""What torchpin itself wrote, and somebody may have damaged: the log, the state for undoing, journals and records."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import strategies as st

from fuzz.harness import Target
from fuzz.texts import (
    FRAGMENTS,
    ROOT,
    characters,
    fragments,
    mutated,
    read_texts,
    require_located,
    require_printable,
)
from support.descriptions import PLAIN, read_service
from torchpin import paths
from torchpin.commands.undo import read_undo_state
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, TorchpinError
from torchpin.model import Settings
from torchpin.records import bump_log, freeze
from torchpin.tools.transaction import journal
from torchpin.workspace.hand_edits import read_written
from torchpin.workspace.workspace import Repository, read_build_record

if TYPE_CHECKING:
    from collections.abc import Callable

_lines = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=10)
_clauses = st.lists(_lines, max_size=3).map(tuple)
_steps = st.builds(
    bump_log.PolicyStep, state=st.sampled_from(["done", "pending"]), when=_lines, who=_lines, note=_lines
)
_entries = st.builds(
    bump_log.BumpEntry,
    bump=_lines,
    why=_lines,
    services=st.dictionaries(
        st.sampled_from(["lora", "a"]),
        st.builds(bump_log.ServiceChange, pins=_clauses, packages=_clauses, resolved=_clauses, new=_clauses),
        max_size=2,
    ),
    held_back=st.dictionaries(_lines, _lines, max_size=2),
    steps=st.tuples(*[_steps] * len(bump_log.STEPS)),
    freeze=st.dictionaries(st.sampled_from(["lora-gpu"]), _clauses, max_size=1),
)
_ENTRY = bump_log.BumpEntry(
    bump="torch==2.7.1",
    why="B200",
    services={"lora": bump_log.ServiceChange(pins=("torch 2.5.1 -> 2.7.1",), new=("TOR004 about cu128",))},
    held_back={"seedvr": "has it already"},
    freeze={"lora-gpu": ("torch 2.5.1 -> 2.7.1",)},
)
_NAMED = bump_log.with_name(_ENTRY)
_RECORD = bump_log.render_entry(_ENTRY)
_LOGS = (bump_log.render_former_log([_ENTRY]), _RECORD, read_texts(f"{paths.BUMPS}/*.yaml")[0][:3_000])
_LOG_PIECES = fragments(
    *("- bump: x\n", "  why: y\n", "services: {}", "steps: []", "told: ", "held: {a: 1}", "freeze: [a]", "&a ", "*a", "? ", "<<: ", "- - -", "[[[["),
    *("2024-01-01", "5", "{1: 2}", "pins: a", "state: other", "!!python/name:os ", "!!binary a", "!!set {a}", "---\n", "{" * 1500),
)  # fmt: skip
_yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.dates() | st.sampled_from(FRAGMENTS[:14]) | _lines,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["state", "pins", "a", "step"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@st.composite
def _log_trees(draw: st.DrawFn) -> str:
    """A log in which one value has another type."""
    row = yaml.safe_load(bump_log.render_entry(draw(_entries)))
    key = draw(st.sampled_from(sorted(row)))
    value = draw(_yaml_values)
    inner: Any = row[key]
    if isinstance(inner, dict) and inner and draw(st.booleans()):
        inner[draw(st.sampled_from(sorted(inner)))] = value
    elif isinstance(inner, list) and inner and draw(st.booleans()):
        inner[draw(st.integers(0, len(inner) - 1))] = value
    else:
        row[key] = value
    return str(yaml.safe_dump([row] if draw(st.integers(0, 4)) else row, sort_keys=draw(st.booleans())))


logs = st.one_of(
    st.lists(_entries, max_size=2).map(tuple),
    mutated(_LOGS, _LOG_PIECES),
    _log_trees(),
)


def check_log(value: str | tuple[bump_log.BumpEntry, ...]) -> None:
    """A log reads back as it is written; any other text is refused with its place."""
    if not isinstance(value, str):
        text = bump_log.render_former_log(value)
        entries = bump_log.parse_former_log(text)
        assert tuple(replace(entry, name="") for entry in entries) == value
        assert bump_log.render_former_log(entries) == text
        assert len({entry.name for entry in entries}) == len(entries)
        for entry in entries:
            assert bump_log.parse_entry(entry.file, bump_log.render_entry(entry)) == entry
        return
    check_log_text(value, paths.FORMER_BUMP_LOG, bump_log.parse_former_log)
    file = paths.bump_path("a")
    check_log_text(value, file, lambda text: (bump_log.parse_entry(file, text),))


def check_log_text(text: str, file: str, parse: Callable[[str], tuple[bump_log.BumpEntry, ...]]) -> None:
    """A former log, or the record of one update: read, or refused with its place."""
    try:
        entries = parse(text)
    except InputError as error:
        require_located(error, {file: text})
        return
    for entry in entries:
        assert re.fullmatch(r"[\w.+-]+", entry.name)
        assert bump_log.parse_entry(entry.file, bump_log.render_entry(entry)) == entry
        require_printable(f"{entry.bump}{entry.why}")
        assert all(step.state in {"done", "pending"} for step in entry.steps)


_ENVIRONMENT = select_environments((read_service(PLAIN),))[0]
_UNDO = json.dumps({"entry": _RECORD, "before": {"a": "x", "b": None}, "after": {"a": "00", "b": None}})
_WRITTEN = json.dumps({"docs/PINNING.md": "a"})
_JOURNAL = json.dumps(
    {"rows": [{"path": "a", "before": None, "after": "00"}], "folders": ["b"], "mark": "0f"}
)
_JSON_PIECES = fragments(
    '"before": ',
    '"after": ',
    '"entry": ',
    '{"a": 1}',
    "[]",
    "null",
    "1",
    "[" * 3000,
    '{"a":' * 3000,
    "NaN",
    "1e999",
    '"\\ud800"',
)
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "path"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def _json_trees(draw: st.DrawFn) -> str:
    """One of the files with a value of another type."""
    document = json.loads(draw(st.sampled_from([_UNDO, _WRITTEN, _JOURNAL])))
    document[draw(st.sampled_from([*document, "c"]))] = draw(_json_values)
    return json.dumps(document)


state_texts = mutated([_UNDO, _WRITTEN, _JOURNAL], _JSON_PIECES) | _json_trees()


def check_state(text: str) -> None:
    """The state for undoing, what was written last and a journal: read whole, or refused by a message."""
    repo = Repository(
        root=ROOT,
        services=(),
        settings=Settings(),
        staged=dict.fromkeys(
            (paths.undo_path(_NAMED.name), paths.WRITTEN, paths.build_path(_ENVIRONMENT.name)), text
        ),
    )
    assert all(isinstance(content, str) for content in read_written(repo).values())
    assert isinstance(read_build_record(repo, _ENVIRONMENT), dict)
    try:
        state = read_undo_state(repo, _NAMED)
    except TorchpinError as error:
        require_printable(str(error))
    else:
        assert state is None or {*state.before} <= {*state.after}
    with TemporaryDirectory() as folder:
        file = Path(folder, journal.JOURNAL)
        file.write_bytes(text.encode())
        try:
            read = journal.read_journal(file)
        except TorchpinError as error:
            require_printable(str(error))
        else:
            assert read is not None
            assert journal.read_journal(file) == read
            assert [*read.trials] == [*dict.fromkeys(read.paths)]
            assert all(
                isinstance(digest, str | None) for row in read.rows for digest in (row.before, row.after)
            )


_FREEZES = read_texts("records/**/*.txt") or (
    "torch==2.5.1+cu121\na @ file:///a/a-1-py3-none-any.whl#sha256=" + "0" * 64 + "\n",
)
freezes = mutated(
    tuple(text[:1_500] for text in _FREEZES),
    fragments("a==1\n", " @ file:///", ".whl", "#sha256=", "==", "%2B", " --hash=sha256:" + "0" * 64),
) | st.text(characters, max_size=30)


def check_freeze(text: str) -> None:
    """Any text is a freeze record: of the lines in it that are packages."""
    packages = freeze.parse_freeze(text)
    assert all(name == package.name and package.version for name, package in packages.items())
    versions = {name: package.version for name, package in packages.items()}
    if not any(re.search(r"[\s;]", version) for version in versions.values()):  # a file's name may have them
        read_again = freeze.parse_freeze(freeze.format_freeze(versions))
        assert {name: package.version for name, package in read_again.items()} == versions
    assert freeze.freeze_changes(text, text) == ()


LOG = Target(
    name="log",
    strategy=logs,
    check=check_log,
    examples=(  # a state that there is not, and a text that was read as a list of its letters
        _LOGS[0].replace("state: pending", "state: other", 1),
        _LOGS[0].replace("pins:\n      - torch 2.5.1 -> 2.7.1", "pins: torch"),
    ),
)
STATE = Target(
    name="state",
    strategy=state_texts,
    check=check_state,
    examples=(
        '{"a":' * 100_000,  # json's RecursionError
        "[]",  # of a build record: what is no mapping was handed on
        _JOURNAL.replace('"00"', "0"),  # a digest that is no text
    ),
)
FREEZE = Target(name="freeze", strategy=freezes, check=check_freeze)
