"""What a bump would do: on the committed services, with lora as it was before its first bump."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from torchpin.bump import pins, plan
from torchpin.bump.model import Ground, Plan
from torchpin.bump.target import target
from torchpin.commands import bump
from torchpin.description import environments, read
from torchpin.documents import bumps
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.records import bump_log
from torchpin.workspace import evidence, workspace

ROOT = Path(__file__).parents[2]
BEFORE = ROOT / "tests" / "before"
LORA = "services/lora/service.yaml"
TODAY = date(2026, 11, 24)
WHY = "B200 is to be served"


@cache
def ground() -> Ground:
    repo = workspace.opened(ROOT)
    texts = {**workspace.descriptions(ROOT), LORA: (BEFORE / "service.yaml").read_text()}
    files = {path.name: path.read_text() for path in (BEFORE / "lockfiles").iterdir()}
    locks = evidence.judged(repo, environments.environments(repo.services)).locks
    locked = {**locks, "lora-gpu": file_format.parse("lockfiles/lora-gpu", files)}
    return Ground(texts=texts, locks=locked, today=TODAY)


def plans(text: str, **changes: object) -> dict[str, Plan]:
    here = replace(ground(), **changes)  # type: ignore[arg-type]
    return {one.service: one for one in plan.plans(read.services(here.texts), target(text), here)}


def moves(one: Plan) -> dict[str, str]:
    return {each.what: each.after for each in one.moves}


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
    found = target(text)
    assert (found.kind, found.name, found.to) == (kind, name, to)


@pytest.mark.parametrize(
    "text",
    [
        *("torch", "torch>=2.7", "torch==2.7.*", "torch==2.7.1+cu128", "", "a b", "==1"),
        *("base=", "base=nvidia/cuda", "base=localhost:5000/cuda", "base=nvidia/cuda:12@sha256:abc"),
    ],
)
def test_what_is_no_exact_pin_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"torch==2\.7\.1|--channel cu128"):
        target(text)


# --- torch -----------------------------------------------------------------------------------------------------------


def test_every_service_is_planned_for_torch_2_7_1() -> None:
    found = plans("torch==2.7.1", reason=WHY)
    assert {name: one.held for name, one in found.items()} == {
        "coaxial": "has torch 2.8.0, which is newer",
        "lora": "",
        "seedvr": "has torch 2.7.1 already",
        "videogen": "has torch 2.8.0, which is newer",
        "zopilot": "",
    }
    assert found["coaxial"].frees == "`--service coaxial` moves it down"


def test_lora_goes_to_cu128_with_base_companions_and_bitsandbytes() -> None:
    lora = plans("torch==2.7.1", reason=WHY)["lora"]
    assert moves(lora) == {
        "torch": "2.7.1",
        "torchvision": "0.22.1",
        "torchaudio": "2.7.1",
        "variants.gpu.channel": "cu128",
        "base.image": "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04",
        "base.digest": "sha256:ad6d59a3bbf3e82c1c849c9ac09cfc2a3e0bbb8655042fd899be6681b3fe2a85",
        "bitsandbytes": "bitsandbytes==0.45.3",
    }
    why = {each.what: each.why for each in lora.moves}
    assert why["variants.gpu.channel"].endswith("cu128 has code for A6000, H100, B200")
    assert "triton.ops" in why["bitsandbytes"]
    assert lora.gained == ("B200 in lora-gpu",)
    assert lora.lost == ()
    assert "triton 3.1.0 -> 3.3.1 in lora-gpu" in lora.follows
    assert not [one for one in lora.follows if one.startswith(("torch", "bitsandbytes"))]


def test_the_files_that_are_made_again_are_told() -> None:
    found = plans("torch==2.7.1")
    assert set(bump.derived(found["lora"])) == {
        "docker/lora-gpu/Dockerfile", "docker/lora-gpu/context.txt", "docs/PINNING.md", "DEVIATIONS.md",
        "docs/CHECKS.md", "docs/GPUS.md", "records/log.yaml", "records/lora-gpu/pip_freeze.txt",
        "records/lora-gpu/build.json",
    }  # fmt: skip
    assert bump.derived(found["coaxial"]) == ()


def test_what_lora_accepted_closes_and_opens_by_itself() -> None:
    before, lora = read.services({LORA: ground().texts[LORA]})[0], plans("torch==2.7.1", reason=WHY)["lora"]
    assert len([one for one in lora.closed if "nothing is left to waive" in one]) == len(before.waivers) == 6
    after = lora.described
    assert [(one.check, one.about, one.reason, one.review_by) for one in after.waivers] == [
        ("BAS003", "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", WHY, date(2027, 2, 22)),
        ("TOR004", "cu128", WHY, date(2027, 2, 22)),
    ]
    reasons = {one.component: one.because for one in after.reasons}
    assert reasons["torch"] == WHY
    assert "triton.ops" in reasons["bitsandbytes"]
    assert reasons["transformers"] == {one.component: one.because for one in before.reasons}["transformers"]


def test_without_a_reason_what_opens_is_told_and_not_written() -> None:
    lora = plans("torch==2.7.1")["lora"]
    assert any(one.startswith("TOR004 about cu128") for one in lora.opened)
    assert lora.described.waivers == ()


def test_zopilot_stays_near_its_cuda_and_takes_the_least_bitsandbytes() -> None:
    found = moves(plans("torch==2.7.1", reason=WHY)["zopilot"])
    assert found["variants.gpu.channel"] == "cu126"
    assert found["base.image"] == "nvidia/cuda:12.6.3-devel-ubuntu22.04"
    assert found["bitsandbytes"] == "bitsandbytes==0.45.1"


@pytest.mark.parametrize("version", ["2.7.0", "2.7.1", "2.9.1"])
def test_what_only_the_lock_holds_is_left_to_the_resolver(version: str) -> None:
    zopilot = plans(f"torch=={version}", reason=WHY)["zopilot"]
    assert "sympy" not in moves(zopilot)
    assert "sympy 1.13.1 -> 1.13.3 in zopilot-gpu" in zopilot.follows


def test_a_release_that_no_page_shows_yet_is_planned_by_the_matrix() -> None:
    """The recorded pages end with 2.10, and the matrix of releases goes on."""
    lora = plans("torch==2.11.0", reason=WHY)["lora"]
    assert moves(lora)["variants.gpu.channel"] == "cu128"
    why = next(one.why for one in lora.moves if one.what == "torch")
    assert why == "asked for; that it is on cu128 only the release matrix tells"
    held = plans("torch==2.12.0")["lora"]
    assert (held.held, held.frees) == (
        "there is no torchaudio for torch 2.12.0", "remove torchaudio from `companions:`"
    )  # fmt: skip


def test_a_channel_that_is_asked_for_is_taken_or_holds_back() -> None:
    assert (
        moves(plans("torch==2.7.1", channel="cu126", reason=WHY)["lora"])["variants.gpu.channel"] == "cu126"
    )
    held = plans("torch==2.7.1", channel="cu124")["lora"]
    assert held.held.startswith("cu124 does not have torch 2.7.1")
    assert "cu128" in held.frees
    with pytest.raises(InputError, match="There is no channel 'cu999'"):
        plans("torch==2.7.1", channel="cu999")


def test_a_release_that_exists_nowhere_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"torch 2\.7\.9 exists nowhere; the nearest are .*2\.7\.1"):
        plans("torch==2.7.9")


def test_a_release_without_the_gpus_of_today_holds_back() -> None:
    coaxial = plans("torch==2.5.1", named=("coaxial",))["coaxial"]
    assert "RTX 5060 Ti" in coaxial.held


def test_torch_that_comes_from_the_base_moves_with_the_base() -> None:
    found = plans("torch==2.8.0", reason=WHY, named=("seedvr",))["seedvr"]
    assert moves(found)["base.image"].startswith("pytorch/pytorch:2.8.0-")
    assert "xformers" in moves(found)
    held = plans("torch==2.9.0", named=("videogen",))["videogen"]
    assert held.held.startswith("takes torch from its base image") or held.moves


# --- the others ------------------------------------------------------------------------------------------------------


def test_a_package_moves_alone_with_a_diff_of_one_word() -> None:
    lora = plans("tqdm==4.67.1", named=("lora",))["lora"]
    changed = [
        one for one in lora.difference.splitlines() if one[:1] in "+-" and one[:3] not in {"+++", "---"}
    ]
    assert changed[:2] == ["-      - tqdm==4.66.5", "+      - tqdm==4.67.1"]
    assert set(lora.stale) == {"lockfiles/lora-gpu/05-utilities.txt"}
    assert lora.follows == ()


def test_torch_of_another_name_for_its_channel_does_not_follow() -> None:
    """On arm64 the CPU builds of some releases carry the channel's name, and their companions none."""
    assert plans("transformers==4.55.0")["coaxial"].follows == ()


def test_what_several_environments_say_alike_is_said_once() -> None:
    held = plans("setuptools==83.0.0")["coaxial"].held
    assert held.count("tensorboard==2.20.0 needs the module pkg_resources") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("torchvision==0.22.1", "torchvision moves with torch"),
        ("transfomers==4.55.0", "did you mean transformers"),
        ("sd-script@v0.10.1", "did you mean sd-scripts|No service pins"),
    ],
)
def test_what_nobody_pins_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plans(text)


def test_pins_that_contradict_each_other_hold_back() -> None:
    zopilot = plans("numpy==2.2.6")["zopilot"]
    assert zopilot.held.startswith("scipy==1.12.0 needs numpy<1.29")


def test_a_base_moves_where_its_repository_is_used() -> None:
    found = plans("base=nvidia/cuda:12.8.1-devel-ubuntu22.04", reason=WHY)
    assert moves(found["lora"])["base.digest"].startswith("sha256:a99a1860")
    assert found["seedvr"].held.startswith("stands on pytorch/pytorch")
    assert found["seedvr"].frees


def test_what_cannot_be_edited_holds_back_with_its_place() -> None:
    text = ground().texts[LORA].replace("- tqdm==4.66.5", "- &bars tqdm==4.66.5")
    at = [number for number, line in enumerate(text.splitlines(), 1) if "&bars" in line]
    one = plan.plans(
        read.services({LORA: text}), target("tqdm==4.67.1"), replace(ground(), texts={LORA: text})
    )[0]
    assert one.held.startswith(f"{LORA}:{at[0]}:")


def test_a_source_moves_to_the_recorded_commit_of_its_tag() -> None:
    lora = plans("sd-scripts@v0.10.1", reason=WHY)["lora"]
    assert moves(lora)["sources[0].tag"] == "v0.10.1"
    assert moves(lora)["sources[0].commit"] == "ae72efb92babe89ff8e70f057e42db68440e8d61"
    (source,) = read.services({LORA: ground().texts[LORA]})[0].sources
    known = [pins.is_known(source, tag) for tag in ("v0.10.1", "v0.9.2", "v99")]
    assert known == [True, True, False]
    never = plans("sd-scripts@v0.9.2")["lora"]
    assert "never had a tag v0.9.2" in never.held


def test_python_moves_and_what_no_wheel_fits_holds_back() -> None:
    assert moves(plans("python==3.11.9", reason=WHY)["lora"])["python"] == "3.11.9"
    assert "no wheel for Python 3.14" in plans("python==3.14.0")["lora"].held


def test_nothing_is_closed_where_only_a_lock_would_tell() -> None:
    """Another Python has other files, so its lock is not foreseen."""
    coaxial = plans("python==3.11.9", named=("coaxial",))["coaxial"]
    assert (coaxial.held, coaxial.closed) == ("", ())


# --- the log ---------------------------------------------------------------------------------------------------------

STEP = bump_log.Step(state="done", when="2026-11-24T12:00:00Z", who="somebody", told="locked")
ENTRY = bump_log.Entry(
    bump="torch==2.7.1",
    why="B200: it's wanted",
    services={"lora": bump_log.Moved(pins=("torch 2.5.1 -> 2.7.1",), closed=("GPU001 about B200",))},
    held={"seedvr": "has it already"},
    steps=(STEP, STEP, *(bump_log.Step(),) * 3),
    freeze={"lora-gpu": ("torch 2.5.1 -> 2.7.1",)},
)


def test_the_log_reads_back_as_it_was_written() -> None:
    assert bump_log.entries(bump_log.text([ENTRY, ENTRY])) == (ENTRY, ENTRY)
    assert bump_log.entries(None) == ()
    assert ENTRY.pending == (3, 4, 5)


@pytest.mark.parametrize(
    "text", ["- [", "- {bump: x}", "a: b", "- bump: x\n  why: y\n  services: {}\n  steps: []\n"]
)
def test_what_is_no_log_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError) as caught:
        bump_log.entries(text)
    assert str(caught.value.problems[0]).startswith("records/log.yaml:1:") or "2:1" in str(
        caught.value.problems[0]
    )


def test_the_page_tells_what_is_pending() -> None:
    text = bumps.section([ENTRY])
    assert "pending: 3 (rebuild the image)" in text
    assert "all done" in bumps.section([replace(ENTRY, steps=(STEP,) * 5)])


def test_the_committed_log_s_first_entry_is_lora_s_move_to_torch_2_7_1() -> None:
    first = bump_log.entries((ROOT / bump_log.LOG).read_text())[0]
    assert first.bump == "torch==2.7.1"
    assert [*first.services] == ["lora"]
