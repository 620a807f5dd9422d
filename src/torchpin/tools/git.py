"""git: clones of sources at their recorded commits."""

from __future__ import annotations

import os
import re
import shutil
import string
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from git import Git, GitCommandError, GitError, InvalidGitRepositoryError, NoSuchPathError, Repo

from torchpin.errors import InputError, ToolError
from torchpin.progress import step
from torchpin.redaction import redact_credentials
from torchpin.tools import files, git_command, git_lfs, git_submodules, process
from torchpin.tools.git_variables import OVERRIDES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.model import Settings, Source, StatusCallback
    from torchpin.progress import Step

_MOST_REQUIREMENTS = 1_000_000  # bytes of a requirements file; the longest have some ten thousand
_EGG_INFO = re.compile(r"(?:^|/)[^/]+\.egg-info/")
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
        _local_changes(
            repo, valid=bool(commit), at_recorded=at_recorded, editable=source.install == "editable"
        )
        if has_files
        else _unpushed_commits(repo, valid=bool(commit))
    )
    if local_changes:
        return f"changed ({', '.join(local_changes[:3])}{' and more' if len(local_changes) > 3 else ''})"  # noqa: PLR2004
    if at_recorded:
        return git_submodules.submodule_state(source, path, commit) or git_lfs.lfs_state(
            source, [("", path), *_submodule_folders(source, path, commit)]
        )
    if not commit or not has_files:
        return "incomplete"
    return "a link" if path.is_symlink() else f"at {commit[:12]}, not at {source.commit[:12]}"


def _submodule_folders(source: Source, path: Path, commit: str) -> list[tuple[str, Path]]:
    """The fetched submodules of a clone: their paths with a slash, and their folders."""
    return [
        (f"{name}/", folder) for name, folder, _ in git_submodules.fetched_submodules(source, path, commit)
    ]


def _local_changes(repo: Repo, *, valid: bool, at_recorded: bool, editable: bool = False) -> list[str]:
    """Changed files of a clone; where it would be replaced, ignored files and unpushed commits count too.

    What an editable install writes beside the code is not a change.
    """
    ignored = [] if at_recorded else ["--ignored"]
    lines = repo.git.status("--porcelain", "--untracked-files=all", *ignored).splitlines()
    if not valid:  # without a commit, git calls every file of its index added
        lines = [line for line in lines if not line.startswith("A ")]
    names = [line[3:] for line in lines if not (line.startswith("!!") and "__pycache__/" in line)]
    if editable:
        names = [name for name in names if not _EGG_INFO.search(name)]
    if names or at_recorded:
        return names
    return _unpushed_commits(repo, valid=valid) or (_submodule_changes(repo) if valid else [])


def _submodule_changes(repo: Repo) -> list[str]:
    """The local changes in the submodules of a clone that would be replaced, which git's status of the clone does not show."""
    folder = Path(repo.working_dir)
    names = []
    for path, commit in git_submodules.gitlinks(folder, "HEAD").items():
        if git_command.head_commit(folder / path) == commit:
            with open_repository(folder / path) as inner:
                names += [f"{path}: {name}" for name in _local_changes(inner, valid=True, at_recorded=False)]
    return names


def _unpushed_commits(repo: Repo, *, valid: bool) -> list[str]:
    """A phrase if a clone has commits, on a branch or stashed, that its origin does not have; else nothing."""
    tips = ["HEAD"] if valid else []
    tips += ["refs/stash"] if repo.git.for_each_ref("refs/stash") else []
    unpushed = repo.git.rev_list("--max-count=1", *tips, "--branches", "--not", "--remotes", "--tags")
    return ["unpushed commits"] if unpushed else []


def _has_files(path: Path) -> bool:
    return path.is_dir() and any(entry.name != ".git" for entry in path.iterdir())


def clone(
    root: Path,
    source: Source,
    settings: Settings,
    *,
    verify_tag: bool = False,
    show_status: StatusCallback | None = None,
) -> str:
    """Clone a source at its recorded commit and return what was done: PRESENT, CLONED or REPLACED.

    A clone at the recorded commit is kept (`verify_tag` also checks, if the origin can be read, that the tag has not
    moved); an incomplete one, or one at another commit, is replaced.
    Raises ToolError for a clone with local changes, when the tag does not exist or is another commit, when the commit
    has submodules or files of Git LFS that the description does not mention, and when the origin cannot be read.
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
        with step(show_status, f"{source.path}: cloning {source.version}", unit="objects") as running:
            _clone(source, settings, staged, running)
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
    if not source.tag:
        return
    try:
        tags = remote_tags(source, settings)
    except ToolError:
        return  # offline; the clone is at the recorded commit
    expect_commit(source, tags)


def expect_tag(source: Source, settings: Settings) -> None:
    """Raises ToolError when a source's tag does not exist at its origin, or is not the recorded commit.

    Of a source without a tag only the origin is read: whether it has the commit shows when it is fetched.
    """
    expect_commit(source, remote_tags(source, settings))


def expect_commit(source: Source, tags: dict[str, str]) -> None:
    """Raises ToolError when a source's tag is not among the tags, or is not the recorded commit."""
    if not source.tag:
        return
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
        listing = git_command.run_git("ls-remote", "--tags", "--", url, timeout=process.QUERY)
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


def _clone(source: Source, settings: Settings, staged: Path, running: Step | None = None) -> None:
    """Clone a source at its tag or commit, without history, with what its description asks for beside its own tree.

    Raises ToolError when it fails or the tag is not the recorded commit.
    """
    require_git()
    url = address(source, settings)
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        Git.check_unsafe_protocols(url)
        if source.tag:
            git_command.clone_tag(url, source.tag, staged, running)
        else:
            git_command.fetch_commit(url, source.commit, staged, running)
        git_command.check_out(staged, running)
    except (GitError, ToolError) as error:
        raise ToolError(
            f"{source.name}: {redact_credentials(url)} could not be cloned at {source.version}:\n{git_error_text(error)}"
        ) from None
    commit = git_command.head_commit(staged)
    if commit != source.commit:
        raise ToolError(f"{source.name}: tag {source.tag} is {commit}, but {source.commit} is recorded")
    submodules = git_submodules.fetch_submodules(
        source, staged, url=url, mirrors=settings.mirrors, running=running
    )
    folders = [staged, *submodules]
    for folder in folders:
        git_lfs.fetch_files(source, folder)
    # The mirror's address may hold a password, and .git is copied into images: the remote and the reflog name it.
    with open_repository(staged) as repo:
        if "origin" in repo.remotes:
            repo.remotes.origin.set_url(source.url)
    for folder in folders:
        shutil.rmtree(folder / ".git" / "logs", ignore_errors=True)
        (folder / ".git" / "FETCH_HEAD").unlink(missing_ok=True)


def git_error_text(error: GitError | ToolError) -> str:
    message = str(error.stderr) if isinstance(error, GitCommandError) else str(error)
    # GitPython formats what git printed as `stderr: '…'`
    return process.indent(redact_credentials(message).strip().removeprefix("stderr: ").strip("'\n "))


def require_git() -> None:
    """Raises ToolError when git is not installed."""
    if not process.which(git_command.git_executable()):
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


def read_requirements(root: Path, source: Source, name: str) -> str:
    """The text of a requirements file of a clone. Raises ToolError when it does not exist, or is a link out of the clone."""
    text = read_file(root, source, name)
    if text is None:
        raise ToolError(
            f"{source.name} at {source.version} has no {name}; correct `requirements` in its description"
        )
    return text


def read_file(root: Path, source: Source, name: str) -> str | None:
    """The text of a file of a clone, None where it has none.

    Raises ToolError when it is a link out of the clone, InputError when it is not UTF-8.
    """
    place = files.expect_inside(root / source.path, name)
    content = files.read_bytes(place, follow=False, most_bytes=_MOST_REQUIREMENTS)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            f"{source.path}/{name}:{line}: {source.name} at {source.version} has a file that is not UTF-8; choose another "
            "version of the source or another `requirements` file, or pin what it asks for in a layer"
        ) from None
