"""What setup.cfg says that setuptools installs."""

from __future__ import annotations

import pytest

from torchpin.project.setup_cfg import read_setup_cfg

TEXT = """\
[metadata]
name = old
[options]
python_requires = >=3.9
install_requires =
    torch>=2.1,<2.4  # the last that works
    einops
[options.extras_require]
GPU_kernels = triton==3.1.0; xformers
"""


def test_requirements_and_extras_have_their_lines() -> None:
    project = read_setup_cfg("a/setup.cfg", TEXT)
    assert (project.name, project.requires_python, project.problems) == ("old", ">=3.9", ())
    placed = [(text, str(position)) for text, position in project.required(["gpu-kernels"])]
    assert placed == [
        ("torch>=2.1,<2.4", "a/setup.cfg:6:1"),
        ("einops", "a/setup.cfg:7:1"),
        ("triton==3.1.0", "a/setup.cfg:9:1"),
        ("xformers", "a/setup.cfg:9:1"),
    ]


def test_the_requirements_may_stand_in_files() -> None:
    project = read_setup_cfg("setup.cfg", "[options]\ninstall_requires = file: a.txt, b.txt\n")
    assert (project.dependencies, project.requirement_files) == ((), ("a.txt", "b.txt"))


@pytest.mark.parametrize("text", ["", "[flake8]\nmax-line-length = 100\n"])
def test_a_file_for_other_tools_requires_nothing(text: str) -> None:
    project = read_setup_cfg("setup.cfg", text)
    assert (project.name, project.dependencies, project.extras, project.problems) == ("", (), {}, ())


def test_what_cannot_be_read_is_a_problem() -> None:
    (problem,) = read_setup_cfg("setup.cfg", "[options]\nno value\n").problems
    assert str(problem.position) == "setup.cfg:2:1"
