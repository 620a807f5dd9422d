"""What uv prints while it resolves and installs, as progress; the lines are those of the pinned uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.progress import Step, StepAdvanced
from torchpin.tools.uv_progress import InstalledPackages, SelectedPackages

if TYPE_CHECKING:
    from torchpin.progress import StepEvent

RESOLUTION = """\
DEBUG Solving with target Python version: >=3.11.7
DEBUG Adding direct dependency: requests*
DEBUG Selecting: requests==2.34.2 [compatible] (requests-2.34.2-py3-none-any.whl)
DEBUG Selecting: numpy==2.4.6 [compatible] (numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl)
DEBUG Package numpy has too many conflicts (culprit), deprioritizing and backtracking
DEBUG Selecting: numpy==2.4.5 [preference] (numpy-2.4.5-cp311-cp311-manylinux_2_28_x86_64.whl)
DEBUG Selecting: Jinja2==3.1.6 [preference] (jinja2-3.1.6-py3-none-any.whl)
"""
INSTALL = """\
Using Python 3.11.7 environment at: v
Resolved 9 packages in 207ms
Downloading scipy (33.7MiB)
Downloading numpy (16.1MiB)
 Downloaded numpy
   Building ffmpy==0.3.2
      Built ffmpy==0.3.2
 Downloaded scipy
Prepared 9 packages in 908ms
Uninstalled 1 package in 2ms
Installed 9 packages in 147ms
 + certifi==2026.10.19
 + own @ file:///tmp/own-1.0-py3-none-any.whl
 - old==1.0
 ~ same==1.0
"""
SIZES = {"scipy": 35_000_000, "numpy": 17_000_000, "ffmpy": 5_000, "certifi": 150_000}


def watched(total: int) -> tuple[Step, list[StepAdvanced]]:
    events: list[StepAdvanced] = []

    def keep(event: StepEvent) -> None:
        assert isinstance(event, StepAdvanced)
        events.append(event)

    return Step(keep, total), events


@pytest.mark.parametrize(("known", "total"), [(5, 5), (2, 0), (0, 0)], ids=["fewer", "more", "new lock"])
def test_selected_packages_are_counted_once(known: int, total: int) -> None:
    step, _ = watched(known)
    selected = SelectedPackages(step)
    assert all(selected.read(line) for line in RESOLUTION.splitlines())
    assert (step.done, step.total) == (3, total)


@pytest.mark.parametrize(
    "line",
    ["error: No solution found when resolving dependencies", "  cause: DEBUG is no level", "", "warning: x"],
)
def test_what_uv_says_of_a_failure_is_no_progress(line: str) -> None:
    step, events = watched(9)
    assert not SelectedPackages(step).read(line)
    assert not InstalledPackages(step, SIZES).read(line)
    assert events == []


def test_an_install_is_followed_by_the_bytes_of_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchpin.progress._SHORTEST", 0)
    step, events = watched(sum(SIZES.values()))
    installed = InstalledPackages(step, SIZES)
    assert all(installed.read(line) for line in INSTALL.splitlines())
    assert [(event.done, event.note) for event in events] == [
        (0, "downloading scipy"),
        (0, "downloading scipy, numpy"),
        (17_000_000, "downloading scipy"),
        (17_000_000, "downloading scipy, building ffmpy"),
        (17_005_000, "downloading scipy"),
        (52_005_000, ""),
        (52_155_000, "installing"),
    ]


def test_many_packages_at_a_time_are_counted() -> None:
    step, events = watched(9)
    installed = InstalledPackages(step, {})
    lines = [f"Downloading package-{number} (2.0MiB)" for number in range(5)]
    for line in lines:
        step._shown_at = 0.0
        installed.read(line)
    assert events[-1].note == "downloading package-0, package-1, package-2 and 2 more"
