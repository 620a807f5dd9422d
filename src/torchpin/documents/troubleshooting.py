"""docs/TROUBLESHOOTING.md: what a message of a log means and what to do, from the known failures in the facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.documents.markdown import anchor, code, link, paragraphs, prose, table, wrap_section
from torchpin.paths import CHECKS

if TYPE_CHECKING:
    from collections.abc import Mapping

TROUBLESHOOTING_OPENING = """\
# Troubleshooting

Search this page for the message that you see, or for a part of it.
Each entry gives the cause, what to do, and the checks that report the cause before anything is built: `torchpin judge` runs those of a description, `torchpin check` those of a Dockerfile (`ADO…`), `torchpin verify` those of a built image (`IMG…`).
`torchpin build` looks for the same messages in the log of a build that fails, and prints what they mean.
<!-- Text outside the generated section is kept. -->
"""
# What people search for most stands first.
TOPICS = (
    "GPU and driver",
    "Packages that do not fit each other",
    "Installing packages",
    "System packages",
    "Sources",
    "Images and the engine",
    "Network",
)
_SOURCE = "torchpin/facts/data/known_failures.yaml"
_ISSUES = re.compile(r"(?<![\w/])(?P<repo>[\w-]+/[\w.-]+) (?:PR )?(?P<numbers>#\d+(?:, #\d+)*)")
_WHEN = {"build": "while the image is built", "run": "when the container runs"}


def troubleshooting_sections(failures: tuple[facts.KnownFailure, ...] | None = None) -> dict[str, str]:
    """The section of docs/TROUBLESHOOTING.md: a table of the messages by topic, then an entry for each message."""
    failures = failures or facts.failures()
    by_topic = {topic: [failure for failure in failures if failure.topic == topic] for topic in TOPICS}
    rows = [
        (topic, "<br>".join(symptom_link(failure.title) for failure in of_topic))
        for topic, of_topic in by_topic.items()
        if of_topic
    ]
    entries = [paragraphs(f"## {topic}", *map(_entry, of_topic)) for topic, of_topic in by_topic.items()]
    body = paragraphs(table(("Where", "Message"), rows), *entries)
    return {"failures": wrap_section("failures", body, source=_SOURCE)}


def symptom_link(title: str, page: str = "") -> str:
    """A link to the entry of a failure by its title; `page` is the address of the page, empty on the page itself."""
    return link(prose(title), f"{page}#{anchor(title)}")


def _entry(failure: facts.KnownFailure) -> str:
    page = CHECKS.rpartition("/")[2]
    checks = ", ".join(link(code(check), f"{page}#{anchor(check)}") for check in failure.checks)
    lines: Mapping[str, str] = {
        "Cause": f"{prose(failure.means)}.",
        "Fix": f"{prose(failure.help)}.",
        "Found beforehand by": checks or "no check: it is not in the description",
        "Occurs": _WHEN[failure.stage],
        "Sources": linked_issues(prose(failure.source)),
    }
    return paragraphs(
        f"### {prose(failure.title)}",
        f"```text\n{failure.example.strip()}\n```",
        "\n".join(f"- **{name}**: {text}" for name, text in lines.items()),
    )


def linked_issues(sources: str) -> str:
    """A text in which each issue of a repository on GitHub, `pytorch/vision #8985, #8986`, is a link."""

    def replace(match: re.Match[str]) -> str:
        numbers = match["numbers"].split(", ")
        address = f"https://github.com/{match['repo']}/issues/"
        first, *following = [link(number, address + number[1:]) for number in numbers]
        return ", ".join([f"{match['repo']} {first}", *following])

    return _ISSUES.sub(replace, sources)
