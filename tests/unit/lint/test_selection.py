"""Rules are chosen by the beginnings of their ids: the longer one counts, and of two the same the ignored one."""

from __future__ import annotations

import pytest

from torchpin.errors import InputError
from torchpin.lint.selection import selected_ids

IDS = {"ADO001", "ADO002", "ADO012", "BAS001"}


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ((), (), IDS),
        (("ADO",), (), {"ADO001", "ADO002", "ADO012"}),
        (("ado00,BAS",), (), {"ADO001", "ADO002", "BAS001"}),
        ((), ("ADO00",), {"ADO012", "BAS001"}),
        (("ADO001",), ("ADO",), {"ADO001"}),
        (("ADO",), ("ADO012",), {"ADO001", "ADO002"}),
        (("ADO001",), ("ADO001",), set()),
        ((), ("ADO", "BAS"), set()),
    ],
)
def test_the_longer_beginning_counts(
    select: tuple[str, ...], ignore: tuple[str, ...], expected: set[str]
) -> None:
    assert selected_ids(IDS, select, ignore) == expected


def test_what_no_rule_begins_with_is_refused_with_near_ids() -> None:
    with pytest.raises(InputError, match=r"^--select: no rule .* 'ADO01X' \(did you mean .*ADO01"):
        selected_ids(IDS, ("ADO01X",))
    with pytest.raises(InputError, match=r"^--ignore: no rule .* 'ZZZ'"):
        selected_ids(IDS, (), ("ZZZ",))
