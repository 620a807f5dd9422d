"""A forked command is a process of its own, as one that was started anew is."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.command_line import ROOT, run_process
from support.forks import can_fork, open_forks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.forks import ForkedCommand, Forks

pytestmark = pytest.mark.skipif(not can_fork(), reason="no descriptors of processes")


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with open_forks(os.environ) as opened:
        yield opened


def start(
    forks: Forks, folder: Path, log: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> ForkedCommand:
    with log.open("wb") as output:
        return forks.start(
            *arguments, folder=folder, environ={**os.environ, **(variables or {})}, output=output
        )


def test_it_prints_and_ends_as_a_new_process_does(forks: Forks, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for arguments, code in ((("services",), 0), (("explain", "XXX001"), 2), (("no-task",), 2)):
        new = run_process(ROOT, *arguments)
        assert start(forks, ROOT, log, *arguments).wait() == new.code == code, new.output
        if arguments[0] != "no-task":  # whose message differs by more than the program's name
            assert log.read_text().replace("`torchpin ", "`invoke ") == new.output


def test_it_has_the_folder_and_the_variables_that_it_is_given(forks: Forks, tmp_path: Path) -> None:
    command = start(forks, tmp_path, tmp_path / "log", "services")
    assert command.wait() == 2
    assert (tmp_path / "log").read_text().startswith(f"{tmp_path} is not in a torchpin repository")
    wrong = {"TORCHPIN_MIRROR_SDSCRIPTS": "http://127.0.0.1:9"}
    command = start(forks, ROOT, tmp_path / "log", "services", variables=wrong)
    assert command.wait() == 2
    assert "TORCHPIN_MIRROR_SDSCRIPTS" in (tmp_path / "log").read_text()


def test_it_leads_a_session_and_is_killed_alone(forks: Forks, tmp_path: Path) -> None:
    first = start(forks, ROOT, tmp_path / "first", "judge")
    second = start(forks, ROOT, tmp_path / "second", "services")
    assert {first.pid, second.pid}.isdisjoint({0, os.getpid()})
    assert os.getsid(first.pid) == first.pid
    first.send_signal(signal.SIGSTOP)  # so that it cannot end before
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(0.05)
    first.kill()
    assert (first.wait(), first.poll(), second.wait()) == (-signal.SIGKILL, -signal.SIGKILL, 0)
