"""What `adopt` prints beside the draft: what is left to do, and a question on a terminal alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from torchpin.adopt.draft import Adoption, draft_adoption
from torchpin.adopt.draft_values import OpenValue
from torchpin.commands.adopt import Adopted
from torchpin.lint.matches import Match
from torchpin.model import Finding
from torchpin.output.adoption import print_draft, print_steps
from torchpin.output.terminal import ask_value

if TYPE_CHECKING:
    import pytest

OPEN = "FROM example/base:1\nRUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128\nRUN pip install six\n"


def test_what_is_left_to_do_is_a_numbered_list(capsys: pytest.CaptureFixture[str]) -> None:
    print_steps(["first", "second"])
    assert capsys.readouterr().err == "left to do:\n  1. first\n  2. second\n"
    print_steps([])
    assert capsys.readouterr().err == ""


def test_the_document_has_what_is_open_and_what_is_left_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    adoption = draft_adoption({"Dockerfile": OPEN}, "x")
    print_draft(Adopted(adoption=adoption, results=(), skipped=()), json=True)
    document = json.loads(capsys.readouterr().out)
    (question,) = document["questions"]
    assert (question["key"], question["option"]) == ("python", "--python 3.12")
    assert document["unpinned"] == ["six"]
    assert document["steps"] == list(adoption.steps)


def test_nobody_is_asked_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_value(OpenValue(key="python", text="which", example="3.12")) == ""
    assert capsys.readouterr() == ("", "")


def test_packages_without_a_version_are_counted_and_a_written_draft_is_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_match = Match(
        id="ADO012", finding=Finding(location="requirements.txt:1:1", message="`six` is not pinned", help="")
    )
    draft = Adoption(name="api", text="name: api\n", missing="", matches=(open_match,) * 2, files=())
    print_draft(Adopted(adoption=draft, results=(), skipped=()), json=False, is_written=True)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "rules: no findings, 2 packages without a version\n"
