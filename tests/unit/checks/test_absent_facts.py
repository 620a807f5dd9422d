"""No ok from an absent fact: each row of each table is taken away in turn, and no answer turns to ok."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.absent_facts import (
    Question,
    answer_all,
    questions_of,
    rows_that_matter,
    sections_with_questions,
    unfounded,
)
from support.checks import TODAY, UV, make_torch
from torchpin.checks.context import CheckContext
from torchpin.checks.registry import Ok, Unknown
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.facts.age import ID, KEYS
from torchpin.facts.load import NAMES, load_table
from torchpin.model import Base, BuildStage, BuiltWheel, Layer, Run, Source
from torchpin.workspace import workspace
from torchpin.workspace.evidence import for_judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.absent_facts import Section
    from support.fixture_types import Environments
    from torchpin.checks.registry import Answer

ROOT = Path(__file__).parents[3]
# Rows that are the question themselves: a defect of a package, a channel that is not built, found where they apply. Of a
# defect that has no row nothing can be asked; the checks say of how many they know.
DEFECTS = {
    ("other_channels", "channels"),
    ("undeclared_requirements", "undeclared"),
    ("undeclared_requirements", "pinned"),
    ("packages", "conflicts"),
    ("packages", "brings"),
    ("packages", "native"),
    ("compilers", "settings"),
    ("compilers", "packages"),
}
# Without the row the lock no longer matches its description, so that other questions are asked.
LAYOUT = {("wheels", "packages")}
NVIDIA = "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04"
FLASH = (Layer(name="flash", packages=(Requirement("flash-attn==2.8.3"),)),)
KOHYA = Source(
    name="sd-scripts",
    url="https://github.com/kohya-ss/sd-scripts",
    tag="v0.9.1",
    commit="9" * 40,
    path="third_party/sd-scripts",
)
# What the described services do not have: drivers, other channels and bases, releases by the matrix, wheels with an ABI, PyPI.
COMPILED = BuildStage(
    base=Base(image="nvidia/cuda:12.8.1-devel-ubuntu22.04"),
    wheels=(BuiltWheel(package=Requirement("my-ops==0.1"), folder="ops"),),
)
CASES: tuple[dict[str, Any], ...] = (
    {"channel": "cu128", "torch": make_torch("2.8.0"), "gpus": ("H100", "RTX 4090", "B200"), "driver": "570.124.06", "base": Base(image=NVIDIA)},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "gpus": ("B200", "RTX 5090"), "driver": "550.54.15", "base": Base(image="ubuntu:22.04")},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "gpus": ("RTX 4090",), "driver": "545.23.08", "base": Base(image=NVIDIA)},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "gpus": ("H100",), "driver": "470.57.02", "base": Base(image="debian:12")},
    {"channel": "cu121", "gpus": ("A100", "V100", "H100"), "driver": "530.30.02"},
    {"channel": "cu130", "torch": make_torch("2.13.0", torchvision="0.28.0", torchaudio="2.11.0"), "gpus": ("B200",), "base": Base(image="ubuntu:24.04")},
    {"channel": "cu132", "torch": make_torch("2.15.0"), "python": Version("3.12.11"), "base": Base(image="ubuntu:24.04")},
    {"channel": "cu132", "torch": make_torch("2.12.1", torchvision="0.27.1"), "platform": "linux/arm64", "base": Base(image="debian:12")},
    {"channel": "cu134", "torch": make_torch("2.14.1")},
    {"channel": "cu126", "torch": make_torch("2.15.0")},
    {"channel": "rocm6.3", "torch": make_torch("2.8.0")},
    {"channel": "cu128", "torch": make_torch("2.12.0")},
    {"channel": "cu113", "torch": make_torch("1.11.0", torchvision="0.12.0"), "python": Version("3.9.18")},
    {"channel": "pypi", "torch": make_torch("2.8.0", torchvision="0.23.0"), "gpus": ("H100",), "driver": "570.124.06", "base": Base(image="ubuntu:22.04")},
    {"channel": "pypi", "torch": make_torch("2.10.0", torchaudio="2.10.0"), "platform": "linux/arm64", "base": Base(image="debian:12")},
    {"channel": "cpu", "torch": make_torch("2.14.0", torchvision="0.29.0"), "base": Base(image="python:3.12-alpine")},
    {"channel": "cpu", "torch": make_torch("2.9.1"), "base": Base(image="python:3.12-slim-bookworm")},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "layers": FLASH, "gpus": ("H100", "T4"), "base": Base(image=NVIDIA)},
    {"channel": "cu126", "torch": replace(make_torch("2.7.1"), origin="base"), "base": Base(image="pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel")},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "base": Base(image="runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04")},
    {"sources": (KOHYA,), "layers": (Layer(name="training", packages=(Requirement("transformers==4.44.0"), Requirement("accelerate==0.25.0"))),)},
    {"channel": "cu124", "torch": make_torch("2.5.1"), "layers": (Layer(name="x", packages=(Requirement("bitsandbytes==0.44.1"), Requirement("ctranslate2==4.4.0"))),), "gpus": ("H100", "RTX 5090")},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "run": Run(env={"TORCH_COMPILE": "1"}), "base": Base(image="python:3.12-slim-bookworm")},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "run": Run(compiles=True), "apt": ("gcc", "libc6-dev"), "base": Base(image="nvidia/cuda:12.8.1-base-ubuntu22.04")},
    {"channel": "cu128", "torch": make_torch("2.9.1"), "layers": (Layer(name="x", packages=(Requirement("triton==3.5.0"), Requirement("nvidia-cudnn-cu12==9.15.1.9"))),)},
    {"channel": "cu128", "torch": make_torch("2.8.0"), "gpus": ("RTX 5090",), "base": Base(image="nvidia/cuda:12.8.1-base-ubuntu22.04"), "build": COMPILED},
    {"channel": "cpu", "torch": make_torch("2.9.1"), "base": Base(image="ubuntu:22.04"), "build": replace(COMPILED, base=Base(image="python:3.12-bookworm"), apt=("g++",))},
    {"torch": make_torch("2.1.0", torchvision="0.16.0"), "layers": (Layer(name="x", packages=(Requirement("numpy==2.1.0"),)),)},
)  # fmt: skip


def context_of(*environments: Any) -> CheckContext:
    return CheckContext(environments=environments, today=TODAY, uv=UV)


@pytest.fixture(scope="module")
def questions(environment: Environments) -> tuple[Question, ...]:
    """Every check of the judge, of a described service with its lock, of a seed without, and of the cases."""
    repo = workspace.open_repository(ROOT)
    contexts = [for_judge(repo, select_environments(repo.services, service="seedvr"))]
    text = (ROOT / "tests/seeds/lora.yaml").read_text(encoding="utf-8")
    contexts.append(
        context_of(*select_environments(read.read_services({"services/lora/service.yaml": text})))
    )
    contexts += [context_of(environment(**case)) for case in CASES]
    return tuple(question for context in contexts for question in questions_of(context))


@pytest.fixture(scope="module")
def sections(questions: tuple[Question, ...]) -> dict[tuple[str, str], Section]:
    return {(section.table, section.name): section for section in sections_with_questions(questions)}


@pytest.fixture(scope="module")
def answers(questions: tuple[Question, ...]) -> dict[Question, tuple[Answer, ...]]:
    return answer_all(questions)


Changes = list[tuple[Any, Question, "tuple[Answer, ...]"]]
SECTIONS = [(name, section) for name in NAMES for section in load_table(name)]


@pytest.fixture(scope="module")
def changes(
    sections: dict[tuple[str, str], Section], answers: dict[Question, tuple[Answer, ...]]
) -> Callable[[str, str], Changes]:
    """By section, each row without which an answer is another one."""
    return cache(lambda table, name: list(rows_that_matter(sections[table, name], answers)))


@pytest.mark.parametrize(("table", "name"), SECTIONS, ids=[".".join(key) for key in SECTIONS])
def test_no_answer_turns_to_ok_without_a_row(
    table: str,
    name: str,
    changes: Callable[[str, str], Changes],
    answers: dict[Question, tuple[Answer, ...]],
) -> None:
    keys = KEYS.get((table, name), ID)
    problems = [
        f"without {[row.get(key) for key in keys]} {question}: {message}"
        for row, question, given in changes(table, name)
        for message in unfounded(answers[question], given)
    ]
    assert not problems or (table, name) in DEFECTS | LAYOUT, "\n".join(problems)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("archs", "archs"), ("base_images", "cuda"), ("base_images", "systems"), ("channels", "channels"),
        ("channels", "complete"), ("drivers", "toolkits"), ("drivers", "families"), ("drivers", "gates"), ("gpus", "gpus"),
        ("pypi_wheels", "wheels"), ("sources", "tags"), ("torch", "releases"), ("torch", "abi"), ("wheels", "wheels"),
    ],
)  # fmt: skip
def test_rows_of_a_section_decide_answers_here(
    table: str, name: str, changes: Callable[[str, str], Changes]
) -> None:
    """So that the test above has something to find."""
    assert changes(table, name)


def test_each_check_of_the_judge_is_asked_and_answers(answers: dict[Question, tuple[Answer, ...]]) -> None:
    answered = {question.check for question, given in answers.items() if given}
    assert answered == {question.check for question in answers} - {
        "FIL001",
        "FIL002",
    }  # which ask files, and no facts


def made(kind: type[Ok | Unknown], about: str) -> Any:
    return Ok(about=about, evidence="a fact") if kind is Ok else Unknown(about=about, message="missing")


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (
            ("unknown H100", "ok driver"),
            ("ok driver",),
            True,
        ),  # a card that is passed because it is not known
        (("ok H100", "ok driver"), ("ok driver",), False),  # what was right is not said any more
        (("ok H100", "ok driver"), ("unknown H100", "ok driver"), False),
        (("unknown H100",), ("ok H100",), True),
        ((), ("ok H100",), True),
        (("unknown torch",), ("unknown release",), False),  # it is in doubt for another reason
        (("unknown torch", "unknown numpy"), ("unknown numpy",), True),
    ],
)
def test_an_answer_is_unfounded_if_it_is_a_new_ok_or_a_doubt_is_gone(
    before: tuple[str, ...], after: tuple[str, ...], *, wrong: bool
) -> None:
    @cache
    def answer(text: str) -> Any:
        kind, about = text.split()
        return made(Ok if kind == "ok" else Unknown, about)

    assert bool([*unfounded([*map(answer, before)], [*map(answer, after)])]) == wrong
