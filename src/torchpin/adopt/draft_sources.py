"""The git clones of another project's Dockerfile as sources of a description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description import patterns
from torchpin.installs.commands import run_commands
from torchpin.model import Source
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.installs.commands import Project


def draft_sources(project: Project, omitted: list[str], file: str) -> Iterable[Source]:
    """The git clones at a tag whose commit is in the facts; `omitted` gets the others."""
    names: set[str] = set()
    for run in run_commands(project, file) if file else ():
        arguments = run.command.texts
        url = next(
            (redact_credentials(argument) for argument in arguments if re.match(r"https://\S+", argument)), ""
        )
        if arguments[:2] != ("git", "clone") or not url:
            continue
        tag = next(
            (
                arguments[index + 1]
                for index, argument in enumerate(arguments[:-1])
                if argument in {"-b", "--branch"}
            ),
            "",
        )
        repo = re.sub(r"(?:\.git)?/?$", "", url).partition("://")[2].partition("/")[2]
        recorded_tag = next((row for row in facts.source_tags(repo) if row.tag == tag and row.commit), None)
        name = repo.rpartition("/")[2].lower()
        if (
            recorded_tag
            and recorded_tag.commit
            and patterns.NAME.pattern.fullmatch(name)
            and name not in names
        ):
            names.add(name)
            yield Source(
                name=name,
                url=url.removesuffix(".git"),
                tag=tag,
                commit=recorded_tag.commit,
                path=f"third_party/{name}",
            )
            continue
        omitted.append(f"{url} at {tag or 'no tag'}")
