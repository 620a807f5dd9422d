"""The tables of facts hold together, and every planted problem is found."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from support.facts import PAGES, find_row
from torchpin import facts
from torchpin.facts.load import all_tables

if TYPE_CHECKING:
    from collections.abc import Callable

FLASH_24_TRUE = "flash_attn-2.8.3+cu12torch2.4cxx11abiTRUE-cp39-cp39-linux_x86_64.whl"


def test_the_tables_have_no_problems() -> None:
    assert facts.problems() == ()


def _archs_row(tables: dict[str, Any]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = tables["archs"]["archs"]
    return next(row for row in rows if (row["series"], row["channel"]) == ("1.13", "cu116"))


def _plant_hole(tables: dict[str, Any], series: str, channel: str) -> None:
    row = {
        "series": series,
        "channel": channel,
        "source": "here",
        "date": "2026-11-26",
        "method": "published",
    }
    tables["archs"].setdefault("holes", []).append(row)


TABLE_PROBLEMS: dict[str, tuple[Any, ...]] = {
    "no source": (
        lambda tables: tables["gpus"]["gpus"][0].update(source=" "),
        "gpus.yaml: gpus 1: source is missing",
    ),
    "a guess": (
        lambda tables: tables["torch"]["abi"][1].update(method="guessed"),
        "torch.yaml: abi 2: method is 'guessed', not one of inferred, measured, published",
    ),
    "no date": (
        lambda tables: tables["drivers"]["gates"][0].pop("date"),
        "drivers.yaml: gates 1: date is missing",
    ),
    "a date that is none": (
        lambda tables: tables["sources"]["tags"][0].update(tagged="2022-13-01"),
        "sources.yaml: tags 1: tagged '2022-13-01' is not a date",
    ),
    "half a digest": (
        lambda tables: tables["base_images"]["digests"][0].update(digest="sha256:21196d81"),
        "base_images.yaml: digests 1: digest 'sha256:21196d81' is not a digest",
    ),
    "an id twice": (
        lambda tables: tables["known_failures"]["failures"].append(tables["known_failures"]["failures"][0]),
        "known_failures.yaml: failures: probe occurs 2 times",
    ),
    "a tag twice": (
        lambda tables: tables["sources"]["tags"].append(tables["sources"]["tags"][0]),
        "sources.yaml: tags: kohya-ss/sd-scripts v0.1.0 occurs 2 times",
    ),
    "another channel's address": (
        lambda tables: tables["channels"]["channels"][0].update(url="https://download.pytorch.org/whl/cu118"),
        "channels.yaml: cpu: url belongs to another channel",
    ),
    "another CUDA": (
        lambda tables: tables["channels"]["channels"][1].update(cuda="12.1"),
        "channels.yaml: cu92: cuda 12.1 does not match its name",
    ),
    "a version that is none": (
        lambda tables: tables["torch"]["releases"].append(
            {**tables["torch"]["releases"][0], "version": "latest"}
        ),
        "torch.yaml: 'latest' is not a version",
        "torch.yaml: latest: channels.yaml does not say whether its channels are complete",
        "pypi_wheels.yaml: torch latest has no row",
    ),
    "an unknown channel on PyPI": (
        lambda tables: tables["torch"]["releases"][0].update(pypi_local="cu999"),
        "torch.yaml: 1.7.0: pypi_local cu999 is not a channel",
        "pypi_wheels.yaml: torch 1.7.0: the build of x86_64 is not pypi_local cu999 of torch.yaml",
    ),
    "an unknown channel": (
        lambda tables: _archs_row(tables).update(channel="cu999"),
        "archs.yaml: 1.13 cu999 x86_64: channel does not exist",
        "archs.yaml: 1.13 cu116: listed in neither archs nor holes",
    ),
    "a series that the channel never had": (
        lambda tables: _archs_row(tables).update(channel="cu121"),
        "archs.yaml: 1.13 cu121 x86_64: channels.yaml does not list 1.13 for cu121",
        "archs.yaml: 1.13 cu116: listed in neither archs nor holes",
    ),
    "no architectures at all": (
        lambda tables: _archs_row(tables).update(sm=None),
        "archs.yaml: 1.13 cu116 x86_64: sm and upper_bound are both missing",
    ),
    "an architecture that is none": (
        lambda tables: _archs_row(tables).update(sm=["9.0"]),
        "archs.yaml: 1.13 cu116 x86_64: '9.0' is not an architecture",
    ),
    "a card without a capability": (
        lambda tables: find_row(tables, "gpus", "T4").update(capability=None),
        "gpus.yaml: T4: capability and note are both missing",
    ),
    "a capability that is none": (
        lambda tables: find_row(tables, "gpus", "T4").update(capability="75"),
        "gpus.yaml: T4: capability '75' is not like 8.6",
    ),
    "a name for two cards": (
        lambda tables: find_row(tables, "gpus", "T4").update(aliases=["Tesla V100"]),
        "gpus.yaml: T4 and V100 have one name",
    ),
    "a short commit": (
        lambda tables: tables["sources"]["tags"][0].update(commit="7a04196"),
        "sources.yaml: v0.1.0: commit is not a full hash",
    ),
    "requirements of no tag": (
        lambda tables: tables["sources"]["requirements"][0].update(tag="v9"),
        "sources.yaml: kohya-ss/sd-scripts v9: requirements of a tag that is not in tags",
    ),
    "a requirement that is none": (
        lambda tables: tables["undeclared_requirements"]["undeclared"][0].update(needs="torch under 2.6"),
        "undeclared_requirements.yaml: bitsandbytes-triton-ops: needs 'torch under 2.6' is not a requirement",
    ),
    "a pattern that does not compile": (
        lambda tables: tables["known_failures"]["failures"][0].update(pattern="("),
        "known_failures.yaml: probe: the pattern does not compile: missing ), unterminated subpattern at position 0",
    ),
    "a pattern of a secret that does not compile": (
        lambda tables: tables["secrets"]["options"][0].update(harmless="("),
        "secrets.yaml: options: -p: harmless does not compile",
    ),
    "a pattern of an image that does not compile": (
        lambda tables: tables["compilers"]["images"][0].update(image="("),
        "compilers.yaml: images: cuda-devel: image does not compile",
    ),
    "a setting in no place": (
        lambda tables: tables["compilers"]["settings"][0].update(where="label"),
        "compilers.yaml: settings: torch-compile: where is 'label', not one of variable, argument, import",
    ),
    "a compiling package under another name": (
        lambda tables: tables["compilers"]["packages"][0].update(package="Liger_Kernel"),
        "compilers.yaml: 'Liger_Kernel' is not a normalized name",
    ),
    "a form of a secret without a hint": (
        lambda tables: tables["secrets"]["forms"][0].update(example="all is well"),
        "secrets.yaml: forms: a token of GitHub: no hint is in its example",
    ),
    "a pattern that matches everything": (
        lambda tables: tables["known_failures"]["failures"][0].update(pattern=".*"),
        "known_failures.yaml: probe: the pattern matches everything",
    ),
    "an exact pin that is none": (
        lambda tables: tables["undeclared_requirements"]["undeclared"][0].update(
            instead="bitsandbytes>=0.45.1"
        ),
        "undeclared_requirements.yaml: bitsandbytes-triton-ops: instead 'bitsandbytes>=0.45.1' is not an exact pin",
    ),
    "an interface that was never removed": (
        lambda tables: tables["undeclared_requirements"]["undeclared"][0].update(interface="triton-op"),
        "undeclared_requirements.yaml: bitsandbytes-triton-ops: interface triton-op is not an id of removed",
    ),
    "what no version brings": (
        lambda tables: tables["packages"]["brings"][0].update(when="docstrange 1.1.6"),
        "packages.yaml: brings: 'docstrange 1.1.6' is not a requirement",
    ),
    "a package that is brought under another name": (
        lambda tables: tables["packages"]["brings"][0].update(packages=["Easy_OCR"]),
        "packages.yaml: 'Easy_OCR' is not a normalized name",
    ),
    "a conflict of one": (
        lambda tables: tables["packages"]["conflicts"][0].update(names=["opencv-python"]),
        "packages.yaml: opencv: names has fewer than two packages",
    ),
    "a name that is not normalized": (
        lambda tables: tables["packages"]["native"][0].update(package="OpenCV_Python"),
        "packages.yaml: 'OpenCV_Python' is not a normalized name",
    ),
    "a wheel of an unknown version": (
        lambda tables: tables["wheels"]["wheels"][4].update(version="2.7.2"),
        f"wheels.yaml: {FLASH_24_TRUE}: package and version are not in packages",
        f"wheels.yaml: {FLASH_24_TRUE}: its columns give {FLASH_24_TRUE.replace('2.8.3', '2.7.2')}",
    ),
    "a wheel whose columns say another file": (
        lambda tables: tables["wheels"]["wheels"][4].update(python="cp310"),
        f"wheels.yaml: {FLASH_24_TRUE}: its columns give {FLASH_24_TRUE.replace('cp39', 'cp310')}",
    ),
    "half a hash": (
        lambda tables: tables["wheels"]["wheels"][4].update(sha256="cd1a45eb"),
        "wheels.yaml: wheels 5: sha256 'cd1a45eb' is not a digest",
    ),
    "a hash twice": (
        lambda tables: tables["wheels"]["wheels"][4].update(sha256=tables["wheels"]["wheels"][5]["sha256"]),
        f"wheels.yaml: {facts.wheels()[5].sha256} occurs 2 times",
    ),
    "a wheel twice": (
        lambda tables: tables["wheels"]["wheels"].append(
            {**tables["wheels"]["wheels"][4], "sha256": "ab" * 32}
        ),
        f"wheels.yaml: wheels: {FLASH_24_TRUE} occurs 2 times",
    ),
    "a release that is a file": (
        lambda tables: tables["wheels"]["packages"][0].update(release="releases/v2.8.3/"),
        "wheels.yaml: flash-attn: release 'releases/v2.8.3/' is not the URL of a folder",
    ),
    "a wheel package with a capability that is none": (
        lambda tables: tables["wheels"]["packages"][0].update(min_capability="sm_80"),
        "wheels.yaml: flash-attn: min_capability 'sm_80' is not like 8.0",
    ),
    "a wheel package that requires torch": (
        lambda tables: tables["wheels"]["packages"][0].update(requires=["einops", "torch>=2"]),
        "wheels.yaml: flash-attn: requires 'torch>=2': not a requirement, or one of torch itself",
    ),
    "a wheel package for an architecture that is none": (
        lambda tables: tables["wheels"]["packages"][0].update(archs=["8.0"]),
        "wheels.yaml: flash-attn: '8.0' is not an architecture",
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
        "wheels.yaml: built for 2.4: 2.3.1 from cu124 is not a build of that series",
    ),
    "a FALSE wheel of which nobody knows what it was built against": (
        lambda tables: tables["wheels"].update(
            built=tables["wheels"]["built"][1:],
            wheels=[
                row for row in tables["wheels"]["wheels"] if (row["torch"], row["python"]) != ("2.4", "cp310")
            ][:1],
        ),
        f"wheels.yaml: {FLASH_24_TRUE.replace('TRUE', 'FALSE')}: the torch that it was built against, and so its ABI, is missing in built",
    ),
    "a hole that has a row": (
        lambda tables: _plant_hole(tables, "2.11", "cu130"),
        "archs.yaml: 2.11 cu130: listed in both archs and holes",
    ),
    "a hole where nothing belongs": (
        lambda tables: _plant_hole(tables, "2.11", "cu121"),
        "archs.yaml: 2.11 cu121: listed in holes, but channels.yaml does not list the series",
    ),
    "an architecture of an unknown toolkit": (
        lambda tables: next(row for row in tables["archs"]["toolkits"] if row["sm"] == "sm_70").update(
            last_toolkit="12.7"
        ),
        "archs.yaml: sm_70: last_toolkit 12.7 is not a toolkit of drivers.yaml",
    ),
    "a card of an unknown toolkit": (
        lambda tables: find_row(tables, "gpus", "T4").update(min_toolkit="12.7"),
        "gpus.yaml: T4: min_toolkit 12.7 is not a toolkit of drivers.yaml",
    ),
    "a status that is none": (
        lambda tables: tables["base_images"]["cuda"][0].update(status="retired"),
        "base_images.yaml: 10.0: status is 'retired', not one of end-of-life, supported, withdrawn",
    ),
    "a variant that is none": (
        lambda tables: tables["base_images"]["cuda"][-1]["tags"].append("cudnn-base-ubuntu24.04"),
        "base_images.yaml: 13.3.1: 'cudnn-base-ubuntu24.04' is not a variant on a system of the table",
    ),
    "a system of a CUDA that is none": (
        lambda tables: tables["base_images"]["cuda"][0]["os"].append("ubuntu21.10"),
        "base_images.yaml: 10.0: ubuntu21.10 is not a system of the table",
    ),
    "a C library that is none": (
        lambda tables: tables["base_images"]["systems"][0].update(glibc="two"),
        "base_images.yaml: ubuntu14.04: glibc 'two' is neither like 2.35 nor musl",
    ),
    "a suite that is none": (
        lambda tables: tables["base_images"]["pythons"][-1]["suites"].update(potato=[0, 6]),
        "base_images.yaml: python 3.14: potato is not a system of the table",
    ),
    "a suite of a patch that is none": (
        lambda tables: tables["base_images"]["pythons"][-1]["suites"].update(trixie=[0, 60]),
        "base_images.yaml: python 3.14: trixie: the patches 0 to 60 are not within 0 to 6",
    ),
    "a patch without a distribution": (
        lambda tables: tables["base_images"]["pythons"][-1].update(defaults={"trixie": [1, 6]}),
        "base_images.yaml: python 3.14: defaults do not name one distribution for each patch",
    ),
    "a wheel of a channel that is none": (
        lambda tables: tables["base_images"]["runpod_wheels"][0].update(channel="cu122"),
        "base_images.yaml: 12.4.1: cu122 is not a channel",
    ),
    "an unknown system": (
        lambda tables: tables["base_images"]["pytorch"][0].update(os="ubuntu21.10"),
        "base_images.yaml: pytorch/pytorch:2.5.1-cuda12.1-cudnn9-devel: ubuntu21.10 is not a system of the table",
    ),
    "a cuDNN of no image": (
        lambda tables: tables["base_images"]["cuda"][4].update(suffix="cudnn9"),
        "base_images.yaml: 11.0.3: cuDNN 8.0.5.39 is not of its suffix cudnn9",
    ),
    "a digest of no image": (
        lambda tables: tables["base_images"]["digests"][0].update(
            image="nvidia/cuda:12.1.1-cudnn-devel-ubuntu22.04"
        ),
        "base_images.yaml: nvidia/cuda:12.1.1-cudnn-devel-ubuntu22.04 is not an image of the table",
    ),
    "an image on no image": (
        lambda tables: tables["base_images"]["runpod"][0].update(base="nvidia/cuda:11.8-devel-ubuntu22.04"),
        "base_images.yaml: nvidia/cuda:11.8-devel-ubuntu22.04 is not an image of the table",
    ),
    "an image whose columns say another tag": (
        lambda tables: tables["base_images"]["pytorch"][0].update(cudnn="8"),
        "base_images.yaml: 2.5.1-cuda12.1-cudnn9-devel: its columns give 2.5.1-cuda12.1-cudnn8-devel",
    ),
    "an image with an unknown torch": (
        lambda tables: tables["base_images"]["runpod"][1].update(torch="2.0.9"),
        "base_images.yaml: 2.0.1-py3.10-cuda11.8.0-devel-ubuntu22.04: torch 2.0.9 has no row in torch.yaml",
    ),
    "an image with a torch of another CUDA": (
        lambda tables: tables["base_images"]["runpod"][0].update(torch="2.1.0+cu121"),
        "base_images.yaml: 2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04: CUDA is 11.8.0, torch is +cu121",
    ),
    "a driver that is none": (
        lambda tables: tables["drivers"]["toolkits"][0].update(driver="515"),
        "drivers.yaml: toolkit 11.7 with 515: not like 12.1 with 530.30.02",
    ),
    "a driver out of order": (
        lambda tables: tables["drivers"]["toolkits"][1].update(driver="511.48.07"),
        "drivers.yaml: toolkit 11.7 update 1 has an older driver than the toolkit before it",
    ),
    "a family of drivers that ends before it begins": (
        lambda tables: tables["drivers"]["families"][0].update(below="440"),
        "drivers.yaml: family 11.x: min_driver 450 is not below 440",
    ),
    "no family for a CUDA": (
        lambda tables: tables["drivers"]["families"].pop(),
        "drivers.yaml: family of CUDA 13 is missing",
    ),
    "a gate of no image": (
        lambda tables: tables["drivers"]["gates"][0].update(cuda="11.0.9"),
        "drivers.yaml: gate of 11.0.9: base_images.yaml has no image of this CUDA",
    ),
    "a gate that asks for another CUDA": (
        lambda tables: tables["drivers"]["gates"][0].update(needs=">=11.7"),
        "drivers.yaml: gate of 11.0: needs is >=11.7, not of the same CUDA",
    ),
    "a gate whose branches are out of order": (
        lambda tables: tables["drivers"]["gates"][1].update(older_branches=[525, 470]),
        "drivers.yaml: gate of 11.1: older_branches are not in ascending order",
    ),
    "a short commit of an upstream": (
        lambda tables: tables["sources"]["upstreams"][0].update(commit="673b5637"),
        "sources.yaml: ByteDance-Seed/SeedVR: commit is not a full hash",
    ),
    "wheels for a torch that is not known": (
        lambda tables: tables["torch"].update(
            releases=[row for row in tables["torch"]["releases"] if row["version"][:4] != "2.4."]
        ),
        "pypi_wheels.yaml: torch 2.4.0: torch.yaml has no row for it",
        "pypi_wheels.yaml: torch 2.4.1: torch.yaml has no row for it",
        "base_images.yaml: 2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04: torch 2.4.0 has no row in torch.yaml",
        "base_images.yaml: 12.4.1: torch 2.4.0 has no row in torch.yaml",
        "base_images.yaml: 12.4.1: torch 2.4.1 has no row in torch.yaml",
        "base_images.yaml: 0.5.4: torch 2.4.0 has no row in torch.yaml",
        "base_images.yaml: 0.6.3: torch 2.4.0 has no row in torch.yaml",
        "wheels.yaml: wheels for torch 2.4: torch.yaml has no release of it",
    ),
    "a series for aarch64 that the channel never had": (
        lambda tables: find_row(tables, "channels", "cu132").update(aarch64=["2.11"]),
        "channels.yaml: cu132: aarch64 2.11 is not among its series",
    ),
    "a series that is both listed and undecided": (
        lambda tables: find_row(tables, "channels", "cu132").update(undecided=["2.12"]),
        "channels.yaml: cu132: undecided 2.12 is neither a release of its series nor one that it does not list",
    ),
    "a release undecided whose series is not listed": (
        lambda tables: find_row(tables, "channels", "cu132").update(undecided=["2.11.0"]),
        "channels.yaml: cu132: undecided 2.11.0 is neither a release of its series nor one that it does not list",
    ),
    "a series complete twice": (
        lambda tables: tables["channels"]["complete"][1]["series"].append("2.15"),
        "channels.yaml: complete: 2.15 occurs 2 times",
    ),
    "a series of which nothing says whether it is complete": (
        lambda tables: tables["channels"]["complete"].pop(),
        "torch.yaml: 2.15: channels.yaml does not say whether its channels are complete",
    ),
    "wheels without a glibc": (
        lambda tables: tables["pypi_wheels"]["wheels"][2]["glibc"].pop("aarch64"),
        "pypi_wheels.yaml: torch 1.8.0: glibc and the Pythons of aarch64 are not both there",
    ),
    "a Python tag that is none": (
        lambda tables: tables["pypi_wheels"]["wheels"][2]["arm64"].append("3.12"),
        "pypi_wheels.yaml: torch 1.8.0: '3.12' is not a Python tag",
    ),
    "a build of no channel": (
        lambda tables: tables["pypi_wheels"]["wheels"][2].update(
            build={"x86_64": "cu102", "aarch64": "cu999"}
        ),
        "pypi_wheels.yaml: torch 1.8.0: build cu999 is not a channel",
    ),
    "other Pythons than the release": (
        lambda tables: tables["pypi_wheels"]["wheels"][0]["x86_64"].append("cp312"),
        "pypi_wheels.yaml: torch 1.7.0: the Pythons of x86_64 are not wheel_pythons of torch.yaml",
    ),
    "a release without wheels": (
        lambda tables: tables["pypi_wheels"]["wheels"].pop(0),
        "pypi_wheels.yaml: torch 1.7.0 has no row",
    ),
    "a limit that is none": (
        lambda tables: tables["gpus"]["gpus"][0].update(limit="a year"),
        "gpus.yaml: gpus 1: limit is 'a year', not a number of days",
    ),
    "an example that does not match": (
        lambda tables: tables["known_failures"]["failures"][0].update(example="all is well"),
        "known_failures.yaml: probe: the pattern does not match its example",
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
        "gpus.yaml: gpus 1: date 2026-12-24 is in the future",
        "index/cu121.json: date 2027-01-01 is in the future",
    }
    assert expected <= set(problems)
    assert not expected & set(facts.problems(tables, pages))
