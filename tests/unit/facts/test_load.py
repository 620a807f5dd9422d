"""Rows take the defaults of their section and of their file."""

from __future__ import annotations

from torchpin.facts.load import merge_defaults


def test_a_row_overrides_the_defaults_of_its_section_and_those_the_defaults_of_the_file() -> None:
    raw = {
        "defaults": {"date": "2026-11-22", "method": "published", "tags": {"method": "measured"}},
        "tags": [{"tag": "a"}, {"tag": "b", "date": "2026-01-01", "method": "inferred"}],
        "others": [{"tag": "c"}],
    }
    assert merge_defaults(raw) == {
        "tags": [
            {"tag": "a", "date": "2026-11-22", "method": "measured"},
            {"tag": "b", "date": "2026-01-01", "method": "inferred"},
        ],
        "others": [{"tag": "c", "date": "2026-11-22", "method": "published"}],
    }
