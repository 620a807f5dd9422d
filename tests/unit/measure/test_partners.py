"""What METADATA say of torch, and the rows that follow."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from torchpin.facts import load
from torchpin.measure.partners import format_declared, renewed_table, torch_requirement

HEAD = "Metadata-Version: 2.1\nName: x\nVersion: 1\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["torch (==2.8.0)"], "==2.8.0"),
        (["numpy", "torch<2.9.0,>=2.8.0"], ">=2.8.0,<2.9.0"),
        (["torch"], ""),
        (["numpy"], None),
        (["torch>=2.7; extra == 'all'", "torchvision==0.23.0"], None),
        (["torch==2.8.0; sys_platform == 'darwin'", "torch==2.9.0; sys_platform == 'linux'"], "==2.9.0"),
        (["Torch >=2.0", "torch !=2.1"], ">=2.0,!=2.1"),
        (["torch at 2"], None),
    ],
)
def test_the_requirement_is_that_of_linux_without_extras(lines: list[str], expected: str | None) -> None:
    text = HEAD + "".join(f"Requires-Dist: {line}\n" for line in lines)
    assert torch_requirement(text.encode()) == expected


def test_versions_with_one_requirement_share_a_row_and_silent_ones_have_none() -> None:
    versions = {"0.10.0": ">=2", "0.9.0": ">=2", "0.7.0": "==2.1.0", "0.11.0": None, "0.12.0": ""}
    assert format_declared({"torchdata": versions}) == (
        "declared:\n"
        '- {package: torchdata, torch: "==2.1.0", versions: ["0.7.0"]}\n'
        '- {package: torchdata, torch: ">=2", versions: ["0.9.0", "0.10.0"]}\n'
    )


def test_a_renewed_table_keeps_what_people_wrote() -> None:
    text = (
        '# comment\n\ndefaults:\n  declared: {date: "2026-01-01", source: "METADATA"}\n'
        "published:\n- {package: a}\n\ndeclared:\n- {package: b}\n"
    )
    renewed = renewed_table(text, {"b": {"2": "==2.8.0"}}, date(2026, 12, 1))
    assert renewed == text.replace("2026-01-01", "2026-12-01").replace(
        "{package: b}", '{package: b, torch: "==2.8.0", versions: ["2"]}'
    )


def test_the_table_is_as_it_would_be_written() -> None:
    declared: dict[str, dict[str, str | None]] = {}
    for row in load.load_table("partners")["declared"]:
        declared.setdefault(row["package"], {}).update(dict.fromkeys(row["versions"], row["torch"]))
    text = (Path(load.__file__).parent / "data/partners.yaml").read_text()
    assert text.endswith(format_declared(declared))
