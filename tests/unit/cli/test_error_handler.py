"""How a task ends: exit codes, messages, and the log of a bug."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

import pytest
from invoke import Context, Exit

from torchpin.cli.command_line import command
from torchpin.cli.common import TaskRun, require_choice, split_names, task_run
from torchpin.cli.error_handler import handle_errors
from torchpin.commands.report import CommandReport, Watcher
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.output.program import called_as

if TYPE_CHECKING:
    from pathlib import Path


def end_with(error: BaseException) -> int:
    """The exit code of a block that raises."""
    with pytest.raises(Exit) as end, handle_errors():
        raise error
    return int(end.value.code)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, which is the current folder."""
    (tmp_path / "services").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- expected ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (FindingsError("stale"), 1, "stale"),
        (InputError("no service"), 2, "no service"),
        (ToolError("no engine"), 3, "no engine"),
        (KeyboardInterrupt(), 130, "interrupted; no partial output was kept"),
        (PermissionError(13, "Permission denied", "x.yaml"), 3, "x.yaml: Permission denied"),
    ],
)
def test_an_expected_end_is_a_message_and_an_exit_code(
    error: BaseException, code: int, message: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(error) == code
    assert capsys.readouterr() == ("", f"{message}\n")
    assert not (repository / ".torchpin").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_cancelled_job_and_a_closed_terminal_end_as_an_interrupt_does(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second signal does not stop the clearing up: a closed terminal sends two. Afterwards all is as it was."""
    number, before = getattr(signal, name), signal.getsignal(getattr(signal, name))
    cleared = []

    @handle_errors()
    def be_stopped() -> None:
        try:
            signal.raise_signal(number)
            pytest.fail("the signal was ignored")
        finally:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
            cleared.append(True)

    with pytest.raises(Exit) as end:
        be_stopped()
    assert end.value.code == 130
    assert cleared
    assert capsys.readouterr().err == "interrupted; no partial output was kept\n"
    assert signal.getsignal(number) == before


def test_with_nohup_a_closed_terminal_changes_nothing(repository: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handle_errors():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_gone_does_not_hide_the_exit_code(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_to_print(_: object) -> NoReturn:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("torchpin.output.terminal.print_error", fail_to_print)
    assert end_with(KeyboardInterrupt()) == 130


def test_an_exit_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_with(Exit(code=7)) == 7
    assert capsys.readouterr() == ("", "")


def test_a_message_names_the_called_program(capsys: pytest.CaptureFixture[str]) -> None:
    with called_as("torchpin"):
        end_with(InputError("Run `invoke lock`."))
    assert capsys.readouterr().err == "Run `torchpin lock`.\n"


# --- bugs ------------------------------------------------------------------------------------------------------------


def test_a_bug_is_one_line_with_its_log_and_where_to_report_it(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(KeyError("x")) == 4
    (log,) = (repository / ".torchpin" / "logs").iterdir()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: unexpected KeyError: 'x'",
        f"  traceback: .torchpin/logs/{log.name}",
        "  please report it: https://github.com/torchpin/torchpin/issues",
    ]
    text = log.read_text(encoding="utf-8")
    assert text.startswith("torchpin ")
    assert text.rstrip().endswith("KeyError: 'x'")
    assert "Traceback (most recent call last)" in text


def test_a_bug_in_a_task_is_handled_wherever_the_task_is_called(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @command
    def broken(_: Context) -> NoReturn:
        """Break."""
        raise ImportError("no such name")

    with pytest.raises(Exit) as end:
        broken(Context())
    assert end.value.code == 4
    assert capsys.readouterr().err.startswith("error: unexpected ImportError: no such name\n")


def test_an_option_that_is_no_utf_8_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def quiet(_: Context, reason: str = "") -> None:
        """Do nothing."""

    with pytest.raises(Exit) as end:
        quiet(Context(), reason="bad\udcff")
    assert end.value.code == 2
    assert capsys.readouterr().err == "--reason: 'bad\\udcff' is not UTF-8 text; write it as UTF-8\n"


def test_a_bug_without_a_message_has_its_class_alone(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(AssertionError()) == 4
    assert capsys.readouterr().err.splitlines()[0] == "error: unexpected AssertionError"


def test_a_bug_whose_log_cannot_be_written_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torchpin.commands.crash.write_crash_log", lambda error: None)
    assert end_with(ValueError("first\nsecond")) == 4
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: unexpected ValueError: first"
    assert "Traceback (most recent call last):" in lines
    assert lines[-1].endswith("/issues")


# --- the run of a task -----------------------------------------------------------------------------------------------


def test_a_task_ends_with_its_first_exit_code_that_is_not_zero() -> None:
    run = TaskRun("text", Watcher())
    for code in (0, 3, 1):
        run.end_with(code)
    assert run.exit_code == 3


def test_a_task_without_an_exit_code_ends_quietly_and_with_one_by_it() -> None:
    with task_run():
        pass
    with pytest.raises(Exit) as end, task_run() as run:
        run.end_with(3)
    assert end.value.code == 3


def test_a_task_prints_its_report(capsys: pytest.CaptureFixture[str]) -> None:
    with task_run() as run:
        run.report(CommandReport(summary="nothing to do"))
    with task_run("json") as run:
        run.report(CommandReport(summary="for people"))
    assert capsys.readouterr() == ("nothing to do\n", "for people\n")


def test_a_value_that_an_option_does_not_have_is_refused() -> None:
    require_choice("--form", "b", ("a", "b", "c"))
    with pytest.raises(InputError, match=r"^--form must be a, b or c, not 'd'$"):
        require_choice("--form", "d", ("a", "b", "c"))


def test_names_are_split_at_commas() -> None:
    assert split_names("docker, gpu,,") == ("docker", "gpu")
