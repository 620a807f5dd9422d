"""git: clones of sources at their recorded commits, and files of the repository at a revision."""

from __future__ import annotations

import getpass
import os
import re
import shutil
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import InputError, ToolError
from torchpin.redaction import redact_credentials
from torchpin.tools import clone_bounds, files, git_repository, process
from torchpin.tools.git_repository import GitObject, TreeEntry

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # else GitPython cannot be imported without git
from git import Blob, Git, GitCommandError, GitError, InvalidGitRepositoryError, NoSuchPathError, Repo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from git import Tree

    from torchpin.model import Settings, Source
    from torchpin.tools.git_repository import ObjectKind

_MOST_REQUIREMENTS = 1_000_000  # bytes of a requirements file; the longest have some ten thousand
PRESENT, CLONED, REPLACED = "present", "cloned", "replaced"
# A git hook or an editor's terminal may set these for another repository.
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_PREFIX")  # fmt: skip

_FOLDER, _EXECUTABLE, _LINK, _SUBMODULE = 0o040000, 0o100755, 0o120000, 0o160000  # modes in git's trees


def describe_state(root: Path, source: Source) -> str:
    """What is wrong with a source's clone; "" when it is exactly the recorded commit."""
    path = root / source.path
    if not path.exists():
        return "not cloned" if not path.is_symlink() else "a broken link"
    try:
        with _git_environment(), Repo(path) as repo:
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
    if at_recorded or not commit or not has_files:
        return "" if at_recorded else "incomplete"
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


def _has_files(path: Path) -> bool:
    return path.is_dir() and any(entry.name != ".git" for entry in path.iterdir())


def clone(root: Path, source: Source, settings: Settings, *, verify_tag: bool = False) -> str:
    """Clone a source at its recorded commit and return what was done: PRESENT, CLONED or REPLACED.

    A clone at the recorded commit is kept (`verify_tag` also checks, if the origin can be read, that the tag has not
    moved); an incomplete one, or one at another commit, is replaced.
    Raises ToolError for a clone with local changes, when the tag does not exist or is another commit, and when the
    origin cannot be read.
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
    parts = re.findall(r"\d+|\D+", tag)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def address(source: Source, settings: Settings) -> str:
    """The URL of a source's mirror, else of its origin."""
    return settings.mirrors.get(source.name, source.url)


def remote_tags(source: Source, settings: Settings) -> dict[str, str]:
    """The tags of a source's origin (or mirror), each with its commit; annotated tags are dereferenced.

    Raises ToolError when the origin cannot be read.
    """
    url = address(source, settings)
    with _git_environment():
        try:
            Git.check_unsafe_protocols(url)
            listing = _run_git("ls-remote", "--tags", "--", url, timeout=process.QUERY)
        except (GitError, ToolError) as error:
            raise ToolError(
                f"{source.name}: {redact_credentials(url)} cannot be read by git:\n{_git_error_text(error)}"
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
    url = address(source, settings)
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _git_environment():
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
            repo = Repo(staged)
    except (GitError, ToolError) as error:
        raise ToolError(
            f"{source.name}: {redact_credentials(url)} could not be cloned at {source.tag}:\n{_git_error_text(error)}"
        ) from None
    with _git_environment(), repo:
        if repo.head.commit.hexsha != source.commit:
            raise ToolError(
                f"{source.name}: tag {source.tag} is {repo.head.commit.hexsha}, but {source.commit} is recorded"
            )
        # The mirror's address may hold a password, and .git is copied into images: the remote and the reflog name it.
        if "origin" in repo.remotes:
            repo.remotes.origin.set_url(source.url)
        shutil.rmtree(staged / ".git" / "logs", ignore_errors=True)


def _run_git(*arguments: str, timeout: float, watch: Callable[[], None] | None = None) -> str:
    """The output of a git command, within bounds that GitPython does not have. Raises ToolError with git's own message."""
    command = (Git.GIT_PYTHON_GIT_EXECUTABLE or "git", *arguments)
    completed = process.run(command, check=False, timeout=timeout, watch=watch)
    if completed.returncode:
        raise ToolError(completed.stderr.strip() or f"git failed with exit code {completed.returncode}")
    return completed.stdout


def _git_error_text(error: GitError | ToolError) -> str:
    message = str(error.stderr) if isinstance(error, GitCommandError) else str(error)
    # GitPython formats what git printed as `stderr: '…'`
    return process.indent(redact_credentials(message).strip().removeprefix("stderr: ").strip("'\n "))


@contextmanager
def _git_environment() -> Iterator[None]:
    """Environment variables for git, set in this process, since GitPython reads them there.

    Variables that point to another repository are unset, and git does not prompt for a password. Without optional locks
    `git status` does not rewrite the index. Raises ToolError when git is not installed.
    """
    if not process.which(Git.GIT_PYTHON_GIT_EXECUTABLE or "git"):
        raise process.command_not_found("git")
    overrides = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    # a transfer that stands still ends, under 1000 bytes a second for a minute
    overrides |= {"GIT_HTTP_LOW_SPEED_LIMIT": "1000", "GIT_HTTP_LOW_SPEED_TIME": "60"}
    saved = {name: os.environ.pop(name) for name in (*_GIT_VARIABLES, *overrides) if name in os.environ}
    os.environ.update(overrides)
    try:
        yield
    finally:
        for name in overrides:
            del os.environ[name]
        os.environ.update(saved)


def read_requirements(root: Path, source: Source) -> str:
    """The text of a clone's requirements file. Raises ToolError when it does not exist, or is a link out of the clone."""
    text = files.read_inside(root / source.path, str(source.requirements), most_bytes=_MOST_REQUIREMENTS)
    if text is None:
        raise ToolError(
            f"{source.name} at {source.tag} has no {source.requirements}; correct `requirements` in its description"
        )
    return text


def export_clone(root: Path, source: Source, into: Path) -> None:
    """Write a clone's commit: its files with git's modes, and a .git that answers `git rev-parse HEAD` in the image.

    All is read from git's objects, so the umask, filters, line endings and settings of this machine do not matter, and
    files that git ignores (a log, a model) are not copied: the image key does not cover them. Nothing is fetched:
    submodules are empty folders, and files of Git LFS their pointers.
    Raises ToolError for a path that git would not check out.
    """
    with _git_environment(), Repo(root / source.path) as repo:
        entries = _list_tree(repo, source)
        into.mkdir(parents=True)
        _write_tree(repo, entries, into)
        git_repository.write_repository(
            into / ".git",
            commit=source.commit,
            tag=source.tag,
            url=source.url,
            entries=[entry for entry in entries if entry.mode != _FOLDER],
            objects=_commit_objects(repo, source, entries),
        )


def _write_tree(repo: Repo, entries: Sequence[TreeEntry], into: Path) -> None:
    """Write folders, then files, then links, so that nothing is written through a link."""
    for entry in entries:
        if entry.mode in {_FOLDER, _SUBMODULE}:
            (into / os.fsdecode(entry.path)).mkdir()
    for entry in entries:
        if entry.mode not in {_FOLDER, _SUBMODULE, _LINK}:
            path = into / os.fsdecode(entry.path)
            path.write_bytes(_read_object(repo, entry.id))
            path.chmod(0o755 if entry.mode == _EXECUTABLE else 0o644)
    for entry in entries:
        if entry.mode == _LINK:
            (into / os.fsdecode(entry.path)).symlink_to(os.fsdecode(_read_object(repo, entry.id)))


def _list_tree(repo: Repo, source: Source) -> list[TreeEntry]:
    """All paths of a source's commit, folders included and before what is in them."""
    listing = repo.git.ls_tree("-r", "-t", "-z", "--full-tree", source.commit, stdout_as_string=False)
    entries = []
    for line in bytes(listing).split(b"\0"):
        if not line:
            continue
        fields, _, path = line.partition(b"\t")
        mode, _, object_id = fields.decode().split()
        if {b"", b".", b"..", b".git"} & set(path.lower().split(b"/")):
            raise ToolError(
                f"{source.name} at {source.tag} has the path {os.fsdecode(path)!r}, which git does not allow"
            )
        entries.append(TreeEntry(path=path, mode=int(mode, 8), id=object_id))
    return entries


def _commit_objects(repo: Repo, source: Source, entries: Sequence[TreeEntry]) -> Iterator[GitObject]:
    """A commit, its trees and its blobs, each once."""
    root_tree = repo.commit(source.commit).tree.hexsha
    kinds: dict[str, ObjectKind] = {source.commit: "commit", root_tree: "tree"}
    kinds |= {
        entry.id: "tree" if entry.mode == _FOLDER else "blob" for entry in entries if entry.mode != _SUBMODULE
    }
    for object_id, kind in kinds.items():
        yield GitObject(kind=kind, id=object_id, content=_read_object(repo, object_id))


def _read_object(repo: Repo, object_id: str) -> bytes:
    return bytes(repo.odb.stream(bytes.fromhex(object_id)).read())


def texts_at_revision(root: Path, revision: str, prefixes: Sequence[str]) -> dict[str, str]:
    """The repository's files with these path prefixes at a revision, path to text.

    Raises InputError when the revision does not exist, or when the root is not in a git repository.
    """
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            commit = repo.commit(_commit_id(repo, revision))
            folder = root.resolve().relative_to(str(repo.working_tree_dir)).as_posix()
            tree = commit.tree if folder == "." else commit.tree / folder
            return _read_tree(tree, "" if folder == "." else f"{folder}/", prefixes)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise InputError(f"{root} is not in a git repository, so {revision!r} cannot be read") from None


def last_revisions(root: Path, path: str, count: int) -> tuple[str, ...]:
    """The commits that last changed a file, the newest first; none outside of a git repository."""
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            arguments = (f"--max-count={count}", "--format=%H", "HEAD", "--", str((root / path).absolute()))
            return tuple(str(repo.git.log(*arguments)).split())
    except (InvalidGitRepositoryError, NoSuchPathError):
        return ()
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{_git_error_text(error)}") from None


def is_unchanged_since(root: Path, revision: str, folder: Path) -> bool:
    """Whether a folder holds what it held at a revision; one that is not in the repository always does."""
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            if not folder.resolve().is_relative_to(Path(str(repo.working_tree_dir)).resolve()):
                return True
            return not repo.git.diff("--name-only", revision, "--", str(folder.resolve()))
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{_git_error_text(error)}") from None


def uncommitted_paths(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Which of these files have uncommitted changes; none outside of a git repository."""
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            absolute_paths = [str((root / path).resolve()) for path in paths]
            lines = str(repo.git.status("--porcelain", "--untracked-files=all", "-z", "--", *absolute_paths))
    except (InvalidGitRepositoryError, NoSuchPathError):
        return ()
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{_git_error_text(error)}") from None
    return tuple(sorted(line[3:] for line in lines.split("\0") if line))


def checkout_state(root: Path, paths: Sequence[str]) -> tuple[str, str]:
    """The address of a checkout's origin, and its commit; with `-dirty` where these files are not as committed.

    "" for what there is none of.
    """
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            origin = repo.remote("origin").url if "origin" in [remote.name for remote in repo.remotes] else ""
            revision = repo.head.commit.hexsha if repo.head.is_valid() else ""
    except (InvalidGitRepositoryError, NoSuchPathError):
        return "", ""
    return origin, f"{revision}-dirty" if revision and uncommitted_paths(root, paths) else revision


def last_change(root: Path, path: str) -> int | None:
    """When a path was last changed by a commit, in seconds since 1970; None outside of git, or if it never was."""
    try:
        with _git_environment(), Repo(root, search_parent_directories=True) as repo:
            times = str(repo.git.log("-1", "--format=%ct", "--", str((root / path).resolve())))
    except (InvalidGitRepositoryError, NoSuchPathError, GitError):
        return None
    return int(times) if times.isdigit() else None


def author(root: Path) -> str:
    """The author's name in git's configuration, else the name of the user who is logged in."""
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
