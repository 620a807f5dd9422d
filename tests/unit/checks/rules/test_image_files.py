"""IMG007-011: what the probe found about the installed files of an image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import PROBE_OUTPUT
from torchpin.model import Base, BuildStage, BuiltWheel, Run

if TYPE_CHECKING:
    from support.checks import Builders
    from torchpin.model import Environment

IDS = ("IMG007", "IMG008", "IMG009", "IMG010")


def reports(id: str, level: str = "warning") -> dict[str, Any]:
    entry = {
        "id": id,
        "level": level,
        "about": "cv2",
        "message": "cv2 needs libGL.so.1",
        "help": "add libgl1",
    }
    return {**PROBE_OUTPUT, "findings": [entry]}


def compiling(kit: Builders) -> Environment:
    env = kit.environment()
    return replace(env, service=replace(env.service, run=Run(compiles=True)))


def with_wheels(kit: Builders) -> Environment:
    env = kit.environment()
    wheels = (BuiltWheel(package=Requirement("my-ops==0.1"), folder="ops"),)
    stage = BuildStage(base=Base(image="nvidia/cuda:12.1.1-devel-ubuntu22.04"), wheels=wheels)
    return replace(env, service=replace(env.service, build=stage))


PASSES = [
    Case("IMG007", "libraries that resolve", lambda kit: kit.check_image("IMG007")),
    Case("IMG007", "a finding of another id", lambda kit: kit.check_image("IMG007", probe_reports=reports("IMG008"))),
    Case("IMG008", "a system that is new enough", lambda kit: kit.check_image("IMG008")),
    Case("IMG009", "files with one owner", lambda kit: kit.check_image("IMG009")),
    Case("IMG010", "a compiler that works", lambda kit: kit.check_image("IMG010", compiling(kit))),
    Case("IMG011", "code for all GPUs", lambda kit: kit.check_image("IMG011", with_wheels(kit))),
]  # fmt: skip
FAILS = [
    Case("IMG007", "a library that is missing", lambda kit: kit.check_image("IMG007", probe_reports=reports("IMG007")),
         "image of lora-gpu", "cv2 needs libGL.so.1"),
    Case("IMG008", "a glibc that is too old", lambda kit: kit.check_image("IMG008", probe_reports=reports("IMG008", "error")),
         "image of lora-gpu", "cv2 needs libGL.so.1"),
    Case("IMG009", "files with two owners", lambda kit: kit.check_image("IMG009", probe_reports=reports("IMG009")),
         "image of lora-gpu", "cv2 needs libGL.so.1"),
    Case("IMG010", "a compiler that fails", lambda kit: kit.check_image("IMG010", compiling(kit), probe_reports=reports("IMG010", "error")),
         "image of lora-gpu", "cv2 needs libGL.so.1"),
    Case("IMG011", "a GPU without code", lambda kit: kit.check_image("IMG011", with_wheels(kit), probe_reports=reports("IMG011", "error")),
         "image of lora-gpu", "cv2 needs libGL.so.1"),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


@pytest.mark.parametrize("id", IDS[:3])
def test_what_can_be_left_out_is_evidence(id: str, kit: Builders) -> None:
    result = kit.check_image(id, probe_reports=reports(id, "note"))
    assert (result.status, [ok.evidence for ok in result.evidence]) == ("ok", ["cv2 needs libGL.so.1"])


def test_a_compiler_is_looked_at_where_the_description_says_so(kit: Builders) -> None:
    assert kit.check_image("IMG010", probe_reports=reports("IMG010", "error")).findings == ()


def test_a_probe_that_did_not_look_is_no_ok(kit: Builders) -> None:
    old = {key: value for key, value in PROBE_OUTPUT.items() if key != "findings"}
    assert kit.check_image("IMG007", probe_reports=old).status == "unknown"
    assert kit.check_image("IMG007", probe_reports={}).unknown == ()  # IMG001 has said it


def test_a_finding_keeps_the_help_of_the_probe(kit: Builders) -> None:
    (finding,) = kit.check_image("IMG007", probe_reports=reports("IMG007")).findings
    assert (finding.help, finding.about, finding.level) == ("add libgl1", "cv2", "warning")
