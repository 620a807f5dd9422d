"""How old the sections of the tables are, and which rows of an environment have expired."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

from support.facts import PAGES, RECORDED_CHANNELS, find_row
from torchpin import facts
from torchpin.facts.load import all_tables


def test_every_section_and_page_has_an_age() -> None:
    tables = deepcopy(all_tables())
    for gpu in tables["gpus"]["gpus"]:
        gpu["date"] = "2026-11-22"
    ages = {(age.table, age.section): age for age in facts.section_ages(date(2026, 11, 24), tables)}
    gpus = ages["gpus", "gpus"]
    assert (gpus.oldest, gpus.newest, gpus.days, gpus.max_age_days, gpus.expired) == (
        "2026-11-22",
        "2026-11-22",
        2,
        730,
        (),
    )
    assert {("index", channel) for channel in RECORDED_CHANNELS} <= ages.keys()
    assert {(name, section) for name, table in all_tables().items() for section in table} <= ages.keys()


def test_a_page_ages_until_its_channel_has_ended_and_it_shows_the_last_series() -> None:
    tables, pages = deepcopy(all_tables()), {name: PAGES[name] for name in ("cu121", "cu128", "cu130")}
    find_row(tables, "channels", "cu128").update(
        series=["2.98", "2.99"]
    )  # it ended, and was recorded before that
    limits = {age.section: age.max_age_days for age in facts.section_ages(date(2026, 11, 24), tables, pages)}
    assert (limits["cu121"], limits["cu128"], limits["cu130"]) == (None, 365, 365)


def test_rows_past_their_limit_are_named() -> None:
    tables = deepcopy(all_tables())
    find_row(tables, "gpus", "T4").update(date="2024-01-01")
    find_row(tables, "gpus", "A100").update(date="2024-01-01", limit=9999)
    ages = facts.section_ages(date(2026, 11, 24), tables)
    (age,) = [age for age in ages if (age.table, age.section) == ("gpus", "gpus")]
    assert [str(aged_row) for aged_row in age.expired] == [
        "gpus.yaml: gpus: T4 is 1058 days old (2024-01-01); its maximum age is 730 days"
    ]
    assert (age.oldest, age.newest) == ("2024-01-01", "2026-11-22")


def test_a_page_is_as_old_as_the_releases_that_it_lacks() -> None:
    tables, pages = (
        deepcopy(all_tables()),
        {name: PAGES[name] for name in ("cu121", "cu128", "cu129", "cu130")},
    )
    day = date(2026, 11, 24)
    lacks = {
        age.section: (age.lacks, age.expired)
        for age in facts.section_ages(day, tables, pages)
        if age.table == "index"
    }
    # Up to 2.5 on cu121; 2.11.0 on cu128; on cu129 2.11.0, 2.12.1 and 2.13.0; 2.11.0 to 2.15.0 on cu130.
    assert lacks == {"cu121": (0, ()), "cu128": (1, ()), "cu129": (3, ()), "cu130": (7, ())}
    find_row(tables, "channels", "cu130").update(page_releases=6)
    (expired,) = facts.expired_rows(
        day,
        channel="cu130",
        gpus=(),
        base="python:3.12-slim-bookworm",
        torch="2.9.1",
        tables=tables,
        pages=pages,
    )
    assert str(expired) == (
        "index: cu130 (2026-03-15) lacks 7 releases of torch, 2.11.0 to 2.15.0; at most 6 may be missing"
    )


LORA: dict[str, Any] = {
    "channel": "cu121",
    "gpus": ("NVIDIA RTX A6000",),
    "base": "docker.io/nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04@sha256:21196d",
    "torch": "2.5.1+cu121",
}


def test_an_environment_of_young_facts_has_no_aged_ones() -> None:
    assert facts.expired_rows(date(2026, 11, 24), **LORA) == ()


def test_an_environments_aged_facts_are_those_that_it_rests_on() -> None:
    aged_facts = facts.expired_rows(date(2028, 12, 1), **LORA)
    assert {(fact.table, fact.row) for fact in aged_facts} == {
        ("channels.yaml", "channels: cu121"),
        ("channels.yaml", "complete: index-snapshots"),
        ("torch.yaml", "releases: 2.5.1"),
        ("archs.yaml", "archs: 2.5 cu121 x86_64"),
        ("gpus.yaml", "gpus: RTX A6000"),
        ("drivers.yaml", "toolkits: 12.1 0"),
        ("drivers.yaml", "toolkits: 12.1 1"),
        ("drivers.yaml", "families: 12.x"),
        ("drivers.yaml", "gates: 12.1"),
        ("base_images.yaml", "cuda: 12.1.1 supported"),
        ("base_images.yaml", "systems: ubuntu22.04"),
        ("base_images.yaml", "digests: nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"),
    }


def test_a_page_that_still_changes_ages_with_the_environments_on_it() -> None:
    env: dict[str, Any] = {
        "channel": "cu126",
        "gpus": (),
        "base": "python:3.12-slim-bookworm",
        "torch": "2.9.1",
    }
    env["pages"] = {"cu126": {**PAGES["cu126"], "date": "2026-03-15"}}
    aged_facts = facts.expired_rows(date(2027, 3, 16), **env)
    assert [(fact.table, fact.row, fact.days, fact.max_age_days) for fact in aged_facts] == [
        ("index", "cu126", 366, 365)
    ]
    served = facts.expired_rows(
        date(2027, 3, 16), **{**env, "channel": "pypi", "torch": "2.7.1"}
    )  # PyPI's 2.7.1 is of cu126
    assert served == aged_facts
