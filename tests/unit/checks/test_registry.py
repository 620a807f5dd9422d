"""The register: ids, titles, help, and a case for every check."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.checks import families
from torchpin.checks.registry import REGISTRY, Check, Unknown, registered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.model import Environment

assert families  # importing it registers the checks

RULE_TESTS = Path(__file__).parent / "rules"


def case_ids(table: str) -> set[str]:
    """The checks that have a case in this table of any test file of the rules."""
    assignments = [
        node
        for file in RULE_TESTS.glob("test_*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == table
    ]
    return {
        ast.literal_eval(node.args[0])
        for assignment in assignments
        for node in ast.walk(assignment)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Case"
    }


def test_every_check_has_a_case_that_passes_and_one_that_fails() -> None:
    """A new check without tests fails here; the judge's checks are tested outside of tables."""
    non_judge_ids = {check.id for check in registered("check") if not check.judge}
    assert case_ids("PASSES") >= non_judge_ids
    assert case_ids("FAILS") >= non_judge_ids


def test_an_id_is_not_used_twice(registering: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"^LCK001 is registered twice$"):
        registering("LCK001", "another")(lambda _context, _env: iter(()))


def test_a_check_s_docstring_is_its_remedy_then_its_meaning_example_and_sources(
    registering: Callable[..., Any],
) -> None:
    def two(context: CheckContext, env: Environment) -> Iterator[Unknown]:
        """Do this,
        and then that.

        It means this,
        in two lines.

        Example: such
        a line.

        Sources: a document.
        """
        yield from ()

    registering("XYZ002", "it has two lines", "lock", judge=True)(two)
    assert REGISTRY["XYZ002"] == Check(
        id="XYZ002",
        title="it has two lines",
        help="Do this, and then that.",
        meaning="It means this, in two lines.",
        example="such a line.",
        sources="a document.",
        needs=("lock",),
        judge=True,
        run=two,
    )


def test_every_check_has_a_title_that_is_a_clause_and_a_help_that_is_a_sentence() -> None:
    for check in REGISTRY.values():
        assert check.title[0].isalpha()
        assert not check.title.endswith(".")
        assert check.help[0].isupper(), check.id
        assert check.help.endswith("."), check.id


def test_the_help_of_a_check_has_a_finding_s_form_in_a_line() -> None:
    assert REGISTRY["LCK001"].help == "Run `invoke lock` and commit what it writes."
    assert REGISTRY["LCK001"].help_line == "run `invoke lock` and commit what it writes"
