"""Versions that hold against what other packages require: what the lock rests on, what they deviate from, when they end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.checks import Builders, judge_check, make_torch
from support.descriptions import PLAIN, problem_lines, read_service, replace_in_plain
from torchpin.compat.overrides import requirements_on, unread_requirers
from torchpin.compat.recommendations import compute_deviations
from torchpin.description.write import to_yaml
from torchpin.lock.layers import inputs_digest, layer_names
from torchpin.lock.uv_project import override_pins, render_uv_project
from torchpin.model import Layer, Override
from torchpin.parsing import parse_toml

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Lock

WRITTEN = """\
overrides:
  - {package: nvidia-cudnn-cu12==9.15.1.9, because: less memory, evidence: an issue}
"""
TQDM = Override(package=Requirement("tqdm==4.66.5"), because="less memory", evidence="an issue")


def test_it_reads_back_as_it_is_written() -> None:
    service = read_service(PLAIN + WRITTEN)
    assert [str(row.package) for row in service.overrides] == ["nvidia-cudnn-cu12==9.15.1.9"]
    assert read_service(to_yaml(service)) == service


@pytest.mark.parametrize(
    ("package", "problem"),
    [
        ("torchvision==0.21.0", "torchvision is pinned under `torch`; change it there"),
        ("tqdm==4.67.1", "layers[0].packages[0] pins tqdm==4.66.5; write the same version in both, or remove the pin"),
    ],
)  # fmt: skip
def test_what_another_pin_says_is_not_overridden(package: str, problem: str) -> None:
    text = PLAIN + WRITTEN.replace("nvidia-cudnn-cu12==9.15.1.9", package)
    (line,) = problem_lines(text)
    assert line.endswith(f"overrides[0].package: {problem}")


def test_the_same_version_may_be_pinned_too_and_a_second_override_may_not() -> None:
    text = replace_in_plain("tqdm==4.66.5", "nvidia-cudnn-cu12==9.15.1.9")
    assert read_service(text + WRITTEN)
    (line,) = problem_lines(text + WRITTEN + WRITTEN.splitlines()[1] + "\n")
    assert line.endswith("overrides[1].package: nvidia-cudnn-cu12 is overridden twice; keep one")


@pytest.fixture
def kit(environment: Environments, lock: Locks, artifact: Artifacts) -> Builders:
    return Builders(environment, lock, artifact)


def overridden(kit: Builders, override: Override = TQDM) -> Environment:
    return kit.environment(overrides=(override,))


def test_uv_is_told_and_every_installed_layer_depends_on_it(kit: Builders) -> None:
    plain, env = kit.environment(), overridden(kit)
    project = parse_toml(render_uv_project(env, index=None, overrides=override_pins(env)))
    assert project["tool"]["uv"] == {"override-dependencies": ["tqdm==4.66.5"]}
    assert "tool" not in parse_toml(
        render_uv_project(env, index=None, pins=["setuptools"])
    )  # what builds packages
    assert all(inputs_digest(plain, name) != inputs_digest(env, name) for name in layer_names(env))


def locked(kit: Builders, env: Environment, *, requirement: str = "tqdm<4.60") -> Lock:
    """A lock in which diffusers requires tqdm so."""
    packages = (
        kit.artifact("tqdm", "4.66.5", by=("lora", "diffusers")),
        kit.artifact("diffusers", "0.32.1", by=("lora",)),
    )
    lock = kit.lock(env, *packages)
    wheels = tuple(
        replace(wheel, requires=(requirement,)) if wheel.name == "diffusers" and requirement else wheel
        for wheel in lock.wheels
    )
    return replace(lock, wheels=wheels)


def test_what_requires_another_version_is_a_deviation_with_its_reason(kit: Builders) -> None:
    env = overridden(kit)
    lock = locked(kit, env)
    (deviation,) = compute_deviations(env, lock)
    assert (deviation.component, deviation.used, deviation.is_choice) == ("tqdm", "4.66.5", False)
    assert deviation.recommendations == ((f"diffusers {lock.packages['diffusers'].version}", "<4.60"),)
    assert deviation.reason
    assert (deviation.reason.because, deviation.reason.evidence) == ("less memory", "an issue")


def test_what_was_not_read_is_unknown(kit: Builders) -> None:
    env = overridden(kit)
    lock = locked(kit, env, requirement="")
    assert unread_requirers(env, lock) == {"diffusers"}
    assert requirements_on(lock, "tqdm") == ()
    result = kit.check_lock("DEV004", env, locks=lock)
    assert [*result.unknown] == ["what diffusers requires of tqdm was not read"]


def test_what_torch_declares_may_be_overridden(kit: Builders) -> None:
    pin = Requirement("sympy==1.13.1")
    torch = {"torch": make_torch("2.8.0"), "channel": "cu128", "python": Version("3.12.11")}
    layers = (Layer(name="model", packages=(pin,)),)
    (finding,) = judge_check(kit.environment(layers=layers, **torch), "DEP001").findings
    assert finding.message.startswith(
        "torch==2.8.0 requires sympy>=1.13.3, which conflicts with sympy==1.13.1"
    )
    override = Override(package=pin, because="a fix", evidence="an issue")
    result = judge_check(kit.environment(layers=layers, overrides=(override,), **torch), "DEP001")
    assert result.findings == ()


def test_torch_may_be_contradicted_by_an_override_and_by_nothing_else(kit: Builders) -> None:
    pin = Requirement("nvidia-cudnn-cu12==9.15.1.9")
    layers = (Layer(name="model", packages=(pin,)),)
    torch = {"torch": make_torch("2.9.1"), "channel": "cu128", "python": Version("3.12.11")}
    plain = kit.environment(layers=layers, **torch)
    (finding,) = judge_check(plain, "TOR005").findings
    assert finding.help.endswith("to keep it against torch's requirement, say why in `overrides:`")
    override = Override(package=pin, because="less memory", evidence="an issue")
    result = judge_check(kit.environment(layers=layers, overrides=(override,), **torch), "TOR005")
    assert (result.status, result.findings) == ("ok", ())
