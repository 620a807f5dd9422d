"""What partners require of torch, read from PyPI into a copy of the table."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from torchpin import paths
from torchpin.commands.measure_partners import measure_partners
from torchpin.errors import InputError
from torchpin.model import Settings
from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 11, 20)  # later releases do not count


def test_a_package_that_is_no_partner_is_refused(tmp_path: Path) -> None:
    repo = Repository(root=tmp_path, services=(), settings=Settings())
    with pytest.raises(InputError, match="not a partner of torch: requests"):
        measure_partners(repo, ["requests"], today=TODAY, report=print)


@pytest.mark.network
def test_a_table_that_has_all_releases_changes_in_its_date_alone(tmp_path: Path) -> None:
    table = tmp_path / paths.PARTNERS
    table.parent.mkdir(parents=True)
    shutil.copy(ROOT / paths.PARTNERS, table)
    lines: list[str] = []
    repo = Repository(root=tmp_path, services=(), settings=Settings())
    result = measure_partners(repo, ["torchdata", "torchcodec"], today=TODAY, report=lines.append)
    assert lines == ["torchdata: 0 new releases read", "torchcodec: 1 new releases read"]
    assert result.unread == (
        "torchcodec 0.17.0 requires no release of torch in its METADATA: see what its project publishes",
    )
    committed = (ROOT / paths.PARTNERS).read_text()
    assert table.read_text() == committed.replace(
        'declared: {date: "2026-11-26"', 'declared: {date: "2026-11-20"'
    )
