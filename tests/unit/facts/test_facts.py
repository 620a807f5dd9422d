"""Recorded pages, metadata, source tags, undeclared requirements and build failures as values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.facts import RECORDED_CHANNELS
from torchpin import facts

FOLDER = Path(facts.__file__).parent
TORCH_CP310 = "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl"
TORCH_CP310_SHA = "92af92c569de5da937dd1afb45ecfdd598ec1254cf2e49e3d698cb24d71aae14"


def test_no_table_names_a_package_registry() -> None:
    hosts = [
        ".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("pypi", "nvidia", "com"))
    ]
    hosts += [".".join(parts) for parts in (("debian", "org"), ("npmjs", "org"))]
    files = [path for path in FOLDER.rglob("*") if path.suffix in {".yaml", ".json", ".py"}]
    assert files
    assert [path for path in files if any(host in path.read_text(encoding="utf-8") for host in hosts)] == []


def test_the_hash_of_a_recorded_wheel() -> None:
    assert facts.recorded_hash("cu121", TORCH_CP310) == TORCH_CP310_SHA
    assert facts.recorded_hash("cu124", TORCH_CP310) is None
    assert facts.recorded_hash("cu999", TORCH_CP310) is None


@pytest.mark.parametrize("channel", RECORDED_CHANNELS)
def test_a_recorded_page_is_whole(channel: str) -> None:
    page, channel_facts = facts.index_snapshot(channel), facts.channel(channel)
    assert page is not None
    assert channel_facts is not None
    assert channel_facts.recorded
    assert {"torch", "torchvision", "torchaudio"} <= page.packages.keys()
    is_old = any(series.startswith("1.") for series in channel_facts.series) and channel != "cpu"
    assert "triton" in page.packages or is_old or channel == "cu100"
    assert page.source
    hashes = {digest for files in page.packages.values() for digest in files.values() if digest is not None}
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in hashes)
    assert any(f"torch-{channel_facts.last}+{channel}-" in name for name in page.packages["torch"])
    assert not any(f"torch-{channel_facts.last}+{channel}-" in name for name in page.packages["torchvision"])


def test_channels_that_are_not_recorded_have_no_page() -> None:
    recorded = {channel.name for channel in facts.channels() if channel.recorded}
    assert recorded == set(RECORDED_CHANNELS)
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


def test_source_tags_say_what_never_was() -> None:
    tags = {tag.tag: tag for tag in facts.source_tags("kohya-ss/sd-scripts")}
    assert tags["v0.9.1"].commit == "8f4ee8fc343b047965cd8976fca65c3a35b7593a"
    assert tags["v0.9.1"].pins["transformers"] == "==4.44.0"
    assert (tags["v0.10.0"].flux, tags["v0.10.0"].min_torch) == (True, "2.6.0")
    assert not tags["v0.9.2"].exists
    assert facts.source_tags("nobody/nothing") == ()


def test_floors_hold_what_a_resolver_does_not_see() -> None:
    rows = {requirement.id: requirement for requirement in facts.undeclared_requirements()}
    row = rows["bitsandbytes-triton-ops"]
    assert (row.when, row.needs, row.seen) == ("bitsandbytes<=0.45.0", "torch<2.6", False)


def test_removals_are_values_too() -> None:
    assert {removal.id for removal in facts.removals()} >= {"triton-ops", "pkg-resources"}


@pytest.mark.parametrize("failure", facts.failures(), ids=lambda failure: failure.id)
def test_the_first_failure_that_matches_an_example_is_its_own(failure: facts.KnownFailure) -> None:
    first = next(candidate for candidate in facts.failures() if candidate.pattern.search(failure.example))
    assert first.id == failure.id


@pytest.mark.parametrize(
    "line",
    [
        "#12 [7/9] RUN pip install --require-hashes -r 00-torch.requirements.txt",
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
