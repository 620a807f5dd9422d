"""SRC001, SRC004, SRC005: tags of sources exist and give the recorded commit, and clones are at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from torchpin.checks.context import CheckContext, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.sources import recorded_tags
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.registry import Answer
    from torchpin.facts import SourceTag
    from torchpin.model import Environment, Finding, Source


@check("SRC001", "a tag does not exist, or does not point to the recorded commit", judge=True)
def tag_is_the_commit(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Set an existing tag and its commit; the finding names the nearest tags.

    A tag that does not exist cannot be cloned, and one with another commit is not the source that was meant. This check
    compares with the recorded tags, offline; SRC004 compares with the origin.

    Example: `tag: v0.9.2` of kohya-ss/sd-scripts, which was never published: v0.9.1 is followed by v0.10.0.

    Sources: the refs of the recorded repositories; kohya-ss/sd-scripts #1754; cocktailpeanut/fluxgym #62.
    """
    if uses_stubs(context):
        return  # the lab's sources are stubs, with commits of their own
    for number, source in enumerate(env.service.sources):
        if source.tag:
            yield _check_tag(env, number, source, source.tag)
        elif row := next((tag for tag in recorded_tags(source) if tag.commit == source.commit), None):
            yield Ok(about=source.name, evidence=f"commit {source.commit} is {row.tag} ({row.citation})")


def _check_tag(env: Environment, number: int, source: Source, name: str) -> Answer:
    tags = recorded_tags(source)
    row = next((tag for tag in tags if tag.tag == name), None)
    if not tags:
        return Unknown(message=f"the tags of {source.url} are not in the facts", about=source.name)
    if row and row.exists:
        return _check_commit(env, number, source, row)
    if row or _is_covered(name, tags):
        return _missing_tag(env, number, source, name, row or tags[-1])
    latest = max((tag for tag in tags if tag.exists), key=lambda tag: _tag_version(tag.tag))
    message = f"{source.name} {name} is not in the facts, which end at {latest.tag} ({latest.source})"
    return Unknown(message=message, about=source.name)


def _tag_version(tag: str) -> Version:
    """A tag as a version; one that is no version sorts first."""
    try:
        return Version(tag)
    except InvalidVersion:
        return Version("0.dev0")


def _is_covered(tag: str, tags: Sequence[SourceTag]) -> bool:
    """Whether a tag would be recorded if it existed: it is a version below the newest recorded one."""
    return Version("0.dev0") < _tag_version(tag) < max(_tag_version(row.tag) for row in tags if row.exists)


def _check_commit(env: Environment, number: int, source: Source, row: SourceTag) -> Answer:
    if row.commit == source.commit:
        return Ok(about=source.name, evidence=f"{row.tag} is commit {row.commit} ({row.citation})")
    path = f"sources[{number}].commit"
    return finding(
        env,
        env.service.location(path),
        f"{source.name} {source.tag} is commit {row.commit}, but the description has {source.commit}",
        help=f"find out which of the two is meant; for the tag, set `commit: {row.commit}`",
        about=source.name,
        evidence=row.citation,
        fix=[Change(path=path, value=row.commit)],
    )


def _missing_tag(env: Environment, number: int, source: Source, name: str, row: SourceTag) -> Finding:
    tags = recorded_tags(source)
    nearest = _nearest_tags(name, tags)
    tag_of_commit = next((tag for tag in tags if tag.exists and tag.commit == source.commit), None)
    chosen = tag_of_commit or nearest[-1]  # the commit shows which tag was meant; else the newer one
    note = f"; the commit in the description is {tag_of_commit.tag}" if tag_of_commit else ""
    near = ", ".join(_describe_tag(tag, tags) for tag in nearest)
    path = f"sources[{number}]"
    return finding(
        env,
        env.service.location(f"{path}.tag"),
        f"{source.name} has no tag {name}; nearest: {near}{note}",
        help=f"set `tag: {chosen.tag}` and `commit: {chosen.commit}`, or those of another existing tag",
        about=source.name,
        evidence=row.citation,
        fix=[
            Change(path=f"{path}.tag", value=chosen.tag),
            Change(path=f"{path}.commit", value=chosen.commit),
        ],
    )


def _nearest_tags(tag: str, tags: Sequence[SourceTag]) -> list[SourceTag]:
    """The last existing tag before, and the first one after."""
    existing = sorted((row for row in tags if row.exists), key=lambda row: _tag_version(row.tag))
    before = [row for row in existing if _tag_version(row.tag) < _tag_version(tag)]
    after = [row for row in existing if _tag_version(row.tag) > _tag_version(tag)]
    return before[-1:] + after[:1]


def _describe_tag(row: SourceTag, tags: Sequence[SourceTag]) -> str:
    """A tag with its date and what it requires: `v0.10.0 (2026-01-19, requires torch 2.6.0 or later)`."""
    flux_tags = [tag for tag in tags if tag.flux]
    parts = [row.tagged or ""]
    if flux_tags:
        scripts = "first with the FLUX scripts" if row == flux_tags[0] else "with the FLUX scripts"
        parts.append(scripts if row.flux else "without the FLUX scripts")
    parts.append(f"requires torch {row.min_torch} or later" if row.min_torch else "")
    return f"{row.tag} ({', '.join(filter(None, parts))})"


@check("SRC004", "a tag no longer points to the recorded commit", "network")
def tags_have_not_moved(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Find out why the tag was moved or deleted before you record another commit.

    Whoever owns the repository can move or delete a tag, but cannot change what a commit holds.

    Example: the commit of v0.10.0 changed after an upstream published its release again.

    Sources: the refs of the origin, read when this check runs.
    """
    for number, source in enumerate(env.service.sources):
        problem = (context.tags or {}).get(env.name, {}).get(source.name, "")
        if problem:
            yield finding(env, env.service.location(f"sources[{number}].tag"), problem, about=source.name)


@check("SRC005", "a clone is not at its recorded commit, or was changed", "clone")
def clones_are_right(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke clone`; it leaves a clone with local changes alone, so move those elsewhere first.

    `third_party/` goes into the image, so it must be what the lock was made for.

    Example: third_party/sd-scripts is changed (train.py).

    Sources: `git status` and the commit of the clone.
    """
    for number, source in enumerate(env.service.sources):
        state = context.clones.get(env.name, {}).get(source.name, "")
        if state and state != "not cloned":
            yield finding(
                env,
                source.path,
                f"{source.path} is {state}",
                about=source.name,
                evidence=env.service.location(f"sources[{number}].commit"),
            )
