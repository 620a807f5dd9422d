"""DES: what `new` and `adopt` leave to a person is said until somebody writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.adoption import adopt_project
from support.checks import judge_check
from support.descriptions import LORA, PLAIN, read_service
from support.new_services import PYTHONS, REQUEST
from torchpin import paths
from torchpin.commands.new import service_text
from torchpin.description.environments import select_environments
from torchpin.description.read import read_services
from torchpin.queries.starting_pins import choose_pins

if TYPE_CHECKING:
    from torchpin.model import Environment


def described(text: str) -> Environment:
    (env,) = select_environments([read_service(text)])
    return env


def new_service(*gpus: str) -> Environment:
    return described(service_text("lora", gpus, choose_pins(REQUEST, PYTHONS)))


def test_the_summary_that_new_writes_is_a_notice_at_its_line() -> None:
    result = judge_check(new_service(), "DES001")
    (notice,) = result.notices
    assert (result.status, result.findings, notice.level) == ("ok", (), "notice")
    assert (notice.location, notice.message) == (
        f"{LORA}:2:10", "`summary: Describe lora in one line` is still a placeholder",
    )  # fmt: skip
    assert notice.help == "say there in one line what lora is for; documents and the image's labels show it"


def test_the_texts_that_adopt_writes_are_notices_at_their_lines() -> None:
    text = adopt_project("arm64").adoption.text
    lines = text.splitlines()
    (service,) = read_services({paths.description_path("arm64"): text})
    (env, *_) = select_environments([service])
    (summary, notice) = judge_check(env, "DES001").notices
    assert summary.message == "`summary: Describe arm64 in one line` is still a placeholder"
    number = int(notice.location.split(":")[1])
    assert lines[number - 1].strip() == "rationale: Explain why this base image."
    assert "or remove the line" in notice.help


def test_written_texts_are_no_finding() -> None:
    result = judge_check(described(PLAIN), "DES001")
    assert (result.status, result.notices) == ("ok", ())
    assert [answer.evidence for answer in result.evidence] == [f"{LORA}:2:10: the summary is written"]


def test_a_variant_s_base_has_a_place_of_its_own() -> None:
    base = "base: {image: 'ubuntu:22.04', rationale: Explain why this base image.}"
    env = described(PLAIN.replace("channel: cu121,", f"channel: cu121, {base},"))
    (notice,) = judge_check(env, "DES001").notices
    assert (notice.location, notice.about) == (f"{LORA}:9:66", "variants.gpu.base.rationale")


def test_without_gpus_a_notice_names_the_line_and_what_to_write() -> None:
    (notice,) = judge_check(new_service(), "DES002").notices
    assert (notice.location, notice.level) == (f"{LORA}:14:7", "notice")
    assert notice.message == "no GPU is named, so it is not judged whether torch 2.8.0 has code for yours"
    assert "`gpus: [RTX 4090, H100]`" in notice.help


def test_a_description_without_the_key_has_the_notice_at_the_file() -> None:
    (notice,) = judge_check(described(PLAIN), "DES002").notices
    assert notice.location == LORA


def test_named_gpus_are_ok() -> None:
    result = judge_check(new_service("H100"), "DES002")
    assert (result.status, result.notices) == ("ok", ())
    assert [answer.evidence for answer in result.evidence] == [f"{LORA} names H100"]


@pytest.mark.parametrize("channel", ["cpu", "rocm6.3"])
def test_builds_that_no_nvidia_gpu_runs_need_none(channel: str) -> None:
    env = described(PLAIN.replace("cu121,", f"{channel},"))
    assert judge_check(env, "DES002").status == "not applicable"


def test_a_gpu_that_is_asked_about_stands_for_the_list() -> None:
    assert judge_check(new_service(), "DES002", target_gpus=("B200",)).status == "not applicable"
