"""The facts say what they should, hold together, and are read as values."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin import facts
from torchpin.facts.index_pages import all_pages
from torchpin.facts.load import all_tables, merge_defaults

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED = ("cpu", "cu118", "cu121", "cu124", "cu126", "cu128", "cu129", "cu130")
FOLDER = Path(facts.__file__).parent
TORCH_CP310 = "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl"
FLASH_24_TRUE = "flash_attn-2.8.3+cu12torch2.4cxx11abiTRUE-cp39-cp39-linux_x86_64.whl"
TORCH_CP310_SHA = "92af92c569de5da937dd1afb45ecfdd598ec1254cf2e49e3d698cb24d71aae14"


def runs(torch: str, channel: str, gpu_name: str) -> bool:
    archs, gpu = facts.compiled_archs(torch, channel), facts.gpu(gpu_name)
    assert archs is not None
    assert gpu is not None
    assert gpu.capability is not None
    return facts.runs_on(archs, gpu.capability)


def make_archs(*, sm: tuple[str, ...] = (), ptx: tuple[str, ...] = ()) -> facts.Archs:
    return facts.Archs(
        series="2.7",
        channel="cu128",
        platform="x86_64",
        sm=sm,
        ptx=ptx,
        source="a test",
        date="2026-11-22",
        method="inferred",
    )


# --- the tables as a whole -------------------------------------------------------------------------------------------


def test_the_tables_have_no_problems() -> None:
    assert facts.problems() == ()


TABLE_PROBLEMS: dict[str, tuple[Any, ...]] = {
    "no source": (
        lambda tables: tables["gpus"]["gpus"][0].update(source=" "),
        "gpus.yaml: gpus 1: no source",
    ),
    "a guess": (
        lambda tables: tables["torch"]["abi"][1].update(method="guessed"),
        "torch.yaml: abi 2: method is 'guessed', not one of inferred, measured, published",
    ),
    "no date": (
        lambda tables: tables["drivers"]["gates"][0].pop("date"),
        "drivers.yaml: gates 1: no date",
    ),
    "a date that is none": (
        lambda tables: tables["sources"]["tags"][0].update(tagged="2022-13-01"),
        "sources.yaml: tags 1: tagged '2022-13-01' is no date",
    ),
    "half a digest": (
        lambda tables: tables["bases"]["digests"][0].update(digest="sha256:21196d81"),
        "bases.yaml: digests 1: digest 'sha256:21196d81' is no digest",
    ),
    "an id twice": (
        lambda tables: tables["failures"]["failures"].append(tables["failures"]["failures"][0]),
        "failures.yaml: failures: probe is there 2 times",
    ),
    "a tag twice": (
        lambda tables: tables["sources"]["tags"].append(tables["sources"]["tags"][0]),
        "sources.yaml: tags: kohya-ss/sd-scripts v0.1.0 is there 2 times",
    ),
    "another channel's address": (
        lambda tables: tables["channels"]["channels"][0].update(url="https://download.pytorch.org/whl/cu118"),
        "channels.yaml: cpu: its url is another channel's",
    ),
    "another CUDA": (
        lambda tables: tables["channels"]["channels"][1].update(cuda="12.1"),
        "channels.yaml: cu116: cuda is 12.1",
    ),
    "a version that is none": (
        lambda tables: tables["torch"]["releases"][0].update(version="latest"),
        "torch.yaml: 'latest' is no version",
    ),
    "an unknown channel on PyPI": (
        lambda tables: tables["torch"]["releases"][0].update(pypi_local="cu999"),
        "torch.yaml: 1.13.0: pypi_local cu999 is no channel",
    ),
    "an unknown channel": (
        lambda tables: tables["archs"]["archs"][0].update(channel="cu999"),
        "archs.yaml: 1.13 cu999 x86_64: no such channel",
        "archs.yaml: 1.13 cu116: neither a row nor a hole",
    ),
    "a series that the channel never had": (
        lambda tables: tables["archs"]["archs"][0].update(channel="cu121"),
        "archs.yaml: 1.13 cu121 x86_64: that channel never had 1.13",
        "archs.yaml: 1.13 cu116: neither a row nor a hole",
    ),
    "no architectures at all": (
        lambda tables: tables["archs"]["archs"][0].update(sm=None),
        "archs.yaml: 1.13 cu116 x86_64: neither sm nor upper_bound",
    ),
    "an architecture that is none": (
        lambda tables: tables["archs"]["archs"][0].update(sm=["9.0"]),
        "archs.yaml: 1.13 cu116 x86_64: '9.0' is no architecture",
    ),
    "a card without a capability": (
        lambda tables: tables["gpus"]["gpus"][1].update(capability=None),
        "gpus.yaml: T4: no capability, and no note why",
    ),
    "a capability that is none": (
        lambda tables: tables["gpus"]["gpus"][1].update(capability="75"),
        "gpus.yaml: T4: capability '75' is not like 8.6",
    ),
    "a name for two cards": (
        lambda tables: tables["gpus"]["gpus"][1].update(aliases=["Tesla V100"]),
        "gpus.yaml: v100 names two cards",
    ),
    "a short commit": (
        lambda tables: tables["sources"]["tags"][0].update(commit="7a04196"),
        "sources.yaml: v0.1.0: commit is not a full one",
    ),
    "requirements of no tag": (
        lambda tables: tables["sources"]["requirements"][0].update(tag="v9"),
        "sources.yaml: kohya-ss/sd-scripts v9: requirements of no known tag",
    ),
    "a requirement that is none": (
        lambda tables: tables["floors"]["floors"][0].update(needs="torch under 2.6"),
        "floors.yaml: bitsandbytes-triton-ops: needs 'torch under 2.6' is no requirement",
    ),
    "a pattern that does not compile": (
        lambda tables: tables["failures"]["failures"][0].update(pattern="("),
        "failures.yaml: probe: the pattern does not compile: missing ), unterminated subpattern at position 0",
    ),
    "a pattern that matches everything": (
        lambda tables: tables["failures"]["failures"][0].update(pattern=".*"),
        "failures.yaml: probe: the pattern matches everything",
    ),
    "an exact pin that is none": (
        lambda tables: tables["floors"]["floors"][0].update(instead="bitsandbytes>=0.45.1"),
        "floors.yaml: bitsandbytes-triton-ops: instead 'bitsandbytes>=0.45.1' is no exact pin",
    ),
    "an interface that was never removed": (
        lambda tables: tables["floors"]["floors"][0].update(interface="triton-op"),
        "floors.yaml: bitsandbytes-triton-ops: no interface triton-op is removed",
    ),
    "what no version brings": (
        lambda tables: tables["packages"]["brings"][0].update(when="docstrange 1.1.6"),
        "packages.yaml: brings: 'docstrange 1.1.6' is no requirement",
    ),
    "a package that is brought under another name": (
        lambda tables: tables["packages"]["brings"][0].update(packages=["Easy_OCR"]),
        "packages.yaml: 'Easy_OCR' is not a normalized name",
    ),
    "a conflict of one": (
        lambda tables: tables["packages"]["conflicts"][0].update(names=["opencv-python"]),
        "packages.yaml: opencv: a conflict of one",
    ),
    "a name that is not normalized": (
        lambda tables: tables["packages"]["native"][0].update(package="OpenCV_Python"),
        "packages.yaml: 'OpenCV_Python' is not a normalized name",
    ),
    "a wheel of an unknown version": (
        lambda tables: tables["wheels"]["wheels"][4].update(version="2.8.2"),
        f"wheels.yaml: {FLASH_24_TRUE}: no such package and version",
        f"wheels.yaml: {FLASH_24_TRUE}: its columns say {FLASH_24_TRUE.replace('2.8.3', '2.8.2')}",
    ),
    "a wheel whose columns say another file": (
        lambda tables: tables["wheels"]["wheels"][4].update(python="cp310"),
        f"wheels.yaml: {FLASH_24_TRUE}: its columns say {FLASH_24_TRUE.replace('cp39', 'cp310')}",
    ),
    "half a hash": (
        lambda tables: tables["wheels"]["wheels"][4].update(sha256="cd1a45eb"),
        "wheels.yaml: wheels 5: sha256 'cd1a45eb' is no digest",
    ),
    "a hash twice": (
        lambda tables: tables["wheels"]["wheels"][4].update(sha256=tables["wheels"]["wheels"][5]["sha256"]),
        f"wheels.yaml: {facts.wheels()[5].sha256} is there 2 times",
    ),
    "a wheel twice": (
        lambda tables: tables["wheels"]["wheels"].append(
            {**tables["wheels"]["wheels"][4], "sha256": "ab" * 32}
        ),
        f"wheels.yaml: wheels: {FLASH_24_TRUE} is there 2 times",
    ),
    "a release that is a file": (
        lambda tables: tables["wheels"]["packages"][0].update(release="releases/v2.8.3/"),
        "wheels.yaml: flash-attn: release 'releases/v2.8.3/' is no folder's address",
    ),
    "a wheel package with a capability that is none": (
        lambda tables: tables["wheels"]["packages"][0].update(min_capability="sm_80"),
        "wheels.yaml: flash-attn: min_capability 'sm_80' is not like 8.0",
    ),
    "a wheel package that requires torch": (
        lambda tables: tables["wheels"]["packages"][0].update(requires=["einops", "torch>=2"]),
        "wheels.yaml: flash-attn: requires 'torch>=2', which is no requirement beside torch",
    ),
    "a wheel package for an architecture that is none": (
        lambda tables: tables["wheels"]["packages"][0].update(archs=["8.0"]),
        "wheels.yaml: flash-attn: '8.0' is no architecture",
    ),
    "a wheel package whose name is not normalized": (
        lambda tables: (
            tables["wheels"].update(wheels=[], built=[]),
            tables["wheels"]["packages"][0].update(package="Flash_Attn"),
        ),
        "wheels.yaml: Flash_Attn: is not a normalized name",
    ),
    "a wheel built against another series": (
        lambda tables: tables["wheels"]["built"][0].update({"with": "2.3.1"}),
        "wheels.yaml: built for 2.4: with 2.3.1 from cu124",
    ),
    "a FALSE wheel of which nobody knows what it was built against": (
        lambda tables: tables["wheels"].update(
            built=tables["wheels"]["built"][1:],
            wheels=[
                row for row in tables["wheels"]["wheels"] if (row["torch"], row["python"]) != ("2.4", "cp310")
            ][:1],
        ),
        f"wheels.yaml: {FLASH_24_TRUE.replace('TRUE', 'FALSE')}: what it was built against is not known, so neither is its ABI",
    ),
    "a hole that has a row": (
        lambda tables: tables["archs"]["holes"][0].update(channel="cu130"),
        "archs.yaml: 2.11 cu129: neither a row nor a hole",
        "archs.yaml: 2.11 cu130: a hole that has a row",
    ),
    "a hole where nothing belongs": (
        lambda tables: tables["archs"]["holes"].append({**tables["archs"]["holes"][0], "channel": "cu121"}),
        "archs.yaml: 2.11 cu121: a hole where nothing belongs",
    ),
    "an architecture of an unknown toolkit": (
        lambda tables: tables["archs"]["toolkits"][0].update(last_toolkit="12.7"),
        "archs.yaml: sm_70: last_toolkit 12.7 is no toolkit of drivers.yaml",
    ),
    "a card of an unknown toolkit": (
        lambda tables: tables["gpus"]["gpus"][1].update(min_toolkit="12.7"),
        "gpus.yaml: T4: min_toolkit 12.7 is no toolkit of drivers.yaml",
    ),
    "a status that is none": (
        lambda tables: tables["bases"]["cuda"][0].update(status="retired"),
        "bases.yaml: 11.7.1 ubuntu20.04: status is 'retired', not one of supported, end-of-life",
    ),
    "a variant that is none": (
        lambda tables: tables["bases"]["cuda"][0]["variants"].append("cudnn-base"),
        "bases.yaml: 11.7.1 ubuntu20.04: 'cudnn-base' is no variant",
    ),
    "an unknown system": (
        lambda tables: tables["bases"]["pytorch"][0].update(os="ubuntu21.10"),
        "bases.yaml: pytorch/pytorch:2.5.1-cuda12.1-cudnn9-devel: ubuntu21.10 is no known system",
    ),
    "a cuDNN of no image": (
        lambda tables: tables["bases"]["cudnn"][0].update(suffix="cudnn9"),
        "bases.yaml: cudnn: no image of 11.8.0 has cudnn9",
    ),
    "a digest of no image": (
        lambda tables: tables["bases"]["digests"][0].update(
            image="nvidia/cuda:12.1.1-cudnn-devel-ubuntu22.04"
        ),
        "bases.yaml: nvidia/cuda:12.1.1-cudnn-devel-ubuntu22.04 is no known image",
    ),
    "an image on no image": (
        lambda tables: tables["bases"]["runpod"][0].update(base="nvidia/cuda:11.8-devel-ubuntu22.04"),
        "bases.yaml: nvidia/cuda:11.8-devel-ubuntu22.04 is no known image",
    ),
    "an image whose columns say another tag": (
        lambda tables: tables["bases"]["pytorch"][0].update(cudnn="8"),
        "bases.yaml: 2.5.1-cuda12.1-cudnn9-devel: its columns say 2.5.1-cuda12.1-cudnn8-devel",
    ),
    "an image with an unknown torch": (
        lambda tables: tables["bases"]["runpod"][1].update(torch="2.0.9"),
        "bases.yaml: 2.0.1-py3.10-cuda11.8.0-devel-ubuntu22.04: torch 2.0.9 has no row in torch.yaml",
    ),
    "an image with a torch of another CUDA": (
        lambda tables: tables["bases"]["runpod"][0].update(torch="2.1.0+cu121"),
        "bases.yaml: 2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04: CUDA is 11.8.0, torch is +cu121",
    ),
    "a driver that is none": (
        lambda tables: tables["drivers"]["toolkits"][0].update(driver="515"),
        "drivers.yaml: toolkit 11.7 with 515: not like 12.1 with 530.30.02",
    ),
    "a driver out of order": (
        lambda tables: tables["drivers"]["toolkits"][1].update(driver="511.48.07"),
        "drivers.yaml: toolkit 11.7 update 1 has an older driver than the one before it",
    ),
    "a family of drivers that ends before it begins": (
        lambda tables: tables["drivers"]["families"][0].update(below="440"),
        "drivers.yaml: family 11.x: from 450, and below 440",
    ),
    "no family for a CUDA": (
        lambda tables: tables["drivers"]["families"].pop(),
        "drivers.yaml: no family for CUDA 13",
    ),
    "a gate of no image": (
        lambda tables: tables["drivers"]["gates"][0].update(cuda="11.8.9"),
        "drivers.yaml: gate of 11.8.9: bases.yaml has no such image",
    ),
    "a gate that asks for another CUDA": (
        lambda tables: tables["drivers"]["gates"][0].update(needs=">=11.7"),
        "drivers.yaml: gate of 11.8.0: it needs >=11.7",
    ),
    "a gate whose branches are out of order": (
        lambda tables: tables["drivers"]["gates"][1].update(older_branches=[525, 470]),
        "drivers.yaml: gate of 12.1.1: its older branches are out of order",
    ),
    "a short commit of an upstream": (
        lambda tables: tables["sources"]["upstreams"][0].update(commit="673b5637"),
        "sources.yaml: ByteDance-Seed/SeedVR: commit is not a full one",
    ),
    "wheels for a torch that is not known": (
        lambda tables: tables["torch"].update(
            releases=[row for row in tables["torch"]["releases"] if row["version"][:4] != "2.4."]
        ),
        "bases.yaml: 2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04: torch 2.4.0 has no row in torch.yaml",
        "wheels.yaml: wheels for torch 2.4, of which torch.yaml has no release",
    ),
    "a limit that is none": (
        lambda tables: tables["gpus"]["gpus"][0].update(limit="a year"),
        "gpus.yaml: gpus 1: limit is 'a year', no number of days",
    ),
    "an example that does not match": (
        lambda tables: tables["failures"]["failures"][0].update(example="all is well"),
        "failures.yaml: probe: the pattern does not match its example",
    ),
}


@pytest.mark.parametrize("planted", TABLE_PROBLEMS.values(), ids=TABLE_PROBLEMS)
def test_a_planted_problem_is_found(planted: tuple[Any, ...]) -> None:
    plant: Callable[[dict[str, Any]], Any]
    plant, *expected = planted
    tables = deepcopy(all_tables())
    plant(tables)
    assert facts.problems(tables) == tuple(expected)


def test_what_is_still_to_come_is_no_fact() -> None:
    tables = deepcopy(all_tables())
    tables["gpus"]["gpus"][0]["date"] = "2026-12-24"
    pages = {"cu121": {**PAGES["cu121"], "date": "2027-01-01"}}
    problems = facts.problems(tables, pages, date(2026, 12, 1))
    expected = {
        "gpus.yaml: gpus 1: date 2026-12-24 is still to come",
        "index/cu121.json: date 2027-01-01 is still to come",
    }
    assert expected <= set(problems)
    assert not expected & set(facts.problems(tables, pages))


# --- tables and pages against each other -----------------------------------------------------------------------------

PAGES = all_pages()


def torch_files(*versions: str, channel: str = "cu121") -> list[list[str | None]]:
    return [[f"torch-{version}+{channel}-cp310-cp310-linux_x86_64.whl", "ab" * 32] for version in versions]


PAGE_PROBLEMS: dict[str, tuple[Any, ...]] = {
    "no source": (lambda pages, _: pages["cu121"].update(source=""), "index/cu121.json: no source"),
    "another channel": (
        lambda pages, _: pages["cu121"].update(channel="cu124"),
        "index/cu121.json: channel is 'cu124'",
    ),
    "a date that is none": (
        lambda pages, _: pages["cu121"].update(date="March"),
        "index/cu121.json: date 'March' is no date",
    ),
    "half a hash": (
        lambda pages, _: pages["cu121"]["packages"].update(
            {"torchdata": [["torchdata-0.6.1-py3-none-any.whl", "ab"]]}
        ),
        "index/cu121.json: torchdata: torchdata-0.6.1-py3-none-any.whl: 'ab' is no sha256",
    ),
    "a row of three": (
        lambda pages, _: pages["cu121"]["packages"].update({"torchdata": [["a", None, 1]]}),
        "index/cu121.json: torchdata: ['a', None, 1] is no file name with its hash",
    ),
    "a wheel for another system": (
        lambda pages, _: pages["cu121"]["packages"].update(
            {"torchdata": [["torchdata-0.6.1-cp310-cp310-win_amd64.whl", None]]}
        ),
        "index/cu121.json: torchdata: torchdata-0.6.1-cp310-cp310-win_amd64.whl is no wheel for Linux",
    ),
    "another package's file": (
        lambda pages, _: pages["cu121"]["packages"].update(
            {"torchdata": [["torchtext-0.6.1-py3-none-any.whl", None]]}
        ),
        "index/cu121.json: torchdata: torchtext-0.6.1-py3-none-any.whl is another package's",
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
        "archs.yaml: 2.3 cu121 x86_64: that channel never had 2.3",
        "index/cu121.json: torch 2.3.0 is on it; channels.yaml does not have 2.3 there",
        "index/cu121.json: torch 2.3.1 is on it; channels.yaml does not have 2.3 there",
    ),
    "a page that is not there": (
        lambda pages, _: pages.pop("cu121"),
        "channels.yaml: cu121: recorded is True",
    ),
    "a companion of another torch": (
        lambda pages, _: pages["metadata"]["records"][1].update(requires_dist=["torch==2.5.0"]),
        "index/metadata.json: cu121 torchaudio 2.5.1+cu121: asks for torch 2.5.0; torch.yaml does not have them together",
    ),
    "a dependency that is none": (
        lambda pages, _: pages["metadata"]["records"][1].update(requires_dist=["torch at 2.5.1"]),
        "index/metadata.json: cu121 torchaudio 2.5.1+cu121: 'torch at 2.5.1' is no requirement",
    ),
    "dependencies that nobody told": (
        lambda pages, _: pages["metadata"]["records"][1].update(source=""),
        "index/metadata.json: cu121 torchaudio 2.5.1+cu121: no source",
    ),
    "dependencies on no channel": (
        lambda pages, _: pages["metadata"]["records"][1].update(channel="cu999"),
        "index/metadata.json: cu999 torchaudio 2.5.1+cu121: no such channel",
    ),
}


def find_row(tables: dict[str, Any], name: str, entry_name: str) -> dict[str, Any]:
    section, key = {"channels": ("channels", "name"), "torch": ("releases", "version")}[name]
    return next(entry for entry in tables[name][section] if entry[key] == entry_name)


@pytest.mark.parametrize("planted", PAGE_PROBLEMS.values(), ids=PAGE_PROBLEMS)
def test_a_planted_contradiction_is_found(planted: tuple[Any, ...]) -> None:
    plant, *expected = planted
    tables, pages = deepcopy(all_tables()), deepcopy({name: PAGES[name] for name in ("cu121", "metadata")})
    for channel in tables["channels"]["channels"]:
        channel["recorded"] = channel["name"] == "cu121"
    plant(pages, tables)
    assert facts.problems(tables, pages) == tuple(expected)


# --- how old they are ------------------------------------------------------------------------------------------------


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
    assert {("index", channel) for channel in RECORDED} <= ages.keys()
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
    tables["gpus"]["gpus"][1].update(date="2024-01-01")
    tables["gpus"]["gpus"][2].update(date="2024-01-01", limit=9999)
    (age,) = [age for age in facts.section_ages(date(2026, 11, 24), tables) if age.table == "gpus"]
    assert [str(aged_row) for aged_row in age.expired] == [
        "gpus.yaml: gpus: T4 is of 2024-01-01, 1058 days old; it is good for 730"
    ]
    assert (age.oldest, age.newest) == ("2024-01-01", "2026-11-22")


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
        ("torch.yaml", "releases: 2.5.1"),
        ("archs.yaml", "archs: 2.5 cu121 x86_64"),
        ("gpus.yaml", "gpus: RTX A6000"),
        ("drivers.yaml", "toolkits: 12.1 0"),
        ("drivers.yaml", "toolkits: 12.1 1"),
        ("drivers.yaml", "families: 12.x"),
        ("drivers.yaml", "gates: 12.1.1"),
        ("bases.yaml", "cuda: 12.1.1 ubuntu22.04"),
        ("bases.yaml", "digests: nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"),
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


def test_no_table_names_a_package_registry() -> None:
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("pypi", "nvidia", "com"))
    ]
    hosts += [".".join(parts) for parts in (("debian", "org"), ("npmjs", "org"))]
    files = [path for path in FOLDER.rglob("*") if path.suffix in {".yaml", ".json", ".py"}]
    assert files
    assert [path for path in files if any(host in path.read_text(encoding="utf-8") for host in hosts)] == []


# --- channels and releases -------------------------------------------------------------------------------------------


def test_a_channel_knows_where_it_ends() -> None:
    cu121 = facts.channel("cu121")
    assert cu121 is not None
    assert (cu121.cuda, cu121.first, cu121.last, cu121.ended) == ("12.1", "2.1.0", "2.5.1", True)
    assert cu121.url == "https://download.pytorch.org/whl/cu121"
    assert cu121.series[-1] == "2.5"


def test_the_cpu_channel_has_no_cuda_and_pypi_has_no_address() -> None:
    cpu, pypi = facts.channel("cpu"), facts.channel("pypi")
    assert cpu is not None
    assert cpu.cuda is None
    assert pypi is not None
    assert pypi.url is None


def test_an_unknown_channel_is_none() -> None:
    assert facts.channel("cu999") is None


def test_a_release_has_its_companions() -> None:
    release = facts.release("2.5.1+cu121")
    assert release is facts.release("2.5.1")
    assert release is not None
    assert (release.torchvision, release.torchaudio, release.triton) == (("0.20.1",), ("2.5.1",), "3.1.0")
    assert (release.pypi_local, release.cudnn, release.cxx11_abi) == ("cu124", "9.1.0.70", 0)
    assert "cp310" in release.wheel_pythons
    assert facts.release("2.5.9") is None


@pytest.mark.parametrize(
    ("torch", "channel", "abi"),
    [
        ("2.5.1+cu121", "cu121", 0),
        ("2.6.0", "cu124", 0),
        ("2.6.0", "cu126", 1),
        ("2.6.0", "cpu", None),
        ("2.7.1", "cu128", 1),
    ],
)
def test_the_abi_depends_on_release_and_channel(torch: str, channel: str, abi: int | None) -> None:
    assert facts.cxx11_abi(torch, channel) == abi


# --- what runs where -------------------------------------------------------------------------------------------------


def test_torch_2_5_1_on_cu121_runs_on_the_a6000_and_the_h100_and_not_on_the_b200() -> None:
    assert runs("2.5.1", "cu121", "A6000")
    assert runs("2.5.1+cu121", "cu121", "H100")
    assert not runs("2.5.1", "cu121", "B200")


def test_torch_2_7_1_on_cu128_runs_on_the_b200_and_no_longer_on_the_v100() -> None:
    assert runs("2.7.1", "cu128", "B200")
    assert not runs("2.7.1", "cu128", "V100")


def test_pypi_is_judged_as_the_build_that_it_serves() -> None:
    assert facts.compiled_archs("2.7.1", "pypi") == facts.compiled_archs("2.7.1", "cu126")
    assert facts.compiled_archs("2.7.1", "pypi", machine="aarch64") is None
    assert facts.compiled_archs("2.5.0", "pypi") is None  # this patch release was not measured
    assert facts.compiled_archs("9.9.9", "pypi") is None


def test_an_architecture_list_that_is_not_known_has_a_ceiling_only() -> None:
    assert facts.compiled_archs("2.7.1", "cu118") is None
    assert facts.highest_arch("2.7.1", "cu118") == "sm_90"
    assert facts.highest_arch("2.7.1", "cu126") is None
    assert facts.highest_arch("2.7.1", "cu121") is None


def test_a_list_without_known_ptx_is_read_as_one_without_ptx() -> None:
    compiled = facts.compiled_archs("2.11.0", "cu130")
    assert compiled is not None
    assert compiled.ptx == ()


@pytest.mark.parametrize(
    ("sm", "ptx", "capability", "expected"),
    [
        (("sm_80",), (), "8.0", True),
        (("sm_80",), (), "8.9", True),
        (("sm_86",), (), "8.0", False),
        (("sm_90",), (), "10.0", False),
        (("sm_100",), (), "10.3", True),
        (("sm_100",), (), "12.0", False),
        (("sm_90a",), (), "9.0", True),
        (("sm_100a",), (), "10.3", False),
        ((), ("compute_90",), "12.0", True),
        ((), ("compute_120",), "12.0", True),
        ((), ("compute_120",), "10.0", False),
        ((), ("compute_90a",), "10.0", False),
        ((), (), "9.0", False),
    ],
)
def test_a_cubin_stays_in_its_major_and_ptx_goes_up(
    *, sm: tuple[str, ...], ptx: tuple[str, ...], capability: str, expected: bool
) -> None:
    assert facts.runs_on(make_archs(sm=sm, ptx=ptx), capability) is expected


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("A6000", "RTX A6000"),
        ("rtx-a6000", "RTX A6000"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA GeForce RTX 5060 Ti", "RTX 5060 Ti"),
        ("Tesla T4", "T4"),
        ("dgx spark", "GB10"),
    ],
)
def test_a_card_is_found_as_people_write_it(written: str, name: str) -> None:
    gpu = facts.gpu(written)
    assert gpu is not None
    assert gpu.name == name


def test_an_unknown_card_is_none() -> None:
    assert facts.gpu("RTX 9999") is None


def test_a_cuda_version_has_its_drivers() -> None:
    first, update = facts.driver("12.1"), facts.driver("12.8.1")
    assert first is not None
    assert (first.toolkit, first.family) == ("530.30.02", "525")
    assert update is not None
    assert update.toolkit == "570.124.06"
    assert facts.driver("99.0") is None


def test_an_image_gates_drivers() -> None:
    gate = facts.gate("12.8.1")
    assert gate is not None
    assert (gate.needs, gate.geforce) == (">=12.8", False)
    assert 570 not in gate.older_branches
    assert facts.gate("12.8.9") is None


# --- the recorded index ----------------------------------------------------------------------------------------------


def test_the_hash_of_a_recorded_wheel() -> None:
    assert facts.recorded_hash("cu121", TORCH_CP310) == TORCH_CP310_SHA
    assert facts.recorded_hash("cu124", TORCH_CP310) is None
    assert facts.recorded_hash("cu999", TORCH_CP310) is None


@pytest.mark.parametrize("channel", RECORDED)
def test_a_recorded_page_is_whole(channel: str) -> None:
    page, channel_facts = facts.index_snapshot(channel), facts.channel(channel)
    assert page is not None
    assert channel_facts is not None
    assert channel_facts.recorded
    assert {"torch", "torchvision", "torchaudio", "triton"} <= page.packages.keys()
    assert page.source
    hashes = {digest for files in page.packages.values() for digest in files.values() if digest is not None}
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in hashes)
    assert any(f"torch-{channel_facts.last}+{channel}-" in name for name in page.packages["torch"])
    assert not any(f"torch-{channel_facts.last}+{channel}-" in name for name in page.packages["torchvision"])


def test_channels_that_are_not_recorded_have_no_page() -> None:
    recorded = {channel.name for channel in facts.channels() if channel.recorded}
    assert recorded == set(RECORDED)
    for name in ("cu132", "pypi", "metadata", "../index/cpu"):
        assert facts.index_snapshot(name) is None


def test_a_name_with_two_hashes_on_one_page_has_none() -> None:
    name = "fbgemm_gpu-0.6.0+cpu-cp310-cp310-manylinux2014_aarch64.whl"
    page = facts.index_snapshot("cpu")
    assert page is not None
    assert page.packages["fbgemm-gpu"][name] is None


def test_the_dependencies_of_torch_2_5_1_on_cu121() -> None:
    (torch_record,) = [
        record
        for record in facts.metadata()
        if (record.channel, record.package, record.version) == ("cu121", "torch", "2.5.1+cu121")
    ]
    assert any(line.startswith("nvidia-cudnn-cu12==9.1.0.70;") for line in torch_record.requires_dist)
    assert torch_record.verified is False
    assert not any(record.channel == "pypi" for record in facts.metadata())


# --- images, sources, packages ---------------------------------------------------------------------------------------


def test_a_base_image_brings_what_its_row_says() -> None:
    image = facts.base_image("docker.io/nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04")
    assert image is not None
    assert (image.cuda, image.cudnn, image.variant) == ("12.1.1", "8.9.0.131", "cudnn8-devel")
    assert (image.os, image.python, image.apt_python) == ("ubuntu22.04", None, "3.10.12")
    assert (image.status, image.on_hub) == ("supported", True)
    assert image.digest == "sha256:21196d81f56b48dbee70494d5f10322e1a77cc47ffe202a3bf68eab81533c20f"
    assert image.digest_source.startswith("code index ids")


def test_docker_hub_was_asked_about_cudnn_devel_only() -> None:
    runtime = facts.base_image("nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu22.04")
    plain = facts.base_image("nvidia/cuda:12.1.1-devel-ubuntu22.04")
    assert runtime is not None
    assert runtime.on_hub is None
    assert plain is not None
    assert plain.cudnn is None


@pytest.mark.parametrize(
    "image",
    [
        "nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04",
        "nvidia/cuda:12.1.1-cudnn-devel-ubuntu22.04",
        "nvidia/cuda:12.4.0-cudnn-devel-ubuntu22.04",
        "nvidia/cuda:12.1-devel-ubuntu22.04",
        "nvidia/cuda:latest",
    ],
)
def test_an_invented_tag_has_no_row(image: str) -> None:
    assert facts.base_image(image) is None


def test_a_pytorch_image_has_a_python() -> None:
    image = facts.base_image("pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel")
    assert image is not None
    assert (image.torch, image.python, image.cudnn) == ("2.7.1+cu126", "3.11", "9")
    assert image.digest is not None


def test_source_tags_say_what_never_was() -> None:
    tags = {tag.tag: tag for tag in facts.source_tags("kohya-ss/sd-scripts")}
    assert tags["v0.9.1"].commit == "8f4ee8fc343b047965cd8976fca65c3a35b7593a"
    assert tags["v0.9.1"].pins["transformers"] == "==4.44.0"
    assert (tags["v0.10.0"].flux, tags["v0.10.0"].min_torch) == (True, "2.6.0")
    assert not tags["v0.9.2"].exists
    assert facts.source_tags("nobody/nothing") == ()


def test_floors_hold_what_a_resolver_does_not_see() -> None:
    rows = {requirement.id: requirement for requirement in facts.floors()}
    row = rows["bitsandbytes-triton-ops"]
    assert (row.when, row.needs, row.seen) == ("bitsandbytes<=0.45.0", "torch<2.6", False)
    assert rows["xformers-0.0.30"].needs == "torch==2.7.0"


def test_removals_and_facts_are_values_too() -> None:
    assert {removal.id for removal in facts.removals()} >= {"triton-ops", "pkg-resources"}
    assert {fact.id for fact in facts.facts("torch")} >= {"numpy2", "pypi-default-is-cuda"}
    assert facts.facts("gpus") == ()


# --- wheels with an ABI in their name --------------------------------------------------------------------------------


def flash_attn_wheel(python: str, torch: str, channel: str, **changes: str) -> facts.Wheel | facts.NoWheel:
    options = {"package": "flash-attn", "version": "2.8.3", "machine": "x86_64", **changes}
    return facts.find_wheel(
        options["package"],
        options["version"],
        python=python,
        torch=torch,
        channel=channel,
        machine=options["machine"],
    )


def test_flash_attn_is_a_package_with_an_abi_in_its_name() -> None:
    assert facts.abi_packages() == {"flash-attn"}
    assert len(facts.wheels()) == 50


def test_the_wheel_of_seedvr() -> None:
    wheel = flash_attn_wheel("3.11", "2.7.1", "cu126")
    assert isinstance(wheel, facts.Wheel)
    assert wheel.filename == "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
    assert wheel.sha256 == "cd1a45ebfc1731a13e55ad68e0c9ad92390ddfffba306f9222be67c6d5a805af"
    assert wheel.url == (
        "https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.3/"
        "flash_attn-2.8.3%2Bcu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
    )
    assert (wheel.package, wheel.version, wheel.requires, wheel.min_capability) == (
        "flash-attn",
        "2.8.3",
        ("einops",),
        "8.0",
    )
    assert wheel.source.startswith("sirati/nix-torch-bin-pascal")


def test_what_a_wheel_is_compiled_for_can_be_asked_as_of_torch() -> None:
    wheel = flash_attn_wheel("3.11", "2.7.1", "cu126")
    assert isinstance(wheel, facts.Wheel)
    compiled = make_archs(sm=wheel.archs)
    assert all(facts.runs_on(compiled, capability) for capability in ("8.0", "8.9", "9.0", "10.0", "12.0"))
    assert not facts.runs_on(compiled, "7.5")


@pytest.mark.parametrize(
    ("python", "torch", "channel", "changes", "key"),
    [
        ("3.10", "2.8.0", "cu128", {}, "torch2.8cxx11abiTRUE-cp310-cp310-linux_x86_64"),
        ("3.11.5", "2.8.0+cu128", "cu128", {}, "torch2.8cxx11abiTRUE-cp311-cp311-linux_x86_64"),
        ("3.11", "2.7.1", "pypi", {}, "torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64"),
        ("3.11", "2.6.0", "cu126", {}, "torch2.6cxx11abiTRUE-cp311-cp311-linux_x86_64"),
        ("3.10.14", "2.5.1", "cu121", {}, "torch2.5cxx11abiFALSE-cp310-cp310-linux_x86_64"),
        (
            "3.12",
            "2.9.1",
            "cu128",
            {"machine": "aarch64"},
            "torch2.9cxx11abiTRUE-cp312-cp312-linux_aarch64",
        ),
        (
            "3.13",
            "2.7.1",
            "cu128",
            {"package": "Flash_Attn"},
            "torch2.7cxx11abiTRUE-cp313-cp313-linux_x86_64",
        ),
    ],
)
def test_a_wheel_fits_python_torch_cuda_abi_and_platform(
    *, python: str, torch: str, channel: str, changes: dict[str, str], key: str
) -> None:
    wheel = flash_attn_wheel(python, torch, channel, **changes)
    assert isinstance(wheel, facts.Wheel)
    assert wheel.filename == f"flash_attn-2.8.3+cu12{key}.whl"


@pytest.mark.parametrize(
    ("python", "torch", "channel", "changes", "message"),
    [
        (
            *("3.11", "2.7.1", "cu126", {"version": "2.8.2"}),
            "flash-attn 2.8.2: no wheel of this version is recorded; the nearest are of 2.8.3",
        ),
        (
            *("3.11", "2.7.1", "cu126", {"machine": "riscv64"}),
            "there is no wheel for platform linux_riscv64; the nearest are for platform linux_x86_64, linux_aarch64",
        ),
        (
            *("3.11", "2.7.1", "cu126", {"machine": "aarch64"}),
            "there is no wheel for platform linux_aarch64, torch 2.7; the nearest are for torch 2.9",
        ),
        (
            *("3.11", "2.1.0", "cu118", {}),
            "there is no wheel for platform linux_x86_64, torch 2.1; the nearest are for torch 2.4, 2.5, 2.6, 2.7, 2.8, 2.9",
        ),
        (
            *("3.11", "2.7.1", "cu118", {}),
            "there is no wheel for platform linux_x86_64, torch 2.7, cuda 11; the nearest are for cuda 12",
        ),
        (
            *("3.13", "2.4.1", "cu124", {}),
            "torch 2.4, cuda 12, python cp313; the nearest are for python cp39, cp310, cp311, cp312",
        ),
        (
            *("3.11", "2.6.0", "cu124", {}),
            (
                "torch 2.6.0 from cu124 has the C++11 ABI 0, and "
                "flash_attn-2.8.3+cu12torch2.6cxx11abiFALSE-cp311-cp311-linux_x86_64.whl has 1 in spite of its name: "
                "it was built against torch 2.6.0 from cu126, which has wheels that fit (Dao-AILab/flash-attention #1783)"
            ),
        ),
    ],
)
def test_where_no_wheel_fits_a_sentence_says_why_and_what_makes_one(
    *, python: str, torch: str, channel: str, changes: dict[str, str], message: str
) -> None:
    no_wheel = flash_attn_wheel(python, torch, channel, **changes)
    assert isinstance(no_wheel, facts.NoWheel)
    assert no_wheel.certain == ("of this version" not in message)
    assert message in no_wheel.message
    assert no_wheel.message.endswith(
        "What makes one: a source build: a devel base (nvcc 11.7 or later, of torch's CUDA major) "
        "and this torch importable while it builds (--no-build-isolation)"
    )


@pytest.mark.parametrize(
    ("torch", "channel", "machine", "message"),
    [
        (
            "2.7.1",
            "cu121",
            "x86_64",
            "there is no torch 2.7.1 from cu121; with CUDA, torch 2.7 is on cu118, cu126, cu128",
        ),
        (
            "2.7.1",
            "cu999",
            "x86_64",
            "there is no torch 2.7.1 from cu999; with CUDA, torch 2.7 is on cu118, cu126, cu128",
        ),
        (
            "2.7.1",
            "cpu",
            "x86_64",
            "torch 2.7.1 from cpu is no CUDA build; with CUDA, torch 2.7 is on cu118, cu126, cu128",
        ),
        (
            "2.5.0",
            "pypi",
            "x86_64",
            "which CUDA torch 2.5.0 from pypi has on x86_64 is not known; a channel says it",
        ),
    ],
)
def test_without_such_a_torch_there_is_nothing_to_build_either(
    torch: str, channel: str, machine: str, message: str
) -> None:
    no_wheel = flash_attn_wheel("3.11", torch, channel, machine=machine)
    assert str(no_wheel) == f"flash-attn 2.8.3: {message}"
    assert isinstance(no_wheel, facts.NoWheel)
    assert no_wheel.certain == (channel in {"cu121", "cpu"})


def test_which_cuda_pypi_has_for_another_machine_is_not_guessed() -> None:
    assert str(flash_attn_wheel("3.12", "2.9.1", "pypi", machine="aarch64")) == (
        "flash-attn 2.8.3: which CUDA torch 2.9.1 from pypi has on aarch64 is not known; a channel says it"
    )


def test_a_package_without_an_abi_in_its_name_is_told_so() -> None:
    assert str(flash_attn_wheel("3.11", "2.7.1", "cu126", package="tqdm")) == (
        "tqdm: no wheels with an ABI in their name are recorded; those of flash-attn are"
    )


def test_an_abi_that_is_not_known_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts.torch, "cxx11_abi", lambda version, channel: None)
    no_wheel = flash_attn_wheel("3.11", "2.7.1", "cu126")
    assert isinstance(no_wheel, facts.NoWheel)
    assert not no_wheel.certain
    assert (
        "the C++11 ABI of torch 2.7.1 from cu126 is not known; by that, one of flash_attn-"
        in no_wheel.message
    )


def test_an_abi_without_a_wheel_names_the_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts.torch, "cxx11_abi", lambda version, channel: 0)
    no_wheel = flash_attn_wheel("3.12", "2.9.1", "cu128")
    assert isinstance(no_wheel, facts.NoWheel)
    assert no_wheel.certain
    assert (
        "torch 2.9.1 from cu128 has the C++11 ABI 0; the nearest is flash_attn-2.8.3+cu12torch2.9cxx11abiTRUE-"
        in no_wheel.message
    )


def chosen_filenames(row: facts.Wheel) -> set[str]:
    """The files that the builds of a row's torch get, on its Python and platform."""
    machine, python = row.platform.removeprefix("linux_"), f"3.{row.python.removeprefix('cp3')}"
    torches = [release.version for release in facts.releases() if release.version.startswith(f"{row.torch}.")]
    channels = [channel.name for channel in facts.channels() if channel.cuda and row.torch in channel.series]
    results = [
        flash_attn_wheel(python, torch, name, machine=machine) for torch in torches for name in channels
    ]
    return {result.filename for result in results if isinstance(result, facts.Wheel)}


@pytest.mark.parametrize("row", facts.wheels(), ids=lambda row: row.filename)
def test_every_row_is_chosen_or_has_an_abi_that_no_official_build_of_its_torch_asks_for(
    row: facts.Wheel,
) -> None:
    # cu124's 2.6.0 asks for ABI 0, and gets the sentence above: what says FALSE is none
    official = {"2.4": {0}, "2.5": {0}, "2.6": {1}, "2.7": {1}, "2.8": {1}, "2.9": {1}}
    assert (row.filename in chosen_filenames(row)) is (row.abi in official[row.torch])


@pytest.mark.parametrize("row", facts.wheels(), ids=lambda row: row.filename)
def test_every_row_is_reached_by_a_torch_of_its_abi(
    row: facts.Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts.torch, "cxx11_abi", lambda version, channel: row.abi)
    assert row.filename in chosen_filenames(row)


# --- files of two owners, libraries of the system --------------------------------------------------------------------


def test_the_four_opencvs_overwrite_each_other() -> None:
    (opencv,) = facts.conflicts()
    assert set(opencv.names) == {
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    }
    assert opencv.because
    assert opencv.source


@pytest.mark.parametrize(
    ("package", "machine", "apt"),
    [
        ("opencv-python", "x86_64", ("libgl1", "libglib2.0-0")),
        ("OpenCV_Python", "aarch64", ("libgl1", "libglib2.0-0")),
        ("decord", "x86_64", ()),
        ("soundfile", "x86_64", ()),
        ("librosa", "aarch64", ()),
        ("librosa", "ppc64le", ("libsndfile1",)),
    ],
)
def test_a_package_needs_the_systems_libraries_that_its_wheel_does_not_bring(
    package: str, machine: str, apt: tuple[str, ...]
) -> None:
    libraries = facts.native_needs(package)
    assert libraries is not None
    assert libraries.apt_for(machine) == apt


def test_decord_can_only_be_installed_on_x86_64() -> None:
    decord = facts.native_needs("decord")
    assert decord is not None
    assert (decord.machines, decord.sdist, decord.apt) == (("x86_64",), False, ())


def test_of_a_package_without_a_row_nothing_is_known() -> None:
    assert facts.native_needs("tqdm") is None


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", facts.failures(), ids=lambda failure: failure.id)
def test_the_first_failure_that_matches_an_example_is_its_own(failure: facts.Failure) -> None:
    first = next(candidate for candidate in facts.failures() if candidate.pattern.search(failure.example))
    assert first.id == failure.id


@pytest.mark.parametrize(
    "line",
    [
        "#12 [7/9] RUN pip install --require-hashes -r 00-torch.txt",
        "#12 3.1 Collecting torch==2.5.1+cu121",
        "#12 3.1   Downloading torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl (780.4 MB)",
        "#14 0.9 Successfully installed setuptools-81.0.0 tensorboard-2.18.0 triton-3.1.0",
        "#15 exporting layers 4.2s done",
        "#16 writing image sha256:404403429403 done",
        "probe: ok",
        "Get:1 http://mirror.example/ubuntu jammy InRelease [270 kB]",
        "WARNING: Running pip as the 'root' user can result in broken permissions",
        "note: switching to 'v0.9.1'.",
        "",
    ],
)
def test_a_line_of_a_good_build_is_no_failure(line: str) -> None:
    assert [failure.id for failure in facts.failures() if failure.pattern.search(line)] == []
