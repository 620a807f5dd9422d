"""The recorded index pages agree with the tables, and every planted contradiction is found."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from support.facts import PAGES, find_row
from torchpin import facts
from torchpin.facts.load import all_tables


def torch_files(*versions: str, channel: str = "cu121") -> list[list[str | None]]:
    return [[f"torch-{version}+{channel}-cp310-cp310-linux_x86_64.whl", "ab" * 32] for version in versions]


PAGE_PROBLEMS: dict[str, tuple[Any, ...]] = {
    "no source": (lambda pages, _: pages["cu121"].update(source=""), "index/cu121.json: source is missing"),
    "another channel": (
        lambda pages, _: pages["cu121"].update(channel="cu124"),
        "index/cu121.json: channel is 'cu124', not 'cu121'",
    ),
    "a date that is none": (
        lambda pages, _: pages["cu121"].update(date="March"),
        "index/cu121.json: date 'March' is not a date",
    ),
    "half a hash": (
        lambda pages, _: pages["cu121"]["packages"].update(
            {"torchdata": [["torchdata-0.6.1-py3-none-any.whl", "ab"]]}
        ),
        "index/cu121.json: torchdata: torchdata-0.6.1-py3-none-any.whl: 'ab' is not a sha256",
    ),
    "a row of three": (
        lambda pages, _: pages["cu121"]["packages"].update({"torchdata": [["a", None, 1]]}),
        "index/cu121.json: torchdata: ['a', None, 1] is not a file name with its hash",
    ),
    "a wheel for another system": (
        lambda pages, _: pages["cu121"]["packages"].update(
            {"torchdata": [["torchdata-0.6.1-cp310-cp310-win_amd64.whl", None]]}
        ),
        "index/cu121.json: torchdata: torchdata-0.6.1-cp310-cp310-win_amd64.whl is not a wheel for Linux",
    ),
    "another package's file": (
        lambda pages, _: pages["cu121"]["packages"].update(
            {"torchdata": [["torchtext-0.6.1-py3-none-any.whl", None]]}
        ),
        "index/cu121.json: torchdata: torchtext-0.6.1-py3-none-any.whl belongs to another package",
    ),
    "another oldest torch": (
        lambda _, tables: find_row(tables, "channels", "cu121").update(first="2.1.1"),
        "index/cu121.json: its oldest torch is 2.1.0; in channels.yaml first is 2.1.1",
    ),
    "a newer torch": (
        lambda pages, _: pages["cu121"]["packages"]["torch"].extend(torch_files("2.5.2")),
        "index/cu121.json: its newest torch is 2.5.2; in channels.yaml last is 2.5.1",
        "index/cu121.json: torch 2.5.2 has no row in torch.yaml",
    ),
    "a torch of a series that the channel does not have": (
        lambda _, tables: find_row(tables, "channels", "cu121")["series"].remove("2.3"),
        "archs.yaml: 2.3 cu121 x86_64: channels.yaml does not list 2.3 for cu121",
        "index/cu121.json: it lists torch 2.3.0; channels.yaml does not list 2.3 for cu121",
        "index/cu121.json: it lists torch 2.3.1; channels.yaml does not list 2.3 for cu121",
    ),
    "a page that is not there": (
        lambda pages, _: pages.pop("cu121"),
        "channels.yaml: cu121: recorded is True, but its index snapshot is missing",
    ),
    "a companion of another torch": (
        lambda pages, _: pages["metadata"]["records"][1].update(requires_dist=["torch==2.5.0"]),
        "index/metadata.json: cu121 torchaudio 2.5.1+cu121: requires torch==2.5.0; partners.yaml has ==2.5.1 for torchaudio 2.5.1",
    ),
    "a dependency that is none": (
        lambda pages, _: pages["metadata"]["records"][1].update(requires_dist=["torch at 2.5.1"]),
        "index/metadata.json: cu121 torchaudio 2.5.1+cu121: 'torch at 2.5.1' is not a requirement",
    ),
    "dependencies that nobody told": (
        lambda pages, _: pages["metadata"]["records"][1].update(source=""),
        "index/metadata.json: cu121 torchaudio 2.5.1+cu121: source is missing",
    ),
    "dependencies on no channel": (
        lambda pages, _: pages["metadata"]["records"][1].update(channel="cu999"),
        "index/metadata.json: cu999 torchaudio 2.5.1+cu121: channel does not exist",
    ),
}


@pytest.mark.parametrize("planted", PAGE_PROBLEMS.values(), ids=PAGE_PROBLEMS)
def test_a_planted_contradiction_is_found(planted: tuple[Any, ...]) -> None:
    plant, *expected = planted
    tables, pages = deepcopy(all_tables()), deepcopy({name: PAGES[name] for name in ("cu121", "metadata")})
    for channel in tables["channels"]["channels"]:
        channel["recorded"] = channel["name"] == "cu121"
    plant(pages, tables)
    assert facts.problems(tables, pages) == tuple(expected)
