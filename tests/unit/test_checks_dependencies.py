"""DEP: floors, interfaces that are gone, NumPy 2 and files of two owners, with a lock and without one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.checks import run
from torchpin.checks.context import CheckContext
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.model import Change, Environment, Layer, Position, Torch, Waiver
from torchpin.workspace import workspace
from torchpin.workspace.evidence import for_judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.checks.registry import Result
    from torchpin.model import Artifact, Lock

    Environments = Callable[..., Environment]
    Locks = Callable[..., Lock]
    Artifacts = Callable[..., Artifact]

TODAY = date(2026, 12, 1)
FILE = "services/lora/service.yaml"


def make_environment(
    environment: Environments, *pins: str, torch: str = "2.5.1", **changes: Any
) -> Environment:
    """An environment with these pins in one layer, each on a line of its own from 1, and torch on line 99."""
    positions = {
        f"layers[0].packages[{n}]": Position(file=FILE, line=n + 1, column=9) for n in range(len(pins))
    }
    positions["torch.version"] = Position(file=FILE, line=99, column=12)
    return environment(
        layers=(Layer(name="tools", packages=tuple(map(Requirement, pins))),),
        torch=Torch(version=Version(torch), companions={}),
        positions=positions,
        **changes,
    )


def run_check(env: Environment, check: str, lock: Lock | None = None, **context: Any) -> Result:
    locks = {env.name: lock} if lock else {}
    evidence = CheckContext(environments=(env,), today=TODAY, uv="0.13.9", locks=locks, **context)
    (result,) = [candidate for candidate in run.run(evidence, judge=True) if candidate.check == check]
    return result


def make_lock(env: Environment, lock: Locks, artifact: Artifacts, *transitive: tuple[str, str]) -> Lock:
    """A fresh lock of what is described, and of what others want."""
    declared = [
        (requirement.name, next(iter(requirement.specifier)).version)
        for requirement in env.service.layers[0].packages
    ]
    torch = f"{env.service.torch.version}+{env.variant.channel}"
    transitive_artifacts = [artifact(name, version, by=("tools",)) for name, version in transitive]
    return lock(env, artifact("torch", torch), *(artifact(*pin) for pin in declared), *transitive_artifacts)


# --- DEP001 ----------------------------------------------------------------------------------------------------------


def test_a_floor_that_no_resolver_is_told_is_found_at_its_pin(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.46.3", "accelerate==0.25.0")
    (finding,) = run_check(env, "DEP001").findings
    assert (finding.location, finding.about, finding.level) == (
        f"{FILE}:2:9",
        "transformers-accelerate",
        "warning",
    )
    assert finding.message.startswith(
        "transformers==4.46.3 needs accelerate>=0.26.0 for Trainer, low_cpu_mem_usage, device_map, "
        "which no resolver is told; accelerate 0.25.0. Why: "
    )
    assert finding.help == "Write `- accelerate==0.26.0` in place of `- accelerate==0.25.0`."
    assert finding.fix == (Change(path="layers[0].packages[1]", value="accelerate==0.26.0"),)
    assert finding.fix_is_safe
    assert "comfyanonymous/ComfyUI #6685" in finding.evidence
    assert finding.evidence.endswith("(2026-11-22)")


def test_extras_of_the_replaced_pin_are_kept(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.46.3", "accelerate[rich]==0.25.0")
    (finding,) = run_check(env, "DEP001").findings
    assert finding.fix == (Change(path="layers[0].packages[1]", value="accelerate[rich]==0.26.0"),)


def test_a_floor_that_holds_is_ok_and_named(environment: Environments) -> None:
    result = run_check(make_environment(environment, "transformers==4.46.3", "accelerate==0.34.2"), "DEP001")
    assert (result.status, result.findings, result.unknown) == ("ok", (), ())
    assert "transformers-accelerate (accelerate 0.34.2)" in result.evidence[0].evidence


def test_a_floor_on_what_nobody_pins_is_unknown_without_a_lock(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "transformers==4.46.3")
    result = run_check(env, "DEP001")
    assert (result.status, result.findings) == ("unknown", ())
    assert result.unknown[0].endswith("accelerate is not pinned, so only a lock tells")
    with_lock = run_check(env, "DEP001", make_lock(env, lock, artifact, ("accelerate", "1.10.1")))
    assert (with_lock.status, with_lock.unknown) == ("ok", ())


def test_a_lock_tells_what_is_not_there_and_where_to_add_it(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "transformers==4.46.3")
    (finding,) = run_check(env, "DEP001", make_lock(env, lock, artifact)).findings
    assert "accelerate is not installed" in finding.message
    assert (finding.location, finding.help) == (
        f"{FILE}:1:9",
        "Add `- accelerate==0.26.0` to the layer tools.",
    )
    assert finding.fix == (Change(path="layers[0].packages[+]", value="accelerate==0.26.0"),)


def test_a_lock_without_a_floor_that_counts_is_ok(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5", torch="2.4.1")
    result = run_check(env, "DEP001", make_lock(env, lock, artifact))
    assert result.status == "ok"
    assert "none is violated here" in result.evidence[0].evidence
    assert run_check(env, "DEP001").status == "moot"


@pytest.mark.parametrize(
    ("pins", "torch", "position", "about", "message", "fix", "safe"),
    [
        (
            ("opencv-python-headless==4.12.0.88", "numpy==1.26.4"), "2.5.1", f"{FILE}:1:9", "opencv-headless-numpy2",
            f"opencv-python-headless==4.12.0.88 needs numpy>=2, and numpy==1.26.4 is pinned ({FILE}:2:9): the two pins",
            Change(path="layers[0].packages[0]", value="opencv-python-headless==4.11.0.86"), False,
        ),
        (
            ("xformers==0.0.32.post2",), "2.7.1", f"{FILE}:1:9", "xformers-0.0.32.post2",
            f"xformers==0.0.32.post2 needs torch==2.8.0, and torch==2.7.1 is pinned ({FILE}:99:12): the two pins contradict",
            Change(path="layers[0].packages[0]", value="xformers==0.0.31.post1"), True,
        ),
        (
            ("sympy==1.13.3",), "2.5.1", f"{FILE}:1:9", "torch-sympy-exact",
            f"torch==2.5.1 needs sympy==1.13.1, and sympy==1.13.3 is pinned ({FILE}:1:9): the two pins contradict",
            Change(path="layers[0].packages[0]", value="sympy==1.13.1"), True,
        ),
    ],
)  # fmt: skip
def test_two_pins_that_contradict_each_other_are_an_error(
    pins: tuple[str, ...], torch: str, position: str, about: str, message: str, fix: Change, *, fix_is_safe: bool,
    environment: Environments,
) -> None:  # fmt: skip
    (finding,) = run_check(make_environment(environment, *pins, torch=torch), "DEP001").findings
    assert (finding.location, finding.about, finding.level) == (position, about, "error")
    assert finding.message.startswith(message)
    assert (finding.fix, finding.fix_is_safe) == ((fix,), fix_is_safe)


def test_an_xformers_for_a_torch_that_has_none_is_not_repaired(environment: Environments) -> None:
    (finding,) = run_check(
        make_environment(environment, "xformers==0.0.32.post2", torch="2.7.99"), "DEP001"
    ).findings
    assert (finding.fix, finding.fix_is_safe, finding.location) == ((), False, f"{FILE}:1:9")
    assert finding.help == "Pin torch==2.8.0, or choose another version of xformers."


def test_a_floor_of_an_extra_counts_where_the_extra_is_asked_for(environment: Environments) -> None:
    env = make_environment(environment, "diffusers[torch]==0.31.0", "accelerate==0.30.0")
    about = {finding.about for finding in run_check(env, "DEP001").findings}
    assert about == {"diffusers-extra", "diffusers-accelerate"}
    assert (
        run_check(make_environment(environment, "diffusers==0.31.0", "accelerate==0.30.0"), "DEP001").status
        == "moot"
    )


def test_a_torch_below_a_use_s_floor_is_a_warning_that_says_so(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.54.1", "accelerate==1.6.0")
    (finding,) = run_check(env, "DEP001").findings
    assert (finding.about, finding.level, finding.fix) == ("transformers-torch-load", "warning", ())
    assert finding.help.startswith(
        "Raise torch to 2.6 or later, or choose another version of transformers, or waive"
    )


def test_a_floor_of_every_use_is_an_error(environment: Environments) -> None:
    env = make_environment(environment, "transformers==4.56.2", "accelerate==1.6.0", torch="2.1.0")
    levels = {finding.about: finding.level for finding in run_check(env, "DEP001").findings}
    assert levels == {"transformers-4.56-torch": "error", "transformers-torch-load": "warning"}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"gpus": ("H100", "B200")}, 1),
        ({"gpus": ("RTX 5090",)}, 1),
        ({"gpus": ("H100",)}, 0),
        ({"gpus": ("Voodoo 2",)}, 0),
        ({}, 0),
        ({"gpus": ("B200",), "channel": "cpu"}, 0),
    ],
)
def test_a_floor_of_cards_counts_where_such_a_card_is_described(
    changes: dict[str, Any], count: int, environment: Environments
) -> None:
    env = make_environment(environment, "bitsandbytes==0.45.1", **changes)
    findings = run_check(env, "DEP001").findings
    assert [(finding.about, finding.level, finding.fix_is_safe) for finding in findings] == [
        ("bitsandbytes-blackwell", "warning", False)
    ] * count


def test_a_floor_of_cards_counts_for_the_card_that_is_asked_for(environment: Environments) -> None:
    env = make_environment(environment, "bitsandbytes==0.45.1", gpus=("H100",))
    (finding,) = run_check(env, "DEP001", asked_gpus=("B200",)).findings
    assert finding.message.startswith(
        "bitsandbytes==0.45.1 is not bitsandbytes>=0.45.3, which is for Blackwell cards"
    )
    assert finding.fix[0].value == "bitsandbytes==0.45.3"


def test_a_floor_is_waived_by_its_own_name(environment: Environments) -> None:
    waiver = Waiver(check="DEP001", about="transformers-accelerate", reason="no Trainer", review_by=TODAY)
    env = make_environment(environment, "transformers==4.46.3", "accelerate==0.25.0", waivers=(waiver,))
    assert run_check(env, "DEP001").status == "waived"


# --- DEP002 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "version"), [((), "0.45.1"), (("H100",), "0.45.1"), (("H100", "RTX 5090"), "0.45.3")]
)
def test_triton_ops_are_gone_with_the_triton_of_torch_2_6(
    gpus: tuple[str, ...], version: str, environment: Environments
) -> None:
    env = make_environment(environment, "bitsandbytes==0.44.1", torch="2.7.1", channel="cu128", gpus=gpus)
    (finding,) = run_check(env, "DEP002").findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:1:9",
        "bitsandbytes",
        "error",
        True,
    )
    assert finding.message.startswith(
        "bitsandbytes==0.44.1 needs the module triton.ops of triton, which 3.3.1, brought by torch 2.7.1"
    )
    assert finding.fix == (Change(path="layers[0].packages[0]", value=f"bitsandbytes=={version}"),)
    assert not [
        finding for finding in run_check(env, "DEP001").findings if finding.about == "bitsandbytes-triton-ops"
    ]


def test_triton_ops_are_there_with_torch_2_5(environment: Environments) -> None:
    result = run_check(make_environment(environment, "bitsandbytes==0.44.1"), "DEP002")
    assert (result.status, result.evidence[0].about) == ("ok", "bitsandbytes")
    assert "which 3.1.0 has" in result.evidence[0].evidence


@pytest.mark.parametrize(("torch", "status"), [("2.6.99", "found"), ("2.5.99", "ok")])
def test_where_triton_is_not_known_torch_itself_tells(
    torch: str, status: str, environment: Environments
) -> None:
    assert (
        run_check(make_environment(environment, "bitsandbytes==0.44.1", torch=torch), "DEP002").status
        == status
    )


def test_a_cpu_build_brings_no_triton_and_nothing_asks_for_it(environment: Environments) -> None:
    env = make_environment(environment, "bitsandbytes==0.44.1", torch="2.7.1", channel="cpu")
    assert run_check(env, "DEP002").status == "moot"


def test_an_open_setuptools_is_a_warning_with_what_to_add(environment: Environments) -> None:
    (finding,) = run_check(make_environment(environment, "tensorboard==2.18.0"), "DEP002").findings
    assert (finding.location, finding.about, finding.level, finding.fix_is_safe) == (
        f"{FILE}:1:9",
        "tensorboard",
        "warning",
        True,
    )
    assert (
        "nothing holds setuptools below 82.0.0: 84.2.1 is what a resolver takes (2026-11-22)"
        in finding.message
    )
    assert finding.help == "Add `- setuptools==81.0.0` to the layer tools."
    assert finding.fix == (Change(path="layers[0].packages[+]", value="setuptools==81.0.0"),)


def test_a_setuptools_that_has_no_pkg_resources_is_an_error(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    pinned = make_environment(environment, "tensorboard==2.18.0", "setuptools==82.0.0")
    (finding,) = run_check(pinned, "DEP002").findings
    assert (finding.location, finding.level) == (f"{FILE}:2:9", "error")
    assert finding.fix == (Change(path="layers[0].packages[1]", value="setuptools==81.0.0"),)
    env = make_environment(environment, "tensorboard==2.18.0")
    (finding,) = run_check(env, "DEP002", make_lock(env, lock, artifact, ("setuptools", "84.2.1"))).findings
    assert (finding.level, "84.2.1 no longer has" in finding.message) == ("error", True)
    (finding,) = run_check(env, "DEP002", make_lock(env, lock, artifact)).findings
    assert (finding.level, "which is not installed" in finding.message) == ("error", True)


def test_a_setuptools_that_has_pkg_resources_is_ok(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    assert (
        run_check(make_environment(environment, "tensorboard==2.18.0", "setuptools==81.0.0"), "DEP002").status
        == "ok"
    )
    env = make_environment(environment, "tensorboard==2.18.0")
    assert run_check(env, "DEP002", make_lock(env, lock, artifact, ("setuptools", "80.9.0"))).status == "ok"


def test_torch_s_own_cap_holds_setuptools(environment: Environments) -> None:
    result = run_check(
        make_environment(environment, "tensorboard==2.18.0", torch="2.11.0", channel="cu128"), "DEP002"
    )
    assert result.status == "ok"
    assert "torch>=2.11,<2.13 holds it to setuptools<82" in result.evidence[0].evidence


def test_a_package_that_needs_no_such_interface_is_no_matter(environment: Environments) -> None:
    env = make_environment(environment, "tensorboard==2.21.0", "bitsandbytes==0.45.1", torch="2.7.1")
    assert run_check(env, "DEP002").status == "moot"


# --- DEP003 ----------------------------------------------------------------------------------------------------------


def test_numpy_2_beside_a_torch_for_numpy_1_is_an_error(environment: Environments) -> None:
    (finding,) = run_check(make_environment(environment, "numpy==2.2.6", torch="2.1.0"), "DEP003").findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:1:9", "numpy", "error")
    assert finding.message == (
        "numpy==2.2.6 is NumPy 2, and torch 2.1.0 was built for NumPy 1, and has no NumPy beside NumPy 2"
    )
    assert finding.fix == (Change(path="layers[0].packages[0]", value="numpy==1.26.4"),)
    assert finding.help.endswith("or raise torch to 2.3.0 or later.")


def test_a_package_that_raises_numpy_is_found_even_beside_numpy_1(environment: Environments) -> None:
    env = make_environment(environment, "numpy==1.26.4", "opencv-python-headless==4.12.0.88", torch="2.1.0")
    (finding,) = run_check(env, "DEP003").findings
    assert (finding.location, finding.about) == (f"{FILE}:2:9", "opencv-python-headless")
    assert finding.fix == (Change(path="layers[0].packages[1]", value="opencv-python-headless==4.11.0.86"),)


@pytest.mark.parametrize(
    ("pins", "torch", "status"),
    [
        (("numpy==2.2.6",), "2.5.1", "ok"),
        (("numpy==1.26.4",), "2.1.0", "ok"),
        (("tqdm==4.66.5",), "2.5.1", "ok"),
        (("tqdm==4.66.5",), "2.1.0", "unknown"),
        (("numpy==2.2.6",), "2.99.0", "unknown"),
    ],
)
def test_numpy_is_judged_by_torch_s_own_row(
    pins: tuple[str, ...], torch: str, status: str, environment: Environments
) -> None:
    assert run_check(make_environment(environment, *pins, torch=torch), "DEP003").status == status


def test_a_lock_tells_which_numpy_is_taken(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5", torch="2.1.0")
    assert run_check(env, "DEP003", make_lock(env, lock, artifact)).status == "moot"
    (finding,) = run_check(env, "DEP003", make_lock(env, lock, artifact, ("numpy", "2.2.6"))).findings
    assert finding.fix == (Change(path="layers[0].packages[+]", value="numpy==1.26.4"),)


# --- DEP004 ----------------------------------------------------------------------------------------------------------


def test_a_second_opencv_that_a_package_brings_is_found_without_a_lock(environment: Environments) -> None:
    (finding,) = run_check(
        make_environment(environment, "docstrange==1.1.6", "opencv-python==4.10.0.84"), "DEP004"
    ).findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:2:9", "opencv", "warning")
    assert finding.message.startswith(
        "opencv-python (pinned) and opencv-python-headless (brought by docstrange, easyocr) write the same files: "
    )
    assert finding.help == "Remove `- opencv-python==4.10.0.84`: opencv-python-headless is there."
    assert finding.fix == (Change(path="layers[0].packages[1]", value=None),)
    assert "docstrange 1.1.6 METADATA" not in finding.evidence
    assert "easyocr 1.7.2 METADATA" in finding.evidence


def test_of_two_pinned_ones_the_headless_stays(environment: Environments) -> None:
    env = make_environment(environment, "opencv-python-headless==4.10.0.84", "opencv-python==4.10.0.84")
    (finding,) = run_check(env, "DEP004").findings
    assert finding.fix == (Change(path="layers[0].packages[1]", value=None),)


def test_a_lock_tells_exactly_who_brings_the_second(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "opencv-python==4.10.0.84")
    (finding,) = run_check(
        env, "DEP004", make_lock(env, lock, artifact, ("opencv-python-headless", "4.11.0.86"))
    ).findings
    assert "opencv-python-headless (brought by tools)" in finding.message
    assert finding.fix == (Change(path="layers[0].packages[0]", value=None),)
    assert run_check(env, "DEP004", make_lock(env, lock, artifact)).status == "ok"


def test_two_that_others_bring_have_no_pin_to_remove(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5")
    both = (("opencv-python", "4.11.0.86"), ("opencv-python-headless", "4.11.0.86"))
    (finding,) = run_check(env, "DEP004", make_lock(env, lock, artifact, *both)).findings
    assert (finding.fix, finding.location.startswith("lockfiles/lora-gpu/")) == ((), True)


@pytest.mark.parametrize(
    ("pin", "status"), [("opencv-python==4.10.0.84", "unknown"), ("tqdm==4.66.5", "moot")]
)
def test_without_a_lock_one_is_no_proof_that_there_is_no_other(
    pin: str, status: str, environment: Environments
) -> None:
    assert run_check(make_environment(environment, pin), "DEP004").status == status


def test_what_another_version_brings_is_not_known(environment: Environments) -> None:
    env = make_environment(environment, "docstrange==1.1.5", "opencv-python==4.10.0.84")
    assert run_check(env, "DEP004").status == "unknown"


# --- the seeds, and what is shipped ----------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
FAMILIES = ("ABI001", "DEP001", "DEP002", "DEP003", "DEP004", "DEV001", "SRC001", "SRC002", "SRC003")
SEEDS = {
    "lora-gpu": {
        ("DEP001", "bitsandbytes-blackwell", "warning"), ("DEP001", "transformers-accelerate", "warning"),
        ("DEP002", "tensorboard", "warning"), ("DEV001", "cuDNN", "warning"), ("SRC001", "sd-scripts", "error"),
        ("SRC002", "transformers", "warning"), ("SRC002", "diffusers", "warning"), ("SRC002", "schedulefree", "warning"),
        ("SRC002", "prodigyopt", "warning"), ("SRC002", "huggingface-hub", "warning"),
        ("SRC002", "sentencepiece", "warning"), ("SRC003", "torch", "warning"),
    },
    "seedvr-gpu": {("ABI001", "flash-attn", "warning"), ("DEP001", "xformers-0.0.32.post2", "error")},
    "videogen-gpu": {
        ("DEP001", "opencv-headless-numpy2", "error"), ("DEP003", "opencv-python-headless", "error"),
        ("DEV001", "torch", "warning"), ("DEV001", "torchvision", "warning"), ("DEV001", "flash-attn", "warning"),
    },
    "zopilot-gpu": {("DEP001", "bitsandbytes-blackwell", "warning"), ("DEP004", "opencv", "warning")},
    "coaxial-gpu": {("DEP002", "lightning", "warning"), ("DEV001", "RTX 5060 Ti", "warning")},
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_what_a_seed_claims_and_is_not_so_is_found_and_nothing_else(name: str) -> None:
    service = name.removesuffix("-gpu")
    text = (ROOT / f"tests/seeds/{service}.yaml").read_text(encoding="utf-8")
    (env, *_) = select_environments(read.read_services({f"services/{service}/service.yaml": text}))
    results = run.run(CheckContext(environments=(env,), today=TODAY, uv="0.13.9"), judge=True)
    rows = {(result.check, finding.about, finding.level) for result in results for finding in result.findings}
    assert {row for row in rows if row[0] in FAMILIES} == SEEDS[name]


def test_the_shipped_services_have_no_error_and_nothing_unknown() -> None:
    repo = workspace.open_repository(ROOT)
    evidence = for_judge(repo, select_environments(repo.services))
    for result in run.run(evidence, judge=True):
        if result.check in FAMILIES:
            assert result.unknown == (), result
            assert not [finding for finding in result.findings if finding.level == "error"], result
