"""The variables of git: unset when a program starts, and passed to every git."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from torchpin.tools.git_variables import git_variables, settle_variables

if TYPE_CHECKING:
    import pytest


def test_a_program_forgets_the_repository_of_a_hook_when_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    monkeypatch.delenv("GIT_PYTHON_REFRESH", raising=False)
    settle_variables()
    assert "GIT_DIR" not in os.environ
    assert (os.environ["GIT_SSH_COMMAND"], os.environ["GIT_PYTHON_REFRESH"]) == ("ssh -i key", "quiet")


def test_git_gets_this_machine_s_variables_and_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_INDEX_FILE", "/elsewhere")
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "1")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    variables = git_variables()
    assert "GIT_INDEX_FILE" not in variables
    assert variables["GIT_SSH_COMMAND"] == "ssh -i key"
    assert (variables["GIT_TERMINAL_PROMPT"], variables["GIT_HTTP_LOW_SPEED_TIME"]) == ("0", "60")
    assert os.environ["GIT_INDEX_FILE"] == "/elsewhere"
