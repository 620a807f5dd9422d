"""What git knows of this repository: files at a revision, commits, uncommitted changes, the author."""

from __future__ import annotations

import getpass
import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import InputError, ToolError
from torchpin.tools import files
from torchpin.tools.git import git_error_text, open_repository, require_git
from torchpin.tools.scratch import temporary_folder

from git import Blob, Git, GitCommandError, GitError, InvalidGitRepositoryError, NoSuchPathError, Repo  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from git import Tree

# Seconds that git may take to compare files: it waits for ever where its .gitattributes or .gitignore is a pipe.
SLOWEST_COMPARISON = 120


def texts_at_revision(root: Path, revision: str, prefixes: Sequence[str]) -> dict[str, str]:
    """The repository's files with these path prefixes at a revision, path to text.

    Raises InputError when the revision does not exist, or when the root is not in a git repository.
    """
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            commit = repo.commit(_commit_id(repo, revision))
            folder = root.resolve().relative_to(str(repo.working_tree_dir)).as_posix()
            tree = commit.tree if folder == "." else commit.tree / folder
            return _read_tree(tree, "" if folder == "." else f"{folder}/", prefixes)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise InputError(f"{root} is not in a git repository, so {revision!r} cannot be read") from None


def export_files(root: Path, revision: str, paths: Sequence[str], folder: Path) -> Path:
    """Writes the files at or below these paths, as a checkout of the revision has them, and returns the repository's root there.

    The work tree, its index and its branch stay as they are. A path that the revision does not have is skipped.
    Raises InputError when the revision does not exist, or when the root is not in a git repository, ToolError where git fails.
    """
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            commit = _commit_id(repo, revision)
            inside = root.resolve().relative_to(Path(str(repo.working_tree_dir)).resolve())
            folder.mkdir(parents=True, exist_ok=True)
            index, names = folder / "index", folder / "names"
            literal = [f":(top,literal){(inside / path).as_posix()}" for path in paths]
            with repo.git.custom_environment(GIT_INDEX_FILE=str(index)):
                repo.git.read_tree(commit)
                with names.open("wb") as file:
                    repo.git.ls_files("-z", "--", *literal, output_stream=file)
                with names.open("rb") as file:
                    arguments = ("-z", "--stdin", f"--prefix={folder / 'tree'}/")
                    repo.git.checkout_index(*arguments, istream=file, kill_after_timeout=SLOWEST_COMPARISON)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise InputError(f"{root} is not in a git repository, so {revision!r} cannot be read") from None
    except GitError as error:
        raise ToolError(f"{revision} cannot be read by git:\n{git_error_text(error)}") from None
    return folder / "tree" / inside


def commit_id(root: Path, revision: str) -> str:
    """The commit that a revision names. Raises InputError as `export_files` does."""
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            return _commit_id(repo, revision)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise InputError(f"{root} is not in a git repository, so {revision!r} cannot be read") from None


def last_revisions(root: Path, path: str, count: int) -> tuple[str, ...]:
    """The commits that last changed a file, the newest first; none outside of a git repository. Raises ToolError."""
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            arguments = (f"--max-count={count}", "--format=%H", "HEAD", "--", str((root / path).absolute()))
            return tuple(str(repo.git.log(*arguments)).split())
    except (InvalidGitRepositoryError, NoSuchPathError):
        return ()
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{git_error_text(error)}") from None


def is_unchanged_since(root: Path, revision: str, folder: Path) -> bool:
    """Whether a folder holds what it held at a revision; one that is not in the repository always does. Raises ToolError."""
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            if not folder.resolve().is_relative_to(Path(str(repo.working_tree_dir)).resolve()):
                return True
            arguments = ("--name-only", revision, "--", str(folder.resolve()))
            return not repo.git.diff(*arguments, kill_after_timeout=SLOWEST_COMPARISON)
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{git_error_text(error)}") from None


def uncommitted_paths(root: Path, paths: Sequence[str], *, ignored: bool = False) -> tuple[str, ...]:
    """Which of these files, or files in these folders, are not as the last commit has them; none outside of a git repository.

    What git was told to assume of a file does not count. `ignored`: those that git ignores, too, which no commit has.
    Raises ToolError where git cannot read the repository.
    """
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            top = Path(str(repo.working_tree_dir)).resolve()
            absolute_paths = [str((root / path).resolve()) for path in paths]
            lines = _status_of_last_commit(repo, absolute_paths, ignored=ignored)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return ()
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{git_error_text(error)}") from None
    return tuple(
        sorted(os.path.relpath(top / line[3:], root.resolve()) for line in lines.split("\0") if line)
    )


def top_folder(root: Path) -> Path | None:
    """The top of the work tree of git that a folder is in, without links; None outside of one."""
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            return Path(str(repo.working_tree_dir)).resolve() if repo.working_tree_dir else None
    except (InvalidGitRepositoryError, NoSuchPathError):
        return None


def is_in_repository(root: Path) -> bool:
    """Whether a folder is in a work tree of git."""
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            return not repo.bare
    except (InvalidGitRepositoryError, NoSuchPathError):
        return False


def _status_of_last_commit(repo: Repo, absolute_paths: Sequence[str], *, ignored: bool) -> str:
    """`git status` by an index of the last commit: the repository's own may hide files (`--assume-unchanged`, sparse checkouts)."""
    with temporary_folder() as folder, repo.git.custom_environment(GIT_INDEX_FILE=str(folder / "index")):
        git = repo.git(c=["core.sparseCheckout=false", "core.ignoreStat=false", "core.fsmonitor=false"])
        if repo.head.is_valid():
            git.read_tree("HEAD")
        git = repo.git(c=["core.ignoreStat=false", "core.fsmonitor=false"], literal_pathspecs=True)
        shown = f"--ignored={'traditional' if ignored else 'no'}"
        options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", shown)
        arguments = (*options, "--", *absolute_paths)
        return str(git.status(*arguments, kill_after_timeout=SLOWEST_COMPARISON))


def checkout_state(root: Path, paths: Sequence[str]) -> tuple[str, str]:
    """The address of a checkout's origin, and its commit; with `-dirty` where these files are not as committed.

    "" for what there is none of.
    """
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            origin = repo.remote("origin").url if "origin" in [remote.name for remote in repo.remotes] else ""
            revision = repo.head.commit.hexsha if repo.head.is_valid() else ""
    except (InvalidGitRepositoryError, NoSuchPathError):
        return "", ""
    return origin, f"{revision}-dirty" if revision and uncommitted_paths(root, paths) else revision


def last_change(root: Path, path: str) -> int | None:
    """When a path was last changed by a commit, in seconds since 1970; None outside of git, or if it never was."""
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            times = str(repo.git.log("-1", "--format=%ct", "--", str((root / path).resolve())))
    except (InvalidGitRepositoryError, NoSuchPathError, GitError):
        return None
    return int(times) if times.isdigit() else None


def last_changes(root: Path, folder: str) -> dict[str, int]:
    """When each file of a folder was last changed by a commit, path to seconds since 1970; empty outside of git."""
    try:
        with open_repository(root, search_parent_directories=True) as repo:
            inside = root.resolve().relative_to(Path(str(repo.working_tree_dir)).resolve()).as_posix()
            git = repo.git(c=["core.quotePath=false"], literal_pathspecs=True)
            arguments = ("--name-only", "--no-renames", "--format=@%ct", "--", str((root / folder).resolve()))
            lines = str(git.log(*arguments)).splitlines()
    except (InvalidGitRepositoryError, NoSuchPathError, GitError):
        return {}
    times: dict[str, int] = {}
    when = 0
    prefix = "" if inside == "." else f"{inside}/"
    for line in lines:  # the newest commit first
        if line.startswith("@"):
            when = int(line[1:])
        elif line:
            times.setdefault(line.removeprefix(prefix), when)
    return times


def author(root: Path) -> str:
    """The author's name in git's configuration, else the name of the user who is logged in."""
    require_git()
    try:
        identity = str(Git(str(root)).var("GIT_AUTHOR_IDENT"))
        return identity.rpartition(" <")[0]
    except GitError:
        return getpass.getuser()


def _commit_id(repo: Repo, revision: str) -> str:
    try:
        arguments = ("--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return str(repo.git.rev_parse(*arguments)).splitlines()[-1]
    except GitCommandError as error:
        if str(error.stderr).strip() and not _is_unknown_revision(str(error.stderr)):
            raise ToolError(f"{revision} cannot be read by git:\n{git_error_text(error)}") from None
    names = [ref.name for ref in repo.refs]
    near = ", ".join(get_close_matches(revision, names, n=4) or names[:8])
    raise InputError(
        f"revision {revision!r} does not exist" + (f" (did you mean {near}?)" if near else "")
    ) from None


def _is_unknown_revision(stderr: str) -> bool:
    """Whether git rejected the revision; any other message means that it could not read the repository."""
    return "single revision" in stderr or "unknown revision" in stderr or "bad revision" in stderr


def _read_tree(tree: Tree, root_prefix: str, prefixes: Sequence[str]) -> dict[str, str]:
    """The files of a tree with these prefixes; `root_prefix`, the folder inside the git repository, is cut off."""
    contents = {}
    for git_object in tree.traverse():
        path = str(getattr(git_object, "path", "")).removeprefix(root_prefix)
        if isinstance(git_object, Blob) and path.startswith(tuple(prefixes)):
            if git_object.size > files.MOST_BYTES:
                raise ToolError(
                    f"{path} has {git_object.size} bytes in git, and at most {files.MOST_BYTES} are read"
                )
            contents[path] = git_object.data_stream.read().decode(errors="replace")
    return contents
