"""The cuDNN number of the stub torch, and names in a source's requirements."""

from __future__ import annotations

import pytest

from torchpin.compat.cudnn import cudnn_number
from torchpin.lab import scope, trial
from torchpin.tools.resources import read_resource


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("9.1.0.70", 90100),
        ("9.10.2.21", 91002),
        ("8.9.2.26", 8902),
        ("8.9", None),
        ("", None),
        (None, None),
    ],
)
def test_cudnn_s_version_is_the_number_that_torch_answers(version: str | None, number: int | None) -> None:
    assert cudnn_number(version) == number


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("accelerate==1.6.0", "accelerate"),
        ("diffusers[torch]==0.32.1", "diffusers"),
        ("Lion_Pytorch", "lion-pytorch"),
        ("toml; python_version < '3.11'", "toml"),
        ("a @ https://example.org/a.whl", "a"),
        ("git+https://example.org/a.git", ""),
        ("./local", ""),
        ("", ""),
    ],
)
def test_a_requirement_line_s_name_is_normalized(line: str, name: str) -> None:
    assert scope.requirement_name(line) == name


def test_what_begins_the_command_of_an_image_is_the_end_of_its_report() -> None:
    assert trial._STARTED.decode() in read_resource("runtime/envreport.py")
