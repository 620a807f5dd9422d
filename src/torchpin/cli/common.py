"""What the tasks share: help texts of options, the values they allow, how a task runs and ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from invoke import Exit

from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.commands.report import CommandReport, Watcher
    from torchpin.output.reports import Form

SERVICE = {"service": "the service, by its folder name; all services if omitted"}
ONE_SERVICE = {"service": "the service, by its folder name"}
VARIANT = {"variant": "the variant, such as gpu; all variants if omitted"}
CHECK = {"check": "write nothing; list what would change, and exit with 1 if anything would"}
OVERWRITE = {"overwrite": "also overwrite generated text that was edited by hand"}
LAB = {
    "lab": "run on a scratch copy, with stubs of torch, sources and base image, and without large packages"
}
GPU = {"gpu": "judge for this GPU instead of the described ones; may be given several times"}
HTML = {"html": "also write the report of it, one HTML page, to this file"}
JSON = {"json": "print one JSON document instead of text"}
MARKDOWN = {"markdown": "print Markdown for the comment of a change instead of text"}
STRICT = {"strict": "fail on notices and unknowns too"}
RECORDED = {"recorded": "read torch's channels from the recorded index snapshots instead of PyTorch's index"}
STATE_HELP = "a git revision, `.` for the working tree, a freeze record or a lock folder"


class TaskRun:
    """One run of a task: where its command reports to, and the exit code so far."""

    def __init__(self, form: Form, watcher: Watcher) -> None:
        self.form, self.watcher, self.exit_code = form, watcher, 0

    def report(self, report: CommandReport) -> None:
        """Prints a report, and ends the task with its exit code."""
        self.watcher.report(report)
        self.end_with(report.exit_code)

    def end_with(self, exit_code: int) -> None:
        """The first exit code that is not 0 stays."""
        self.exit_code = self.exit_code or exit_code


@contextmanager
def task_run(form: Form = "text", *, progress: str = "auto") -> Iterator[TaskRun]:
    """Runs a task's command, and ends the program with its exit code. `form`: what is printed for whom."""
    from torchpin.output.reports import command_watcher

    with command_watcher(form, progress) as watcher:
        run = TaskRun(form, watcher)
        yield run
    if run.exit_code:
        raise Exit(code=run.exit_code)


def document_form(*, json: bool) -> Form:
    """The form of a task with `--json`."""
    return "json" if json else "text"


def single_form(**flags: bool) -> str:
    """The one form whose flag is set, else text. Raises InputError for several."""
    forms = [form for form, is_set in flags.items() if is_set]
    if len(forms) > 1:
        *names, last = (f"--{form}" for form in flags)
        raise InputError(f"{', '.join(names)} and {last} are mutually exclusive; pass only one of them")
    return forms[0] if forms else "text"


def require_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Raises InputError for a value that an option does not have."""
    if value not in choices:
        names = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise InputError(f"{option} must be {names}, not {value!r}")


def split_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
