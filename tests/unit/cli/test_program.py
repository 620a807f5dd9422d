"""Both programs, run in this process: help, typos, and the name that messages give them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from invoke import Program, task

from torchpin.cli.entry import is_invoke
from torchpin.cli.groups import GROUPS
from torchpin.cli.main import main, namespace
from torchpin.cli.program import combined, torchpin_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from invoke import Task

ROOT = Path(__file__).parents[3]
NAMES = sorted(namespace.task_names)
PROGRAMS = ("invoke", "torchpin")
Run = "Callable[..., tuple[int, str, str]]"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a program in the repository: its exit code, and what it prints."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "200")
    # these are of the process, which is pytest's
    monkeypatch.setattr("torchpin.cli.entry.handle_interrupts", lambda: None)
    monkeypatch.setattr("torchpin.cli.entry.guard_streams", lambda: None)

    def run_program(name: str, *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", [f"/opt/bin/{name}", *words])
        program = (
            torchpin_program(namespace, "0.0") if name == "torchpin" else Program("3", binary="inv[oke]")
        )
        code = 0
        try:
            program.run()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run_program


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_task_shows_its_help(
    program: str, task: str, flag: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run(program, task, flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {program} {task} ")
    page = " ".join(out.split())  # its text and columns are wrapped
    assert " ".join((namespace[task].__doc__ or "").split()) in page
    assert [text for text in namespace[task].help.values() if text not in page] == []


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_of_the_program_begins_with_the_commands_by_groups(
    arguments: tuple[str, ...], run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run("torchpin", *arguments)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: torchpin COMMAND [--options]")
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(NAMES)
    assert list(GROUPS) == [line[:-1] for line in out.splitlines() if line[:-1] in GROUPS]
    assert out.index("\n  check ") < out.index("\n  facts ") < out.index("\nOptions:\n")
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_may_stand_before_the_task_or_after_some_arguments(
    program: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run(program, "--help", "why") == run(program, "why", "lora", "-h") == run(program, "why", "-h")


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_can_be_requested_without_exiting(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", [program, "why", "--help"])
    runner = torchpin_program(namespace, "0.0") if program == "torchpin" else Program("3")
    runner.run([program, "why", "--help"], exit=False)
    assert "SERVICE" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("biuld",), "no KIND `biuld` (did you mean build?)"),
        (("--help", "biuld"), "no KIND `biuld` (did you mean build?)"),
        (
            ("build", "--servce", "x"),
            "`{} build` has no option `--servce` (did you mean --service, --provenance?)",
        ),
        (("why", "--servce", "x", "y"), "`{} why` has no option `--servce` (did you mean --service?)"),
        (("--lst",), "`{} ` has no option `--lst` (did you mean --list, --pty?)"),
        (("why",), "`{} why` needs SERVICE and COMPONENT; `{} why --help` shows the usage"),
    ],
)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_typo_ends_with_one_line_and_the_nearest_names(
    program: str, words: tuple[str, ...], message: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    expected = message.replace("{} `", "{}`").replace("{}", program)
    expected = expected.replace("KIND", "task" if program == "invoke" else "command")
    assert run(program, *words) == (2, "", f"{expected}\n")


@pytest.mark.parametrize("words", [("--dry", "schema"), ("schema", "--dry"), ("-R", "schema")])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_dry_run_of_invoke_is_refused_before_anything_is_done(
    program: str, words: tuple[str, ...], run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run(program, *words)
    assert (code, out) == (2, "")
    assert err.startswith("`--dry` is not an option of torchpin; use `--dry-run`, which add, ")


def test_a_repository_s_own_task_can_be_run_dry(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def hello(_: Any) -> None:
        sys.stdout.write("hello\n")

    torchpin_program(combined(namespace, [cast("Task[Any]", hello)]), "0.0").run(
        ["torchpin", "--dry", "hello"], exit=False
    )
    assert capsys.readouterr() == ("hello\n", "")


@pytest.mark.parametrize(
    ("words", "start"),
    [(["help"], "Usage: torchpin "), (["help", "lock"], "Usage: torchpin lock "), (["version"], "torchpin ")],
)  # fmt: skip
def test_help_and_version_are_words_too(
    words: list[str], start: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["torchpin", *words])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert (end.value.code, err, out[: len(start)]) == (0, "", start)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_explanation_names_the_called_program(
    program: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run(program, "explain", "LCK001")
    assert (code, err) == (0, "")
    assert f"`{program} lock`" in out
    assert f"`{({*PROGRAMS} - {program}).pop()} " not in out


def test_the_tasks_are_listed_as_before(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = run("invoke", "--list")
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()[2:] if line.strip()} >= {*NAMES}


def test_the_command_of_the_package_is_the_torchpin_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["-c", "why"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("`torchpin why` needs SERVICE")


@pytest.mark.parametrize(
    ("executable", "expected"),
    [
        ("/opt/bin/invoke", True),
        ("inv", True),
        ("C:/bin/invoke.exe", True),
        ("/lib/python3/site-packages/invoke/__main__.py", True),
        ("/opt/bin/torchpin", False),
        ("/lib/python3/site-packages/pytest/__main__.py", False),
        ("-c", False),
    ],
)
def test_tasks_are_checked_for_invoke_alone(executable: str, expected: bool) -> None:
    assert is_invoke(executable) is expected


def test_tasks_of_a_repository_stand_beside_the_others_and_win_by_their_names() -> None:
    def greet(_: object) -> None:
        """Say hello."""

    own: list[Any] = [task(greet), task(greet, name="build")]
    tasks = combined(namespace, own)
    assert {*tasks.task_names} == {*NAMES, "greet"}
    assert tasks["build"].body is greet
    assert namespace["build"].body is not greet
    assert tasks["lock"] is namespace["lock"]
