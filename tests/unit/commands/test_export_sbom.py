"""The exported SBOMs of a committed service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torchpin.commands.export import export
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.workspace import workspace

REPO = workspace.open_repository(Path(__file__).parents[3])
(ENV,) = select_environments(REPO.services, service="seedvr")


def test_cyclonedx_is_the_committed_file() -> None:
    assert export(REPO, ENV, "cyclonedx") == REPO.text("records/seedvr-gpu/sbom.cdx.json")


def test_spdx_has_the_same_packages_and_the_time_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    document = json.loads(export(REPO, ENV, "spdx"))
    assert document["creationInfo"]["created"] == "1970-01-02T00:00:00Z"
    bom = json.loads(export(REPO, ENV, "cyclonedx"))
    rows = [(row["name"], row.get("versionInfo")) for row in document["packages"]]
    assert sorted(rows[1:]) == sorted((row["name"], row["version"]) for row in bom["components"])


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "\u0661", "9" * 12, "9" * 5000])
def test_a_time_that_is_none_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(InputError, match=r"^SOURCE_DATE_EPOCH must be seconds since 1970, not '"):
        export(REPO, ENV, "spdx")
