"""DEP001, DEP002: undeclared requirements and removed interfaces, with a lock and without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.checks import FILE, TODAY, judge_check
from support.dependencies import make_environment, make_lock
from torchpin.model import Change, Waiver

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks


def test_an_undeclared_requirement_is_reported_at_its_pin(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.46.3", "accelerate==0.25.0")
    (finding,) = judge_check(env, "DEP001").findings
    assert (finding.location, finding.about, finding.level) == (
        f"{FILE}:2:9",
        "transformers-accelerate",
        "warning",
    )
    assert finding.message.startswith(
        "transformers==4.46.3 requires accelerate>=0.26.0 for Trainer, low_cpu_mem_usage, device_map "
        "(undeclared), but accelerate 0.25.0 is used: "
    )
    assert finding.help == "replace `- accelerate==0.25.0` with `- accelerate==0.26.0`"
    assert finding.fix == (Change(path="layers[0].packages[1]", value="accelerate==0.26.0"),)
    assert finding.fix_is_safe
    assert "comfyanonymous/ComfyUI #6685" in finding.evidence
    assert finding.evidence.endswith("(2026-11-22)")


def test_extras_of_the_replaced_pin_are_kept(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.46.3", "accelerate[rich]==0.25.0")
    (finding,) = judge_check(env, "DEP001").findings
    assert finding.fix == (Change(path="layers[0].packages[1]", value="accelerate[rich]==0.26.0"),)


def test_a_satisfied_requirement_is_ok_and_named(environment: Environments) -> None:
    result = judge_check(
        make_environment(environment, "transformers==4.46.3", "accelerate==0.34.2"), "DEP001"
    )
    assert (result.status, result.findings, result.unknown) == ("ok", (), ())
    assert "transformers-accelerate (accelerate 0.34.2)" in result.evidence[0].evidence


def test_a_requirement_of_an_unpinned_package_is_unknown_without_a_lock(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "transformers==4.46.3")
    result = judge_check(env, "DEP001")
    assert (result.status, result.findings) == ("unknown", ())
    assert result.unknown[0].endswith(
        "(undeclared); accelerate is not pinned, so its version is unknown without a lock"
    )
    with_lock = judge_check(env, "DEP001", make_lock(env, lock, artifact, ("accelerate", "1.10.1")))
    assert (with_lock.status, with_lock.unknown) == ("ok", ())


def test_a_lock_shows_what_is_missing_and_where_to_add_it(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "transformers==4.46.3")
    (finding,) = judge_check(env, "DEP001", make_lock(env, lock, artifact)).findings
    assert "(undeclared), but accelerate is not installed: " in finding.message
    assert (finding.location, finding.help) == (
        f"{FILE}:1:9",
        "add `- accelerate==0.26.0` to the layer tools",
    )
    assert finding.fix == (Change(path="layers[0].packages[+]", value="accelerate==0.26.0"),)


def test_a_lock_to_which_no_requirement_applies_is_ok(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5", torch="2.4.1")
    result = judge_check(env, "DEP001", make_lock(env, lock, artifact))
    assert result.status == "ok"
    assert "requirements were checked; none applies" in result.evidence[0].evidence
    assert judge_check(env, "DEP001").status == "not applicable"


@pytest.mark.parametrize(
    ("pins", "torch", "position", "about", "message", "fix", "fix_is_safe"),
    [
        (
            ("opencv-python-headless==4.12.0.88", "numpy==1.26.4"), "2.5.1", f"{FILE}:1:9", "opencv-headless-numpy2",
            f"opencv-python-headless==4.12.0.88 requires numpy>=2, which conflicts with numpy==1.26.4 ({FILE}:2:9): ",
            Change(path="layers[0].packages[0]", value="opencv-python-headless==4.11.0.86"), False,
        ),
        (
            ("sympy==1.13.3",), "2.5.1", f"{FILE}:1:9", "torch-sympy-exact",
            f"torch==2.5.1 requires sympy==1.13.1, which conflicts with sympy==1.13.3 ({FILE}:1:9): ",
            Change(path="layers[0].packages[0]", value="sympy==1.13.1"), True,
        ),
    ],
)  # fmt: skip
def test_two_conflicting_pins_are_an_error(
    pins: tuple[str, ...], torch: str, position: str, about: str, message: str, fix: Change, *, fix_is_safe: bool,
    environment: Environments,
) -> None:  # fmt: skip
    (finding,) = judge_check(make_environment(environment, *pins, torch=torch), "DEP001").findings
    assert (finding.location, finding.about, finding.level) == (position, about, "error")
    assert finding.message.startswith(message)
    assert (finding.fix, finding.fix_is_safe) == ((fix,), fix_is_safe)


def test_a_help_tells_to_pin_only_what_a_layer_can_have(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.57.1", "huggingface-hub==1.2.3", torch="2.7.1")
    helps = [finding.help for finding in judge_check(env, "DEP001").findings]
    assert helps == [
        "pin a version of huggingface-hub that satisfies <1.0, or choose another version of transformers"
    ]


def test_a_requirement_of_an_extra_applies_where_the_extra_is_requested(environment: Environments) -> None:
    env = make_environment(environment, "diffusers[torch]==0.31.0", "accelerate==0.30.0")
    about = {finding.about for finding in judge_check(env, "DEP001").findings}
    assert about == {"diffusers-extra", "diffusers-accelerate"}
    assert (
        judge_check(make_environment(environment, "diffusers==0.31.0", "accelerate==0.30.0"), "DEP001").status
        == "not applicable"
    )


def test_a_torch_below_the_minimum_of_some_uses_is_a_warning(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.54.1", "accelerate==1.6.0")
    (finding,) = judge_check(env, "DEP001").findings
    assert (finding.about, finding.level, finding.fix) == ("transformers-torch-load", "warning", ())
    assert finding.help == (
        "raise torch to 2.6 or later, or choose another version of transformers, "
        "or waive this if you do not use weights that are not safetensors"
    )


def test_a_torch_below_the_minimum_of_every_use_is_an_error(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.56.2", "accelerate==1.6.0", torch="2.1.0")
    levels = {finding.about: finding.level for finding in judge_check(env, "DEP001").findings}
    assert levels == {"transformers-4.56-torch": "error", "transformers-torch-load": "warning"}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"gpus": ("H100", "B200")}, 1),
        ({"gpus": ("RTX 5090",)}, 1),
        ({"gpus": ("H100",)}, 0),
        ({}, 0),
        ({"gpus": ("B200",), "channel": "cpu"}, 0),
    ],
)
def test_a_requirement_of_some_gpus_applies_where_such_a_gpu_is_described(
    changes: dict[str, Any], count: int, environment: Environments
) -> None:
    env = make_environment(environment, "bitsandbytes==0.45.1", **changes)
    findings = judge_check(env, "DEP001").findings
    assert [(finding.about, finding.level, finding.fix_is_safe) for finding in findings] == [
        ("bitsandbytes-blackwell", "warning", False)
    ] * count


def test_a_requirement_of_some_gpus_applies_to_a_target_gpu(environment: Environments) -> None:
    env = make_environment(environment, "bitsandbytes==0.45.1", gpus=("H100",))
    (finding,) = judge_check(env, "DEP001", target_gpus=("B200",)).findings
    assert finding.message.startswith(
        "bitsandbytes==0.45.1 does not satisfy bitsandbytes>=0.45.3, which is required for Blackwell "
    )
    assert finding.fix[0].value == "bitsandbytes==0.45.3"


def test_a_requirement_of_some_gpus_is_unknown_for_a_gpu_without_facts(environment: Environments) -> None:
    env = make_environment(environment, "bitsandbytes==0.45.1", gpus=("Voodoo 2", "H100"))
    result = judge_check(env, "DEP001")
    assert (result.status, result.findings) == ("unknown", ())
    assert result.unknown == (
        "bitsandbytes requires bitsandbytes>=0.45.3 on GPUs from capability 10.0; that of Voodoo 2 is not in the facts",
    )
    satisfied = make_environment(environment, "bitsandbytes==0.46.0", gpus=("Voodoo 2",))
    assert judge_check(satisfied, "DEP001").unknown == ()


def test_a_requirement_is_waived_by_its_id(environment: Environments) -> None:
    waiver = Waiver(check="DEP001", about="transformers-accelerate", reason="no Trainer", review_by=TODAY)
    env = make_environment(environment, "transformers==4.46.3", "accelerate==0.25.0", waivers=(waiver,))
    assert judge_check(env, "DEP001").status == "waived"


@pytest.mark.parametrize(
    ("gpus", "version"), [((), "0.45.1"), (("H100",), "0.45.1"), (("H100", "RTX 5090"), "0.45.3")]
)
def test_triton_ops_are_removed_in_the_triton_of_torch_2_6(
    gpus: tuple[str, ...], version: str, environment: Environments
) -> None:
    env = make_environment(environment, "bitsandbytes==0.44.1", torch="2.7.1", channel="cu128", gpus=gpus)
    (finding,) = judge_check(env, "DEP002").findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:1:9",
        "bitsandbytes",
        "error",
        True,
    )
    assert finding.message.startswith(
        "bitsandbytes==0.44.1 requires the module triton.ops of triton, which triton 3.3.1, pinned by torch 2.7.1"
    )
    assert finding.fix == (Change(path="layers[0].packages[0]", value=f"bitsandbytes=={version}"),)
    assert not [
        finding
        for finding in judge_check(env, "DEP001").findings
        if finding.about == "bitsandbytes-triton-ops"
    ]


def test_triton_ops_exist_with_torch_2_5(environment: Environments) -> None:
    result = judge_check(make_environment(environment, "bitsandbytes==0.44.1"), "DEP002")
    assert (result.status, result.evidence[0].about) == ("ok", "bitsandbytes")
    assert "which triton 3.1.0 has" in result.evidence[0].evidence


@pytest.mark.parametrize(("torch", "status"), [("2.6.99", "incompatible"), ("2.5.99", "ok")])
def test_where_triton_is_not_known_the_version_of_torch_decides(
    torch: str, status: str, environment: Environments
) -> None:
    assert (
        judge_check(make_environment(environment, "bitsandbytes==0.44.1", torch=torch), "DEP002").status
        == status
    )


def test_a_cpu_build_provides_no_triton_and_is_not_checked_for_it(environment: Environments) -> None:
    env = make_environment(environment, "bitsandbytes==0.44.1", torch="2.7.1", channel="cpu")
    assert judge_check(env, "DEP002").status == "not applicable"


def test_an_open_setuptools_is_a_warning_with_what_to_add(environment: Environments) -> None:
    (finding,) = judge_check(make_environment(environment, "tensorboard==2.18.0"), "DEP002").findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:1:9",
        "tensorboard",
        "warning",
        True,
    )
    assert (
        "but setuptools is not pinned below 82.0.0, and a resolver takes 84.2.1 (2026-11-22): "
        in finding.message
    )
    assert finding.help == "add `- setuptools==81.0.0` to the layer tools"
    assert finding.fix == (Change(path="layers[0].packages[+]", value="setuptools==81.0.0"),)


def test_a_setuptools_that_has_no_pkg_resources_is_an_error(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    pinned = make_environment(environment, "tensorboard==2.18.0", "setuptools==82.0.0")
    (finding,) = judge_check(pinned, "DEP002").findings
    assert (finding.location, finding.level) == (f"{FILE}:2:9", "error")
    assert finding.fix == (Change(path="layers[0].packages[1]", value="setuptools==81.0.0"),)
    env = make_environment(environment, "tensorboard==2.18.0")
    (finding,) = judge_check(env, "DEP002", make_lock(env, lock, artifact, ("setuptools", "84.2.1"))).findings
    assert (finding.level, "which setuptools 84.2.1 no longer has: " in finding.message) == ("error", True)
    (finding,) = judge_check(env, "DEP002", make_lock(env, lock, artifact)).findings
    assert (finding.level, "which is not installed: " in finding.message) == ("error", True)


def test_a_setuptools_that_has_pkg_resources_is_ok(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    assert (
        judge_check(
            make_environment(environment, "tensorboard==2.18.0", "setuptools==81.0.0"), "DEP002"
        ).status
        == "ok"
    )
    env = make_environment(environment, "tensorboard==2.18.0")
    assert judge_check(env, "DEP002", make_lock(env, lock, artifact, ("setuptools", "80.9.0"))).status == "ok"


def test_torch_s_own_cap_keeps_setuptools(environment: Environments) -> None:
    result = judge_check(
        make_environment(environment, "tensorboard==2.18.0", torch="2.11.0", channel="cu128"), "DEP002"
    )
    assert result.status == "ok"
    assert "torch>=2.11,<2.13 requires setuptools<82" in result.evidence[0].evidence


def test_the_check_does_not_apply_to_packages_without_such_an_interface(environment: Environments) -> None:
    env = make_environment(environment, "tensorboard==2.21.0", "bitsandbytes==0.45.1", torch="2.7.1")
    assert judge_check(env, "DEP002").status == "not applicable"


def test_an_import_that_loads_more_than_weights_fails_from_torch_2_6_on(environment: Environments) -> None:
    env = make_environment(environment, "e3nn==0.4.4", torch="2.7.1", channel="cu128")
    (finding,) = judge_check(env, "DEP002").findings
    assert (finding.about, finding.level, finding.fix) == ("e3nn", "error", ())
    assert "which torch 2.7.1 no longer has: it loads its own constants.pt" in finding.message
    assert judge_check(make_environment(environment, "e3nn==0.4.4"), "DEP002").status == "ok"
    assert judge_check(make_environment(environment, "e3nn==0.5.0", torch="2.7.1"), "DEP002").evidence == ()


def test_models_that_hold_more_than_weights_are_a_warning_from_torch_2_6_on(
    environment: Environments,
) -> None:
    env = make_environment(environment, "TTS==0.22.0", torch="2.7.1", channel="cu128")
    (finding,) = judge_check(env, "DEP001").findings
    assert (finding.about, finding.level) == ("tts-weights-only", "warning")
    assert "waive this if you do not use XTTS and other models" in finding.help
    assert judge_check(make_environment(environment, "TTS==0.22.0"), "DEP001").findings == ()
