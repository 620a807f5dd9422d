"""Reasons after `--reason`: what they speak of, and what they never speak of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.bumps import bump_context, plans
from support.descriptions import LORA
from torchpin.bump import plan
from torchpin.bump.model import Opening
from torchpin.bump.reasons import Reasons, assign_reasons, parse_reasons, relevant_reasons
from torchpin.bump.target import parse_targets
from torchpin.description import read
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.bump.model import Plan

GPU = Opening(key="GPU001:V100", message="no code for V100")
OTHER_GPU = Opening(key="GPU001:RTX 5090", message="no code for RTX 5090")
TORCH = Opening(key="torch", message="torch 2.7.1 deviates")
OLD_CUDA = Opening(key="CUDA", message="CUDA 12.8 deviates", is_review=True)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("GPU001=no V100 is left", "GPU001", "no V100 is left"),
        ("GPU001:RTX 5090=not yet = later", "GPU001:RTX 5090", "not yet = later"),
        ("DEP001:a==1=so", "DEP001:a==1", "so"),
        (
            "BAS002:nvidia/cuda:12.8.1-devel-ubuntu22.04=so",
            "BAS002:nvidia/cuda:12.8.1-devel-ubuntu22.04",
            "so",
        ),
        ("torch=B200 needs\n CUDA 12.8", "torch", "B200 needs CUDA 12.8"),
        ("huggingface-hub= spaces ", "huggingface-hub", "spaces"),
        ("RTX 5060 Ti=it has 12.0", "RTX 5060 Ti", "it has 12.0"),
    ],
)
def test_a_reason_may_speak_of_a_finding_or_a_component(text: str, key: str, reason: str) -> None:
    assert parse_reasons([text]) == Reasons(by_key={key: reason})


@pytest.mark.parametrize(
    "text",
    [
        "B200 needs CUDA 12.8",
        "torch==2.7.1 is wanted",
        "torch>=2.6 is wanted",
        "a = b",
        "why: a=b",
        "é=1",
        "https://example.org/issues?id=5 says so",
    ],
)
def test_other_texts_are_the_reason_of_the_update(text: str) -> None:
    assert parse_reasons([text, "GPU001=so"]) == Reasons(update=text, by_key={"GPU001": "so"})


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["one thing", "another"], "are both the reason of the update"),
        (["GPU001=a", "GPU001=b"], "`--reason GPU001=` is given twice"),
        (["torch="], "`--reason torch=`: the reason is empty"),
        (["  "], "`--reason`: the reason is empty"),
        (["GPU001:=a"], "`--reason GPU001:=a`: nothing is named behind the `:`"),
        ([f"told by ghp_{'a1B2' * 9}"], "the text has a secret in it, and reasons are committed"),
        (["torch=see https://me:word@example.org/a"], "the text has a secret in it"),
    ],
)
def test_reasons_that_exclude_each_other_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_reasons(texts)


def test_the_reason_of_the_update_serves_for_what_alone_has_none() -> None:
    reasons = Reasons(update="because")
    assert assign_reasons([TORCH], reasons) == {"torch": "because"}
    assert assign_reasons([TORCH, TORCH], reasons) == {"torch": "because"}, "of two services"
    assert assign_reasons([TORCH, OLD_CUDA], reasons) == {"torch": "because"}


@pytest.mark.parametrize("openings", [[], [TORCH, GPU], [OLD_CUDA], [GPU, OTHER_GPU]])
def test_the_reason_of_the_update_speaks_of_nothing_else(openings: list[Opening]) -> None:
    assert assign_reasons(openings, Reasons(update="because")) == {}
    with_own = Reasons(update="because", by_key={"torch": "b"} if TORCH in openings else {})
    assert set(assign_reasons(openings, with_own).values()) <= {"b"}


def test_each_opening_has_its_own_reason() -> None:
    reasons = Reasons(
        by_key={"GPU001:NVIDIA GeForce RTX 5090": "a", "GPU001:V100": "b", "Torch": "c", "cuda": "d"}
    )
    assert assign_reasons([GPU, OTHER_GPU, TORCH, OLD_CUDA], reasons) == {
        "GPU001:RTX 5090": "a", "GPU001:V100": "b", "torch": "c", "CUDA": "d",
    }  # fmt: skip
    assert assign_reasons([GPU, TORCH], Reasons(by_key={"GPU001": "a"})) == {"GPU001:V100": "a"}


def test_a_reason_that_speaks_of_several_findings_is_refused() -> None:
    with pytest.raises(InputError) as excinfo:
        assign_reasons([GPU, OTHER_GPU], Reasons(by_key={"GPU001": "a"}))
    assert str(excinfo.value) == (
        "`--reason GPU001=`: several findings have this id; give each its own reason: `--reason GPU001:V100=TEXT`, "
        "`--reason 'GPU001:RTX 5090=TEXT'`"
    )


@pytest.mark.parametrize("key", ["GPU002", "GPU001:T4", "numpy", "torch:V100"])
def test_a_reason_that_speaks_of_nothing_is_refused_once_all_is_known(key: str) -> None:
    reasons = Reasons(by_key={key: "a"})
    with pytest.raises(
        InputError, match=f"`--reason {key}=`: no .* the update introduces GPU001:V100, torch"
    ):
        assign_reasons([GPU, TORCH], reasons)
    assert assign_reasons([GPU, TORCH], reasons, is_final=False) == {}


def test_of_several_services_each_has_the_reasons_that_speak_of_it() -> None:
    texts = ("for all", "GPU001=a", "torch=b", "numpy=c")
    assert relevant_reasons([GPU, TORCH], texts) == ("for all", "GPU001=a", "torch=b")
    assert relevant_reasons([], texts) == ("for all",)


def test_two_openings_and_one_reason_waive_nothing() -> None:
    zopilot = plans("torch==2.7.1", reason="B200 is to be served")["zopilot"]
    assert [opening.key for opening in zopilot.openings if not opening.is_review] == [
        "BAS002:nvidia/cuda:12.6.3-base-ubuntu22.04",
        "torch",
    ]
    assert zopilot.service_after.waivers == ()
    assert "B200 is to be served" not in zopilot.after


def test_a_reason_of_people_is_replaced_by_another_one_of_theirs_alone() -> None:
    lora = plans("torch==2.7.1", reason="for all", reasons={"CUDA": "12.8 has sm_100"})["lora"]
    reasons = {reason.component: reason for reason in lora.service_after.reasons}
    assert reasons["CUDA"].because == "12.8 has sm_100"
    assert reasons["CUDA"].evidence == "invoke bump torch==2.7.1 (2026-11-24)"
    assert "for all" not in lora.after


def test_a_reason_that_is_written_anew_is_said_to_mention_nothing_old() -> None:
    outdated = "its reason is still about the previous version"
    for reasons, is_outdated in (({}, True), ({"base": "The newer image"}, False)):
        zopilot = plans("torch==2.7.1", channel="cu128", reasons=reasons, services=("zopilot",))["zopilot"]
        about_base = [message for message in zopilot.new if message.startswith("base ")]
        assert any(message.endswith(outdated) for message in about_base) is is_outdated


def test_what_was_written_from_facts_is_written_again() -> None:
    at_2_7 = plans("torch==2.7.1", services=("lora",))["lora"].after
    lora = plan_text(LORA, at_2_7, "torch==2.8.0")
    reasons = {reason.component: reason.because for reason in lora.service_after.reasons}
    assert reasons["torchvision"] == "The release that matches torch 2.8.0."
    assert "torchvision" not in {opening.key for opening in lora.openings}


def test_a_finding_that_is_waived_already_asks_for_no_reason() -> None:
    file, image = "services/zopilot/service.yaml", "nvidia/cuda:12.6.3-base-ubuntu22.04"
    waiver = f"waivers:\n  - {{check: BAS002, about: '{image}', reason: so, review_by: 2027-03-31}}\n"
    text = bump_context().texts[file]
    assert "\nwaivers:" not in text
    keys = [
        {opening.key for opening in plan_text(file, description, "torch==2.7.1").openings}
        for description in (text, f"{text}\n{waiver}")
    ]
    assert keys[0] - keys[1] == {f"BAS002:{image}"}


def plan_text(file: str, text: str, target: str) -> Plan:
    context = replace(bump_context(), texts={file: text}, locks={})
    (planned,) = plan.plans(read.read_services({file: text}), parse_targets(target), context)
    assert planned.held_back == ""
    return planned
