"""What cannot be followed is said, not skipped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.adopt import dockerfile, installs
from torchpin.adopt.registry import caught_at, trap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.installs import Project, Want
    from torchpin.model import Finding


@trap("ADO008", "A line that could not be read")
def unread(project: Project) -> Iterator[Finding]:
    """Look at it yourself: nothing of it is in the draft or was judged.

    Adopting reads what a line installs without running it; loops, computed names and missing files it cannot follow.

    Example: `FROM ${BASE}` without a default for BASE.

    Sources: the Dockerfile reference.
    """
    for path, why in project.broken:
        yield caught_at("ADO008", f"{path}:1:1", f"cannot be read: {why}", about=path)
    for file in project.dockerfiles:
        yield from _unread_lines(project, file)
        yield from _unread_runs(project, file)
    for path in project.lists if not project.dockerfiles else ():
        for row in installs.listed(project, path):
            yield from _unread_want(row) if isinstance(row, installs.Want) else ()


def _unread_lines(project: Project, file: str) -> Iterator[Finding]:
    for one in dockerfile.instructions(project.texts[file]):
        if one.keyword not in dockerfile.KEYWORDS:
            yield caught_at(
                "ADO008",
                f"{file}:{one.line}:{one.column}",
                f"{one.keyword[:40]!r} is no instruction",
                about=file,
            )
    for stage in dockerfile.stages(project.texts[file]):
        name = dockerfile.unresolved(stage.image)
        if name:
            where = f"{file}:{stage.start.line}:{stage.start.column}"
            yield caught_at("ADO008", where, f"the base is ${{{name}}}, which has no default", about=name)


def _unread_runs(project: Project, file: str) -> Iterator[Finding]:
    for run in installs.runs(project, file):
        step = installs.install(project, run)
        if step is None:
            if (
                any(word in {"for", "while", "if", "case"} for word in run.command.texts[:1])
                and "pip" in run.instruction.text
            ):
                yield caught_at(
                    "ADO008",
                    run.where,
                    f"installs within `{run.command.texts[0]}` depend on what the shell finds",
                )
            continue
        for name in step.missing:
            yield caught_at("ADO008", step.where, f"{name} is not in the project", about=name)
        if step.tool == "conda":
            named = ", ".join(want.text for want in step.wants)
            yield caught_at("ADO008", step.where, f"what conda installs is not read: {named}", about="conda")
        for want in step.wants if step.tool == "pip" else ():
            yield from _unread_want(want)


def _unread_want(want: Want) -> Iterator[Finding]:
    name = dockerfile.unresolved(want.text)
    local = (
        want.text == "."
        or re.match(r"\.?/|\.\[", want.text)
        or "://" in want.text
        or want.text.endswith(".whl")
    )
    if name:
        yield caught_at(
            "ADO008", want.where, f"`{want.text}` holds ${name}, which has no default", about=want.text
        )
    elif want.requirement is None and not local:
        yield caught_at("ADO008", want.where, f"`{want.text}` is no requirement", about=want.text)
