"""docs/CHECKS.md: every check and rule, from its docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.documents.markdown import anchor, block, code, link, paragraphs, prose, table, wrap_section
from torchpin.documents.sections import NOTHING
from torchpin.documents.troubleshooting import symptom_link
from torchpin.paths import TROUBLESHOOTING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.checks.registry import Check


CHECKS_OPENING = """\
# Checks

`invoke verify` runs every check of this page; those that need nothing are the judge's, which `invoke judge` runs alone.
`invoke explain ID` prints the page of a check.

- A check whose needs are not met is *skipped*, visibly and counted.
- A check of the judge is *ok* only on evidence; where a fact is missing it is *unknown*, and where nothing has to be judged it is *not applicable*.
- A finding is an *error* (something cannot work, or differs from its description), a *warning* (it will cause trouble) or a *notice* (worth knowing: it is shown and counted, and fails a command only with `--strict`).
- The words for results and services are the same everywhere: ok, incompatible (an error about pins), failed (another error), warning, unknown, not applicable, waived and skipped.
- A finding is printed once for all places where it holds; `-v` adds its evidence, and what is waived, skipped or not applicable.

<!-- Text outside the generated sections is kept. -->
"""


RULES_OPENING = """\
What `invoke check` and `invoke adopt` report about the Dockerfiles, requirement files and lock files of any project.
An error is a line that makes the image differ from what is written, or keeps it from being built; a warning is something that floats, or hides a failure; a notice is worth knowing. `check --fail-on` says which of them fail.
A comment `# torchpin: ignore=ADO006 because REASON` ignores the findings of its line, or of the statement below it; `ignore-file=` those of the file.\
"""


def check_sections(registered: Iterable[Check], rules: Iterable[Check]) -> dict[str, str]:
    """The sections of docs/CHECKS.md: a table of the checks and the page of each, then the pages of the rules."""
    rows = list(registered)
    cells = [
        (
            link(code(check.id), f"#{anchor(check.id)}"),
            prose(check.title),
            prose(", ".join(check.needs)) or NOTHING,
            prose(check.help),
        )
        for check in rows
    ]
    explanations = [_rule_page(check) for check in rows]
    body = paragraphs(table(("Check", "What goes wrong", "Needs", "Help"), cells), *explanations)
    rule_sections = paragraphs(*(_rule_page(rule) for rule in rules))
    return {
        "checks": wrap_section("checks", body, source="torchpin/checks/rules"),
        "rules": wrap_section(
            "rules", paragraphs("## Rules", RULES_OPENING, rule_sections), source="torchpin/lint/rules"
        ),
    }


def _rule_page(rule: Check) -> str:
    return paragraphs(
        f"### {rule.id}",
        f"{prose(rule.title[0].upper() + rule.title[1:])}.{f' Level: {rule.level}.' if rule.kind == 'rule' else ''}",
        prose(rule.meaning),
        f"What to do: {prose(rule.help)}",
        _prevented(rule.id),
        f"Example: {prose(rule.example)}",
        *(_example_block("Wrong", file, text) for file, text in rule.wrong.items()),
        *(_example_block("Right", file, text) for file, text in rule.right.items()),
        f"Sources: {prose(rule.sources)}",
    )


def _prevented(check: str) -> str:
    """The messages of logs whose cause a check reports, each with its entry in docs/TROUBLESHOOTING.md."""
    page = TROUBLESHOOTING.rpartition("/")[2]
    links = ", ".join(symptom_link(failure.title, page) for failure in facts.failures_of(check))
    return f"Messages that it prevents: {links}" if links else ""


def _example_block(title: str, file: str, text: str) -> str:
    """The lines of an example file; the fence says what kind of file it is."""
    kind = {"Dockerfile": "dockerfile", "toml": "toml", "yaml": "yaml"}.get(file.rpartition(".")[2], "text")
    return paragraphs(f"{title}, in {code(file)}:", block(text.rstrip().splitlines(), kind))
