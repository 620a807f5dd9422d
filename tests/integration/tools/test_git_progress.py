"""What git says of its progress while it clones, fetches and checks out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from torchpin.errors import ToolError
from torchpin.model import Settings, Source
from torchpin.progress import StepAdvanced, StepEnded, StepStarted, StepStatus
from torchpin.tools.git import CLONED, PRESENT, clone

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.progress import StepEvent

pytestmark = pytest.mark.usefixtures("plain_git")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    for number in range(30):
        (origin / f"{number}.txt").write_text(str(number))
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "thirty files")
    git(origin, "tag", "v1")
    commit = git(origin, "rev-parse", "main")
    return Source(name="tool", url=origin.as_uri(), tag="v1", commit=commit, path="third_party/tool")


@pytest.mark.parametrize("tag", ["v1", ""], ids=["a tag", "a commit"])
def test_the_objects_of_a_clone_are_counted(
    tmp_path: Path, source: Source, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchpin.progress._SHORTEST", 0)
    events: list[StepEvent] = []
    status = StepStatus(print, events.append)
    source = replace(source, tag=tag)
    assert clone(tmp_path, source, Settings(), show_status=status) == CLONED
    started, *advanced, ended = events
    assert isinstance(started, StepStarted)
    assert started.title == f"third_party/tool: cloning {source.version}"
    assert isinstance(ended, StepEnded)
    assert ended.outcome == "done"
    counts = {(event.done, event.total) for event in advanced if isinstance(event, StepAdvanced)}
    assert (32, 32) in counts  # the files, their tree and the commit
    assert clone(tmp_path, source, Settings(), show_status=status) == PRESENT
    assert events[-1] is ended  # what is there is no step


def test_a_failed_clone_says_what_git_says_and_no_progress(tmp_path: Path, source: Source) -> None:
    events: list[StepEvent] = []
    wrong = replace(source, tag="", commit="1" * 40)
    with pytest.raises(ToolError) as failure:
        clone(tmp_path, wrong, Settings(), show_status=StepStatus(print, events.append))
    assert "no branch or tag has the commit" in str(failure.value)
    assert "%" not in str(failure.value)
    assert isinstance(events[-1], StepEnded)
    assert events[-1].outcome == "failed"
