from __future__ import annotations

from dataclasses import replace

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.commands.assemble import layer_plans

LOCK = make_lock(read_environment(DESCRIPTION))


def test_every_wheel_is_in_one_layer() -> None:
    plans = [plan for plan, _ in layer_plans(LOCK, bytecode=False)]
    wheels = [wheel.name for plan in plans for wheel in plan.wheels]
    assert sorted(wheels) == sorted(LOCK.packages)
    assert {plan.content for plan in plans} == {"wheels"}


def test_torch_s_layers_are_the_same_with_bytecode() -> None:
    plain, compiled = (layer_plans(LOCK, bytecode=bytecode) for bytecode in (False, True))
    below = [plan for plan, group in plain if group.place in {"torch", "family"}]
    assert below
    assert [plan for plan, _ in compiled][: len(below)] == below
    own = [plan for plan, _ in compiled if plan.content == "bytecode"]
    assert [plan.wheels for plan in own] == [plan.wheels for plan in below]
    others = [plan for plan, group in compiled if group.place not in {"torch", "family"}]
    assert {plan.content for plan in others} == {"wheels and bytecode"}


def test_what_is_built_is_in_no_layer_of_wheels() -> None:
    layers = tuple(
        replace(
            layer,
            packages=tuple(
                replace(package, filename="six.tar.gz") if package.name == "six" else package
                for package in layer.packages
            ),
        )
        for layer in LOCK.layers
    )
    names = {
        wheel.name
        for plan, _ in layer_plans(replace(LOCK, layers=layers), bytecode=True)
        for wheel in plan.wheels
    }
    assert names == LOCK.packages.keys() - {"six"}
