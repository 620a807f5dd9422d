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
from torchpin.tools.http import shown

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # without git, GitPython's import would fail otherwise
from git import Blob, Git, GitCommandError, GitError, InvalidGitRepositoryError, NoSuchPathError, Repo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from git import Tree

    from torchpin.model import Settings, Source

PRESENT, CLONED, REPAIRED = "present", "cloned", "repaired"
# A hook or an editor's terminal may set these for another repository; git must not take them for ours.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_PREFIX")  # fmt: skip


def state(root: Path, source: Source) -> str:
    """What lies at a source's place: "" when it is exactly the recorded commit, else a sentence."""
    place = root / source.path
    if not place.exists():
        return "not cloned" if not place.is_symlink() else "a link to nowhere"
    try:
        with _environment(), Repo(place) as repo:
            return _standing(repo, place, source)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return "not a git repository" if not place.is_dir() or _has_files(place) else "half-made"
    except (GitCommandError, ValueError, OSError):
        return "half-made" if not _has_files(place) else "not readable by git"


def _standing(repo: Repo, place: Path, source: Source) -> str:
    """What a repository is."""
    commit = repo.head.commit.hexsha if repo.head.is_valid() else ""
    whole = _has_files(place)
    right = commit == source.commit and whole
    own = _own(repo, valid=bool(commit), right=right) if whole else _commits(repo, valid=bool(commit))
    if own:
        return f"changed ({', '.join(own[:3])}{' and more' if len(own) > 3 else ''})"  # noqa: PLR2004
    if right or not commit or not whole:
        return "" if right else "half-made"
    return "a link" if place.is_symlink() else f"at {commit[:12]}, not at {source.commit[:12]}"


def _own(repo: Repo, *, valid: bool, right: bool) -> list[str]:
    """What people have in a clone. One that is not right goes away whole: then what git ignores, and commits, count too."""
    ignored = [] if right else ["--ignored"]
    lines = repo.git.status("--porcelain", "--untracked-files=all", *ignored).splitlines()
    if not valid:  # without a commit, git calls every file of its index added
        lines = [line for line in lines if not line.startswith("A ")]
    names = [line[3:] for line in lines if not (line.startswith("!!") and "__pycache__/" in line)]
    return names if names or right else _commits(repo, valid=valid)


def _commits(repo: Repo, *, valid: bool) -> list[str]:
    """Whether a clone holds commits, on a branch or stashed, that its origin does not have."""
    tips = ["HEAD"] if valid else []
    tips += ["refs/stash"] if repo.git.for_each_ref("refs/stash") else []
    made = repo.git.rev_list("--max-count=1", *tips, "--branches", "--not", "--remotes", "--tags")
    return ["commits of its own"] if made else []


def _has_files(place: Path) -> bool:
    return place.is_dir() and any(entry.name != ".git" for entry in place.iterdir())


def clone(root: Path, source: Source, settings: Settings, *, verify_tag: bool = False) -> str:
    """The source at its recorded commit, below the repository. Answers what was done.

    A clone that is right is left alone (`verify_tag` then asks the origin, if it answers, whether the tag moved); a
    half-made one or a clean one at another commit is made again; one with anything of people's in it is refused.
    Raises ToolError when the tag is not there, gives another commit, or the origin cannot be read.
    """
    found = state(root, source)
    if not found:
        if verify_tag:
            _still_there(source, settings)
        return PRESENT
    place = root / source.path
    if found.startswith(("changed", "not a git", "not readable", "a link")):
        raise ToolError(
            f"{source.path} is {found}. Save what you need elsewhere, remove the folder, then run `invoke clone` again."
        )
    expect_tag(source, settings)
    staged = place.parent / f".{place.name}.partial"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        _clone(source, settings, staged)
        if place.exists():
            shutil.rmtree(place)
        staged.replace(place)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return CLONED if found == "not cloned" else REPAIRED


def _still_there(source: Source, settings: Settings) -> None:
    try:
        tags = remote_tags(source, settings)
    except ToolError:
        return  # out of reach; the clone at hand is the recorded commit
    expect_commit(source, tags)


def expect_tag(source: Source, settings: Settings) -> None:
    expect_commit(source, remote_tags(source, settings))


def expect_commit(source: Source, tags: dict[str, str]) -> None:
    if source.tag not in tags:
        near = sorted(nearest(source.tag, tags), key=_version_key)
        raise ToolError(
            f"{source.name} has no tag {source.tag}; the nearest are {', '.join(near) or 'none, it has no tags'}."
        )
    if tags[source.tag] != source.commit:
        raise ToolError(
            f"{source.name}: the tag {source.tag} was moved. Recorded: {source.commit}; now: {tags[source.tag]}. "
            f"Find out why before you record the new commit in the description."
        )


def nearest(tag: str, tags: dict[str, str]) -> list[str]:
    """Up to four tags that people may have meant: close in spelling, and the neighbours in order of versions."""
    ordered = sorted({*tags, tag}, key=_version_key)
    at = ordered.index(tag)
    around = [name for name in ordered[max(0, at - 1) : at + 2] if name != tag]
    return list(dict.fromkeys([*around, *get_close_matches(tag, list(tags), n=2)]))[:4]


def _version_key(tag: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|\D+", tag)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def address(source: Source, settings: Settings) -> str:
    return settings.mirrors.get(source.name, source.url)


def remote_tags(source: Source, settings: Settings) -> dict[str, str]:
    """The tags of a source's origin (or mirror), each with the commit that it gives; annotated tags are followed."""
    url = address(source, settings)
    with _environment():
        try:
            Git.check_unsafe_protocols(url)
            listed = str(Git().ls_remote("--tags", "--", url))
        except GitError as error:
            raise ToolError(f"{source.name}: {shown(url)} cannot be read by git:\n{_said(error)}") from None
    tags: dict[str, str] = {}
    for line in listed.splitlines():
        commit, _, ref = line.partition("\t")
        name = ref.removeprefix("refs/tags/")
        if name.endswith("^{}") or name not in tags:
            tags[name.removesuffix("^{}")] = commit
    return tags


def _clone(source: Source, settings: Settings, staged: Path) -> None:
    url = address(source, settings)
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _environment():
            repo = Repo.clone_from(
                url,
                staged,
                branch=source.tag,
                depth=1,
                single_branch=True,
            )
    except GitError as error:
        raise ToolError(
            f"{source.name}: {shown(url)} could not be cloned at {source.tag}:\n{_said(error)}"
        ) from None
    with _environment(), repo:
        if repo.head.commit.hexsha != source.commit:
            raise ToolError(
                f"{source.name}: {source.tag} gave {repo.head.commit.hexsha}, recorded is {source.commit}."
            )
        if (
            "origin" in repo.remotes
        ):  # the mirror's address, which may hold a secret, does not travel into images
            repo.remotes.origin.set_url(source.url)
        shutil.rmtree(staged / ".git" / "logs", ignore_errors=True)  # git's own note of where it cloned from


def _said(error: GitError) -> str:
    told = str(error.stderr) if isinstance(error, GitCommandError) else str(error)
    text = shown(told).strip().removeprefix("stderr: ").strip("'\n ")
    return "\n".join(f"    {line}" for line in text.splitlines())


@contextmanager
def _environment() -> Iterator[None]:
    """GitPython reads the process's environment: hide what belongs to another repository, never ask for a password.

    Raises ToolError where there is no git.

    Looking changes nothing either: without optional locks, `git status` leaves the index as it is.
    """
    if not process.which(Git.GIT_PYTHON_GIT_EXECUTABLE or "git"):
        raise ToolError("git is not on this machine. Run `invoke doctor` for what to install.")
    ours = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    saved = {name: os.environ.pop(name) for name in (*_FOREIGN, *ours) if name in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
        os.environ.update(saved)


def requirements(root: Path, source: Source) -> str:
    """The text of a clone's own requirements file."""
    text = files.read_text(root / source.path / str(source.requirements))
    if text is None:
        raise ToolError(
            f"{source.name} at {source.tag} has no {source.requirements}; correct `requirements` in its description."
        )
    return text


def export(root: Path, source: Source, into: Path) -> None:
    """A clone as an image gets it: its tracked files and its .git, so that `git rev-parse HEAD` answers there too.

    What is ignored in the clone (a log, a model) stays here: it is in no key.
    """
    place = root / source.path
    with _environment(), Repo(place) as repo:
        tracked = str(repo.git.ls_files("-z", "--cached")).split("\0")
    for name in tracked:
        if name and (place / name).is_symlink() | (place / name).exists():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(place / name, into / name, follow_symlinks=False)
    shutil.copytree(place / ".git", into / ".git", symlinks=True)


# --- the repository itself, as it was --------------------------------------------------------------------------------


def texts(root: Path, revision: str, prefixes: Sequence[str]) -> dict[str, str]:
    """The repository's files below the prefixes as they are at a revision, path to text; the work tree is not touched.

    Raises InputError, with the nearest names, for a revision that is none.
    """
    try:
        with _environment(), Repo(root, search_parent_directories=True) as repo:
            commit = repo.commit(_commit_id(repo, revision))
            inside = root.resolve().relative_to(str(repo.working_tree_dir)).as_posix()
            tree = commit.tree if inside == "." else commit.tree / inside
            return _below(tree, "" if inside == "." else f"{inside}/", prefixes)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise InputError(f"{root} is in no git repository: there is no {revision!r} to read.") from None


def uncommitted(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Which of these files of the repository differ from what is committed; none where it is no git repository."""
    try:
        with _environment(), Repo(root, search_parent_directories=True) as repo:
            inside = [str((root / one).resolve()) for one in paths]
            lines = str(repo.git.status("--porcelain", "--untracked-files=all", "-z", "--", *inside))
    except (InvalidGitRepositoryError, NoSuchPathError):
        return ()
    except GitError as error:
        raise ToolError(f"{root} cannot be read by git:\n{_said(error)}") from None
    return tuple(sorted(line[3:] for line in lines.split("\0") if line))


def author(root: Path) -> str:
    """Who commits here, by git's own settings; else who is logged in."""
    try:
        with _environment():
            said = str(Git(str(root)).var("GIT_AUTHOR_IDENT"))
        return said.rpartition(" <")[0]
    except GitError:
        return getpass.getuser()


def _commit_id(repo: Repo, revision: str) -> str:
    try:
        words = ("--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return str(repo.git.rev_parse(*words)).splitlines()[-1]
    except GitCommandError as error:
        if str(error.stderr).strip() and not _no_revision(str(error.stderr)):
            raise ToolError(f"{revision} cannot be read by git:\n{_said(error)}") from None
    names = [ref.name for ref in repo.refs]
    near = get_close_matches(revision, names, n=4) or names[:8]
    raise InputError(f"There is no revision {revision!r} (there are: {', '.join(near) or 'none'}).") from None


def _no_revision(said: str) -> bool:
    return "single revision" in said or "unknown revision" in said or "bad revision" in said


def _below(tree: Tree, inside: str, prefixes: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in tree.traverse():
        path = str(getattr(one, "path", "")).removeprefix(inside)
        if isinstance(one, Blob) and path.startswith(tuple(prefixes)):
            found[path] = one.data_stream.read().decode(errors="replace")
    return found
