"""One command, stopped or starved once, and what must be true of its repository afterwards."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from support.faults.trees import Tree, describe_difference, read_tree, without, work_problem
from support.faults.world import COMMAND_SECONDS, command_line
from torchpin.errors import BUG, TorchpinError
from torchpin.workspace import writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.faults.cases import Case
    from support.forks import Forks, StartedCommand

END_SECONDS = 20  # for what a stopped command has started to end by itself
# What a killed command leaves, and a later one clears, among the temporary files; and the file of eight characters by which
# Python's tempfile tries whether a folder can be written, if the kill comes in between.
_ABANDONED = re.compile(r"torchpin-[\w-]+|[a-z0-9_]{8}")


class FaultFound(Exception):  # noqa: N818 - it is what a trial is for
    """What is wrong after a fault."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A case with its state before (also as a folder to copy), its state after, and the seconds of a run.

    `forks` starts its command; a new process does where it is None.
    """

    case: Case
    environ: Mapping[str, str]
    start: Path
    before: Tree
    after: Tree
    seconds: float
    forks: Forks | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a case in a folder of its own; what the command printed is in `output`."""

    prepared: Prepared
    folder: Path
    restored: dict[str, int] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "repository"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def log(self) -> Path:
        return self.folder / "output.txt"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.prepared.start, self.root, symlinks=True, dirs_exist_ok=True)
        self.temporary.mkdir(exist_ok=True)

    def start(self, *prefix: str) -> StartedCommand:
        """The command in a session of its own, so that what it leaves running is seen; with a prefix in a new process."""
        command, forks = self.prepared.case.command, self.prepared.forks
        environ = {**self.prepared.environ, "TMPDIR": str(self.temporary)}
        with self.log.open("wb") as output:
            if forks and not prefix:
                arguments = command[len(command_line()) :]
                return forks.start(*arguments, folder=self.root, environ=environ, output=output)
            return subprocess.Popen(
                (*prefix, *command),
                cwd=self.root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *prefix: str) -> int:
        """The command to its end; its exit code."""
        process = self.start(*prefix)
        try:
            code = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise FaultFound(f"it hangs for {COMMAND_SECONDS} s") from None
        self.require_no_process(process.pid)
        return code

    def require_no_process(self, session: int) -> None:
        deadline = time.monotonic() + END_SECONDS
        while remaining := session_processes(session):
            if time.monotonic() > deadline:
                os.killpg(session, signal.SIGKILL)
                raise FaultFound(f"processes are left: {'; '.join(remaining)}")
            time.sleep(0.02)

    def require_before_or_after(self) -> str:
        """Which of the two states the repository is in; what the case may leave unfinished does not count."""
        partial = self.prepared.case.partial
        tree = read_tree(self.root)
        for name, expected in (("before", self.prepared.before), ("after", self.prepared.after)):
            if tree == expected:
                return name
        # a clone that was killed between two renames: the next run puts it back
        moved = self.prepared.case.moved
        is_aside = any(path.endswith(".replaced") and path in tree for path in partial)
        if moved and moved not in tree and is_aside:
            tree |= {
                name: entry
                for name, entry in self.prepared.before.items()
                if f"{name}/".startswith(f"{moved}/")
            }
        for name, expected in (("before", self.prepared.before), ("after", self.prepared.after)):
            if partial and without(tree, partial) == without(expected, partial):
                return name if name == "after" and not self._is_partial(tree) else "before"
        raise FaultFound(
            "neither before nor after; before: "
            f"{describe_difference(tree, self.prepared.before)}; after: {describe_difference(tree, self.prepared.after)}"
        )

    def _is_partial(self, tree: Tree) -> bool:
        partial = self.prepared.case.partial
        kept = {name for name in tree if name not in without(tree, partial)}
        expected = {name for name in self.prepared.after if name not in without(self.prepared.after, partial)}
        return kept != expected

    def require_temporary_files(self, *, abandoned: bool) -> None:
        """Raises FaultFound for temporary files; those of a killed command are torchpin's own folders."""
        names = sorted(path.name for path in self.temporary.iterdir())
        strays = [name for name in names if not (abandoned and _ABANDONED.fullmatch(name))]
        if strays:
            raise FaultFound(f"temporary files are left: {', '.join(strays[:5])}")

    def recover(self) -> None:
        """What the next command does first."""
        try:
            writer.recover(self.root)
        except TorchpinError as error:
            raise FaultFound(f"the next command cannot recover: {error}") from None

    def require_next_run(self, state: str) -> None:
        """The same command once more leads to the state after, and leaves nothing else."""
        code = self.run()
        expected = frozenset({0}) if state == "before" else self.prepared.case.again
        if code not in expected:
            raise FaultFound(f"the next run failed with exit code {code}: {self.output[-800:]}")
        tree = read_tree(self.root)
        if tree != self.prepared.after:
            difference = describe_difference(tree, self.prepared.after)
            raise FaultFound(f"the next run does not lead to the state after: {difference}")
        if problem := work_problem(self.root):
            raise FaultFound(f"after the next run {problem}")
        if "Traceback" in self.output:
            raise FaultFound(f"the next run printed a traceback: {self.output[-800:]}")

    def require_message(self, code: int) -> None:
        """A fault is an error with a message, not a bug."""
        if code == BUG or "Traceback" in self.output:
            raise FaultFound(f"it ended as a bug, with exit code {code}: {self.output[-800:]}")


def session_processes(session: int) -> list[str]:
    """The commands of all processes of a session that have not ended."""
    commands = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in {"Z", "X"}:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                commands.append(f"{folder.name} {words[:80]}")
        except (OSError, IndexError, ValueError):
            continue
    return commands


def prepare_case(
    case: Case, environ: Mapping[str, str], start: Path, folder: Path, forks: Forks | None = None
) -> Prepared:
    """Run a case twice without a fault: its states and its duration. Raises FaultFound where the two differ."""
    before = read_tree(start)
    prepared = Prepared(
        case=case, environ=environ, start=start, before=before, after={}, seconds=0, forks=forks
    )
    trees, durations = [], []
    for number in range(2):
        trial = Trial(prepared=prepared, folder=folder / f"{case.name}-whole-{number}")
        trial.set_up()
        begin = time.monotonic()
        code = trial.run()
        durations.append(time.monotonic() - begin)
        if code:
            raise FaultFound(f"{case.name} fails without a fault: {trial.output[-2000:]}")
        trial.require_temporary_files(abandoned=False)
        trees.append(read_tree(trial.root))
        shutil.rmtree(trial.folder)
    if trees[0] != trees[1]:
        difference = describe_difference(trees[0], trees[1])
        raise FaultFound(f"{case.name}: two runs without a fault differ: {difference}")
    return replace(prepared, after=trees[0], seconds=min(durations))
