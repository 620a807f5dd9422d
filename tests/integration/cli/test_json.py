"""`--json`: one document with the same first keys from every task that has the option."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import ROOT, run_command
from torchpin import __version__
from torchpin.cli.main import namespace
from torchpin.output.documents import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

# By task: its arguments, and keys of its document.
DOCUMENTS = {
    "adopt": (("tests/adopt/plain-pypi",), {"name", "description", "matches", "results"}),
    "affected": (("--service", "lora"), {"since", "environments", "removed"}),
    "bump": (("torch==2.9.1", "--service", "lora", "--dry-run", "--offline"), {"bump", "services"}),
    "check": (("tests/adopt/training-unquoted",), {"summary", "findings", "files", "problems"}),
    "doctor": ((), {"checks"}),
    "explain": (("GPU001",), {"id", "title", "meaning", "help", "sources"}),
    "facts": (("--check",), {"sections", "problems"}),
    "judge": ((), {"today", "services", "packages", "results"}),
    "lock": (("--check",), {"summary", "outcomes", "results"}),
    "outdated": (("--offline", "--service", "lora"), {"updates"}),
    "plan": (("--offline", "--service", "lora"), {"forecasts"}),
    "report": ((), {"summary", "origin", "services", "matrix", "attention"}),
    "services": ((), {"environments"}),
    "support": ((), {"environments", "gpus", "cells", "cpu"}),
    "verify": ((), {"summary", "notices", "results"}),
    "why": (("lora", "torch"), {"explanations"}),
}
# Those that ask an index, or need two states in git; their own tests read their documents.
ELSEWHERE = {"add", "audit", "diff"}


def test_every_task_with_the_option_is_in_the_table() -> None:
    with_json = {
        name
        for name in namespace.task_names
        if "json" in {argument.name for argument in namespace[name].get_arguments()}
    }
    assert with_json == {*DOCUMENTS} | ELSEWHERE


@pytest.mark.parametrize("task", DOCUMENTS)
def test_a_document_says_what_it_is_first(task: str, committed: Path) -> None:
    arguments, keys = DOCUMENTS[task]
    document = json.loads(run_command(committed, task, *arguments, "--json").out)
    assert [*document][:3] == ["torchpin", "schema", "command"]
    assert (document["torchpin"], document["schema"], document["command"]) == (__version__, SCHEMA, task)
    assert keys <= {*document}


@pytest.mark.parametrize("task", sorted({*DOCUMENTS} | ELSEWHERE))
def test_every_document_is_described(task: str) -> None:
    assert f"\n| `{task}` |" in (ROOT / "docs/JSON.md").read_text(encoding="utf-8")
