"""Undeclared requirements: the GPUs that they apply on, whether they are satisfied, and the pins that satisfy them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.layers import make_layer
from torchpin import facts
from torchpin.compat import undeclared_requirements

if TYPE_CHECKING:
    from support.fixture_types import Environments
    from torchpin.compat.undeclared_requirements import RequirementStatus

REQUIREMENTS = {requirement.id: requirement for requirement in facts.undeclared_requirements()}


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [("B200", True), ("RTX 5090", True), ("H100", False), ("B100", False), ("Voodoo 2", False)],
)
def test_a_requirement_with_a_capability_applies_from_it_on(gpu: str, *, expected: bool) -> None:
    blackwell = REQUIREMENTS["bitsandbytes-blackwell"]
    assert undeclared_requirements.applies_to(blackwell, facts.gpu(gpu)) is expected


def test_a_requirement_without_a_capability_applies_everywhere() -> None:
    assert undeclared_requirements.applies_to(REQUIREMENTS["transformers-accelerate"], None)


def status(environment: Environments, *pins: str) -> RequirementStatus:
    statuses = undeclared_requirements.evaluate(environment(layers=(make_layer("training", *pins),)), None)
    return next(entry for entry in statuses if entry.undeclared.id == "transformers-accelerate")


@pytest.mark.parametrize(
    ("pins", "satisfied", "installed"),
    [
        (("transformers==4.46.3", "accelerate==0.26.0"), True, "accelerate 0.26.0"),
        (("transformers==4.46.3", "accelerate==0.25.0"), False, "accelerate 0.25.0"),
        (("transformers==4.46.3",), None, "accelerate is not pinned"),
    ],
)
def test_without_a_lock_what_is_not_pinned_is_unknown(
    environment: Environments, pins: tuple[str, ...], *, satisfied: bool | None, installed: str
) -> None:
    entry = status(environment, *pins)
    assert (entry.package, entry.required) == ("transformers", "accelerate")
    assert (entry.satisfied, entry.installed) == (satisfied, installed)


def test_a_pin_that_has_a_requirement_itself_on_a_gpu_gives_way_to_the_one_that_satisfies_both() -> None:
    triton_ops = REQUIREMENTS["bitsandbytes-triton-ops"]
    assert str(undeclared_requirements.replacement(triton_ops)) == "bitsandbytes==0.45.1"
    assert str(undeclared_requirements.replacement(triton_ops, ["H100"])) == "bitsandbytes==0.45.1"
    assert str(undeclared_requirements.replacement(triton_ops, ["B200"])) == "bitsandbytes==0.45.3"
