"""DKR, DOC: committed files are what their descriptions give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.checks.context import current_lock, reports_repository
from torchpin.checks.registry import Unknown, check, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.model import Environment, Finding


def first_differing_line(committed: str | None, expected: str) -> int | None:
    """The number of the first line (from 1) that differs; None when the texts are equal."""
    if committed == expected:
        return None
    expected_lines, committed_lines = expected.split("\n"), (committed or "").split("\n")
    for number, (expected_line, committed_line) in enumerate(
        zip(expected_lines, committed_lines, strict=False), start=1
    ):
        if expected_line != committed_line:
            return number
    return min(len(expected_lines), len(committed_lines)) + 1  # one text is the beginning of the other


@check("DKR001", "a rendered file is out of date", "lock")
def rendering_is_fresh(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke render` and commit what it writes. To keep an edit by hand, make it in service.yaml or, after `invoke eject
    template`, in docker/Dockerfile.j2; to drop it, run `invoke render --overwrite`.

    Dockerfile and context list are rendered from description, lock and template, the SBOM from description and lock. The
    committed files have to be equal to the current rendering, byte by byte.

    Example: the template has a new line that a committed Dockerfile does not have.

    Sources: opendatahub-io/notebooks regenerates and compares in each pull request.
    """
    renderings = context.renderings.get(env.name, {})
    if not renderings:
        folder = paths.image_folder(env.name)
        message = "cannot be compared, because the lock no longer matches its description"
        yield finding(env, folder, message, help="run `invoke lock`, which also renders the Dockerfile")
    for path, (committed, expected) in renderings.items():
        line = first_differing_line(committed, expected)
        if line is not None:
            message = "is missing" if committed is None else "is out of date"
            yield finding(env, f"{path}:{line}" if committed is not None else path, message, about=path)


@check("DOC001", "a document is out of date", "lock")
def documents_are_fresh(context: CheckContext, env: Environment) -> Iterator[Finding | Unknown]:
    """Run `invoke document` and commit what it writes; edit only outside the markers.

    The sections between markers are generated from descriptions, locks and records, and have to be equal to what these
    give today.

    Example: torch moved to 2.7.1, and docs/PINNING.md still has 2.5.1.

    Sources: opendatahub-io/notebooks issues 2242 and 2447, where documents drifted from images.
    """
    if not reports_repository(context, env):
        return  # documents belong to the repository: reported once, for the first environment
    if context.passed_over:
        names = ", ".join(context.passed_over)
        yield Unknown(
            message=f"the documents show all services, and the description of {names} cannot be read",
            about="documents",
        )
        return
    for problem in context.document_problems:
        location, _, message = problem.partition(": ")
        help_text = "restore the marker lines from git, then run `invoke document`"
        yield finding(env, location, message, help=help_text)
    for problem in context.standing_sections:
        location, _, message = problem.partition(": ")
        message, _, help_text = message.partition("; ")
        yield finding(env, location, message, help=help_text)
    if not (context.documents or context.document_problems or context.standing_sections):
        unlocked = ", ".join(row.name for row in context.environments if current_lock(context, row) is None)
        message = f"the documents cannot be compared, because {unlocked or 'a service'} has no lock of its description"
        yield finding(env, "docs", message, help="run `invoke lock`, which also writes the documents")
    for path, (committed, expected) in context.documents.items():
        if expected is None:
            yield finding(env, path, "is the page of a service that is no longer described", about=path)
            continue
        line = first_differing_line(committed, expected)
        if line is not None:
            message = "is missing" if committed is None else "has generated sections that are out of date"
            yield finding(env, f"{path}:{line}" if committed is not None else path, message, about=path)
