"""SRC001, SRC004, SRC005: a source is the tag and the commit that it is said to be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.checks.context import Evidence, at, stands_in
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.registry import Answer
    from torchpin.facts import SourceTag
    from torchpin.model import Environment, Finding, Source


# --- the tag ---------------------------------------------------------------------------------------------------------


@check("SRC001", "The tag exists and is the recorded commit", judge=True)
def tag_is_the_commit(evidence: Evidence, env: Environment) -> Iterator[Answer]:
    """Write a tag that exists and its commit; the finding names the nearest.

    A tag and a commit that do not belong together are a source that nobody can fetch, or another one than was meant.
    It is judged by recorded tags, offline; SRC004 asks the origin.

    Example: `tag: v0.9.2` of kohya-ss/sd-scripts, which was never published: v0.9.1 is followed by v0.10.0.

    Sources: the refs of the recorded repositories; kohya-ss/sd-scripts #1754; cocktailpeanut/fluxgym #62.
    """
    if stands_in(evidence):
        return  # the lab's sources are stand-ins, with commits of their own
    for number, source in enumerate(env.service.sources):
        yield _tag(env, number, source)


def _tag(env: Environment, number: int, source: Source) -> Answer:
    tags = known_tags(source)
    row = next((one for one in tags if one.tag == source.tag), None)
    if not tags:
        return Unknown(message=f"the tags of {source.url} are not in the facts", about=source.name)
    if row and row.exists:
        return _commit(env, number, source, row)
    if row or _is_covered(source.tag, tags):
        return _never(env, number, source, row or tags[-1])
    latest = max((one for one in tags if one.exists), key=lambda one: _order(one.tag))
    message = (
        f"{source.tag} of {source.name} is not in the facts, which end at {latest.tag} ({latest.source})"
    )
    return Unknown(message=message, about=source.name)


def known_tags(source: Source) -> tuple[SourceTag, ...]:
    """The recorded tags of a repository, by its owner and name wherever it is hosted, and however it is spelled."""
    found = re.search(r"([^/:]+/[^/]+?)(?:\.git)?/*$", source.url)
    return facts.source_tags(found[1]) if found else ()


def _order(tag: str) -> Version:
    """A tag as a version; those that are none come first."""
    try:
        return Version(tag)
    except InvalidVersion:
        return Version("0.dev0")


def _is_covered(tag: str, tags: Sequence[SourceTag]) -> bool:
    """Whether a tag would be in the table if it existed: it is a version, and no newer than the table."""
    return Version("0.dev0") < _order(tag) < max(_order(one.tag) for one in tags if one.exists)


def _commit(env: Environment, number: int, source: Source, row: SourceTag) -> Answer:
    grounds = f"{row.source} ({row.date})"
    if row.commit == source.commit:
        return Ok(about=source.name, evidence=f"{row.tag} is {row.commit} ({grounds})")
    path = f"sources[{number}].commit"
    return finding(
        env,
        at(env.service, path),
        f"{source.name} {source.tag} is the commit {row.commit}, and {source.commit} is recorded",
        remedy=f"Find out which of the two is meant. For the tag, write `commit: {row.commit}`.",
        about=source.name,
        evidence=grounds,
        repair=[Change(path=path, value=row.commit)],
    )


def _never(env: Environment, number: int, source: Source, row: SourceTag) -> Finding:
    tags = known_tags(source)
    near = _nearest(source.tag, tags)
    own = next((one for one in tags if one.exists and one.commit == source.commit), None)
    chosen = own or near[-1]
    held = f"; the recorded commit is that of {own.tag}" if own else ""
    path = f"sources[{number}]"
    return finding(
        env,
        at(env.service, f"{path}.tag"),
        f"{source.name} has no tag {source.tag}; the nearest are {' and '.join(_told(one, tags) for one in near)}{held}",
        remedy=f"Write `tag: {chosen.tag}` and `commit: {chosen.commit}`, or those of another tag that exists.",
        about=source.name,
        evidence=f"{row.source} ({row.date})",
        repair=[
            Change(path=f"{path}.tag", value=chosen.tag),
            Change(path=f"{path}.commit", value=chosen.commit),
        ],
    )


def _nearest(tag: str, tags: Sequence[SourceTag]) -> list[SourceTag]:
    """The last tag before, and the first after."""
    there = sorted((one for one in tags if one.exists), key=lambda one: _order(one.tag))
    before = [one for one in there if _order(one.tag) < _order(tag)]
    after = [one for one in there if _order(one.tag) > _order(tag)]
    return before[-1:] + after[:1]


def _told(row: SourceTag, tags: Sequence[SourceTag]) -> str:
    """A tag with what it means to choose it."""
    flux = [one for one in tags if one.flux]
    words = [row.tagged or ""]
    if flux:
        first = "the first with the FLUX scripts" if row == flux[0] else "with the FLUX scripts"
        words.append(first if row.flux else "without the FLUX scripts")
    words.append(f"needs torch {row.min_torch} or later" if row.min_torch else "")
    return f"{row.tag} ({', '.join(filter(None, words))})"


# --- the origin and the clone ----------------------------------------------------------------------------------------


@check("SRC004", "The tag still gives the recorded commit", "network")
def tags_have_not_moved(evidence: Evidence, env: Environment) -> Iterator[Finding]:
    """Find out why the tag moved or is gone before you record another commit.

    A tag can be moved or removed by whoever owns the repository; the recorded commit cannot.

    Example: `v0.10.0 gives another commit` after an upstream made its release again.

    Sources: the origin's own refs, asked when this check runs.
    """
    for number, source in enumerate(env.service.sources):
        problem = (evidence.tags or {}).get(env.name, {}).get(source.name, "")
        if problem:
            yield finding(env, at(env.service, f"sources[{number}].tag"), problem, about=source.name)


@check("SRC005", "Every clone is its recorded commit, unchanged", "clone")
def clones_are_right(evidence: Evidence, env: Environment) -> Iterator[Finding]:
    """Run `invoke clone`; a clone with changes of yours is left alone, move them elsewhere first.

    What lies in `third_party/` goes into the image, so it must be what the lock was made for.

    Example: `third_party/sd-scripts is changed (train.py)`.

    Sources: git's own word on the clone.
    """
    for number, source in enumerate(env.service.sources):
        state = evidence.clones.get(env.name, {}).get(source.name, "")
        if state and state != "not cloned":
            yield finding(
                env,
                source.path,
                f"is {state}",
                about=source.name,
                evidence=at(env.service, f"sources[{number}].commit"),
            )
