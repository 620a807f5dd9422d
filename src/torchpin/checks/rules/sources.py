"""SRC001, SRC004, SRC005: a source is the tag and the commit that it is said to be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.checks.context import CheckContext, location_of, uses_stubs
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.registry import Answer
    from torchpin.facts import SourceTag
    from torchpin.model import Environment, Finding, Source


# --- the tag ---------------------------------------------------------------------------------------------------------


@check("SRC001", "The tag exists and is the recorded commit", judge=True)
def tag_is_the_commit(evidence: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write a tag that exists and its commit; the finding names the nearest.

    A tag and a commit that do not belong together are a source that nobody can fetch, or another one than was meant.
    It is judged by recorded tags, offline; SRC004 asks the origin.

    Example: `tag: v0.9.2` of kohya-ss/sd-scripts, which was never published: v0.9.1 is followed by v0.10.0.

    Sources: the refs of the recorded repositories; kohya-ss/sd-scripts #1754; cocktailpeanut/fluxgym #62.
    """
    if uses_stubs(evidence):
        return  # the lab's sources are stand-ins, with commits of their own
    for number, source in enumerate(env.service.sources):
        yield _check_tag(env, number, source)


def _check_tag(env: Environment, number: int, source: Source) -> Answer:
    tags = recorded_tags(source)
    row = next((tag for tag in tags if tag.tag == source.tag), None)
    if not tags:
        return Unknown(message=f"the tags of {source.url} are not in the facts", about=source.name)
    if row and row.exists:
        return _check_commit(env, number, source, row)
    if row or _is_covered(source.tag, tags):
        return _missing_tag(env, number, source, row or tags[-1])
    latest = max((tag for tag in tags if tag.exists), key=lambda tag: _tag_version(tag.tag))
    message = (
        f"{source.tag} of {source.name} is not in the facts, which end at {latest.tag} ({latest.source})"
    )
    return Unknown(message=message, about=source.name)


def recorded_tags(source: Source) -> tuple[SourceTag, ...]:
    """The recorded tags of a repository, by its owner and name wherever it is hosted, and however it is spelled."""
    match = re.search(r"([^/:]+/[^/]+?)(?:\.git)?/*$", source.url)
    return facts.source_tags(match[1]) if match else ()


def _tag_version(tag: str) -> Version:
    """A tag as a version; those that are none come first."""
    try:
        return Version(tag)
    except InvalidVersion:
        return Version("0.dev0")


def _is_covered(tag: str, tags: Sequence[SourceTag]) -> bool:
    """Whether a tag would be in the table if it existed: it is a version, and no newer than the table."""
    return Version("0.dev0") < _tag_version(tag) < max(_tag_version(row.tag) for row in tags if row.exists)


def _check_commit(env: Environment, number: int, source: Source, row: SourceTag) -> Answer:
    evidence = f"{row.source} ({row.date})"
    if row.commit == source.commit:
        return Ok(about=source.name, evidence=f"{row.tag} is {row.commit} ({evidence})")
    path = f"sources[{number}].commit"
    return finding(
        env,
        location_of(env.service, path),
        f"{source.name} {source.tag} is the commit {row.commit}, and {source.commit} is recorded",
        help=f"Find out which of the two is meant. For the tag, write `commit: {row.commit}`.",
        about=source.name,
        evidence=evidence,
        fix=[Change(path=path, value=row.commit)],
    )


def _missing_tag(env: Environment, number: int, source: Source, row: SourceTag) -> Finding:
    tags = recorded_tags(source)
    nearest = _nearest_tags(source.tag, tags)
    tag_of_commit = next((tag for tag in tags if tag.exists and tag.commit == source.commit), None)
    chosen = tag_of_commit or nearest[-1]
    note = f"; the recorded commit is that of {tag_of_commit.tag}" if tag_of_commit else ""
    path = f"sources[{number}]"
    return finding(
        env,
        location_of(env.service, f"{path}.tag"),
        f"{source.name} has no tag {source.tag}; the nearest are {' and '.join(_describe_tag(tag, tags) for tag in nearest)}{note}",
        help=f"Write `tag: {chosen.tag}` and `commit: {chosen.commit}`, or those of another tag that exists.",
        about=source.name,
        evidence=f"{row.source} ({row.date})",
        fix=[
            Change(path=f"{path}.tag", value=chosen.tag),
            Change(path=f"{path}.commit", value=chosen.commit),
        ],
    )


def _nearest_tags(tag: str, tags: Sequence[SourceTag]) -> list[SourceTag]:
    """The last tag before, and the first after."""
    existing = sorted((row for row in tags if row.exists), key=lambda row: _tag_version(row.tag))
    before = [row for row in existing if _tag_version(row.tag) < _tag_version(tag)]
    after = [row for row in existing if _tag_version(row.tag) > _tag_version(tag)]
    return before[-1:] + after[:1]


def _describe_tag(row: SourceTag, tags: Sequence[SourceTag]) -> str:
    """A tag with what it means to choose it."""
    flux_tags = [tag for tag in tags if tag.flux]
    parts = [row.tagged or ""]
    if flux_tags:
        first = "the first with the FLUX scripts" if row == flux_tags[0] else "with the FLUX scripts"
        parts.append(first if row.flux else "without the FLUX scripts")
    parts.append(f"needs torch {row.min_torch} or later" if row.min_torch else "")
    return f"{row.tag} ({', '.join(filter(None, parts))})"


# --- the origin and the clone ----------------------------------------------------------------------------------------


@check("SRC004", "The tag still gives the recorded commit", "network")
def tags_have_not_moved(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Find out why the tag moved or is gone before you record another commit.

    A tag can be moved or removed by whoever owns the repository; the recorded commit cannot.

    Example: `v0.10.0 gives another commit` after an upstream made its release again.

    Sources: the origin's own refs, asked when this check runs.
    """
    for number, source in enumerate(env.service.sources):
        problem = (evidence.tags or {}).get(env.name, {}).get(source.name, "")
        if problem:
            yield finding(env, location_of(env.service, f"sources[{number}].tag"), problem, about=source.name)


@check("SRC005", "Every clone is its recorded commit, unchanged", "clone")
def clones_are_right(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
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
                evidence=location_of(env.service, f"sources[{number}].commit"),
            )
