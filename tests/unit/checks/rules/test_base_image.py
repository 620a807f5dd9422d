"""BAS001, BAS002: tags that exist and still get fixes, and digests."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from support.base_images import PYTORCH, environment_on
from support.checks import judge_check, make_torch
from torchpin import facts
from torchpin.model import Base, Change

if TYPE_CHECKING:
    from support.fixture_types import Environments


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("12.4.1-cudnn8-devel-ubuntu22.04", "for CUDA 12.4.1 the suffix is -cudnn-, not -cudnn8-"),
        ("12.4.1-cudnn9-devel-ubuntu22.04", "for CUDA 12.4.1 the suffix is -cudnn-, not -cudnn9-"),
        ("12.1.1-cudnn-devel-ubuntu22.04", "for CUDA 12.1.1 the suffix is -cudnn8-, not -cudnn-"),
        ("12.3.2-cudnn-devel-ubuntu22.04", "for CUDA 12.3.2 the suffix is -cudnn9-, not -cudnn-"),
        ("12.1-devel-ubuntu22.04", "its CUDA version 12.1 is not a full X.Y.Z"),
        ("latest", "tags of nvidia/cuda are <X.Y.Z>-<variant>-<system>, and there is no `latest`"),
    ],
)
def test_a_tag_that_breaks_the_grammar_cannot_exist(
    tag: str, problem: str, environment: Environments
) -> None:
    (finding,) = judge_check(environment_on(environment, f"nvidia/cuda:{tag}"), "BAS001").findings
    assert (finding.message, finding.level) == (f"nvidia/cuda:{tag} does not exist: {problem}", "error")
    assert "nvidia" in finding.evidence.lower()


def test_the_nearest_tag_that_exists_is_the_repair(environment: Environments) -> None:
    (finding,) = judge_check(
        environment_on(environment, "nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04"), "BAS001"
    ).findings
    assert finding.help.startswith("set `image: nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04` and `digest: ")
    digest = "sha256:622e78a1d02c0f90ed900e3985d6c975d8e2dc9ee5e61643aed587dcf9129f42"
    assert finding.fix == (
        Change(path="base.image", value="nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04"),
        Change(path="base.digest", value=digest),
    )


@pytest.mark.parametrize(
    ("image", "status", "level"),
    [
        ("nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "ok", ""),
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "warning", "warning"),  # superseded
        ("nvidia/cuda:14.0.0-devel-ubuntu26.04", "unknown", ""),  # newer than the list
        ("example/own:1", "unknown", ""),
        ("ubuntu:20.04", "warning", "warning"),
        ("ubuntu:22.04", "ok", ""),
        ("python:3.10-slim-bookworm", "warning", "warning"),
        ("pytorch/pytorch:2.7.1-cudnn9", "incompatible", "error"),
        ("runpod/pytorch:latest", "incompatible", "error"),
        (PYTORCH, "ok", ""),
    ],
)
def test_a_base_is_there_or_not_or_not_known(
    image: str, status: str, level: str, environment: Environments
) -> None:
    result = judge_check(environment_on(environment, image), "BAS001")
    assert (result.status, "".join(finding.level for finding in result.findings)) == (status, level)


def test_an_end_of_life_is_a_matter_of_the_day(environment: Environments) -> None:
    env = environment_on(environment, "python:3.10-slim-bookworm")
    assert judge_check(env, "BAS001", today=date(2026, 10, 31)).status == "ok"
    assert judge_check(env, "BAS001", today=date(2026, 11, 1)).status == "warning"


@pytest.mark.parametrize(
    ("image", "ended"),
    [
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "is listed as end of life by NVIDIA"),
        ("python:3.10-slim-bookworm", "reached its end of life on 2026-10-31"),
    ],
)
def test_an_end_of_life_names_its_date_or_list(image: str, ended: str, environment: Environments) -> None:
    (finding,) = judge_check(environment_on(environment, image), "BAS001").findings
    assert finding.message == f"{image} {ended} and gets no more fixes"


def test_every_known_base_obeys_its_repository_s_grammar(environment: Environments) -> None:
    for row in facts.base_images():
        result = judge_check(environment_on(environment, row.image), "BAS001")
        assert not [finding for finding in result.findings if "does not exist" in finding.message], row.image


def test_a_missing_digest_is_written_from_facts_or_asked_for(environment: Environments) -> None:
    (fixable,) = judge_check(environment_on(environment, PYTORCH), "BAS002").findings
    row = facts.base_image(PYTORCH)
    assert row
    assert (fixable.fix, fixable.fix_is_safe, fixable.level) == (
        (Change(path="base.digest", value=row.digest),),
        True,
        "warning",
    )
    (unfixable,) = judge_check(environment_on(environment, "ubuntu:22.04"), "BAS002").findings
    assert (unfixable.fix, unfixable.fix_is_safe) == ((), False)
    assert "docker buildx imagetools inspect ubuntu:22.04" in unfixable.help


def test_another_digest_than_the_recorded_is_unknown(environment: Environments) -> None:
    row = facts.base_image(PYTORCH)
    assert row
    assert judge_check(environment_on(environment, PYTORCH, row.digest), "BAS002").status == "ok"
    assert (
        judge_check(environment_on(environment, PYTORCH, "sha256:" + "0" * 64), "BAS002").status == "unknown"
    )


@pytest.mark.parametrize("check", ["BAS001", "BAS002"])
def test_the_lab_s_stand_in_is_not_judged(check: str, environment: Environments) -> None:
    assert judge_check(environment(), check, published={}).status == "not applicable"


def test_a_tag_without_cuda_gets_an_example_for_the_channel(environment: Environments) -> None:
    env = environment(base=Base(image="nvidia/cuda:latest"), channel="cu124", torch=make_torch("2.6.0"))
    (finding,) = judge_check(env, "BAS001").findings
    assert finding.help == (
        "choose a tag that exists, such as nvidia/cuda:12.4.1-base-ubuntu22.04, for cu124"
    )
