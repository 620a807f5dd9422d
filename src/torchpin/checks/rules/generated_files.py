"""DKR, DOC: what is generated from the descriptions equals what is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks.registry import check, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.model import Environment, Finding


def first_differing_line(committed: str | None, expected: str) -> int | None:
    """The first line, from 1, in which two texts differ; None when they are equal."""
    if committed == expected:
        return None
    expected_lines, committed_lines = expected.split("\n"), (committed or "").split("\n")
    for number, (expected_line, committed_line) in enumerate(
        zip(expected_lines, committed_lines, strict=False), start=1
    ):
        if expected_line != committed_line:
            return number
    return min(len(expected_lines), len(committed_lines)) + 1


@check("DKR001", "The rendering is fresh", "lock")
def rendering_is_fresh(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke render` and commit what it writes; generated files are not edited.

    Dockerfile and context list follow from description, lock and template, byte by byte. What is committed has to
    be what they give today.

    Example: the template gained a line, and a committed Dockerfile lacks it.

    Sources: opendatahub-io/notebooks regenerates and compares in each pull request.
    """
    renderings = evidence.renderings.get(env.name, {})
    if not renderings:
        message = "cannot be compared: its lock does not answer the description"
        yield finding(env, f"docker/{env.name}", message, help="Run `invoke lock`, which renders too.")
    for path, (committed, expected) in renderings.items():
        line = first_differing_line(committed, expected)
        if line is not None:
            message = "is not there" if committed is None else "is not what the description renders to"
            yield finding(env, f"{path}:{line}" if committed is not None else path, message, about=path)


@check("DOC001", "The documents are fresh", "lock")
def documents_are_fresh(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke document` and commit what it writes; write outside the markers only.

    The sections between markers are computed from descriptions, locks and records; a stale one tells people what is
    no longer so.

    Example: torch moved to 2.7.1, and docs/PINNING.md still says 2.5.1.

    Sources: opendatahub-io/notebooks issues 2242 and 2447, where documents drifted from images.
    """
    if env != evidence.environments[0]:
        return  # the documents are the repository's: said once
    for problem in evidence.document_problems:
        location, _, message = problem.partition(": ")
        yield finding(
            env, location, message, help="Restore the marker lines from git, then run `invoke document`."
        )
    if not evidence.documents and not evidence.document_problems:
        message = "cannot be compared: not every lock answers its description"
        yield finding(env, "docs", message, help="Run `invoke lock`, which documents too.")
    for path, (committed, expected) in evidence.documents.items():
        line = first_differing_line(committed, expected)
        if line is not None:
            message = (
                "is not there" if committed is None else "its generated sections are stale or were edited"
            )
            yield finding(env, f"{path}:{line}" if committed is not None else path, message, about=path)
