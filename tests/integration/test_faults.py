"""Each fault once on every command that writes; and on commands that do it wrong, which must be noticed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from support.faults import trial as trials
from support.faults.campaign import Options, run_campaign
from support.faults.cases import CASES, Case
from support.faults.faults import FAULTS, protected_places
from support.faults.privileges import NotPossible
from support.faults.trees import describe_difference, read_tree, without, work_problem
from support.faults.trial import FaultFound, Prepared, Trial, prepare_case
from torchpin.paths import TRANSACTION
from torchpin.tools.uv_install import local_platform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Each writes a.txt and b.txt, or does something else wrong; WAIT gives the fault time to hit.
ATOMIC = """
import os, pathlib, sys
new = pathlib.Path('new.tmp')
try:
    new.write_text('new')
    new.rename('a.txt')
except OSError as error:
    new.unlink(missing_ok=True)
    sys.exit(f'{error.filename}: {error.strerror}')
"""
WAIT = "import os, time; os.makedirs('.torchpin/logs', exist_ok=True); time.sleep(5)\n"
HALF = f"open('a.txt', 'w').write('half')\n{WAIT}open('a.txt', 'w').write('new')\n"
LEAVES_PROCESS = "import subprocess; subprocess.Popen(['sleep', '60']); open('a.txt', 'w').write('new')\n"
LEAVES_FILE = f"import tempfile; open('a.txt', 'w').write('new'); tempfile.mkstemp()\n{WAIT}"
BUG = "open('a.txt', 'w').write('new')\n"
HANGS = "import signal, time; signal.pause() if __import__('os').path.exists('a.txt') else None\n"
HALF_ON_FULL_DISK = (
    "import sys\ntry:\n    open('a.txt', 'w').write('new' * 10**7)\nexcept OSError:\n    sys.exit(3)\n"
)


@pytest.mark.skipif(not local_platform().startswith("linux/"), reason="the commands are tried on Linux")
def test_every_command_is_before_or_after_whatever_stops_it() -> None:
    counts = run_campaign(Options(seconds=0, least=1, required=tuple(FAULTS)), print)
    print("\n".join(counts.lines()))  # noqa: T201 - what a green run was
    assert counts.problems == []
    for fault in {*FAULTS} - {*counts.impossible}:
        for case in CASES:
            assert counts.number_of((case.name, fault)) == 1, (case.name, fault)
    if os.environ.get("TORCHPIN_REQUIRE"):
        assert counts.impossible == {}


@pytest.fixture
def make_trial(tmp_path: Path) -> Callable[[str], Trial]:
    """A trial of a script that starts from two files."""
    start = tmp_path / "start"
    start.mkdir()
    for name in ("a.txt", "b.txt"):
        (start / name).write_text("old")

    def make(script: str) -> Trial:
        case = Case(
            name="script",
            command=(sys.executable, "-c", script),
            prepare=lambda _, __: None,
            watched=".torchpin/logs",
        )
        before = read_tree(start)
        after = {
            name: (mode, b"new" if name == "a.txt" else content) for name, (mode, content) in before.items()
        }
        prepared = Prepared(
            case=case, environ={**os.environ}, start=start, before=before, after=after, seconds=1.0
        )
        return Trial(prepared=prepared, folder=tmp_path / "trial")

    return make


def run_fault(name: str, trial: Trial, number: int = 1) -> str:
    try:
        return FAULTS[name](trial, 1, number)
    except NotPossible as error:
        (pytest.fail if os.environ.get("TORCHPIN_REQUIRE") else pytest.skip)(str(error))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_command_that_renames_one_file_passes(fault: str, make_trial: Callable[[str], Trial]) -> None:
    trial = make_trial(ATOMIC)
    assert run_fault(fault, trial, 0) in {"before", "after"}


@pytest.mark.parametrize(
    ("fault", "script", "message"),
    [
        ("kill", HALF, "neither before nor after"),
        ("kill-twice", HALF, "neither before nor after"),
        ("interrupt", LEAVES_FILE, "temporary files are left"),
        ("terminate", LEAVES_FILE, "temporary files are left"),
        ("hangup", LEAVES_PROCESS, "processes are left: .*sleep 60"),
        ("disk-full", HALF_ON_FULL_DISK, "neither before nor after"),
        ("denied", BUG, "it ended as a bug"),
        ("immutable", BUG, "it ended as a bug"),
    ],
)
def test_a_command_that_does_it_wrong_is_noticed(
    fault: str,
    script: str,
    message: str,
    make_trial: Callable[[str], Trial],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trials, "END_SECONDS", 1)
    monkeypatch.setattr("support.faults.faults.protected_places", lambda prepared: ["a.txt"])
    with pytest.raises(FaultFound, match=message):
        run_fault(fault, make_trial(script))


def test_a_next_run_that_fails_hangs_or_does_nothing_is_noticed(
    make_trial: Callable[[str], Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "COMMAND_SECONDS", 1)
    for script, message in {
        "raise SystemExit(5)": "the next run failed with exit code 5",
        "pass": r"does not lead to the state after: a\.txt \(other\)",
        HANGS: "it hangs for 1 s",
        f"{ATOMIC}\nos.makedirs({TRANSACTION!r})": "after the next run .*transaction is left",
    }.items():
        trial = make_trial(script)
        trial.set_up()
        with pytest.raises(FaultFound, match=message):
            trial.require_next_run("before")


def test_a_command_that_fails_or_differs_without_a_fault_is_no_case(
    make_trial: Callable[[str], Trial], tmp_path: Path
) -> None:
    random_file = "import pathlib, uuid; pathlib.Path('a.txt').write_text(str(uuid.uuid4()))"
    for script, message in {
        "raise SystemExit(5)": "fails without a fault",
        random_file: "differ: a.txt",
    }.items():
        prepared = make_trial(script).prepared
        with pytest.raises(FaultFound, match=message):
            prepare_case(prepared.case, prepared.environ, prepared.start, tmp_path / message[:5])


def test_what_a_write_touches_is_what_is_denied(make_trial: Callable[[str], Trial]) -> None:
    prepared = make_trial(ATOMIC).prepared
    assert protected_places(prepared) == [".torchpin", "", "a.txt"]


def test_trees_differ_by_content_mode_and_kind(tmp_path: Path) -> None:
    """Empty folders and torchpin's working files do not count."""
    file = tmp_path / "file"
    file.write_text("1")
    first = read_tree(tmp_path)
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    (tmp_path / ".torchpin").mkdir()
    (tmp_path / ".torchpin" / "written.json").write_text("{}")
    assert read_tree(tmp_path) == first
    assert work_problem(tmp_path) == ""
    (tmp_path / ".torchpin" / ".written.json.x1").write_text("{}")
    assert work_problem(tmp_path) == ".torchpin/.written.json.x1 is left"
    file.chmod(0o600)
    assert describe_difference(read_tree(tmp_path), first) == "file (other)"
    file.unlink()
    file.symlink_to("elsewhere")
    assert describe_difference(read_tree(tmp_path), first) == "file (other)"
    file.unlink()
    assert describe_difference(read_tree(tmp_path), first) == "file (missing)"
    assert without(first, ("file",)) == {}
    assert without(first, ("fil",)) == first
