"""A small package measured from PyPI, and the documents that are written."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest

from torchpin import paths
from torchpin.commands.measure import measure_packages
from torchpin.errors import InputError
from torchpin.facts import measured, validate_measured
from torchpin.model import Settings
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 6, 1)  # later releases do not count


def test_a_package_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not among the measured packages: requests"):
        measure_packages(
            Repository(root=tmp_path, services=(), settings=Settings()),
            ["requests"],
            today=TODAY,
            report=print,
        )


@pytest.mark.network
def test_a_wheel_and_a_source_archive_are_measured(tmp_path: Path) -> None:
    repo = Repository(root=tmp_path, services=(), settings=Settings())
    result = measure_packages(repo, ["basicsr", "lpips"], today=TODAY, report=print)
    assert set(result.written) == {f"{paths.MEASURED}/basicsr.json", f"{paths.MEASURED}/lpips.json"}
    documents = {
        name: json.loads((tmp_path / paths.MEASURED / f"{name}.json").read_text())
        for name in ("basicsr", "lpips")
    }
    assert list(validate_measured.problems(documents, TODAY)) == []
    # basicsr has source archives alone, lpips has wheels
    (row,) = (
        row
        for row in documents["basicsr"]["imports"]
        if row["module"] == "torchvision.transforms.functional_tensor"
    )
    assert (row["file"], row["names"], row["entry"]) == (
        "basicsr/data/degradations.py",
        ["rgb_to_grayscale"],
        "basicsr",
    )
    assert documents["lpips"]["releases"][-1] == "0.1.4"
    assert "torch>=0.4.0" in documents["lpips"]["requires"]
    committed = measured.measured_document("basicsr")
    assert committed
    assert {**committed, "date": "", "names": {}} == {**documents["basicsr"], "date": "", "names": {}}
