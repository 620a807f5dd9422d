"""Comments that ignore findings: what they cover, their reason, unknown ids, and those of no use."""

from __future__ import annotations

import pytest

from torchpin.lint.directives import INVALID, UNUSED, apply_directives, read_directives
from torchpin.lint.matches import Match
from torchpin.lint.result import sort_matches
from torchpin.model import Finding

IDS = {"ADO001", "ADO006", INVALID, UNUSED}
REASON = "because of a good reason"
DOCKERFILE = f"""\
FROM a
# torchpin: ignore=ADO006 {REASON}

# another comment
RUN one \\
    && two \\
    # torchpin: ignore=ADO001 {REASON}
    && three
RUN four  # torchpin: ignore=ADO001,ADO006 {REASON}
"""
STARTS = (1, 5, 9)


def match(id_: str, line: int, file: str = "Dockerfile") -> Match:
    return Match(id=id_, finding=Finding(location=f"{file}:{line}:1", message="m", help="h", level="warning"))


def ignored(text: str, *matches: Match, starts: tuple[int, ...] = STARTS) -> set[tuple[str, int]]:
    directives, _ = read_directives("Dockerfile", text, starts, IDS)
    return {(row.id, row.place[1]) for row, _ in apply_directives(matches, directives, IDS)[1]}


@pytest.mark.parametrize("line", [5, 6, 7, 8])
def test_a_comment_before_an_instruction_is_about_all_its_lines(line: int) -> None:
    assert ignored(DOCKERFILE, match("ADO006", line), match("ADO006", 1)) == {("ADO006", line)}


def test_a_comment_within_an_instruction_is_about_the_next_line() -> None:
    rows = [match("ADO001", line) for line in (5, 6, 8)]
    assert ignored(DOCKERFILE, *rows) == {("ADO001", 8)}


def test_a_comment_behind_a_command_is_about_its_line() -> None:
    assert ignored(DOCKERFILE, match("ADO001", 9), match("ADO006", 9)) == {("ADO001", 9), ("ADO006", 9)}


def test_a_line_of_a_requirement_file_is_a_statement() -> None:
    text = f"# torchpin: ignore=ADO006 {REASON}\na\nb  # torchpin: ignore=ADO001 {REASON}\n"
    rows = [match("ADO006", 2), match("ADO006", 3), match("ADO001", 3)]
    assert ignored(text, *rows, starts=()) == {("ADO006", 2), ("ADO001", 3)}


def test_a_directive_of_a_file_is_about_all_its_lines_and_about_no_other_file() -> None:
    text = f"FROM a\nRUN b\n# torchpin: ignore-file=ado006 {REASON}\n"
    rows = [
        match("ADO006", 1),
        match("ADO006", 2),
        match("ADO006", 1, "other/Dockerfile"),
        match("ADO001", 2),
    ]
    assert ignored(text, *rows) == {("ADO006", 1), ("ADO006", 2)}


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# torchpin: ignore=ADO006", "`ignore=ADO006` has no reason, and ignores nothing"),
        ("# torchpin: ignore=ADO006 because", "this comment is not a directive"),
        ("# torchpin: ignore ADO006 because x", "this comment is not a directive"),
        ("# torchpin: skip", "this comment is not a directive"),
        ("# torchpin: ignore=ADO006,ADO999 because x", "no rule has the id ADO999"),
    ],
)
def test_what_is_no_directive_is_a_finding(comment: str, message: str) -> None:
    _, (problem,) = read_directives("Dockerfile", f"FROM a\n{comment}\nRUN b\n", (1, 3), IDS)
    assert (problem.id, problem.finding.location, problem.finding.message) == (
        INVALID,
        "Dockerfile:2:1",
        message,
    )


def test_a_directive_without_a_reason_ignores_nothing() -> None:
    assert ignored("# torchpin: ignore=ADO006\nFROM a\n", match("ADO006", 2), starts=(2,)) == set()


def test_what_is_about_torchpin_otherwise_is_no_directive() -> None:
    assert read_directives("Dockerfile", "# torchpin is here\nENV a=x#torchpin:ignore\n", (2,), IDS) == (
        (),
        (),
    )


def test_an_id_that_nothing_needed_is_a_finding_where_its_rule_was_asked() -> None:
    text = f"# torchpin: ignore=ADO001,ADO006 {REASON}\nFROM a\n"
    rows, texts = [match("ADO006", 2)], {"Dockerfile": text}
    open_matches, _ = sort_matches(rows, texts, {"Dockerfile": [2]}, ids=IDS, known_ids=IDS)
    assert [(row.id, row.finding.message) for row in open_matches] == [
        (UNUSED, "ADO001 is ignored, and there is no such finding")
    ]
    selected, _ = sort_matches(rows, texts, {"Dockerfile": [2]}, ids=IDS - {"ADO001"}, known_ids=IDS)
    assert selected == ()
