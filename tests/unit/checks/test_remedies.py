"""What a finding tells people to write is accepted by the reader of descriptions, and ends the finding."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import truth_cases
from truth_judging import TODAY

from support.check_cases import Case
from support.remedies import Description, all_problems, remedy_problem, told_changes
from torchpin.checks import families, run
from torchpin.checks.context import CheckContext
from torchpin.description import read, write
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.model import Change, Environment, Finding
from torchpin.tools.uv import UV_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.checks import Builders
    from torchpin.checks.registry import Result

assert families  # importing it registers the checks

ROOT = Path(__file__).parents[3]
MODULES = sorted((ROOT / "tests/unit/checks/rules").glob("test_*.py"))
SEEDS = sorted((ROOT / "tests/seeds").glob("*.yaml"))


def described(text: str, name: str = "case", **context: Any) -> Description:
    """The description of a service with one variant."""
    (env,) = select_environments(read.read_services({f"services/{name}/service.yaml": text}))
    return Description(
        name=name,
        text=text,
        context=CheckContext(environments=(env,), today=TODAY, uv=UV_VERSION, **context),
    )


def described_cases() -> Iterator[Description]:
    for case in truth_cases.load_cases():
        env = truth_cases.environment(case)
        locked = truth_cases.lock(case, env)
        context = described(truth_cases.description(case), locks={env.name: locked} if locked else {}).context
        yield Description(name=case.id, text=truth_cases.description(case), context=context)


def test_what_is_told_about_the_cases_of_the_benchmark_can_be_written() -> None:
    problems = [problem for case in described_cases() for problem in all_problems(case).items()]
    assert problems == []


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_what_is_told_about_a_seed_can_be_written(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for env in select_environments(read.read_services({f"services/{path.stem}/service.yaml": text})):
        context = CheckContext(environments=(env,), today=TODAY, uv=UV_VERSION)
        assert all_problems(Description(name=env.name, text=text, context=context)) == {}


@cache
def check_cases(path: Path) -> tuple[Case, ...]:
    """Every case of a module of tests of checks."""
    spec = importlib.util.spec_from_file_location(f"cases_of_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(
        case
        for value in vars(module).values()
        if isinstance(value, list)
        for case in value
        if isinstance(case, Case)
    )


def as_written(context: CheckContext) -> Description | None:
    """A context whose environment was built by a test, with the description that has the same values; None for none."""
    env = context.environments[0]
    text = write.to_yaml(env.service)
    try:
        services = read.read_services({env.service.file: text})
    except InputError:
        return None
    (read_env,) = (
        candidate for candidate in select_environments(services) if candidate.variant.name == env.variant.name
    )
    return Description(name=env.name, text=text, context=replace(context, environments=(read_env,)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_what_is_told_about_the_cases_of_a_check_can_be_written(
    path: Path, kit: Builders, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[CheckContext] = []

    def record(context: CheckContext, **options: Any) -> tuple[Result, ...]:
        contexts.append(context)
        return original(context, **options)

    original = run.run
    monkeypatch.setattr(run, "run", record)
    for case in check_cases(path):
        case.result(kit)
    monkeypatch.undo()
    problems = [
        problem
        for context in contexts
        if (written := as_written(context))
        for problem in all_problems(written).items()
    ]
    assert problems == []


TEXT = """\
name: case
summary: Case
python: "3.10.14"
base: {image: "ubuntu:22.04"}
torch: {version: "2.5.1", companions: {torchvision: "0.20.0"}}
gpus: [B200]
variants:
  gpu: {channel: cu121, platform: linux/amd64}
layers:
  - {name: training, packages: [numpy==1.26.4]}
"""


def companion_finding(**changes: Any) -> tuple[Description, Result, Finding]:
    """The finding about the torchvision of TEXT, with other remedies."""
    service = described(TEXT)
    (result,) = run.run(service.context, judge=True, ids=("TOR002",))
    return service, result, replace(result.findings[0], **changes)


def test_a_right_remedy_has_no_problem() -> None:
    assert remedy_problem(*companion_finding()) == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fix": (Change(path="torch.companions.torchvision", value="0.21.0"),)}, "leads to TOR002"),
        ({"fix": (Change(path="torch.companions.torchvision", value="newest"),)}, "cannot be written"),
        ({"fix": (), "help": "pin numpy<2, or raise torch"}, "cannot be written"),
        ({"fix": (), "help": "add `- tqdm==4.67.1` to the layer training"}, "does not end the finding"),
    ],
)
def test_a_remedy_that_does_not_help_is_a_problem(changes: dict[str, Any], problem: str) -> None:
    assert problem in remedy_problem(*companion_finding(**changes))


@pytest.mark.parametrize(
    ("help_text", "edits"),
    [
        ('set `torchvision: "0.20.1"`', [("torch.companions.torchvision", "0.20.1")]),
        (
            'set `channel: cu128` and torch\'s `version: "2.7.0"`, or remove B200 from `gpus:`',
            [("variants.gpu.channel", "cu128"), ("torch.version", "2.7.0")],
        ),
        ("set `image: ubuntu:24.04`, the nearest supported tag", [("base.image", "ubuntu:24.04")]),
        ("remove B200 from `gpus:`: no known build has code", [("gpus[0]", None)]),
        ("remove torchvision from `companions`", [("torch.companions.torchvision", None)]),
        ("replace `- numpy==1.26.4` with `- numpy==2.0.0`", [("layers[0].packages[0]", "numpy==2.0.0")]),
        ("add `- tqdm==4.67.1` to the layer training", [("layers[0].packages[+]", "tqdm==4.67.1")]),
        ("pin `tqdm==4.67.1`", [("layers[0].packages[+]", "tqdm==4.67.1")]),
        ("update the driver on the hosts to 570.26", []),
    ],
)
def test_what_a_help_tells(help_text: str, edits: list[tuple[str, str | None]]) -> None:
    env: Environment = described(TEXT).environment
    finding = Finding(location="", message="", help=help_text)
    assert [(change.path, change.value) for change in told_changes(env, finding)] == edits
