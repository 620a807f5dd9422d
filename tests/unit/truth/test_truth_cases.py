"""The cases of the benchmark of truth: each row is complete, has a source, and describes a service that can be read."""

from __future__ import annotations

import datetime as dt
import re
import runpy
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from truth_cases import FOLDER, KINDS, Case, cases_of, environment, load_cases, lock

from torchpin.lock.layers import outdated_files

if TYPE_CHECKING:
    from torchpin.model import Lock

# An address, an issue, or a file at a commit; a remark may follow.
SOURCE = re.compile(r"https://\S+|[\w.-]+/[\w.-]+(?:#\d+|@\w+ \S+| \S+)")


def test_there_are_enough_cases_of_both_kinds() -> None:
    counts = Counter(case.expect for case in load_cases())
    assert counts["good"] >= 150
    assert counts["bad"] >= 150


def test_ids_are_unique() -> None:
    counts = Counter(case.id for case in load_cases())
    assert [name for name, count in counts.items() if count > 1] == []


def test_no_pins_are_there_twice() -> None:
    counts = Counter((case.kind, repr(sorted(case.pins.items(), key=str))) for case in load_cases())
    assert [pins for pins, count in counts.items() if count > 1] == []


def incomplete(case: Case) -> list[str]:
    """What a row lacks."""
    return [
        *([] if case.expect in {"good", "bad"} else ["expect"]),
        *([] if case.kind in KINDS else ["kind"]),
        *([] if SOURCE.match(case.source) else ["source"]),
        *([] if dt.date.fromisoformat(case.date) <= dt.date(2026, 11, 26) else ["date"]),
        # a good case has no subject, and a bad one cannot be found without
        *([] if bool(case.about) == (case.expect == "bad") else ["about"]),
    ]


def test_rows_are_complete() -> None:
    assert {case.id: incomplete(case) for case in load_cases() if incomplete(case)} == {}


def test_no_file_names_a_package_host() -> None:
    texts = {path.name: path.read_text() for path in FOLDER.iterdir() if path.is_file()}
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"))]
    assert [name for name, text in texts.items() if any(host in text for host in hosts)] == []


def test_every_case_can_be_read_and_its_lock_is_current() -> None:
    outdated = {}
    for case in load_cases():
        env = environment(case)
        locked = lock(case, env)
        if locked and outdated_files(env, locked):
            outdated[case.id] = outdated_files(env, locked)
    assert outdated == {}


@pytest.fixture
def small_lock() -> tuple[Case, Lock]:
    row = {
        "id": "a", "expect": "good", "kind": "lock", "source": "a/b#1", "date": "2026-01-01", "torch": "2.7.1",
        "channel": "cu128", "companions": {"torchvision": "0.22.1"}, "packages": "tqdm==4.67.1", "locked": "numpy==2.2.6",
    }  # fmt: skip
    (case,) = cases_of("x.yaml", {"defaults": {"python": "3.10", "base": "ubuntu:22.04"}, "cases": [row]})
    locked = lock(case, environment(case))
    assert locked is not None
    return case, locked


def test_a_lock_has_the_channels_builds_and_all_pins(small_lock: tuple[Case, Lock]) -> None:
    _, locked = small_lock
    assert {name: package.version for name, package in locked.packages.items()} == {
        "torch": "2.7.1+cu128",
        "torchvision": "0.22.1+cu128",
        "tqdm": "4.67.1",
        "numpy": "2.2.6",
    }


def test_defaults_are_the_values_of_rows_that_state_none(small_lock: tuple[Case, Lock]) -> None:
    case, _ = small_lock
    assert (case.pins["python"], case.pins["base"]) == ("3.10", "ubuntu:22.04")
    assert str(environment(case).service.python) == "3.10.18"


def test_an_unknown_kind_is_refused_and_not_met_by_no_case() -> None:
    main = runpy.run_path(str(FOLDER / "run.py"))["main"]
    with pytest.raises(SystemExit, match="unknown kind: realease; choose one of release, python"):
        main("realease")
