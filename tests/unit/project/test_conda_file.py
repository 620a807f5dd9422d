"""environment.yml of other projects."""

from __future__ import annotations

from time import process_time

import pytest

from torchpin.model import Position
from torchpin.project.conda_file import parse_spec, read_conda_environment

HERE = Position(file="e.yml", line=1, column=1)


def test_an_environment_has_channels_packages_and_a_part_for_pip() -> None:
    text = """\
name: demo
channels: [pytorch, nvidia]
dependencies:
  - python=3.11
  - pytorch=2.5.1=py3.11_cuda12.4_cudnn9.1.0_0
  - pytorch-cuda=12.4
  - pip:
      - --extra-index-url https://x.example/simple
      - einops==0.8.1
"""
    environment = read_conda_environment("e.yml", text)
    assert (environment.name, environment.channels) == ("demo", ("pytorch", "nvidia"))
    assert (environment.python, environment.cuda) == ("3.11", "12.4")
    assert [(spec.name, spec.version, spec.build) for spec in environment.specs][1] == (
        "pytorch",
        "2.5.1",
        "py3.11_cuda12.4_cudnn9.1.0_0",
    )
    assert [(line, position.line) for line, position in environment.pip] == [
        ("--extra-index-url https://x.example/simple", 8),
        ("einops==0.8.1", 9),
    ]
    assert environment.problems == ()


@pytest.mark.parametrize(
    ("text", "name", "version", "channel"),
    [
        ("conda-forge::numpy>=1.26", "numpy", "", "conda-forge"),
        ("scipy 1.11.*", "scipy", "1.11", ""),
        ("Python==3.12.4", "python", "3.12.4", ""),
        ("ffmpeg", "ffmpeg", "", ""),
        ("a=1.0|2.0", "a", "", ""),
        ("a" * 5_000, "", "", ""),
    ],
)
def test_a_package_as_conda_writes_it(text: str, name: str, version: str, channel: str) -> None:
    spec = parse_spec(text, HERE)
    assert (spec.name, spec.version, spec.channel) == (name, version, channel)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dependencies: 5", "e.yml:1:15: dependencies: expected a list"),
        ("dependencies:\n- pip: 5", "e.yml:2:8: dependencies[0].pip: expected a list"),
        ("dependencies:\n- pip: [[a]]", "e.yml:2:9: dependencies[0].pip[0]: expected a text"),
        ("a: [", "e.yml:"),
        ("- a", "e.yml:1:1: expected a mapping"),
        ("[" * 100_000, "e.yml:"),
    ],
)
def test_a_value_of_another_type_is_a_problem_with_its_place(text: str, problem: str) -> None:
    problems = [str(row) for row in read_conda_environment("e.yml", text).problems]
    assert any(row.startswith(problem) for row in problems), problems


def test_a_small_file_that_stands_for_a_large_one_is_read_within_a_bound() -> None:
    lines = ", ".join("x" for _ in range(2_000))
    text = f"base: &a [{lines}]\ndependencies:\n" + "- pip: *a\n" * 2_000
    start = process_time()
    environment = read_conda_environment("e.yml", text)
    assert process_time() - start < 10
    assert "over 20000 lines for pip are not read" in str(environment.problems[-1])
