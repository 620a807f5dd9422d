"""What an update requires before it starts, and the files that it generates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.bumps import ENTRY, ROOT, bump_context, other_entry, plans
from support.results import FINDING, WARNING, make_result
from torchpin.bump.predict import predict_lock
from torchpin.bump.target import parse_targets
from torchpin.commands import bump, bump_steps, judge
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError
from torchpin.records.bump_log import BUILD, PolicyStep, ServiceChange, with_step
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.checks.registry import Result

TORCH = parse_targets("torch==2.7.1")


def test_the_files_that_are_made_again_are_told() -> None:
    planned = plans("torch==2.7.1")
    assert set(bump.generated_paths(planned["lora"])) == {
        "docker/lora-gpu/Dockerfile", "docker/lora-gpu/context.txt", "docs/PINNING.md", "DEVIATIONS.md",
        "docs/CHECKS.md", "docs/GPUS.md", "docs/SERVICE.md", "docs/TROUBLESHOOTING.md",
        "docs/services/lora.md", "records/bumps/", "records/lora-gpu/pip_freeze.txt",
        "records/lora-gpu/build.json", "records/lora-gpu/sbom.cdx.json",
    }  # fmt: skip
    assert bump.generated_paths(planned["coaxial"]) == ()


def test_an_update_that_changes_no_service_is_an_error_with_what_holds_each_back() -> None:
    planned = plans("torch==2.7.1")
    with pytest.raises(InputError) as excinfo:
        bump.require_changes([planned["coaxial"], planned["seedvr"]], TORCH)
    assert str(excinfo.value) == (
        "no service can be updated to torch==2.7.1; nothing was changed:\n"
        "    coaxial: torch is at 2.8.0, which is newer (pass `--service coaxial` to downgrade it)\n"
        "    seedvr: torch is already at 2.7.1"
    )
    bump.require_changes([*planned.values()], TORCH)


def test_pins_that_contradict_each_other_are_findings() -> None:
    zopilot = plans("numpy==2.2.6")["zopilot"]
    with pytest.raises(FindingsError, match=r"\n    zopilot: scipy==1\.12\.0 requires numpy<1\.29.*\(.+\)"):
        bump.require_changes([zopilot], parse_targets("numpy==2.2.6"))


def test_where_all_is_there_already_nothing_is_to_be_done() -> None:
    seedvr = plans("torch==2.7.1", services=("seedvr",))["seedvr"]
    bump.require_changes([seedvr], TORCH)
    (outcome,) = bump.unchanged([seedvr])
    assert (outcome.status, outcome.detail, outcome.code) == ("same", "torch is already at 2.7.1", 0)


def test_what_nobody_accepts_is_open_and_fails_the_command() -> None:
    zopilot = plans("torch==2.7.1", reasons={"torch": "it is needed"})["zopilot"]
    (outcome,) = (outcome for outcome in bump.open_findings([zopilot]) if outcome.code)
    assert (outcome.status, outcome.code) == ("open", 1)
    assert outcome.detail == (
        "BAS002 about nvidia/cuda:12.6.3-base-ubuntu22.04: nvidia/cuda:12.6.3-base-ubuntu22.04 is not pinned by digest; "
        "accept it by `waivers:` in services/zopilot/service.yaml, or fix it"
    )
    answered = plans(
        "torch==2.7.1", reasons={"torch": "it is needed", "BAS002": "its digest is not recorded"}
    )
    assert not any(outcome.code for outcome in bump.open_findings([answered["zopilot"]]))


def test_a_reason_that_is_there_and_speaks_of_the_version_before_is_to_be_reviewed() -> None:
    outcomes = bump.open_findings([plans("torch==2.7.1")["lora"]])
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [("open", 0)] * 4
    assert outcomes[0].detail.startswith("torch 2.7.1+cu128 deviates; recommended: ")
    assert outcomes[0].detail.endswith("update it in services/lora/service.yaml")


def test_notices_alone_ask_for_no_reason() -> None:
    coaxial = plans("base=nvidia/cuda:12.8.1-devel-ubuntu22.04", services=("coaxial",))["coaxial"]
    assert any(note.startswith("BAS003 about") for note in coaxial.notes)
    assert coaxial.openings == ()


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


def test_an_update_that_others_overtook_names_those_of_its_services() -> None:
    later = [
        other_entry(bump="tqdm==4.67.1"),
        other_entry(bump="numpy==2", services={"zopilot": ServiceChange()}),
        other_entry(bump="toml==1", services={"zopilot": ServiceChange(), "lora": ServiceChange()}),
    ]
    assert bump._later_updates([ENTRY, *later], ENTRY) == ("tqdm==4.67.1", "toml==1")
    assert bump._later_updates([*later[:1], ENTRY], ENTRY) == ()


@pytest.mark.parametrize(
    ("result", "passes"),
    [
        (make_result(status="ok"), True),
        (make_result(status="warning", findings=(WARNING,)), True),
        (make_result(status="incompatible", findings=(FINDING,)), False),
        (replace(make_result(status="warning", findings=(WARNING,)), check="IMG002"), False),
        (replace(make_result(status="skipped", image=True, need="image"), check="IMG001"), False),
    ],
)
def test_an_open_warning_of_the_judge_stops_no_new_image(
    result: Result, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "verify", lambda *_, **__: (result,))
    monkeypatch.setattr(bump_steps, "_author", lambda _: "somebody")
    repo = workspace.open_repository(ROOT)
    if passes:
        open_ids = "GPU001" if result.findings else "none"
        assert bump_steps._validate_images(repo, ()).note.endswith(f"results ok, {open_ids} open")
    else:
        with pytest.raises(FindingsError, match="the new images do not pass the checks"):
            bump_steps._validate_images(repo, ())


def test_the_pending_steps_are_listed_with_their_cause() -> None:
    entry = with_step(ENTRY, BUILD, PolicyStep(note="no Docker engine with buildx is running"))
    assert bump_steps.progress(entry).detail == (
        "pending: steps 3 (rebuild the image), 4 (run the validation suite), 5 (record the new pip_freeze.txt): "
        "no Docker engine with buildx is running; finish them with `invoke bump --resume`"
    )
    for number in range(5):
        entry = with_step(entry, number, PolicyStep(state="done"))
    assert bump_steps.progress(entry).detail == "all five steps of the update policy are done"
