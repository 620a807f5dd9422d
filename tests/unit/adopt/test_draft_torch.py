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

    from torchpin.model import Service

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
    assert [step for step in chosen.steps if step.startswith("torch 2.5.1 is a guess: ")]
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
        "- python: 3.11.13 (Dockerfile:1:1, python:3.11-slim-bookworm has it), chosen: 3.11 is given" in text
    )
    exact = adopted(
        "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN apt-get install -y python3-pip\nRUN pip install torch==2.6.0 "
        + CU124
    )
    assert "- python: 3.10.12 (Dockerfile:2:5, apt installs python3-pip, which is 3.10.12 there)\n" in exact.text  # fmt: skip


def service_of(draft: Adoption) -> Service:
    (service,) = read.read_services({"services/x/service.yaml": draft.text})
    return service


CUDA = "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n"
CONDA = (
    "RUN curl -fsSLo c.sh https://e.example/Miniconda3-{0}-Linux-x86_64.sh && bash c.sh -b -p /opt/conda\n"
)


def test_what_conda_puts_into_a_stage_that_is_copied_is_in_the_image() -> None:
    texts = {
        "environment.yaml": "dependencies:\n- python=3.10.4\n- pytorch=2.3.1\n- pytorch-cuda=12.1\n- pip:\n  - einops==0.8.1\n"
    }
    dockerfile = (
        "FROM continuumio/miniconda3:4.12.0 AS build\nCOPY . /src\nRUN conda env create -f /src/environment.yaml\n"
        f"{CUDA}COPY --from=build /opt/conda /opt/conda\n"
    )
    draft = adopted(dockerfile, texts=texts)
    assert (*torch_of(draft), str(service_of(draft).python)) == ("2.3.1", "cu121", "3.10.4")


@pytest.mark.parametrize(("installer", "python"), [("py311_24.1.2-0", "3.11.13"), ("latest", "?")])
def test_the_installer_of_conda_says_which_python_it_has_or_none_is_told(installer: str, python: str) -> None:
    text = f"{CUDA}{CONDA.format(installer)}RUN pip install torch==2.6.0 {CU124}\n"
    assert f"python: '{python}'\n" in adopted(text).text or f"python: {python}\n" in adopted(text).text


def test_conda_s_compatible_python_is_its_minor() -> None:
    text = f"{CUDA}RUN conda install python~=3.11.4 pip && pip install torch==2.6.0 {CU124}\n"
    assert service_of(adopted(text)).python.minor == 11


def test_a_list_that_the_build_writes_is_taken_to_ask_for_torch_from_its_channel() -> None:
    text = f"{SLIM}RUN grep torch all.txt > torch.txt && pip install -r torch.txt {CU124}\nRUN pip install 'torch<2.6'\n"
    draft = adopted(text)
    assert torch_of(draft) == ("2.5.1", "cu124")
    assert "torch: 2.5.1 (Dockerfile:2:39, -r torch.txt), chosen: the newest release on cu124" in draft.text


def test_a_package_of_a_branch_brings_torch_too() -> None:
    line = "'accelerate @ git+https://github.com/huggingface/accelerate' --extra-index-url https://download.pytorch.org/whl/cu124"
    assert torch_of(adopted(f"{SLIM}RUN pip install {line} 'torchvision==0.21.0'\n")) == ("2.6.0", "cu124")


def test_uv_run_installs_the_project() -> None:
    project = '[project]\nname = "x"\nversion = "0.1"\nrequires-python = "==3.11.*"\ndependencies = ["torch==2.6.0"]\n'
    run = f"{SLIM}COPY . /app\nWORKDIR /app\nRUN uv run {{}}echo ready\n"
    texts = {"pyproject.toml": project}
    assert torch_of(adopted(run.format("--no-dev "), texts=texts)) == ("2.6.0", "pypi")
    assert "has no torch" in adopted(run.format("--no-project "), texts=texts).missing


def test_of_a_poetry_lock_the_row_counts_that_an_extra_asks_for() -> None:
    rows = "".join(
        f'[[package]]\nname = "torch"\nversion = "2.7.1{local}"\ngroups = ["main"]\nfiles = []\n'
        f'[package.source]\ntype = "legacy"\nurl = "https://download.pytorch.org/whl/{local[1:]}"\nreference = "{local[1:]}"\n\n'
        for local in ("+cpu", "+cu126")
    )
    project = (
        '[project]\nname = "x"\nversion = "0.1"\nrequires-python = ">=3.11"\ndependencies = []\n'
        '[project.optional-dependencies]\ncpu = ["torch==2.7.1+cpu"]\ncuda = ["torch==2.7.1+cu126"]\n'
    )
    texts = {"pyproject.toml": project, "poetry.lock": rows}
    dockerfile = (
        f"{SLIM}RUN pip install poetry==2.1.3\nCOPY . /app\nWORKDIR /app\nRUN poetry install --extras {{}}\n"
    )
    assert torch_of(adopted(dockerfile.format("cuda"), texts=texts)) == ("2.7.1", "cu126")
    assert torch_of(adopted(dockerfile.format("cpu"), texts=texts)) == ("2.7.1", "cpu")


def test_another_release_in_a_later_line_is_said() -> None:
    text = f"{SLIM}RUN pip install torch==2.6.0 {CU124}\nRUN /venvs/b/bin/pip install torch==2.1.2\n"
    draft = adopted(text)
    assert torch_of(draft) == ("2.6.0", "cu124")
    assert (
        "# - left out: torch==2.1.2 at Dockerfile:3:30, which another line installs at 2.6.0\n" in draft.text
    )


def test_a_torch_whose_channel_is_asked_for_is_chosen_when_it_is_told() -> None:
    text = f"{SLIM}RUN pip install torch --extra-index-url https://mirror.example.com/wheels\n"
    draft = adopted(text)
    assert [value.key for value in draft.questions] == ["channel"]
    assert "  version: '?'\n" in draft.text
    assert torch_of(adopted(text, DraftAnswers(channel="cu124"))) == ("2.6.0", "cu124")
