"""The builds of torch that would fit an environment, and the changes that select one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from support.checks import make_torch
from torchpin.compat.builds import Build, build_changes, candidate_builds
from torchpin.model import Change

if TYPE_CHECKING:
    from support.fixture_types import Environments


def test_the_nearest_build_keeps_the_gpus_then_the_release(environment: Environments) -> None:
    env = environment(torch=make_torch("2.5.1"), gpus=("B200",))
    best = candidate_builds(env, ["B200"])[0]
    assert (str(best.version), best.channel, best.unsupported_gpus) == ("2.7.0", "cu128", ())
    plain = candidate_builds(env, [])[0]
    assert str(plain.version) == "2.5.1"
    assert re.fullmatch(r"cu\d+", plain.channel)


def test_builds_that_are_later_than_the_index_snapshots_are_candidates_too(environment: Environments) -> None:
    env = environment(channel="cu126", torch=make_torch("2.14.1"), gpus=("RTX 5090",))
    best = candidate_builds(env, ["RTX 5090"])[0]
    assert (str(best.version), best.channel, best.unsupported_gpus) == ("2.14.1", "cu130", ())
    later = environment(channel="cu126", torch=make_torch("2.10.0"), python=Version("3.15.0"))
    assert {str(build.version) for build in candidate_builds(later, [])} == {
        "2.15.0"
    }  # the first with Python 3.15


def test_of_equal_builds_the_nearest_cuda_comes_first(environment: Environments) -> None:
    env = environment(channel="cu126", torch=make_torch("2.9.1"))
    of_release = [build.channel for build in candidate_builds(env, []) if str(build.version) == "2.9.1"]
    assert of_release == ["cu126", "cu128", "cu129", "cu130"]
    above = environment(channel="cu134", torch=make_torch("2.12.1"))
    below = [build.channel for build in candidate_builds(above, []) if str(build.version) == "2.12.1"]
    assert below == ["cu132", "cu130", "cu129", "cu126"]


def test_the_changes_are_those_of_channel_and_version_that_differ(environment: Environments) -> None:
    env = environment(torch=make_torch("2.5.1"))  # on cu121
    channel = Change(path="variants.gpu.channel", value="cu128")
    version = Change(path="torch.version", value="2.7.0")
    assert build_changes(env, Build(version=Version("2.7.0"), channel="cu128")) == (channel, version)
    assert build_changes(env, Build(version=Version("2.5.1"), channel="cu128")) == (channel,)
    assert build_changes(env, Build(version=Version("2.7.0"), channel="cu121")) == (version,)
    assert build_changes(env, Build(version=Version("2.5.1"), channel="cu121")) == ()
