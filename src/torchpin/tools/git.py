"""git's hands: clones at a tag that must give the recorded commit. A clone that is not exactly that is never used."""

from __future__ import annotations

import getpass
import os
import re
import shutil
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin.errors import InputError, ToolError
from torchpin.tools import files, process
from torchpin.tools.http import redact_credentials

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # without git, GitPython's import would fail otherwise
from git import Blob, Git, GitCommandError, GitError, InvalidGitRepositoryError, NoSuchPathError, Repo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from git import Tree

    from torchpin.model import Settings, Source

PRESENT, CLONED, REPAIRED = "present", "cloned", "repaired"
# A hook or an editor's terminal may set these for another repository; git must not take them for ours.
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_PREFIX")  # fmt: skip


def describe_state(root: Path, source: Source) -> str:
    """What lies at a source's place: "" when it is exactly the recorded commit, else a sentence."""
    path = root / source.path
    if not path.exists():
        return "not cloned" if not path.is_symlink() else "a link to nowhere"
    try:
        with _git_environment(), Repo(path) as repo:
            return _describe_clone(repo, path, source)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return "not a git repository" if not path.is_dir() or _has_files(path) else "half-made"
    except (GitCommandError, ValueError, OSError):
        return "half-made" if not _has_files(path) else "not readable by git"


def _describe_clone(repo: Repo, path: Path, source: Source) -> str:
    """What a repository is."""
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
    if at_recorded or not commit or not has_files:
        return "" if at_recorded else "half-made"
    return "a link" if path.is_symlink() else f"at {commit[:12]}, not at {source.commit[:12]}"


def _local_changes(repo: Repo, *, valid: bool, at_recorded: bool) -> list[str]:
    """What people have in a clone. One that is not right goes away whole: then what git ignores, and commits, count too."""
    ignored = [] if at_recorded else ["--ignored"]
    lines = repo.git.status("--porcelain", "--untracked-files=all", *ignored).splitlines()
    if not valid:  # without a commit, git calls every file of its index added
        lines = [line for line in lines if not line.startswith("A ")]
    names = [line[3:] for line in lines if not (line.startswith("!!") and "__pycache__/" in line)]
    return names if names or at_recorded else _unpushed_commits(repo, valid=valid)


def _unpushed_commits(repo: Repo, *, valid: bool) -> list[str]:
    """Whether a clone holds commits, on a branch or stashed, that its origin does not have."""
    tips = ["HEAD"] if valid else []
    tips += ["refs/stash"] if repo.git.for_each_ref("refs/stash") else []
    unpushed = repo.git.rev_list("--max-count=1", *tips, "--branches", "--not", "--remotes", "--tags")
    return ["commits of its own"] if unpushed else []


def _has_files(path: Path) -> bool:
    return path.is_dir() and any(entry.name != ".git" for entry in path.iterdir())


def clone(root: Path, source: Source, settings: Settings, *, verify_tag: bool = False) -> str:
    """The source at its recorded commit, below the repository. Answers what was done.

    A clone that is right is left alone (`verify_tag` then asks the origin, if it answers, whether the tag moved); a
    half-made one or a clean one at another commit is made again; one with anything of people's in it is refused.
    Raises ToolError when the tag is not there, gives another commit, or the origin cannot be read.
    """
    problem = describe_state(root, source)
    if not problem:
        if verify_tag:
            _expect_unmoved_tag(source, settings)
        return PRESENT
    path = root / source.path
    if problem.startswith(("changed", "not a git", "not readable", "a link")):
        raise ToolError(
            f"{source.path} is {problem}. Save what you need elsewhere, remove the folder, then run `invoke clone` again."
        )
    expect_tag(source, settings)
    staged = path.parent / f".{path.name}.partial"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        _clone(source, settings, staged)
        if path.exists():
            shutil.rmtree(path)
        staged.replace(path)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return CLONED if problem == "not cloned" else REPAIRED


def _expect_unmoved_tag(source: Source, settings: Settings) -> None:
    try:
        tags = remote_tags(source, settings)
    except ToolError:
        return  # out of reach; the clone at hand is the recorded commit
    expect_commit(source, tags)


def expect_tag(source: Source, settings: Settings) -> None:
    expect_commit(source, remote_tags(source, settings))


def expect_commit(source: Source, tags: dict[str, str]) -> None:
    if source.tag not in tags:
        near = sorted(nearest_tags(source.tag, tags), key=_version_key)
        raise ToolError(
            f"{source.name} has no tag {source.tag}; the nearest are {', '.join(near) or 'none, it has no tags'}."
        )
    if tags[source.tag] != source.commit:
        raise ToolError(
            f"{source.name}: the tag {source.tag} was moved. Recorded: {source.commit}; now: {tags[source.tag]}. "
            f"Find out why before you record the new commit in the description."
        )


def nearest_tags(tag: str, tags: dict[str, str]) -> list[str]:
    """Up to four tags that people may have meant: close in spelling, and the neighbours in order of versions."""
    ordered = sorted({*tags, tag}, key=_version_key)
    index = ordered.index(tag)
    neighbours = [name for name in ordered[max(0, index - 1) : index + 2] if name != tag]
    return list(dict.fromkeys([*neighbours, *get_close_matches(tag, list(tags), n=2)]))[:4]


def _version_key(tag: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", tag)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def address(source: Source, settings: Settings) -> str:
    return settings.mirrors.get(source.name, source.url)


def remote_tags(source: Source, settings: Settings) -> dict[str, str]:
    """The tags of a source's origin (or mirror), each with the commit that it gives; annotated tags are followed."""
    url = address(source, settings)
    with _git_environment():
        try:
            Git.check_unsafe_protocols(url)
            listing = str(Git().ls_remote("--tags", "--", url))
        except GitError as error:
            raise ToolError(
                f"{source.name}: {redact_credentials(url)} cannot be read by git:\n{_git_error_text(error)}"
            ) from None
    tags: dict[str, str] = {}
    for line in listing.splitlines():
        commit, _, ref = line.partition("\t")
        name = ref.removeprefix("refs/tags/")
        if name.endswith("^{}") or name not in tags:
            tags[name.removesuffix("^{}")] = commit
    return tags


def _clone(source: Source, settings: Settings, staged: Path) -> None:
    url = address(source, settings)
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _git_environment():
            repo = Repo.clone_from(
                url,
                staged,
                branch=source.tag,
                depth=1,
                single_branch=True,
            )
    except GitError as error:
        raise ToolError(
            f"{source.name}: {redact_credentials(url)} could not be cloned at {source.tag}:\n{_git_error_text(error)}"
        ) from None
    with _git_environment(), repo:
        if repo.head.commit.hexsha != source.commit:
            raise ToolError(
                f"{source.name}: {source.tag} gave {repo.head.commit.hexsha}, recorded is {source.commit}."
            )
        if (
            "origin" in repo.remotes
        ):  # the mirror's address, which may hold a secret, does not travel into images
            repo.remotes.origin.set_url(source.url)
        shutil.rmtree(staged / ".git" / "logs", ignore_errors=True)  # git's own note of where it cloned from


def _git_error_text(error: GitError) -> str:
    message = str(error.stderr) if isinstance(error, GitCommandError) else str(error)
    text = redact_credentials(message).strip().removeprefix("stderr: ").strip("'\n ")
    return "\n".join(f"    {line}" for line in text.splitlines())


@contextmanager
def _git_environment() -> Iterator[None]:
    """GitPython reads the process's environment: hide what belongs to another repository, never ask for a password.

    Raises ToolError where there is no git.

    Looking changes nothing either: without optional locks, `git status` leaves the index as it is.
    """
    if not process.which(Git.GIT_PYTHON_GIT_EXECUTABLE or "git"):
        raise ToolError("git is not on this machine. Run `invoke doctor` for what to install.")
    overrides = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    saved = {name: os.environ.pop(name) for name in (*_GIT_VARIABLES, *overrides) if name in os.environ}
    os.environ.update(overrides)
    try:
        yield
    finally:
        for name in overrides:
            del os.environ[name]
        os.environ.update(saved)


def read_requirements(root: Path, source: Source) -> str:
    """The text of a clone's own requirements file."""
    text = files.read_text(root / source.path / str(source.requirements))
    if text is None:
        raise ToolError(
            f"{source.name} at {source.tag} has no {source.requirements}; correct `requirements` in its description."
        )
    return text


def export_clone(root: Path, source: Source, into: Path) -> None:
    """A clone as an image gets it: its tracked files and its .git, so that `git rev-parse HEAD` answers there too.

    What is ignored in the clone (a log, a model) stays here: it is in no key.
    """
    path = root / source.path
    with _git_environment(), Repo(path) as repo:
        tracked = str(repo.git.ls_files("-z", "--cached")).split("\0")
    for name in tracked:
        if name and (path / name).is_symlink() | (path / name).exists():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path / name, into / name, follow_symlinks=False)
    shutil.copytree(path / ".git", into / ".git", symlinks=True)


# --- the repository itself, as it was --------------------------------------------------------------------------------


def texts_at_revision(root: Path, revision: str, prefixes: Sequence[str]) -> dict[str, str]:
    """The repository's files below the prefixes as they are at a revision, path to text; the work tree is not touched.

    Raises InputError, with the nearest names, for a revision that is none.
    """
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            commit = repo.commit(_commit_id(repo, revision))
            folder = root.resolve().relative_to(str(repo.working_tree_dir)).as_posix()
            tree = commit.tree if folder == "." else commit.tree / folder
            return _read_tree(tree, "" if folder == "." else f"{folder}/", prefixes)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise InputError(f"{root} is in no git repository: there is no {revision!r} to read.") from None


def uncommitted_paths(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Which of these files of the repository differ from what is committed; none where it is no git repository."""
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            absolute_paths = [str((root / path).resolve()) for path in paths]
            lines = str(repo.git.status("--porcelain", "--untracked-files=all", "-z", "--", *absolute_paths))
    except (InvalidGitRepositoryError, NoSuchPathError):
        return ()
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{_git_error_text(error)}") from None
    return tuple(sorted(line[3:] for line in lines.split("\0") if line))


def author(root: Path) -> str:
    """Who commits here, by git's own settings; else who is logged in."""
    try:
        with _git_environment():
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
            raise ToolError(f"{revision} cannot be read by git:\n{_git_error_text(error)}") from None
    names = [ref.name for ref in repo.refs]
    near = get_close_matches(revision, names, n=4) or names[:8]
    raise InputError(f"There is no revision {revision!r} (there are: {', '.join(near) or 'none'}).") from None


def _is_unknown_revision(stderr: str) -> bool:
    return "single revision" in stderr or "unknown revision" in stderr or "bad revision" in stderr


def _read_tree(tree: Tree, root_prefix: str, prefixes: Sequence[str]) -> dict[str, str]:
    contents = {}
    for git_object in tree.traverse():
        path = str(getattr(git_object, "path", "")).removeprefix(root_prefix)
        if isinstance(git_object, Blob) and path.startswith(tuple(prefixes)):
            contents[path] = git_object.data_stream.read().decode(errors="replace")
    return contents
