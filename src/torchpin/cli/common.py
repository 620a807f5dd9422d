"""What the tasks share: help texts of options, exit codes, the workspace that they act on."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit

from torchpin.errors import INTERRUPTED, TOOL, Stop

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
def plain_errors() -> Iterator[None]:
    """Expected ends as one message and an exit code. Bugs keep their traceback."""
    import signal

    from torchpin.output import terminal

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ended)  # a cancelled job clears up as an interrupted one does
    try:
        yield
    except Stop as stop:
        terminal.error(stop)
        raise Exit(code=stop.exit_code) from None
    except KeyboardInterrupt:
        terminal.error("interrupted; nothing half-made was kept")
        raise Exit(code=INTERRUPTED) from None
    except OSError as error:
        terminal.error(f"{error.filename or 'this machine'}: {error.strerror or error}")
        raise Exit(code=TOOL) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def open_workspace(service: str = "", variant: str = "") -> tuple[Repository, tuple[Environment, ...]]:
    from torchpin.description import environments as description_environments
    from torchpin.output import terminal
    from torchpin.workspace import workspace
    from torchpin.workspace.write import recover

    root = workspace.find(Path.cwd())
    said = recover(root)
    if said:
        terminal.aside(said)
    repo = workspace.opened(root)
    return repo, description_environments.environments(repo.services, service=service, variant=variant)


def exit_with(code: int) -> None:
    if code:
        raise Exit(code=code)


def split_names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def print_checked(results: Sequence[Any]) -> None:
    from torchpin.commands import judge as commands_judge
    from torchpin.output import terminal

    terminal.results(results)
    exit_with(commands_judge.failures(results, require=("lock",)))


def waiver_notices(environments: Sequence[Environment]) -> list[str]:
    """The waivers that end soon, each said once."""
    from torchpin.checks.rules.deviations import ending
    from torchpin.workspace.evidence import bare

    return list(dict.fromkeys(one for env in environments for one in ending(bare(environments), env)))


GPU = {"gpu": "judge for this card instead of the described ones; may be given several times"}


HTML = {"html": "write a page with verdicts, evidence and the matrix of services and GPUs to this file"}


STATE = "a git revision, `.` for the working tree, a freeze record or a lock folder"


JSON = {"json": "one JSON document instead of text"}
