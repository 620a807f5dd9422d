"""The commands that faults are tried on: what each starts from, and what it may leave."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.faults.world import NEXT_TORCH, OLD_TAG, TAG, World, command_line, run_git, run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INPUT_ERROR = 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command.

    `prepare` makes the state before of a repository that is locked, cloned and committed.
    `again`: the exit codes when it is run once more in the state after. `watched`: the path in the repository, or
    in the folder of temporary files, whose appearance says that it writes. `partial`: what a stopped run may leave
    unfinished there, since the next run replaces it. `moved`: what it may leave under another name, to be put back.
    """

    name: str
    command: tuple[str, ...]
    prepare: Callable[[World, Path], None]
    again: frozenset[int] = frozenset({0})
    watched: str = ".torchpin/transaction"
    partial: tuple[str, ...] = ()
    moved: str = ""


def _succeed(world: World, root: Path, *arguments: str) -> None:
    completed = run_to_end(root, world.environ, *arguments)
    if completed.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {completed.stdout}{completed.stderr}")


def prepare_ready(world: World) -> Path:
    """The repository that every case begins with: locked, cloned, documented and committed."""
    root = world.template
    _succeed(world, root, "lock")
    run_git(root, "init", "--quiet", "--initial-branch=main")
    _commit(root)
    return root


def _commit(root: Path) -> None:
    run_git(root, "add", "--all")
    run_git(root, "commit", "--quiet", "--message", "state")


def _edit(root: Path, *changes: tuple[str, str]) -> None:
    path = root / "services/alpha/service.yaml"
    text = path.read_text()
    for before, after in changes:
        if text.count(before) != 1:
            raise ValueError(f"{before!r} is not once in {path}")
        text = text.replace(before, after)
    path.write_text(text)
    _commit(root)


def _as_it_is(world: World, root: Path) -> None:
    pass


def _move_package(world: World, root: Path) -> None:
    _edit(root, ("plainlib==1.0", "plainlib==1.1"))


def _remove_renderings(world: World, root: Path) -> None:
    shutil.rmtree(root / "docker/alpha-cpu")
    shutil.rmtree(root / "docker/beta-cpu")
    _commit(root)


def _change_summary(world: World, root: Path) -> None:
    _edit(root, ("A service that faults are tried on", "Another summary"))
    (root / "docs/CHECKS.md").unlink()
    _commit(root)


def _remove_clones(world: World, root: Path) -> None:
    shutil.rmtree(root / "third_party")


def _clone_older_tag(world: World, root: Path) -> None:
    moved = ((f"tag: {TAG}", f"tag: {OLD_TAG}"), (world.commits[TAG], world.commits[OLD_TAG]))
    _edit(root, *moved)
    _succeed(world, root, "clone")
    _edit(root, *((after, before) for before, after in moved))


def _bump(world: World, root: Path) -> None:
    _succeed(world, root, *_BUMP)


_BUMP = ("bump", f"torch=={NEXT_TORCH}", "--yes", "--no-build", "--reason", "faults are tried on it")
_STAGED_CLONE = "third_party/.toolbox.partial"
CASES = (
    Case(name="lock", command=command_line("lock", "--service", "alpha"), prepare=_move_package),
    Case(name="render", command=command_line("render"), prepare=_remove_renderings),
    Case(name="document", command=command_line("document"), prepare=_change_summary),
    Case(
        name="clone",
        command=command_line("clone"),
        prepare=_remove_clones,
        watched=_STAGED_CLONE,
        partial=("third_party/.toolbox.partial",),
    ),
    Case(
        name="clone-again",
        command=command_line("clone"),
        prepare=_clone_older_tag,
        watched=_STAGED_CLONE,
        partial=("third_party/.toolbox.partial", "third_party/.toolbox.replaced"),
        moved="third_party/toolbox",
    ),
    Case(
        name="install",
        command=command_line("install", "--service", "alpha"),
        prepare=_as_it_is,
        watched=".venvs/alpha-cpu",
        partial=(".venvs",),
    ),
    Case(
        name="remove",
        command=command_line("remove", "--service", "beta"),
        prepare=_as_it_is,
        again=frozenset({INPUT_ERROR}),
    ),
    Case(name="bump", command=command_line(*_BUMP), prepare=_as_it_is, again=frozenset({0, 1, INPUT_ERROR})),
    Case(
        name="undo",
        command=command_line("bump", "--undo"),
        prepare=_bump,
        again=frozenset({INPUT_ERROR}),
    ),
    Case(
        name="build-lab",
        command=command_line("build", "--lab", "--service", "alpha"),
        prepare=_as_it_is,
        watched="torchpin-lab-*",
    ),
)
