"""The torch of a draft: what a line pins, what the base image brings, and else the newest that fits all lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from torchpin.adopt.draft import Adoption, draft_adoption
from torchpin.adopt.draft_values import DraftAnswers
from torchpin.description import read

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ANSWERS = DraftAnswers()
NO_TEXTS: Mapping[str, str] = {}
SLIM = "FROM python:3.11-slim-bookworm\n"
CU124 = "--index-url https://download.pytorch.org/whl/cu124"
LINKS = "-f https://download.pytorch.org/whl/cu111/torch_stable.html"


def adopted(
    dockerfile: str, answers: DraftAnswers = NO_ANSWERS, texts: Mapping[str, str] = NO_TEXTS
) -> Adoption:
    return draft_adoption({"Dockerfile": dockerfile, **texts}, "x", answers=answers)


def torch_of(draft: Adoption) -> tuple[str, str]:
    assert draft.text, draft.missing
    (service,) = read.read_services({"services/x/service.yaml": draft.text})
    return str(service.torch.version), service.variants[0].channel


@pytest.mark.parametrize(
    ("dockerfile", "torch"),
    [
        (f"{SLIM}RUN pip install 'torch<2.6' {CU124}\n", ("2.5.1", "cu124")),
        (f"{SLIM}RUN pip install torch xformers==0.0.28.post3 {CU124}\n", ("2.5.1", "cu124")),  # its partner
        (f"{SLIM}RUN pip install torch torchvision==0.20.1 {CU124}\n", ("2.5.1", "cu124")),  # its companion
        ("FROM python:3.9-slim-bookworm\nRUN pip install torch\n", ("2.8.0", "pypi")),  # the last for Python 3.9
        (f"{SLIM}RUN pip install torch {CU124}\nRUN pip install 'torch>=2.0'\n", ("2.6.0", "cu124")),
        (f"{SLIM}RUN pip install torch==2.5 {CU124}\n", ("2.5.0", "cu124")),
        (f"FROM python:3.9-slim-bookworm\nRUN pip install torch==1.10 {LINKS}\n", ("1.10.0", "cu111")),
        (f"{SLIM}RUN pip install vllm==0.10.0\n", ("2.7.1", "pypi")),  # brings it
        (f"{SLIM}RUN conda install -y pytorch=2.3 pytorch-cuda=12.1 python=3.11\n", ("2.3.1", "cu121")),
    ],
)  # fmt: skip
def test_the_release_is_the_newest_that_all_lines_admit(dockerfile: str, torch: tuple[str, str]) -> None:
    assert torch_of(adopted(dockerfile)) == torch


def test_what_was_chosen_is_said_and_what_was_read_is_not() -> None:
    chosen = adopted(f"{SLIM}RUN pip install 'torch<2.6' {CU124}\n")
    assert "torch: 2.5.1 (Dockerfile:2:17, torch<2.6), chosen: the newest release on cu124" in chosen.text
    assert [step for step in chosen.steps if step.startswith("torch 2.5.1 was chosen and not read")]
    pinned = adopted(f"{SLIM}RUN pip install torch==2.5.1 {CU124}\n")
    assert "- torch: 2.5.1 (Dockerfile:2:17, torch==2.5.1)\n" in pinned.text
    assert not [step for step in pinned.steps if step.startswith("torch")]


def test_lines_that_no_release_meets_are_said_with_the_first_one_s_newest() -> None:
    text = f"{SLIM}RUN pip install 'torch<2.6' {CU124}\nRUN pip install 'torch>=2.9'\n"
    assert "for `torch<2.6`; other lines ask for another one" in adopted(text).text


def test_pip_takes_the_highest_of_several_channels() -> None:
    line = "RUN pip install torch --extra-index-url https://download.pytorch.org/whl/cu118\n"
    version, channel = torch_of(adopted(SLIM + line))
    assert (channel, Version(version) > Version("2.7.1")) == ("pypi", True)  # cu118 ended with 2.7.1
    old = "RUN pip install 'torch<=2.7.1' --extra-index-url https://download.pytorch.org/whl/cu118\n"
    assert torch_of(adopted(SLIM + old)) == ("2.7.1", "cu118")  # of one release the local part is higher


def test_nothing_newer_than_a_day_is_chosen() -> None:
    text = f"{SLIM}RUN pip install torch {CU124}\n"
    assert torch_of(adopted(text, DraftAnswers(until="2024-08-01"))) == ("2.4.0", "cu124")
    early = adopted(text, DraftAnswers(until="2024-01-01"))
    expected = "Dockerfile:2:17: no release on cu124 for Python 3.11 released by 2024-01-01 is `torch`"
    assert [value.text for value in early.questions] == [expected]


def test_a_lock_without_torch_brings_none_and_one_with_it_says_its_release() -> None:
    rows = '[[package]]\nname = "x"\nversion = "0.1"\nsource = { virtual = "." }\ndependencies = [{ name = "accelerate" }]\n'
    accelerate = (
        '[[package]]\nname = "accelerate"\nversion = "1.3.0"\nsource = { registry = "https://PYPI/simple" }\n'
    )
    torch = '[[package]]\nname = "torch"\nversion = "2.6.0+cu124"\nsource = { registry = "https://download.pytorch.org/whl/cu124" }\n'
    project = '[project]\nname = "x"\nversion = "0.1"\nrequires-python = "==3.11.*"\ndependencies = ["accelerate"]\n'
    dockerfile = f"{SLIM}COPY . /app\nWORKDIR /app\nRUN uv sync --frozen\n"
    texts = {"pyproject.toml": project, "uv.lock": f"version = 1\n{rows}{accelerate}"}
    assert "has no torch" in adopted(dockerfile, texts=texts).missing
    needed = accelerate + 'dependencies = [{ name = "torch" }]\n'
    with_torch = {**texts, "uv.lock": f"version = 1\n{rows}{needed}{torch}"}
    assert torch_of(adopted(dockerfile, texts=with_torch)) == ("2.6.0", "cu124")


def test_answers_hold_against_what_the_lines_say() -> None:
    text = f"FROM example/base:1\nARG V\nRUN pip install torch==$V {CU124}\n"
    answers = DraftAnswers(python="3.12", torch="2.6.0", base="python:3.12-slim-bookworm")
    draft = adopted(text, answers)
    (service,) = read.read_services({"services/x/service.yaml": draft.text})
    assert (service.base.image, service.python.minor, torch_of(draft)) == (
        "python:3.12-slim-bookworm", 12, ("2.6.0", "cu124"),
    )  # fmt: skip
    assert draft.questions == ()


def test_a_python_without_its_patch_release_is_said_to_be_chosen() -> None:
    text = adopted(f"{SLIM}RUN pip install torch==2.6.0 {CU124}\n").text
    assert (
        "- python: 3.11.13 (Dockerfile:1:1, python:3.11-slim-bookworm has it), chosen: 3.11 is said" in text
    )
    exact = adopted(
        "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN apt-get install -y python3-pip\nRUN pip install torch==2.6.0 "
        + CU124
    )
    assert "- python: 3.10.12 (Dockerfile:2:5, apt installs python3-pip, which is 3.10.12 there)\n" in exact.text  # fmt: skip
