"""Several environments at a time: one that fails does not stop the others, and the exit code is the worst."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from torchpin.commands import parallel
from torchpin.errors import FindingsError, InputError, ToolError, TorchpinError
from torchpin.model import Environment, Outcome, Variant
from torchpin.output.outcomes import print_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fixture_types import Environments

NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def environments(environment: Environments) -> tuple[Environment, ...]:
    return tuple(environment(variant=name) for name in NAMES)


def run_with_errors(**errors: TorchpinError) -> Callable[[Environment], Outcome]:
    """Each variant well, but those that fail so."""

    def do(env: Environment) -> Outcome:
        if env.variant.name in errors:
            raise errors[env.variant.name]
        return Outcome(name=env.name, status="changed", detail="done")

    return do


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_one_that_fails_does_not_stop_the_others(environments: tuple[Environment, ...], workers: int) -> None:
    do = run_with_errors(a=ToolError("the network"), c=FindingsError("it is out of date"))
    outcomes = parallel.for_each_environment(environments, do, workers=workers)
    assert [(outcome.name, outcome.status, outcome.detail, outcome.code) for outcome in outcomes] == [
        ("lora-a", "failed", "the network", 3),
        ("lora-b", "changed", "done", 0),
        ("lora-c", "failed", "it is out of date", 1),
        ("lora-d", "changed", "done", 0),
    ]
    assert all(outcome.seconds >= 0 for outcome in outcomes)


@pytest.mark.parametrize(
    ("errors", "code"),
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
    errors: dict[str, TorchpinError],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = parallel.for_each_environment(environments, run_with_errors(**errors))
    assert print_outcomes(outcomes) == code
    captured = capsys.readouterr()
    assert [name for name in NAMES if f"lora-{name}" in captured.out + captured.err] == NAMES
    assert [name for name in NAMES if f"lora-{name}" in captured.err] == sorted(errors)


def test_the_order_of_outcomes_is_that_of_the_environments(environments: tuple[Environment, ...]) -> None:
    last_started = threading.Event()

    def do(env: Environment) -> Outcome:
        if env.variant.name == "a":
            assert last_started.wait(10), "the others did not run beside the first"
        if env.variant.name == "d":
            last_started.set()
        return Outcome(name=env.name, status="same")

    outcomes = parallel.for_each_environment(environments, do, workers=2)
    assert [outcome.name for outcome in outcomes] == [f"lora-{name}" for name in NAMES]


def test_a_bug_is_no_outcome(environments: tuple[Environment, ...]) -> None:
    def do(env: Environment) -> Outcome:
        raise KeyError(env.name)

    with pytest.raises(KeyError):
        parallel.for_each_environment(environments, do)


def test_of_no_environment_there_is_no_outcome() -> None:
    assert parallel.for_each_environment((), run_with_errors()) == ()


def test_the_environments_of_one_service_fail_one_by_one(service: Callable[..., object]) -> None:
    variants = tuple(Variant(name=name, channel="cpu", platform="linux/amd64") for name in ("cpu", "arm64"))
    service_of_two = service(variants=variants)
    environments = tuple(Environment(service=service_of_two, variant=variant) for variant in variants)  # type: ignore[arg-type]
    outcomes = parallel.for_each_environment(
        environments, run_with_errors(arm64=ToolError("the builder does not support linux/arm64"))
    )
    assert [(outcome.name, outcome.code) for outcome in outcomes] == [("lora-cpu", 0), ("lora-arm64", 3)]
