"""The environment variables of git, which all threads of a process share."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from torchpin.tools.git import git_environment

if TYPE_CHECKING:
    import pytest


def test_threads_share_the_environment_of_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "1")

    def read_environment(_: int) -> tuple[str | None, str | None]:
        with git_environment():
            time.sleep(0.0002)
            return os.environ.get("GIT_DIR"), os.environ.get("GIT_TERMINAL_PROMPT")

    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(read_environment, range(400))} == {(None, "0")}
    assert (os.environ["GIT_DIR"], os.environ["GIT_TERMINAL_PROMPT"]) == ("/elsewhere", "1")
    assert "GIT_HTTP_LOW_SPEED_TIME" not in os.environ
