"""What an update requires before it starts, and the files that it generates."""

from __future__ import annotations

import pytest

from support.bumps import ENTRY, bump_context, plans
from torchpin.bump.predict import predict_lock
from torchpin.bump.target import parse_target
from torchpin.commands import bump, bump_steps
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.records.bump_log import BUILD, PolicyStep, with_step

TORCH = parse_target("torch==2.7.1")


def test_the_files_that_are_made_again_are_told() -> None:
    planned = plans("torch==2.7.1")
    assert set(bump.generated_paths(planned["lora"])) == {
        "docker/lora-gpu/Dockerfile", "docker/lora-gpu/context.txt", "docs/PINNING.md", "DEVIATIONS.md",
        "docs/CHECKS.md", "docs/GPUS.md", "records/bumps/", "records/lora-gpu/pip_freeze.txt",
        "records/lora-gpu/build.json", "records/lora-gpu/sbom.cdx.json",
    }  # fmt: skip
    assert bump.generated_paths(planned["coaxial"]) == ()


def test_an_update_that_changes_no_service_is_an_error_with_what_holds_each_back() -> None:
    planned = plans("torch==2.7.1", services=("seedvr",))
    with pytest.raises(InputError) as excinfo:
        bump.require_changes([*planned.values()], TORCH)
    assert str(excinfo.value) == (
        "no service can be updated to torch==2.7.1; nothing was changed:\n    seedvr: torch is already at 2.7.1"
    )
    bump.require_changes([*plans("torch==2.7.1").values()], TORCH)


def test_new_findings_and_deviations_require_a_reason() -> None:
    lora = plans("torch==2.7.1")["lora"]
    with pytest.raises(
        InputError,
        match=r"^the update requires a `--reason` for new findings and deviations; nothing was changed:\n    lora: torch",
    ):
        bump.require_reason([lora], "")
    bump.require_reason([lora], "B200")


def test_notices_alone_require_no_reason() -> None:
    coaxial = plans("base=nvidia/cuda:12.8.1-devel-ubuntu22.04", services=("coaxial",))["coaxial"]
    assert any(note.startswith("BAS003 about") for note in coaxial.notes)
    bump.require_reason([coaxial], "")


def test_the_log_lists_the_pins_and_who_requires_the_changed_packages() -> None:
    planned = plans("torch==2.7.1")["lora"]
    before = {"lora-gpu": bump_context().locks["lora-gpu"]}
    (env,) = select_environments([planned.service_after])
    after = predict_lock(env, before["lora-gpu"])
    assert after
    change = bump_steps._service_change(planned, before, {"lora-gpu": after})
    assert change.pins[0] == "torch 2.5.1 -> 2.7.1"
    assert not [pin for pin in change.pins if "digest" in pin]
    (triton,) = [package for package in change.packages if package.startswith("lora-gpu: triton ")]
    assert triton.endswith("3.3.1 (required by torch)")


def test_the_pending_steps_are_listed_with_their_cause() -> None:
    entry = with_step(ENTRY, BUILD, PolicyStep(note="no Docker engine with buildx is running"))
    assert bump_steps.progress(entry).detail == (
        "pending: steps 3 (rebuild the image), 4 (run the validation suite), 5 (record the new pip_freeze.txt): "
        "no Docker engine with buildx is running; finish them with `invoke bump --resume`"
    )
    for number in range(5):
        entry = with_step(entry, number, PolicyStep(state="done"))
    assert bump_steps.progress(entry).detail == "all five steps of the update policy are done"
