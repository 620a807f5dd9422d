"""What a bump would do: on the committed services, with lora as it was before its first bump."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from torchpin.bump import pins, plan
from torchpin.bump.model import BumpContext, Plan
from torchpin.bump.target import parse_target
from torchpin.commands import bump
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.documents import bumps
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.records import bump_log
from torchpin.workspace import evidence, workspace

ROOT = Path(__file__).parents[2]
BEFORE_FIRST_BUMP = ROOT / "tests" / "before"
LORA = "services/lora/service.yaml"
TODAY = date(2026, 11, 24)
BUMP_REASON = "B200 is to be served"


@cache
def bump_context() -> BumpContext:
    repo = workspace.open_repository(ROOT)
    texts = {**workspace.read_descriptions(ROOT), LORA: (BEFORE_FIRST_BUMP / "service.yaml").read_text()}
    files = {path.name: path.read_text() for path in (BEFORE_FIRST_BUMP / "lockfiles").iterdir()}
    locks = evidence.for_judge(repo, select_environments(repo.services)).locks
    locked = {**locks, "lora-gpu": file_format.parse_lock("lockfiles/lora-gpu", files)}
    return BumpContext(texts=texts, locks=locked, today=TODAY)


def plans(text: str, **changes: object) -> dict[str, Plan]:
    context = replace(bump_context(), **changes)  # type: ignore[arg-type]
    return {
        service_plan.service: service_plan
        for service_plan in plan.plans(read.read_services(context.texts), parse_target(text), context)
    }


def moved_pins(service_plan: Plan) -> dict[str, str]:
    return {move.what: move.after for move in service_plan.moves}


# --- what is asked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "name", "to"),
    [
        ("torch==2.7.1", "torch", "torch", "2.7.1"),
        ("Python==3.11.9", "python", "python", "3.11.9"),
        ("python=3.11.9", "python", "python", "3.11.9"),
        ("torch == 2.7", "torch", "torch", "2.7.0"),
        ("tqdm==v4.67.1", "package", "tqdm", "4.67.1"),
        ("base=localhost:5000/a/cuda:12.8", "base", "base", "localhost:5000/a/cuda:12.8"),
        ("Hugging_Face.Hub==0.34.4", "package", "hugging-face-hub", "0.34.4"),
        ("base=nvidia/cuda:12.8.1-devel-ubuntu22.04", "base", "base", "nvidia/cuda:12.8.1-devel-ubuntu22.04"),
        ("sd-scripts@v0.10.1", "source", "sd-scripts", "v0.10.1"),
    ],
)
def test_each_kind_is_read(text: str, kind: str, name: str, to: str) -> None:
    requested = parse_target(text)
    assert (requested.kind, requested.name, requested.to) == (kind, name, to)


@pytest.mark.parametrize(
    "text",
    [
        *("torch", "torch>=2.7", "torch==2.7.*", "torch==2.7.1+cu128", "", "a b", "==1"),
        *("base=", "base=nvidia/cuda", "base=localhost:5000/cuda", "base=nvidia/cuda:12@sha256:abc"),
    ],
)
def test_what_is_no_exact_pin_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"torch==2\.7\.1|--channel cu128"):
        parse_target(text)


# --- torch -----------------------------------------------------------------------------------------------------------


def test_every_service_is_planned_for_torch_2_7_1() -> None:
    planned = plans("torch==2.7.1", reason=BUMP_REASON)
    assert {name: service_plan.held_back for name, service_plan in planned.items()} == {
        "coaxial": "has torch 2.8.0, which is newer",
        "lora": "",
        "seedvr": "has torch 2.7.1 already",
        "videogen": "has torch 2.8.0, which is newer",
        "zopilot": "",
    }
    assert planned["coaxial"].help == "`--service coaxial` moves it down"


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
    assert reasons["variants.gpu.channel"].endswith("cu128 has code for A6000, H100, B200")
    assert "triton.ops" in reasons["bitsandbytes"]
    assert lora.gained == ("B200 in lora-gpu",)
    assert lora.lost == ()
    assert "triton 3.1.0 -> 3.3.1 in lora-gpu" in lora.also_changes
    assert not [change for change in lora.also_changes if change.startswith(("torch", "bitsandbytes"))]


def test_the_files_that_are_made_again_are_told() -> None:
    planned = plans("torch==2.7.1")
    assert set(bump.generated_paths(planned["lora"])) == {
        "docker/lora-gpu/Dockerfile", "docker/lora-gpu/context.txt", "docs/PINNING.md", "DEVIATIONS.md",
        "docs/CHECKS.md", "docs/GPUS.md", "records/log.yaml", "records/lora-gpu/pip_freeze.txt",
        "records/lora-gpu/build.json",
    }  # fmt: skip
    assert bump.generated_paths(planned["coaxial"]) == ()


def test_what_lora_accepted_closes_and_opens_by_itself() -> None:
    before, lora = (
        read.read_services({LORA: bump_context().texts[LORA]})[0],
        plans("torch==2.7.1", reason=BUMP_REASON)["lora"],
    )
    assert (
        len([message for message in lora.resolved if "nothing is left to waive" in message])
        == len(before.waivers)
        == 6
    )
    after = lora.service_after
    assert [(waiver.check, waiver.about, waiver.reason, waiver.review_by) for waiver in after.waivers] == [
        ("BAS003", "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", BUMP_REASON, date(2027, 2, 22)),
        ("TOR004", "cu128", BUMP_REASON, date(2027, 2, 22)),
    ]
    reasons = {reason.component: reason.because for reason in after.reasons}
    assert reasons["torch"] == BUMP_REASON
    assert "triton.ops" in reasons["bitsandbytes"]
    assert (
        reasons["transformers"]
        == {reason.component: reason.because for reason in before.reasons}["transformers"]
    )


def test_without_a_reason_what_opens_is_told_and_not_written() -> None:
    lora = plans("torch==2.7.1")["lora"]
    assert any(message.startswith("TOR004 about cu128") for message in lora.new)
    assert lora.service_after.waivers == ()


def test_zopilot_stays_near_its_cuda_and_takes_the_least_bitsandbytes() -> None:
    new_pins = moved_pins(plans("torch==2.7.1", reason=BUMP_REASON)["zopilot"])
    assert new_pins["variants.gpu.channel"] == "cu126"
    assert new_pins["base.image"] == "nvidia/cuda:12.6.3-devel-ubuntu22.04"
    assert new_pins["bitsandbytes"] == "bitsandbytes==0.45.1"


@pytest.mark.parametrize("version", ["2.7.0", "2.7.1", "2.9.1"])
def test_what_only_the_lock_holds_is_left_to_the_resolver(version: str) -> None:
    zopilot = plans(f"torch=={version}", reason=BUMP_REASON)["zopilot"]
    assert "sympy" not in moved_pins(zopilot)
    assert "sympy 1.13.1 -> 1.13.3 in zopilot-gpu" in zopilot.also_changes


def test_a_release_that_no_page_shows_yet_is_planned_by_the_matrix() -> None:
    """The recorded pages end with 2.10, and the matrix of releases goes on."""
    lora = plans("torch==2.11.0", reason=BUMP_REASON)["lora"]
    assert moved_pins(lora)["variants.gpu.channel"] == "cu128"
    why = next(move.why for move in lora.moves if move.what == "torch")
    assert why == "asked for; that it is on cu128 only the release matrix tells"
    held_back = plans("torch==2.12.0")["lora"]
    assert (held_back.held_back, held_back.help) == (
        "there is no torchaudio for torch 2.12.0", "remove torchaudio from `companions:`"
    )  # fmt: skip


def test_a_channel_that_is_asked_for_is_taken_or_holds_back() -> None:
    assert (
        moved_pins(plans("torch==2.7.1", channel="cu126", reason=BUMP_REASON)["lora"])["variants.gpu.channel"]
        == "cu126"
    )
    held_back = plans("torch==2.7.1", channel="cu124")["lora"]
    assert held_back.held_back.startswith("cu124 does not have torch 2.7.1")
    assert "cu128" in held_back.help
    with pytest.raises(InputError, match="There is no channel 'cu999'"):
        plans("torch==2.7.1", channel="cu999")


def test_a_release_that_exists_nowhere_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"torch 2\.7\.9 exists nowhere; the nearest are .*2\.7\.1"):
        plans("torch==2.7.9")


def test_a_release_without_the_gpus_of_today_holds_back() -> None:
    coaxial = plans("torch==2.5.1", services=("coaxial",))["coaxial"]
    assert "RTX 5060 Ti" in coaxial.held_back


def test_torch_that_comes_from_the_base_moves_with_the_base() -> None:
    seedvr = plans("torch==2.8.0", reason=BUMP_REASON, services=("seedvr",))["seedvr"]
    assert moved_pins(seedvr)["base.image"].startswith("pytorch/pytorch:2.8.0-")
    assert "xformers" in moved_pins(seedvr)
    videogen = plans("torch==2.9.0", services=("videogen",))["videogen"]
    assert videogen.held_back.startswith("takes torch from its base image") or videogen.moves


# --- the others ------------------------------------------------------------------------------------------------------


def test_a_package_moves_alone_with_a_diff_of_one_word() -> None:
    lora = plans("tqdm==4.67.1", services=("lora",))["lora"]
    changed = [
        line for line in lora.difference.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    ]
    assert changed[:2] == ["-      - tqdm==4.66.5", "+      - tqdm==4.67.1"]
    assert set(lora.outdated_layers) == {"lockfiles/lora-gpu/05-utilities.txt"}
    assert lora.also_changes == ()


def test_torch_of_another_name_for_its_channel_does_not_follow() -> None:
    """On arm64 the CPU builds of some releases carry the channel's name, and their companions none."""
    assert plans("transformers==4.55.0")["coaxial"].also_changes == ()


def test_what_several_environments_say_alike_is_said_once() -> None:
    held_back = plans("setuptools==83.0.0")["coaxial"].held_back
    assert held_back.count("tensorboard==2.20.0 needs the module pkg_resources") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torchvision==0.22.1", "torchvision moves with torch"),
        ("transfomers==4.55.0", "did you mean transformers"),
        ("sd-script@v0.10.1", "did you mean sd-scripts|No service pins"),
    ],
)
def test_what_nobody_pins_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plans(text)


def test_pins_that_contradict_each_other_hold_back() -> None:
    zopilot = plans("numpy==2.2.6")["zopilot"]
    assert zopilot.held_back.startswith("scipy==1.12.0 needs numpy<1.29")


def test_a_base_moves_where_its_repository_is_used() -> None:
    planned = plans("base=nvidia/cuda:12.8.1-devel-ubuntu22.04", reason=BUMP_REASON)
    assert moved_pins(planned["lora"])["base.digest"].startswith("sha256:a99a1860")
    assert planned["seedvr"].held_back.startswith("stands on pytorch/pytorch")
    assert planned["seedvr"].help


def test_what_cannot_be_edited_holds_back_with_its_place() -> None:
    text = bump_context().texts[LORA].replace("- tqdm==4.66.5", "- &bars tqdm==4.66.5")
    line_numbers = [number for number, line in enumerate(text.splitlines(), 1) if "&bars" in line]
    lora = plan.plans(
        read.read_services({LORA: text}),
        parse_target("tqdm==4.67.1"),
        replace(bump_context(), texts={LORA: text}),
    )[0]
    assert lora.held_back.startswith(f"{LORA}:{line_numbers[0]}:")


def test_a_source_moves_to_the_recorded_commit_of_its_tag() -> None:
    lora = plans("sd-scripts@v0.10.1", reason=BUMP_REASON)["lora"]
    assert moved_pins(lora)["sources[0].tag"] == "v0.10.1"
    assert moved_pins(lora)["sources[0].commit"] == "ae72efb92babe89ff8e70f057e42db68440e8d61"
    (source,) = read.read_services({LORA: bump_context().texts[LORA]})[0].sources
    recognized = [pins.is_known(source, tag) for tag in ("v0.10.1", "v0.9.2", "v99")]
    assert recognized == [True, True, False]
    held_back = plans("sd-scripts@v0.9.2")["lora"]
    assert "never had a tag v0.9.2" in held_back.held_back


def test_python_moves_and_what_no_wheel_fits_holds_back() -> None:
    assert moved_pins(plans("python==3.11.9", reason=BUMP_REASON)["lora"])["python"] == "3.11.9"
    assert "no wheel for Python 3.14" in plans("python==3.14.0")["lora"].held_back


def test_nothing_is_closed_where_only_a_lock_would_tell() -> None:
    """Another Python has other files, so its lock is not foreseen."""
    coaxial = plans("python==3.11.9", services=("coaxial",))["coaxial"]
    assert (coaxial.held_back, coaxial.resolved) == ("", ())


# --- the log ---------------------------------------------------------------------------------------------------------

STEP = bump_log.PolicyStep(state="done", when="2026-11-24T12:00:00Z", who="somebody", told="locked")
ENTRY = bump_log.BumpEntry(
    bump="torch==2.7.1",
    why="B200: it's wanted",
    services={"lora": bump_log.ServiceChange(pins=("torch 2.5.1 -> 2.7.1",), closed=("GPU001 about B200",))},
    held={"seedvr": "has it already"},
    steps=(STEP, STEP, *(bump_log.PolicyStep(),) * 3),
    freeze={"lora-gpu": ("torch 2.5.1 -> 2.7.1",)},
)


def test_the_log_reads_back_as_it_was_written() -> None:
    assert bump_log.parse_log(bump_log.render_log([ENTRY, ENTRY])) == (ENTRY, ENTRY)
    assert bump_log.parse_log(None) == ()
    assert ENTRY.pending == (3, 4, 5)


@pytest.mark.parametrize(
    "text", ["- [", "- {bump: x}", "a: b", "- bump: x\n  why: y\n  services: {}\n  steps: []\n"]
)
def test_what_is_no_log_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError) as excinfo:
        bump_log.parse_log(text)
    assert str(excinfo.value.problems[0]).startswith("records/log.yaml:1:") or "2:1" in str(
        excinfo.value.problems[0]
    )


def test_the_page_tells_what_is_pending() -> None:
    text = bumps.section([ENTRY])
    assert "pending: 3 (rebuild the image)" in text
    assert "all done" in bumps.section([replace(ENTRY, steps=(STEP,) * 5)])


def test_the_committed_log_s_first_entry_is_lora_s_move_to_torch_2_7_1() -> None:
    first = bump_log.parse_log((ROOT / bump_log.LOG_PATH).read_text())[0]
    assert first.bump == "torch==2.7.1"
    assert [*first.services] == ["lora"]
