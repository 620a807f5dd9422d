"""What the judge proposes at a line of a Dockerfile is in the words of a Dockerfile, and rests on no guessed Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from torchpin.checks.registry import REGISTRY
from torchpin.installs.project import parse_project
from torchpin.lint.fixes import fix_texts
from torchpin.lint.judged_stages import CHECKS, judged_matches
from torchpin.lint.stage_help import dockerfile_words
from torchpin.workspace.evidence import from_descriptions

if TYPE_CHECKING:
    from torchpin.lint.matches import Match

CUDA = "FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\n"
TORCH = "torch==2.6.0 --index-url https://download.pytorch.org/whl/cu124"
KEYS = re.compile(
    r"`(?:channel|gpus|companions|overrides|version|image|digest|variants|reasons)\\b|`- |\\blayers?\\b|waive|description|service"
)


def judged(text: str) -> list[Match]:
    return list(judged_matches(parse_project({"Dockerfile": text}), from_descriptions))


@pytest.mark.parametrize(
    ("text", "help_text"),
    [
        (f"RUN pip install torchvision==0.20.0 {TORCH}\n", "use `torchvision==0.21.0`"),
        (f"RUN pip install {TORCH}\nRUN pip install xformers==0.0.20\n", "use `xformers==0.0.29.post3` (0.0.29.post2 would do too)"),
        (
            f"RUN pip install {TORCH.replace('2.6.0', '2.8.0')}\n",
            "install `torch==2.8.0` with `--index-url https://download.pytorch.org/whl/cu126`",
        ),
        (
            f"ENV TORCH_CUDA_ARCH_LIST=12.0\nRUN pip install {TORCH}\n",
            "install `torch==2.7.1` with `--index-url https://download.pytorch.org/whl/cu128`, or do not compile for sm_120",
        ),
        (f"RUN pip install {TORCH}\nRUN pip install triton==3.0.0\n", "use `triton==3.2.0`"),
        (f"RUN pip install {TORCH}\nRUN pip install diffusers==0.27.2\n", "install `huggingface-hub==0.25.2` too"),
        # which release has code for it depends on the Python, which no line tells
        (f"ENV TORCH_CUDA_ARCH_LIST=3.5\nRUN pip install {TORCH}\n", "move to a torch build that has code for this GPU, or do not compile for it"),
    ],
)  # fmt: skip
def test_the_help_is_a_line_of_a_dockerfile(text: str, help_text: str) -> None:
    assert [match.finding.help for match in judged(CUDA + text)] == [help_text]


def test_a_base_image_is_named_as_from_has_it() -> None:
    (match,) = judged("FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu24.04\n")
    assert (
        match.finding.help == "use `nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04`, the nearest supported tag"
    )
    (match,) = judged(
        "FROM pytorch/pytorch:2.6.0-cuda12.4-cudnn9-runtime\nENV TORCH_CUDA_ARCH_LIST=12.0\nRUN true\n"
    )
    assert match.finding.help == "use a base image with torch 2.7.0 for cu128, or do not compile for sm_120"


def test_no_page_of_a_judged_check_speaks_of_keys() -> None:
    assert judged(f"{CUDA}RUN pip install {TORCH}\n") == []  # it imports the checks
    for id_ in CHECKS:
        assert not KEYS.search(dockerfile_words(REGISTRY[id_].help_line)), id_


def test_a_pin_is_mended_where_it_stands() -> None:
    text = f"{CUDA}RUN pip install torchvision==0.20.0 {TORCH}\nRUN pip install 'xformers==0.0.20'\n"
    fixed = fix_texts(
        {"Dockerfile": text}, judged(text), lambda texts: judged(texts["Dockerfile"]), unsafe=False
    )
    assert fixed.texts == {"Dockerfile": text.replace("0.20.0", "0.21.0").replace("0.0.20", "0.0.29.post3")}


def test_what_holds_for_one_python_only_is_not_said_where_none_is_told() -> None:
    install = f"RUN pip install {TORCH} transformers==5.0.0\n"
    assert "requires Python" in judged(f"FROM python:3.9-slim-bookworm\n{install}")[0].finding.message
    assert judged(f"{CUDA.replace('ubuntu22.04', 'ubi9')}{install}") == []
