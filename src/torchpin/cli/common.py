"""What the tasks share: help texts of options, exit codes, the workspace that they act on."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit

from torchpin.errors import INTERRUPTED, TOOL, TorchpinError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository


SERVICE = {"service": "the service, by its folder's name; all of them when left out"}


ONE_SERVICE = {"service": "the service, by its folder's name"}


VARIANT = {"variant": "the variant, such as gpu; all of them when left out"}


CHECK = {"check": "write nothing: say what would change, and exit 1 if anything would"}


LAB = {"lab": "on a scratch copy, with tiny stand-ins for torch, sources and base; everything else is real"}


@contextmanager
def handle_errors() -> Iterator[None]:
    """Expected ends as one message and an exit code. Bugs keep their traceback."""
    import signal

    from torchpin.output import terminal

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, ended)  # a cancelled job clears up as an interrupted one does
    try:
        yield
    except TorchpinError as stop:
        terminal.print_error(stop)
        raise Exit(code=stop.exit_code) from None
    except KeyboardInterrupt:
        terminal.print_error("interrupted; nothing half-made was kept")
        raise Exit(code=INTERRUPTED) from None
    except OSError as error:
        terminal.print_error(f"{error.filename or 'this machine'}: {error.strerror or error}")
        raise Exit(code=TOOL) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


def open_repository(service: str = "", variant: str = "") -> tuple[Repository, tuple[Environment, ...]]:
    from torchpin.description.environments import select_environments
    from torchpin.output import terminal
    from torchpin.workspace import workspace
    from torchpin.workspace.write import recover

    root = workspace.find_root(Path.cwd())
    message = recover(root)
    if message:
        terminal.print_status(message)
    repo = workspace.open_repository(root)
    return repo, select_environments(repo.services, service=service, variant=variant)


def exit_if_failed(code: int) -> None:
    if code:
        raise Exit(code=code)


def split_names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def report_checks(results: Sequence[Any]) -> None:
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    terminal.print_results(results)
    exit_if_failed(commands_judge.exit_code(results, require=("lock",)))


def waiver_notices(environments: Sequence[Environment]) -> list[str]:
    """The waivers that end soon, each said once."""
    from torchpin.checks.rules.deviations import ending_waivers
    from torchpin.workspace.evidence import from_descriptions

    return list(
        dict.fromkeys(
            notice for env in environments for notice in ending_waivers(from_descriptions(environments), env)
        )
    )


GPU = {"gpu": "judge for this card instead of the described ones; may be given several times"}


HTML = {"html": "write a page with verdicts, evidence and the matrix of services and GPUs to this file"}


STATE_HELP = "a git revision, `.` for the working tree, a freeze record or a lock folder"


JSON = {"json": "one JSON document instead of text"}
