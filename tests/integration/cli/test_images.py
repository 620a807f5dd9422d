"""`build` without an engine: what it refuses, what it would run, and what it offers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from support.command_line import change_character, run_command, run_process, tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_build_from_a_stale_rendering_is_refused(copy: Path) -> None:
    change_character(copy, "docker/lora-gpu/Dockerfile", 400)
    result = run_command(copy, "build", "--dry-run")
    assert result.code == 1
    message = "docker/lora-gpu/Dockerfile: out of date; run `invoke render --service lora`"
    assert message in " ".join(result.output.split())


def test_without_an_engine_a_build_offers_the_native_way(committed: Path) -> None:
    before = tree(committed)
    result = run_process(committed, "build", "--service", "lora")
    assert result.code == 3, result.output
    assert result.out == ""
    assert result.err.splitlines() == [
        f"no Docker engine at {os.environ['DOCKER_HOST']}",
        "Start a Docker engine with buildx (`invoke doctor` shows more), or install natively, without Docker:",
        "    invoke install --service lora",
    ]
    assert tree(committed) == before


@pytest.mark.parametrize(
    ("task", "otherwise"),
    [
        ("run", "`invoke install --service lora` sets up the same packages on this machine, without Docker"),
        (
            "freeze",
            "`invoke verify --service lora` compares the committed record with the lock, without Docker",
        ),
    ],
)
def test_without_an_engine_a_task_says_how_to_get_one_and_what_goes_without(
    task: str, otherwise: str, committed: Path
) -> None:
    result = run_process(committed, task, "--service", "lora")
    assert (result.code, result.out) == (3, "")
    assert result.err.splitlines() == [
        f"no Docker engine at {os.environ['DOCKER_HOST']}",
        (
            "help: start a Docker engine, or install one (https://docs.docker.com/engine/install), or set DOCKER_HOST; "
            "`invoke doctor` says what is missing"
        ),
        f"  {otherwise}",
    ]


def test_a_dry_run_needs_no_engine_and_shows_a_plan_and_with_verbose_the_command(committed: Path) -> None:
    before = tree(committed)
    result = run_command(committed, "build", "--dry-run", "--service", "lora")
    assert result.code == 0, result.output
    (line,) = result.out.splitlines()
    assert line.startswith("plan   lora-gpu  would build torchpin/lora-gpu:")
    assert " from docker/lora-gpu/Dockerfile for linux/amd64: " in line
    assert line.endswith("; then verify it, and load it into the engine; `-v` shows the command")
    shown = run_command(committed, "build", "--dry-run", "--service", "lora", "--verbose")
    command = "would run: docker buildx build --progress plain --platform linux/amd64 "
    assert [part for part in shown.out.splitlines() if part.strip().startswith(command)]
    assert tree(committed) == before


def test_a_build_for_programs_prints_nothing_but_json(committed: Path) -> None:
    result = run_command(committed, "build", "--dry-run", "--progress", "json")
    assert result.code == 0
    for line in result.out.splitlines():
        assert line.startswith("{"), line
        json.loads(line)
