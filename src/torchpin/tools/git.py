"""git: clones of sources at their recorded commits."""

from __future__ import annotations

import os
import re
import shutil
import string
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from git import Git, GitCommandError, GitError, InvalidGitRepositoryError, NoSuchPathError, Repo

from torchpin.errors import ToolError
from torchpin.redaction import redact_credentials
from torchpin.tools import clone_bounds, files, process
from torchpin.tools.git_variables import OVERRIDES, git_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.model import Settings, Source

_MOST_REQUIREMENTS = 1_000_000  # bytes of a requirements file; the longest have some ten thousand
PRESENT, CLONED, REPLACED = "present", "cloned", "replaced"


def describe_state(root: Path, source: Source) -> str:
    """What is wrong with a source's clone; "" when it is exactly the recorded commit."""
    path = root / source.path
    if not path.exists():
        return "not cloned" if not path.is_symlink() else "a broken link"
    try:
        with open_repository(path) as repo:
            return _describe_clone(repo, path, source)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return "not a git repository" if not path.is_dir() or _has_files(path) else "incomplete"
    except (GitCommandError, ValueError, OSError):
        return "incomplete" if not _has_files(path) else "not readable by git"


def _describe_clone(repo: Repo, path: Path, source: Source) -> str:
    """What is wrong with a git repository at a source's path."""
    commit = repo.head.commit.hexsha if repo.head.is_valid() else ""
    has_files = _has_files(path)
    at_recorded = commit == source.commit and has_files
    local_changes = (
        _local_changes(repo, valid=bool(commit), at_recorded=at_recorded)
        if has_files
        else _unpushed_commits(repo, valid=bool(commit))
    )
    if local_changes:
        return f"changed ({', '.join(local_changes[:3])}{' and more' if len(local_changes) > 3 else ''})"  # noqa: PLR2004
    if at_recorded:
        names = _submodules(repo, commit)
        return f"without its submodule{'s'[: len(names) > 1]} {', '.join(names)}" if names else ""
    if not commit or not has_files:
        return "incomplete"
    return "a link" if path.is_symlink() else f"at {commit[:12]}, not at {source.commit[:12]}"


def _local_changes(repo: Repo, *, valid: bool, at_recorded: bool) -> list[str]:
    """Changed files of a clone; where it would be replaced, ignored files and unpushed commits count too."""
    ignored = [] if at_recorded else ["--ignored"]
    lines = repo.git.status("--porcelain", "--untracked-files=all", *ignored).splitlines()
    if not valid:  # without a commit, git calls every file of its index added
        lines = [line for line in lines if not line.startswith("A ")]
    names = [line[3:] for line in lines if not (line.startswith("!!") and "__pycache__/" in line)]
    return names if names or at_recorded else _unpushed_commits(repo, valid=valid)


def _unpushed_commits(repo: Repo, *, valid: bool) -> list[str]:
    """A phrase if a clone has commits, on a branch or stashed, that its origin does not have; else nothing."""
    tips = ["HEAD"] if valid else []
    tips += ["refs/stash"] if repo.git.for_each_ref("refs/stash") else []
    unpushed = repo.git.rev_list("--max-count=1", *tips, "--branches", "--not", "--remotes", "--tags")
    return ["unpushed commits"] if unpushed else []


def _submodules(repo: Repo, commit: str) -> tuple[str, ...]:
    """The paths of a commit's submodules: a clone has an empty folder at each."""
    entries = str(repo.git.ls_tree("-r", "-z", "--full-tree", commit)).split("\0")
    return tuple(entry.partition("\t")[2] for entry in entries if entry.startswith("160000 "))


def _has_files(path: Path) -> bool:
    return path.is_dir() and any(entry.name != ".git" for entry in path.iterdir())


def clone(root: Path, source: Source, settings: Settings, *, verify_tag: bool = False) -> str:
    """Clone a source at its recorded commit and return what was done: PRESENT, CLONED or REPLACED.

    A clone at the recorded commit is kept (`verify_tag` also checks, if the origin can be read, that the tag has not
    moved); an incomplete one, or one at another commit, is replaced.
    Raises ToolError for a clone with local changes, when the tag does not exist or is another commit, when the commit
    has submodules, and when the origin cannot be read.
    """
    path = root / source.path
    replaced = path.parent / f".{path.name}.replaced"
    if replaced.is_dir() and not path.exists() and not path.is_symlink():
        replaced.replace(path)  # a clone was killed just when it replaced this one
    problem = describe_state(root, source)
    if not problem:
        if verify_tag:
            _expect_unmoved_tag(source, settings)
        _remove_tree(replaced)
        return PRESENT
    if problem.startswith(("changed", "not a git", "not readable", "a link", "a broken link")):
        raise ToolError(
            f"{source.path} is {problem}; save what you need elsewhere, remove the folder, then run `invoke clone` again"
        )
    files.expect_inside(root, path.parent.relative_to(root).as_posix())
    expect_tag(source, settings)
    staged = path.parent / f".{path.name}.partial"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        _clone(source, settings, staged)
        _replace_folder(path, staged, replaced)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return CLONED if problem == "not cloned" else REPLACED


def _replace_folder(path: Path, staged: Path, replaced: Path) -> None:
    """Move a folder into place; what was there before is removed last, and put back where that fails."""
    _remove_tree(replaced)
    if path.exists():
        path.replace(replaced)
    try:
        staged.replace(path)
    except BaseException:  # an interrupt too
        if replaced.is_dir() and not path.exists():
            replaced.replace(path)
        raise
    _remove_tree(replaced)


def _remove_tree(folder: Path) -> None:
    """Remove a folder as far as possible, also folders in it that are write-protected."""
    if folder.is_symlink():
        folder.unlink()
        return
    for parent, _, _ in os.walk(folder):
        with suppress(OSError):
            Path(parent).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _expect_unmoved_tag(source: Source, settings: Settings) -> None:
    try:
        tags = remote_tags(source, settings)
    except ToolError:
        return  # offline; the clone is at the recorded commit
    expect_commit(source, tags)


def expect_tag(source: Source, settings: Settings) -> None:
    """Raises ToolError when a source's tag does not exist at its origin, or is not the recorded commit."""
    expect_commit(source, remote_tags(source, settings))


def expect_commit(source: Source, tags: dict[str, str]) -> None:
    """Raises ToolError when a source's tag is not among the tags, or is not the recorded commit."""
    if source.tag not in tags:
        near = ", ".join(sorted(nearest_tags(source.tag, tags), key=_version_key))
        raise ToolError(
            f"{source.name} has no tag {source.tag}; " + (f"nearest: {near}" if near else "it has no tags")
        )
    if tags[source.tag] != source.commit:
        raise ToolError(
            f"{source.name}: tag {source.tag} was moved from {source.commit} to {tags[source.tag]}; "
            "find out why before you record the new commit in the description"
        )


def nearest_tags(tag: str, tags: dict[str, str]) -> list[str]:
    """Up to four tags near one that does not exist: its neighbours in order of versions, and similar spellings."""
    ordered = sorted({*tags, tag}, key=_version_key)
    index = ordered.index(tag)
    neighbours = [name for name in ordered[max(0, index - 1) : index + 2] if name != tag]
    return list(dict.fromkeys([*neighbours, *get_close_matches(tag, list(tags), n=2)]))[:4]


def _version_key(tag: str) -> list[tuple[int, int, str]]:
    """Numbers by their value: by the count of their digits, then by these, since a tag may have thousands of them."""
    parts = re.findall(r"[0-9]+|[^0-9]+", tag)
    return [
        (0, len(part.lstrip("0")), part.lstrip("0")) if part[0] in string.digits else (1, 0, part)
        for part in parts
    ]


def address(source: Source, settings: Settings) -> str:
    """The URL of a source's mirror, else of its origin."""
    return settings.mirrors.get(source.name, source.url)


def remote_tags(source: Source, settings: Settings) -> dict[str, str]:
    """The tags of a source's origin (or mirror), each with its commit; annotated tags are dereferenced.

    Raises ToolError when the origin cannot be read.
    """
    url = address(source, settings)
    require_git()
    try:
        Git.check_unsafe_protocols(url)
        listing = _run_git("ls-remote", "--tags", "--", url, timeout=process.QUERY)
    except (GitError, ToolError) as error:
        raise ToolError(
            f"{source.name}: {redact_credentials(url)} cannot be read by git:\n{git_error_text(error)}"
        ) from None
    tags: dict[str, str] = {}
    for line in listing.splitlines():
        commit, _, ref = line.partition("\t")
        name = ref.removeprefix("refs/tags/")
        if name.endswith("^{}") or name not in tags:  # git lists the commit of an annotated tag as `<tag>^{}`
            tags[name.removesuffix("^{}")] = commit
    return tags


def _clone(source: Source, settings: Settings, staged: Path) -> None:
    """Clone a source's tag, without history. Raises ToolError when it fails or the tag is not the recorded commit."""
    require_git()
    url = address(source, settings)
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        Git.check_unsafe_protocols(url)
        options = ("--depth=1", "--single-branch", "--no-checkout", f"--branch={source.tag}")
        _run_git(
            "clone",
            *options,
            "--",
            url,
            str(staged),
            timeout=process.LONG,
            watch=partial(clone_bounds.require_small_folder, staged),
        )
        clone_bounds.require_small_tree(
            _run_git("-C", str(staged), "ls-tree", "-r", "-l", "-z", "HEAD", timeout=process.QUERY)
        )
        _run_git("-C", str(staged), "checkout", "--quiet", "HEAD", timeout=process.LONG)
    except (GitError, ToolError) as error:
        raise ToolError(
            f"{source.name}: {redact_credentials(url)} could not be cloned at {source.tag}:\n{git_error_text(error)}"
        ) from None
    with open_repository(staged) as repo:
        if repo.head.commit.hexsha != source.commit:
            raise ToolError(
                f"{source.name}: tag {source.tag} is {repo.head.commit.hexsha}, but {source.commit} is recorded"
            )
        _expect_no_submodules(repo, source)
        # The mirror's address may hold a password, and .git is copied into images: the remote and the reflog name it.
        if "origin" in repo.remotes:
            repo.remotes.origin.set_url(source.url)
        shutil.rmtree(staged / ".git" / "logs", ignore_errors=True)


def _expect_no_submodules(repo: Repo, source: Source) -> None:
    names = _submodules(repo, source.commit)
    if names:
        raise ToolError(
            f"{source.name}: {source.tag} has the submodule{'s'[: len(names) > 1]} {', '.join(names)}, and submodules are "
            "not cloned, so the image would have empty folders; choose a tag, or a fork, whose own tree has these files"
        )


def _run_git(*arguments: str, timeout: float, watch: Callable[[], None] | None = None) -> str:
    """The output of a git command, within bounds that GitPython does not have. Raises ToolError with git's own message."""
    command = (Git.GIT_PYTHON_GIT_EXECUTABLE or "git", *arguments)
    completed = process.run(command, env=git_variables(), check=False, timeout=timeout, watch=watch)
    if completed.returncode:
        raise ToolError(completed.stderr.strip() or f"git failed with exit code {completed.returncode}")
    return completed.stdout


def git_error_text(error: GitError | ToolError) -> str:
    message = str(error.stderr) if isinstance(error, GitCommandError) else str(error)
    # GitPython formats what git printed as `stderr: '…'`
    return process.indent(redact_credentials(message).strip().removeprefix("stderr: ").strip("'\n "))


def require_git() -> None:
    """Raises ToolError when git is not installed."""
    if not process.which(Git.GIT_PYTHON_GIT_EXECUTABLE or "git"):
        raise process.command_not_found("git")


@contextmanager
def open_repository(path: Path, *, search_parent_directories: bool = False) -> Iterator[Repo]:
    """The repository of a folder, whose git does not wait for a password. Raises ToolError when git is not installed.

    GitPython reads variables such as GIT_DIR where it opens one: they were unset when the program started.
    """
    require_git()
    with Repo(path, search_parent_directories=search_parent_directories) as repo:
        repo.git.update_environment(**OVERRIDES)
        yield repo


def read_requirements(root: Path, source: Source) -> str:
    """The text of a clone's requirements file. Raises ToolError when it does not exist, or is a link out of the clone."""
    text = files.read_inside(root / source.path, str(source.requirements), most_bytes=_MOST_REQUIREMENTS)
    if text is None:
        raise ToolError(
            f"{source.name} at {source.tag} has no {source.requirements}; correct `requirements` in its description"
        )
    return text
