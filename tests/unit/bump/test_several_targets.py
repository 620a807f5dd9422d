"""Several targets are one update, and a package that goes with one torch moves torch, or is held back with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.bumps import bump_context, plans
from torchpin.bump import plan
from torchpin.bump.model import BumpContext, service_label
from torchpin.bump.target import parse_targets
from torchpin.description import read
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.bump.model import Plan

VLLM = "services/vllm/service.yaml"
TEXT = """\
name: vllm
summary: A server of language models
python: "3.12.11"
base: {image: "nvidia/cuda:12.6.3-base-ubuntu22.04", rationale: "Small."}
torch: {version: "TORCH", companions: {COMPANIONS}}
gpus: [L40S]
variants:
  gpu: {channel: cu126, platform: linux/amd64}
layers:
  - name: server
    packages:
      - vllm[audio]==0.9.1
      - tqdm==4.66.5
imports: [torch]
"""


def plan_text(*targets: str, torch: str = "2.7.0", companions: str = "", **changes: object) -> Plan:
    text = TEXT.replace("TORCH", torch).replace("COMPANIONS", companions)
    context = replace(BumpContext(texts={VLLM: text}, locks={}, today=bump_context().today), **changes)  # type: ignore[arg-type]
    (planned,) = plan.plans(read.read_services({VLLM: text}), parse_targets(*targets), context)
    return planned


def moved(planned: Plan) -> dict[str, str]:
    assert planned.held_back == ""
    return {move.what: move.after for move in planned.moves}


def test_two_pins_of_one_service_are_one_plan() -> None:
    planned = plans("tqdm==4.67.1", "toml==0.10.1")
    assert moved(planned["lora"]) == {"tqdm": "tqdm==4.67.1", "toml": "toml==0.10.1"}
    seedvr = planned["seedvr"]
    assert (moved(seedvr), seedvr.present) == ({"tqdm": "tqdm==4.67.1"}, ("toml is not pinned here",))
    assert "zopilot" not in planned, "it has none of them"


def test_what_is_there_already_stays_beside_what_moves() -> None:
    lora = plans("tqdm==4.66.5", "toml==0.10.1", services=("lora",))["lora"]
    assert (moved(lora), lora.present) == ({"toml": "toml==0.10.1"}, ("tqdm is already at 4.66.5",))


def test_torch_and_python_and_base_move_in_one_plan() -> None:
    base = "base=nvidia/cuda:12.8.1-base-ubuntu22.04"
    lora = plans("torch==2.7.1", "python==3.11.9", base, services=("lora",))["lora"]
    new_pins = moved(lora)
    assert (new_pins["torch"], new_pins["python"]) == ("2.7.1", "3.11.9")
    assert new_pins["base.image"] == "nvidia/cuda:12.8.1-base-ubuntu22.04", (
        "the requested one, not the one for cu128"
    )


def test_each_target_has_to_be_somebody_s() -> None:
    with pytest.raises(
        InputError, match=r"no service pins tqmd \(did you mean tqdm\?\); nothing was changed"
    ):
        plans("toml==0.10.1", "tqmd==4.67.1")


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (("torch==2.7.1", "torch==2.8.0"), "torch==2.7.1 and torch==2.8.0 are the same pin; an update takes only one of them"),
        (("a==1", "A==1"), "a==1 and a==1 are the same pin; name it once"),
        (("s@v1", "s@v2"), "s@v1 and s@v2 are the same pin; an update takes only one of them"),
    ],
)  # fmt: skip
def test_a_pin_that_is_named_twice_is_refused(targets: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as excinfo:
        parse_targets(*targets)
    assert str(excinfo.value) == message


def test_a_package_that_pins_torch_moves_torch_and_says_so() -> None:
    planned = plan_text("vllm==0.10.0", companions='torchvision: "0.22.0"')
    assert moved(planned) == {"torch": "2.7.1", "torchvision": "0.22.1", "vllm": "vllm[audio]==0.10.0"}
    (why,) = (move.why for move in planned.moves if move.what == "torch")
    assert why.startswith("vllm==0.10.0 requires torch==2.7.1 (")


def test_a_requested_package_takes_torch_back_too() -> None:
    assert moved(plan_text("vllm==0.8.4", torch="2.7.0"))["torch"] == "2.6.0"


def test_a_companion_moves_torch() -> None:
    planned = plan_text("torchvision==0.22.1", "vllm==0.10.0", companions='torchvision: "0.22.0"')
    assert moved(planned) == {"torch": "2.7.1", "torchvision": "0.22.1", "vllm": "vllm[audio]==0.10.0"}


def test_a_package_that_allows_the_present_torch_leaves_it() -> None:
    assert moved(plan_text("vllm==0.9.2", "tqdm==4.67.1")) == {
        "vllm": "vllm[audio]==0.9.2",
        "tqdm": "tqdm==4.67.1",
    }


@pytest.mark.parametrize(
    ("targets", "why", "help_text"),
    [
        (
            ("vllm==0.10.0", "torch==2.8.0"),
            "vllm==0.10.0 requires torch==2.7.1, which contradicts the requested torch==2.8.0",
            "request torch==2.7.1 or vllm==0.11.0",
        ),
        (
            ("vllm==0.10.0", "torchvision==0.23.0"),
            "vllm==0.10.0 requires torch==2.7.1, and torchvision==0.23.0 requires torch==2.8.0: no release of torch satisfies both",
            "leave out vllm==0.10.0 or torchvision==0.23.0",
        ),
    ],
)  # fmt: skip
def test_targets_that_contradict_each_other_hold_back(
    targets: tuple[str, ...], why: str, help_text: str
) -> None:
    planned = plan_text(*targets, companions='torchvision: "0.22.0"')
    assert (planned.held_back, planned.help, planned.is_conflict) == (why, help_text, True)


@pytest.mark.parametrize(
    ("requires", "torch"),
    [
        ("torch==2.7.1", "2.7.1"),
        ("torch==2.7.1 ; platform_machine == 'x86_64'", "2.7.1"),
        ("torch==2.8.0 ; platform_machine == 'aarch64'", None),
        ("torch==2.8.0 ; extra == 'gpu'", None),
        ("torch<2.8,>=2.7.1", "2.7.1"),
        ("torch>=2.6", None),
        ("torch", None),
        ("numpy<2", None),
    ],
)
def test_what_the_facts_do_not_have_is_read_out_of_the_metadata(requires: str, torch: str | None) -> None:
    planned = plan_text("tqdm==4.67.1", requirements={"tqdm==4.67.1": (requires,)})
    assert moved(planned).get("torch") == torch


@pytest.mark.parametrize(
    ("requires", "why"),
    [
        ("torch>=2.8", "tqdm==4.67.1 requires torch>=2.8, and torch is at 2.7.0"),
        ("torch==2.7.9", "tqdm==4.67.1 requires torch==2.7.9, and no known release of torch satisfies that: the newest is 2.15.0"),
    ],
)  # fmt: skip
def test_where_it_is_open_which_torch_to_take_the_service_is_held_back(requires: str, why: str) -> None:
    planned = plan_text("tqdm==4.67.1", requirements={"tqdm==4.67.1": (requires,)})
    assert (planned.held_back, planned.is_conflict) == (why, True)
    assert planned.help.startswith(
        ("name the release of torch, too: `bump tqdm==4.67.1 torch==VERSION`", "leave out tqdm")
    )


def test_a_channel_applies_where_torch_moves() -> None:
    assert moved(plan_text("vllm==0.10.0", channel="cu128"))["variants.gpu.channel"] == "cu128"
    held_back = plan_text("tqdm==4.67.1", channel="cu128")
    assert (held_back.held_back, held_back.help) == (
        "`--channel` applies to torch, which stays",
        "name torch, too",
    )
    with pytest.raises(InputError, match="`--channel` applies to torch only, not to python"):
        plan_text("python==3.12.10", channel="cu128")


def test_a_service_that_is_called_like_a_package_is_called_a_service() -> None:
    assert service_label(plan_text("vllm==0.10.0")) == "service vllm"
    assert service_label(plans("tqdm==4.67.1")["lora"]) == "lora"
