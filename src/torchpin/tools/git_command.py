"""git as a program: its output within bounds, and commits fetched by their ids."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.tools import clone_bounds, process
from torchpin.tools.git_variables import git_variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torchpin.progress import Step

# What git's servers say of a commit that no branch or tag points to: they give what they advertise, unless they are told
# otherwise. A server that does not know the commit says the same.
_NOT_GIVEN = ("unadvertised object", "not our ref", "no such remote ref", "couldn't find remote ref")
# Files of Git LFS are fetched where a description asks for them, and not by a filter that this machine happens to have.
_NO_LFS = {"GIT_LFS_SKIP_SMUDGE": "1"}

_PROGRESS = re.compile(
    r"(?:remote: )?(?P<phase>[A-Z][a-z]+ (?:objects|deltas|files)): +\d+% \((?P<done>\d+)/(?P<total>\d+)\)"
    r"(?:, (?P<size>[\d.]+ (?:[KMG]iB|bytes)))?"
)
_OTHER_PROGRESS = (
    "Cloning into ",
    "remote: Enumerating ",
    "remote: Counting ",
    "remote: Total ",
    "remote: Compressing ",
)


def git_executable() -> str:
    return os.environ.get("GIT_PYTHON_GIT_EXECUTABLE") or "git"


def run_git(
    *arguments: str,
    timeout: float,
    watch: Callable[[], None] | None = None,
    running: Step | None = None,
) -> str:
    """The output of a git command, within bounds of time and size. Raises ToolError with git's own message.

    `running` is advanced by the progress of a command that reports it with `--progress`.
    """
    command = (git_executable(), *arguments)
    completed = process.run(
        command,
        env=git_variables() | _NO_LFS,
        check=False,
        timeout=timeout,
        watch=watch,
        listen=partial(_read_progress, running) if running else None,
    )
    if completed.returncode:
        raise ToolError(completed.stderr.strip() or f"git failed with exit code {completed.returncode}")
    return completed.stdout


def _read_progress(running: Step, line: str) -> bool:
    """Whether a line of git's stderr is progress, such as a count of objects or files; the step is advanced by it."""
    match = _PROGRESS.match(line)
    if match:
        phase, size = match["phase"], match["size"]
        note = f"{phase.lower()}, {size}" if size else phase.lower()
        running.advance(int(match["done"]), total=int(match["total"]), note=note)
    return match is not None or line.startswith(_OTHER_PROGRESS)


def clone_tag(url: str, tag: str, into: Path, running: Step | None = None) -> None:
    """Clone a tag without history and without files. Raises ToolError where that fails or takes too much space."""
    options = ("--depth=1", "--single-branch", "--no-checkout", f"--branch={tag}")
    watch = partial(clone_bounds.require_small_folder, into)
    shown = ("--progress",) if running else ()
    run_git(
        "clone", *options, *shown, "--", url, str(into), timeout=process.LONG, watch=watch, running=running
    )


def fetch_commit(url: str, commit: str, into: Path, running: Step | None = None) -> None:
    """Make a repository whose HEAD is a commit, without history where the server gives it by its id, without files.

    A server that gives only what branches and tags point to is asked for all of them. Raises ToolError as clone_tag does,
    and where none of them has the commit.
    """
    folder = str(into)
    fetch = ("-C", folder, "fetch", "--progress" if running else "--quiet", "--no-tags")
    watch = partial(clone_bounds.require_small_folder, into)
    run_git("init", "--quiet", "--", folder, timeout=process.QUICK)
    run_git("-C", folder, "remote", "add", "--", "origin", url, timeout=process.QUICK)
    try:
        run_git(*fetch, "--depth=1", "origin", commit, timeout=process.LONG, watch=watch, running=running)
    except ToolError as error:
        if not any(text in str(error).lower() for text in _NOT_GIVEN):
            raise
        refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        run_git(*fetch, "origin", *refs, timeout=process.LONG, watch=watch, running=running)
        try:
            run_git("-C", folder, "cat-file", "-e", f"{commit}^{{commit}}", timeout=process.QUERY)
        except ToolError:
            raise ToolError(f"no branch or tag has the commit {commit}") from None
    # as a branch of the origin: a commit that no ref holds would look like work that was never pushed
    run_git("-C", folder, "update-ref", "refs/remotes/origin/pinned", commit, timeout=process.QUICK)
    run_git("-C", folder, "update-ref", "--no-deref", "HEAD", commit, timeout=process.QUICK)


def check_out(folder: Path, running: Step | None = None) -> None:
    """Write the files of HEAD. Raises ToolError, with nothing written, for more than sources have."""
    clone_bounds.require_small_tree(
        run_git("-C", str(folder), "ls-tree", "-r", "-l", "-z", "HEAD", timeout=process.QUERY)
    )
    shown = ("--progress",) if running else ()
    run_git("-C", str(folder), "checkout", "--quiet", *shown, "HEAD", timeout=process.LONG, running=running)


def head_commit(folder: Path) -> str:
    """The commit of a repository, "" where the folder is no repository of its own or has no commit."""
    if not (folder / ".git").exists():
        return ""
    try:
        return run_git(
            "-C", str(folder), "rev-parse", "--verify", "HEAD^{commit}", timeout=process.QUICK
        ).strip()
    except ToolError:
        return ""
