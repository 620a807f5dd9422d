"""Values of other types than a format promises: every reader of a file answers, or raises TorchpinError."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from support.bumps import ENTRY
from torchpin.adopt.draft import draft_adoption
from torchpin.commands.undo import read_undo_state
from torchpin.description.read import read_services
from torchpin.description.settings import parse_settings
from torchpin.errors import TorchpinError
from torchpin.installs.project import parse_project
from torchpin.records.bump_log import STEPS, parse_entry, parse_former_log
from torchpin.tools.transaction.journal import read_journal
from torchpin.workspace.hand_edits import read_written
from torchpin.workspace.workspace import read_build_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEEP = "[" * 10_000 + "]" * 10_000
VALUES: tuple[Any, ...] = (
    None,
    [],
    {},
    5,
    -1,
    10**400,
    1.5,
    "",
    "x",
    True,
    [[]],
    {"a": {"b": [1]}},
    [None],
    "\x1b\u202e",
)
LOG = [
    {
        "bump": "tqdm==1", "why": "w", "held": {"x": "y"}, "freeze": {"lora-gpu": ["a"]},
        "services": {"lora": {"pins": ["a"], "packages": ["b"], "closed": ["x"], "opened": []}},
        "steps": [{"step": name, "state": "done", "when": "w", "who": "x", "told": "t"} for name in STEPS],
    }
]  # fmt: skip
DESCRIPTION = {
    "name": "lora", "summary": "Training", "python": "3.10.14", "base": {"image": "python:3.10", "rationale": "r"},
    "torch": {"version": "2.5.1", "companions": {"torchvision": "0.20.1"}}, "gpus": ["A100"],
    "variants": {"gpu": {"channel": "cu121", "platform": "linux/amd64"}},
    "layers": [{"name": "app", "packages": ["tqdm==1.0"]}], "run": {"env": {"A": "1"}, "ports": [80]},
    "sources": [{"name": "s", "url": "https://x.example/s", "path": "third_party/s", "tag": "v1", "commit": "a" * 40}],
}  # fmt: skip
STATE = {"entry": json.dumps(LOG[0]), "before": {"a": "b"}, "after": {"a": "c"}}
JOURNAL = {"rows": [{"path": "a", "before": "b", "after": None}], "folders": ["f"], "mark": "m"}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: object) -> Any:
    if not path:
        return new
    items = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {key: put(item, path[1:], new) if key == path[0] else item for key, item in items}
    return changed if isinstance(value, dict) else [*changed.values()]


def variants(sample: Any) -> Iterator[str]:
    """The sample as JSON, which YAML reads too, with each of its values replaced; then texts that are no value of it."""
    for path in places(sample):
        for new in VALUES:
            yield json.dumps(put(sample, path, new))
    yield from (DEEP, '{"a":' * 10_000 + "1" + "}" * 10_000, "", "{", "NaN", "\x00", json.dumps(sample)[:-3])


def repository(text: str) -> Any:
    return SimpleNamespace(text=lambda _: text)


READERS: dict[str, tuple[Any, Callable[[str], object]]] = {
    "former log": (LOG, parse_former_log),
    "record of an update": (LOG[0], lambda text: parse_entry("records/bumps/a.yaml", text)),
    "description": (DESCRIPTION, lambda text: read_services({"services/lora/service.yaml": text})),
    "state for undoing": (STATE, lambda text: read_undo_state(repository(text), ENTRY)),
    "written texts": ({"a": "b"}, lambda text: read_written(repository(text))),
    "build record": (
        {"key": "k", "packages": {"a": "1"}},
        lambda text: read_build_record(repository(text), SimpleNamespace(name="lora-gpu")),  # type: ignore[arg-type]
    ),
}


def accepts_or_refuses(read: Callable[[str], object], text: str) -> bool:
    """Whether a reader refuses a text; any other error than TorchpinError is raised."""
    try:
        read(text)
    except TorchpinError:
        return True
    return False


@pytest.mark.parametrize("name", READERS)
def test_a_reader_answers_or_refuses(name: str) -> None:
    sample, read = READERS[name]
    read(json.dumps(sample))
    refused = [accepts_or_refuses(read, text) for text in variants(sample)]
    assert len(refused) > 20
    if name not in {
        "written texts",
        "build record",
    }:  # these are best effort: a damaged one counts as missing
        assert any(refused)


def test_a_journal_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"

    def read(text: str) -> object:
        path.write_text(text)
        return read_journal(path)

    assert {accepts_or_refuses(read, text) for text in variants(JOURNAL)} == {True, False}


TOML = ("5", "-1", "nan", "inf", "''", "'x'", "true", "[]", "[[]]", "{}", "{a={b=[1]}}", "1979-05-27", DEEP)
TABLES = {
    "pyproject.toml": ("project", "project.dependencies", "project.requires-python", "tool.uv", "build-system.requires"),
    "uv.lock": ("version", "package", "package.name", "package.version"),
}  # fmt: skip


@pytest.mark.parametrize("file", TABLES)
@pytest.mark.parametrize("value", TOML, ids=lambda value: value[:12])
def test_a_project_of_wrong_types_is_adopted_or_told(file: str, value: str) -> None:
    dockerfile = "FROM python:3.11\nRUN pip install torch==2.5.1 tqdm\n"
    for key in TABLES[file]:
        texts = {file: f"{key} = {value}\n", "Dockerfile": dockerfile}
        assert parse_project(texts).dockerfiles == ("Dockerfile",)
        assert draft_adoption(texts, "app").text or value == DEEP


@pytest.mark.parametrize("value", TOML, ids=lambda value: value[:12])
def test_settings_of_wrong_types_are_refused(value: str) -> None:
    for key in (
        "mirrors",
        "build",
        "mirrors.pypi",
        "mirrors.a.b",
        "build.registry",
        "build.network",
        "other",
    ):
        if (key, value) not in {
            ("mirrors", "{}"),
            ("build", "{}"),
            ("build.registry", "''"),
            ("build.registry", "'x'"),
        }:
            with pytest.raises(TorchpinError):
                parse_settings(f"{key} = {value}\n", {}, ())


def test_settings_say_where_their_toml_is_wrong() -> None:
    with pytest.raises(TorchpinError, match=r"torchpin\.toml:2:6: invalid TOML: Invalid value"):
        parse_settings("[build]\nregistry =\n".replace("registry", "abc"), {}, ())
    with pytest.raises(TorchpinError, match="at most 1000000 are read"):
        parse_settings("#" * 1_000_001, {}, ())
