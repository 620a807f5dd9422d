"""Several environments at a time: one that fails does not stop the others, and the exit code tells."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from torchpin.commands import parallel
from torchpin.errors import FindingsError, InputError, Stop, ToolError
from torchpin.model import Environment, Outcome, Variant
from torchpin.output import terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    Services = Callable[..., object]

NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def environments(environment: Callable[..., Environment]) -> tuple[Environment, ...]:
    return tuple(environment(variant=name) for name in NAMES)


def failing(**how: Stop) -> Callable[[Environment], Outcome]:
    """Each variant well, but those that fail so."""

    def do(env: Environment) -> Outcome:
        if env.variant.name in how:
            raise how[env.variant.name]
        return Outcome(name=env.name, status="changed", detail="done")

    return do


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_one_that_fails_does_not_stop_the_others(environments: tuple[Environment, ...], workers: int) -> None:
    do = failing(a=ToolError("the network"), c=FindingsError("it is stale"))
    found = parallel.each(environments, do, workers=workers)
    assert [(one.name, one.status, one.detail, one.code) for one in found] == [
        ("lora-a", "failed", "the network", 3),
        ("lora-b", "changed", "done", 0),
        ("lora-c", "failed", "it is stale", 1),
        ("lora-d", "changed", "done", 0),
    ]
    assert all(one.seconds >= 0 for one in found)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({}, 0),
        ({"a": FindingsError("x")}, 1),
        ({"a": FindingsError("x"), "b": InputError("y")}, 2),
        ({"d": ToolError("z"), "a": FindingsError("x")}, 3),
        ({name: ToolError("z") for name in NAMES}, 3),
    ],
    ids=["none", "findings", "input", "tool", "all"],
)
def test_the_exit_code_is_the_worst_that_any_asks_for(
    environments: tuple[Environment, ...],
    how: dict[str, Stop],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = parallel.each(environments, failing(**how))
    assert terminal.outcomes(found) == code
    said = capsys.readouterr()
    assert [name for name in NAMES if f"lora-{name}" in said.out + said.err] == NAMES
    assert [name for name in NAMES if f"lora-{name}" in said.err] == sorted(how)


def test_the_order_of_outcomes_is_that_of_the_environments(environments: tuple[Environment, ...]) -> None:
    last = threading.Event()

    def do(env: Environment) -> Outcome:
        if env.variant.name == "a":
            assert last.wait(10), "the others did not run beside the first"
        if env.variant.name == "d":
            last.set()
        return Outcome(name=env.name, status="same")

    found = parallel.each(environments, do, workers=2)
    assert [one.name for one in found] == [f"lora-{name}" for name in NAMES]


def test_a_bug_is_no_outcome(environments: tuple[Environment, ...]) -> None:
    def do(env: Environment) -> Outcome:
        raise KeyError(env.name)

    with pytest.raises(KeyError):
        parallel.each(environments, do)


def test_of_no_environment_there_is_no_outcome() -> None:
    assert parallel.each((), failing()) == ()


def test_the_environments_of_one_service_fail_one_by_one(service: Callable[..., object]) -> None:
    variants = tuple(Variant(name=name, channel="cpu", platform="linux/amd64") for name in ("cpu", "arm64"))
    made = service(variants=variants)
    environments = tuple(Environment(service=made, variant=one) for one in variants)  # type: ignore[arg-type]
    found = parallel.each(environments, failing(arm64=ToolError("The builder has no linux/arm64")))
    assert [(one.name, one.code) for one in found] == [("lora-cpu", 0), ("lora-arm64", 3)]
