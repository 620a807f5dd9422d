"""docs/CHECKS.md: every check and rule in one table, each with its page."""

from __future__ import annotations

from torchpin.checks.registry import Check
from torchpin.documents import checks


def test_the_checks_stand_in_one_table() -> None:
    check = Check(
        id="GPU001",
        title="Code for each GPU",
        help="Use <channel> | waive it",
        meaning="It means this.",
        example="such a line.",
        sources="a document.",
        needs=(),
        judge=True,
        run=lambda *_: iter(()),
    )
    text = checks.check_sections([check], ())["checks"]
    assert "### GPU001\n\nCode for each GPU.\n\nIt means this.\n" in text
    assert text.startswith("<!-- begin generated: checks (torchpin/checks/rules; invoke document) -->\n")
    assert "| [`GPU001`](#gpu001) | Code for each GPU | - | Use \\<channel> \\| waive it |" in text
