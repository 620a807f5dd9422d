"""The plan of an update: on the committed services, with lora as it was before its first update."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from support.bumps import bump_context, plans
from support.descriptions import LORA
from torchpin.bump import pins, plan
from torchpin.bump.model import Move
from torchpin.bump.target import parse_targets
from torchpin.description import read
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.bump.model import Plan

BUMP_REASON = "B200 is to be served"


def moved_pins(service_plan: Plan) -> dict[str, str]:
    return {move.what: move.after for move in service_plan.moves}


def test_every_service_is_planned_for_torch_2_7_1() -> None:
    planned = plans("torch==2.7.1", reason=BUMP_REASON)
    assert {name: service_plan.held_back for name, service_plan in planned.items()} == {
        "coaxial": "torch is at 2.8.0, which is newer",
        "lora": "",
        "seedvr": "",
        "videogen": "torch is at 2.8.0, which is newer",
        "zopilot": "",
    }
    assert planned["coaxial"].help == "pass `--service coaxial` to downgrade it"
    assert (planned["seedvr"].moves, planned["seedvr"].present) == ((), ("torch is already at 2.7.1",))


def test_lora_goes_to_cu128_with_base_companions_and_bitsandbytes() -> None:
    lora = plans("torch==2.7.1", reason=BUMP_REASON)["lora"]
    assert moved_pins(lora) == {
        "torch": "2.7.1",
        "torchvision": "0.22.1",
        "torchaudio": "2.7.1",
        "variants.gpu.channel": "cu128",
        "base.image": "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04",
        "base.digest": "sha256:ad6d59a3bbf3e82c1c849c9ac09cfc2a3e0bbb8655042fd899be6681b3fe2a85",
        "bitsandbytes": "bitsandbytes==0.45.3",
    }
    reasons = {move.what: move.why for move in lora.moves}
    assert reasons["variants.gpu.channel"].endswith("cu128 has code for RTX A6000, H100, B200")
    assert "but torch from cu128 is for CUDA 12.8" in reasons["bitsandbytes"]
    assert lora.gained == ("B200 in lora-gpu",)
    assert lora.lost == ()
    assert "triton 3.1.0 -> 3.3.1 in lora-gpu" in lora.also_changes
    assert not [change for change in lora.also_changes if change.startswith(("torch", "bitsandbytes"))]


def test_what_lora_accepted_closes_and_opens_by_itself() -> None:
    before, lora = (
        read.read_services({LORA: bump_context().texts[LORA]})[0],
        plans("torch==2.7.1", reason=BUMP_REASON)["lora"],
    )
    assert (
        len([message for message in lora.resolved if "the waiver is no longer needed" in message])
        == len(before.waivers)
        == 6
    )
    after = lora.service_after
    assert after.waivers == ()
    assert "torch 2.7.1+cu128 deviates; recommended: 2.5.1+cu121 (earlier page), 2.5.x (report)" in lora.new
    reasons = {reason.component: reason.because for reason in after.reasons}
    assert reasons == {reason.component: reason.because for reason in before.reasons} | {
        "torchvision": "The release that matches torch 2.7.1.",
        "torchaudio": "The release that matches torch 2.7.1.",
    }
    assert [opening.key for opening in lora.openings] == ["torch", "CUDA", "bitsandbytes", "cuDNN"]
    assert all(opening.is_review and not opening.reason for opening in lora.openings)


def test_a_new_warning_is_waived_until_its_review_date() -> None:
    image = "nvidia/cuda:12.6.3-base-ubuntu22.04"
    zopilot = plans("torch==2.7.1", reason="not this", reasons={"BAS002": BUMP_REASON})["zopilot"]
    assert f"BAS002 about {image}: {image} is not pinned by digest" in zopilot.new
    waiver = zopilot.service_after.waivers[-1]
    assert (waiver.check, waiver.about, waiver.reason, waiver.review_by) == (
        "BAS002", image, BUMP_REASON, date(2027, 2, 22),
    )  # fmt: skip


def test_without_a_reason_a_new_warning_is_listed_and_not_waived() -> None:
    zopilot = plans("torch==2.7.1")["zopilot"]
    assert any(message.startswith("BAS002 about nvidia/cuda:12.6.3") for message in zopilot.new)
    assert "BAS002" not in {waiver.check for waiver in zopilot.service_after.waivers}


def test_a_new_notice_is_a_note_and_requires_no_waiver() -> None:
    lora = plans("torch==2.7.1", reason=BUMP_REASON)["lora"]
    notices = {note.partition(":")[0] for note in lora.notes if note.startswith(("BAS003", "TOR004"))}
    assert notices == {"BAS003 about nvidia/cuda", "TOR004 about cu128"}
    assert not [message for message in lora.new if message.startswith(("BAS003", "TOR004"))]


def test_a_waiver_of_a_notice_that_ends_is_removed() -> None:
    lora = plans("torch==2.7.1", reason=BUMP_REASON)["lora"]
    assert "TOR004 about cu121: the waiver is no longer needed" in lora.resolved


def test_zopilot_stays_near_its_cuda_and_takes_the_least_bitsandbytes() -> None:
    new_pins = moved_pins(plans("torch==2.7.1", reason=BUMP_REASON)["zopilot"])
    assert new_pins["variants.gpu.channel"] == "cu126"
    assert new_pins["base.image"] == "nvidia/cuda:12.6.3-base-ubuntu22.04"
    assert new_pins["bitsandbytes"] == "bitsandbytes==0.45.1"


@pytest.mark.parametrize("version", ["2.7.0", "2.7.1", "2.9.1"])
def test_what_only_the_lock_holds_is_left_to_the_resolver(version: str) -> None:
    zopilot = plans(f"torch=={version}", reason=BUMP_REASON)["zopilot"]
    assert "sympy" not in moved_pins(zopilot)
    assert "sympy 1.13.1 -> 1.13.3 in zopilot-gpu" in zopilot.also_changes


def test_a_release_that_no_page_shows_yet_is_planned_by_the_matrix() -> None:
    """The index snapshots end with 2.10, the release matrix does not."""
    lora = plans("torch==2.11.0", reason=BUMP_REASON)["lora"]
    assert moved_pins(lora)["variants.gpu.channel"] == "cu128"
    why = next(move.why for move in lora.moves if move.what == "torch")
    assert why == "requested; only the release matrix lists it on cu128"


def test_a_torch_of_the_base_image_follows_its_channel_with_the_image() -> None:
    seedvr = plans("torch==2.7.1", channel="cu128", services=("seedvr",))["seedvr"]
    assert moved_pins(seedvr) == {
        "base.image": "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel",
        "base.digest": "",
        "variants.gpu.channel": "cu128",
    }


def test_a_channel_without_an_image_that_has_torch_is_refused() -> None:
    seedvr = plans("torch==2.7.1", channel="cu130", services=("seedvr",))["seedvr"]
    assert seedvr.moves == ()
    assert seedvr.held_back.startswith(
        "--channel cu130 cannot be followed: torch comes from pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel"
    )
    assert seedvr.help == "choose a channel that a known image has: cu118, cu126, cu128"


def test_a_channel_that_is_asked_for_is_taken_or_holds_back() -> None:
    moved = plans("torch==2.7.1", channel="cu126", reason=BUMP_REASON)["lora"]
    assert moved_pins(moved)["variants.gpu.channel"] == "cu126"
    # not 0.45.0, the first with a library for CUDA 12.6: it imports what triton no longer has
    (bitsandbytes,) = (move for move in moved.moves if move.what == "bitsandbytes")
    assert (bitsandbytes.before, bitsandbytes.after) == ("bitsandbytes==0.44.1", "bitsandbytes==0.45.3")
    assert "12.6" in bitsandbytes.why
    held_back = plans("torch==2.7.1", channel="cu124")["lora"]
    assert held_back.held_back.startswith("cu124 does not have torch 2.7.1")
    assert "cu128" in held_back.help
    with pytest.raises(InputError, match=r"channel 'cu999' does not exist; known channels: .*cu128"):
        plans("torch==2.7.1", channel="cu999")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2.7.9", "torch 2.7.9 does not exist: its neighbours are 2.7.1 and 2.8.0, the newest known release is 2.15.0"),
        ("0.4.9", "torch 0.4.9 does not exist: its neighbour is 1.7.0, the newest known release is 2.15.0"),
        ("9.9", "torch 9.9 is not known: the newest known release is 2.15.0, before it 2.14.0 and 2.14.1"),
        ("2.16.0", "torch 2.16.0 is not known: the newest known release is 2.15.0, before it 2.14.0 and 2.14.1"),
    ],
)  # fmt: skip
def test_a_release_that_is_not_known_is_an_error_with_its_neighbours(version: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"{re.escape(message)}; nothing was changed"):
        plans(f"torch=={version}")


def test_a_release_without_the_gpus_of_today_holds_back() -> None:
    coaxial = plans("torch==2.5.1", services=("coaxial",))["coaxial"]
    assert "RTX 5060 Ti" in coaxial.held_back


def test_torch_that_comes_from_the_base_moves_with_the_base() -> None:
    seedvr = plans("torch==2.8.0", reason=BUMP_REASON, services=("seedvr",))["seedvr"]
    assert moved_pins(seedvr)["base.image"].startswith("pytorch/pytorch:2.8.0-")
    assert "xformers" in moved_pins(seedvr)
    videogen = plans("torch==2.9.0", services=("videogen",))["videogen"]
    assert videogen.held_back.startswith("torch comes from the base image") or videogen.moves


def test_a_package_moves_alone_with_a_diff_of_one_word() -> None:
    lora = plans("tqdm==4.67.1", services=("lora",))["lora"]
    changed = [
        line for line in lora.difference.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    ]
    assert changed[:2] == ["-      - tqdm==4.66.5", "+      - tqdm==4.67.1"]
    assert set(lora.outdated_layers) == {"lockfiles/lora-gpu/05-utilities.requirements.txt"}
    assert lora.also_changes == ()


def test_torch_of_another_name_for_its_channel_does_not_follow() -> None:
    """On arm64 the CPU builds of some releases carry the channel's name, and their companions none."""
    assert plans("transformers==4.55.0")["coaxial"].also_changes == ()


def test_what_several_environments_say_alike_is_said_once() -> None:
    held_back = plans("setuptools==83.0.0")["coaxial"].held_back
    assert held_back.count("tensorboard==2.20.0 requires the module pkg_resources") == 1
    assert "(DEP002)" in held_back  # `explain DEP002` has its page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "transfomers==4.55.0",
            r"no service pins transfomers \(did you mean transformers, .*\?\); nothing was changed",
        ),
        ("sd-script@v0.10.1", r"no service pins sd-script \(did you mean sd-scripts\?\)"),
    ],
)
def test_what_no_service_pins_is_an_error(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plans(text)


def test_pins_that_contradict_each_other_hold_back() -> None:
    zopilot = plans("numpy==2.2.6")["zopilot"]
    assert zopilot.held_back.startswith("scipy==1.12.0 requires numpy<1.29")


def test_a_base_moves_where_its_repository_is_used() -> None:
    planned = plans("base=nvidia/cuda:12.8.1-devel-ubuntu22.04", reason=BUMP_REASON)
    assert moved_pins(planned["lora"])["base.digest"].startswith("sha256:a99a1860")
    assert planned["seedvr"].held_back.startswith("the base image is pytorch/pytorch")
    assert planned["seedvr"].help == "pass `--service seedvr` to replace it"


def test_what_cannot_be_edited_holds_back_with_its_place() -> None:
    text = bump_context().texts[LORA].replace("- tqdm==4.66.5", "- &bars tqdm==4.66.5")
    line_numbers = [number for number, line in enumerate(text.splitlines(), 1) if "&bars" in line]
    lora = plan.plans(
        read.read_services({LORA: text}),
        parse_targets("tqdm==4.67.1"),
        replace(bump_context(), texts={LORA: text}),
    )[0]
    assert lora.held_back.startswith(f"{LORA}:{line_numbers[0]}:")


def test_a_source_moves_to_the_recorded_commit_of_its_tag() -> None:
    lora = plans("sd-scripts@v0.10.1", reason=BUMP_REASON)["lora"]
    assert moved_pins(lora)["sources[0].tag"] == "v0.10.1"
    assert moved_pins(lora)["sources[0].commit"] == "ae72efb92babe89ff8e70f057e42db68440e8d61"
    (source,) = read.read_services({LORA: bump_context().texts[LORA]})[0].sources
    recognized = [pins.is_known_tag(source, tag) for tag in ("v0.10.1", "v0.9.2", "v99")]
    assert recognized == [True, True, False]
    held_back = plans("sd-scripts@v0.9.2")["lora"]
    assert (held_back.held_back, held_back.help.partition(": ")[0]) == (
        "sd-scripts has no tag v0.9.2",
        "choose one of its tags",
    )


def test_python_moves_and_what_no_wheel_fits_holds_back() -> None:
    assert moved_pins(plans("python==3.11.9", reason=BUMP_REASON)["lora"])["python"] == "3.11.9"
    assert "no wheel for Python 3.14" in plans("python==3.14.0")["lora"].held_back


def test_nothing_is_closed_where_only_a_lock_would_tell() -> None:
    """Another Python has other files, so its lock is not predicted."""
    coaxial = plans("python==3.11.9", services=("coaxial",))["coaxial"]
    assert (coaxial.held_back, coaxial.resolved) == ("", ())


@pytest.mark.parametrize(
    ("written", "digest"),
    [("nvidia/cuda", "sha256:ad6d59a3"), ("registry.example:5000/nvidia/cuda", "")],
)
def test_a_base_keeps_its_registry_when_it_moves_with_torch(written: str, digest: str) -> None:
    text = bump_context().texts[LORA].replace("image: nvidia/cuda:", f"image: {written}:")
    lora = plan.plans(
        read.read_services({LORA: text}),
        parse_targets("torch==2.7.1"),
        replace(bump_context(), texts={LORA: text}, reason=BUMP_REASON),
    )[0]
    assert moved_pins(lora)["base.image"].startswith(f"{written}:12.8.1-")
    assert (moved_pins(lora).get("base.digest") or "")[:15] == digest


def test_a_base_that_does_not_exist_is_an_error_with_the_images_near_it() -> None:
    message = r"12\.8\.9-devel-ubuntu22\.04 does not exist: .*did you mean nvidia/cuda:12\.8\.[01]-devel-ubuntu22\.04"
    with pytest.raises(InputError, match=message):
        plans("base=nvidia/cuda:12.8.9-devel-ubuntu22.04", reason=BUMP_REASON)


def test_a_value_that_moves_twice_is_one_move_for_both_reasons() -> None:
    def move(before: str, after: str, why: str, path: str = "layers[0].packages[1]") -> Move:
        return Move(path=path, what="bitsandbytes", before=before, after=after, why=why)

    torch = move("2.5.1", "2.7.1", "requested", path="torch.version")
    first, second = move("0.44.1", "0.45.0", "no library"), move("0.45.0", "0.45.3", "no triton.ops")
    joined = plan._join_moves([torch, first], [second])
    assert joined == [torch, move("0.44.1", "0.45.3", "no library; no triton.ops")]


@pytest.mark.parametrize(
    ("target", "channel"),
    [
        ("setuptools==83.0.0", ""),
        ("torch==2.7.1", "cu124"),
        ("torch==2.4.0", ""),
        ("python==3.14.0", ""),
        ("scipy==1.12.0", ""),
        ("base=ubuntu:24.04", ""),
        ("sd-scripts@v0.9.2", ""),
    ],
)
def test_what_holds_a_service_back_comes_with_what_to_do(target: str, channel: str) -> None:
    held = [plan for plan in plans(target, channel=channel).values() if plan.held_back]
    assert held
    assert [plan.service for plan in held if not plan.help] == []
