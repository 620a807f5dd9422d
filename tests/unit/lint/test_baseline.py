"""Known findings: by rule, file and text of the line, however the lines move."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from torchpin.lint.baseline import baseline_text, parse_baseline, split_known
from torchpin.lint.matches import Match
from torchpin.model import Finding

TEXT = "FROM a\nRUN pip install b\nRUN pip install b\n"


def match(line: int, id_: str = "ADO012", file: str = "Dockerfile") -> Match:
    return Match(id=id_, finding=Finding(location=f"{file}:{line}:5", message="m", help="h", about="b"))


def known(matches: list[Match], text: str, baseline: str) -> tuple[int, int, int]:
    """How many matches are new and known, and how many of the baseline are stale."""
    new, old, stale = split_known(matches, {"Dockerfile": text}, parse_baseline(baseline))
    return len(new), len(old), stale.total()


def test_lines_that_are_inserted_or_indented_change_nothing() -> None:
    baseline = baseline_text([match(2), match(3)], {"Dockerfile": TEXT})
    moved = TEXT.replace("FROM a\n", "FROM a\n\nLABEL x=y\n").replace("pip install", "pip  install")
    assert known([match(4), match(5)], moved, baseline) == (0, 2, 0)


def test_one_more_of_the_same_line_is_new() -> None:
    baseline = baseline_text([match(2)], {"Dockerfile": TEXT})
    assert known([match(2), match(3)], TEXT, baseline) == (1, 1, 0)


def test_another_rule_file_or_line_is_new_and_the_old_one_stale() -> None:
    baseline = baseline_text([match(2)], {"Dockerfile": TEXT})
    assert known([match(2, "ADO006")], TEXT, baseline) == (1, 0, 1)
    assert known([match(2, file="other/Dockerfile")], TEXT, baseline) == (1, 0, 1)
    assert known([match(1)], TEXT, baseline) == (1, 0, 1)


def test_the_file_is_sorted_and_holds_no_line_of_the_project() -> None:
    text = "RUN pip install --index-url https://user:s3cret@example.org b\n"
    baseline = baseline_text([match(1), match(1, "ADO001")], {"Dockerfile": text})
    assert "s3cret" not in baseline
    assert [row[0] for row in json.loads(baseline)["findings"]] == ["ADO001", "ADO012"]
    assert baseline == baseline_text([match(1, "ADO001"), match(1)], {"Dockerfile": text})


def test_an_empty_baseline_is_one() -> None:
    assert parse_baseline(baseline_text([], {})) == Counter()


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"torchpin_baseline": 2, "findings": []}', '{"torchpin_baseline": 1, "findings": {}}'),
        *(f'{{"torchpin_baseline": 1, "findings": [{row}]}}' for row in ('["a"]', '["a","b","c",0]', '["a","b","c",true]', "1")),
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_baseline(text)
