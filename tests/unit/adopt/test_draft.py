"""The description that is drafted for a project: what is read, and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.adoption import BASE, NAMES, adopt_project
from torchpin.adopt.draft import draft_adoption
from torchpin.adopt.draft_values import DraftAnswers
from torchpin.commands import adopt
from torchpin.description import read

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.model import Service


def drafted_service(name: str) -> Service:
    draft = adopt_project(name).adoption
    (described,) = read.read_services({f"services/{draft.name}/service.yaml": draft.text})
    return described


OPEN = {"arguments": ["python", "base", "channel"], "conda": ["python"], "lists-only": ["python", "base"]}
WITH_DRAFT = {name for name in NAMES if name != "broken"}


@pytest.mark.parametrize("name", NAMES)
def test_a_draft_is_accepted_by_the_reader_or_it_is_said_why_there_is_none(name: str) -> None:
    outcome = adopt_project(name)
    assert bool(outcome.adoption.text) == (name in WITH_DRAFT)
    assert bool(outcome.adoption.missing) != bool(outcome.adoption.text)
    assert [question.key for question in outcome.adoption.questions] == OPEN.get(name, [])
    is_whole = bool(outcome.adoption.text) and name not in OPEN
    assert bool(outcome.results) == is_whole
    if is_whole:
        assert drafted_service(name).name == outcome.adoption.name


def test_what_can_be_read_is_drafted() -> None:
    training = drafted_service("training-unquoted")
    assert (training.base.image, str(training.torch.version), training.variants[0].channel) == (
        "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "2.5.1", "cu121",
    )  # fmt: skip
    assert {name: str(version) for name, version in training.torch.companions.items()} == {
        "torchaudio": "2.5.1"
    }
    assert training.apt == ("ffmpeg", "git", "sox")
    assert (training.run.command, training.run.ports, dict(training.run.env)) == (
        ("python", "app.py"), (8000,), {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def test_torch_of_the_base_is_the_base_s() -> None:
    restoration = drafted_service("restoration")
    assert (restoration.torch.origin, str(restoration.torch.version), str(restoration.python)) == (
        "base",
        "2.7.1",
        "3.11",
    )
    assert [str(pin) for layer in restoration.layers for pin in layer.packages] == ["flash-attn==2.8.3"]


def test_constraints_and_locks_give_the_versions_that_requirements_leave_open() -> None:
    pins = {str(pin) for layer in drafted_service("documents").layers for pin in layer.packages}
    assert {"numpy==1.26.4", "transformers==4.49.0", "docstrange==1.1.6"} <= pins
    assert "tqdm==4.67.1" in {
        str(pin) for layer in drafted_service("uv-lock").layers for pin in layer.packages
    }


def test_the_constraints_of_what_no_step_names_stay_as_constraints(tmp_path: Path) -> None:
    """pip holds to them for what other packages bring, so a lock has to; they install nothing."""
    (tmp_path / "Dockerfile").write_text(
        f"{BASE}RUN pip install torch==2.6.0 --index-url https://download.pytorch.org/whl/cu126\n"
        "COPY limits.txt .\nRUN pip install -c limits.txt pandas numpy\n"
    )
    (tmp_path / "limits.txt").write_text(
        "pandas==2.2.3\nnumpy<2\npytz<2025\ntorch<3\nsix==1.16.0; python_version < '3'\n"
    )
    adoption = adopt.adopt(tmp_path, name="t", answers=DraftAnswers(python="3.12")).adoption
    (service,) = read.read_services({"services/t/service.yaml": adoption.text})
    assert [(row.component, row.says, row.by) for row in service.recommends] == [
        ("numpy", "any", "Dockerfile"),
        ("numpy", "<2", "constraint of limits.txt"),
        ("pytz", "<2025", "constraint of limits.txt"),
    ]


def test_a_clone_at_a_known_tag_is_a_source_with_its_commit() -> None:
    (source,) = drafted_service("source").sources
    assert (source.name, source.tag, source.commit[:12]) == ("sd-scripts", "v0.10.0", "966e9d7f6bb4")


def test_without_an_index_torch_is_pypi_s() -> None:
    assert drafted_service("plain-pypi").variants[0].channel == "pypi"


def test_what_is_left_out_stands_above_the_draft() -> None:
    text = adopt_project("conda").adoption.text
    assert " (conda)\n" in text


def test_a_package_without_a_version_is_named_once_among_what_is_recommended() -> None:
    text = adopt_project("restoration").adoption.text
    assert "- component: xformers\n  says: any\n" in text
    assert "no version" not in text


def test_a_requirement_with_a_version_that_is_none_is_left_out_and_said() -> None:
    texts = {
        "Dockerfile": "FROM python:3.11\nCOPY . .\nRUN pip install -r requirements.txt\n",
        "requirements.txt": "torch==2.5.1\na===1.0-custom\nb\nc @ https://example.org/flash_attn-2.8_x+cu12-cp310.whl\n",
        "uv.lock": '[[package]]\nname = "b"\nversion = "1 or 2"\n',
    }
    text = draft_adoption(texts, "any").text
    assert "# - left out: a===1.0-custom (1.0-custom is not a version)\n" in text
    assert "# - left out: b (1 or 2 is not a version)\n" in text
    assert "# - left out: c @ https://example.org/flash_attn-2.8_x+cu12-cp310.whl\n" in text


def test_a_requirement_with_a_marker_that_cannot_be_evaluated_is_left_out_and_said() -> None:
    texts = {
        "Dockerfile": "FROM python:3.11\nCOPY . .\nRUN pip install -r requirements.txt\n",
        "requirements.txt": "torch==2.5.1\neinops==0.8.0; 'a' in 'b'\n",
    }
    text = draft_adoption(texts, "any").text
    assert "# - left out: einops==0.8.0; 'a' in 'b' (its marker cannot be evaluated)\n" in text
    assert "einops" not in text.partition("name:")[2]


LINES = st.lists(
    st.one_of(
        st.sampled_from([
            "FROM ubuntu:22.04", "FROM ${X:-a} AS b", "RUN <<EOF", "EOF", "RUN pip install a>=1 \\", "  'b", "ARG X=1",
            "ENV A", "# escape=`", 'RUN ["a"', "COPY --from=0 a b", "RUN a || (b; c) | d && e >f 2>&1 <g", "\\",
        ]),
        st.text(max_size=30),
    ),
    max_size=12,
)  # fmt: skip


@given(LINES, st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(lines: list[str], requirements: str, toml: str) -> None:
    text = "\n".join(lines)
    texts = {"Dockerfile": text, "requirements.txt": requirements, "pyproject.toml": toml, "uv.lock": toml}
    draft = draft_adoption(texts, "any")
    assert isinstance(draft.text, str)
    assert all(match.finding.location.count(":") >= 2 for match in draft.matches)


@pytest.mark.parametrize(
    ("base", "torch"),
    [
        ("nvcr.io/nvidia/pytorch:25.10-py3", ("index", "2.9.0", "cu130")),  # NVIDIA's build is on no channel
        ("pytorch/pytorch:2.9.1-cuda13.0-cudnn9-runtime", ("base", "2.9.1", "cu130")),
        ("registry.example:5000/nvidia/cuda:13.0.0-base-ubuntu24.04", ("index", "2.9.0", "cu130")),
    ],
)
def test_the_torch_of_a_base_is_that_of_its_name(base: str, torch: tuple[str, str, str]) -> None:
    text = f"FROM {base}\nRUN pip install torch==2.9.0 --index-url https://download.pytorch.org/whl/cu130\n"
    draft = draft_adoption({"Dockerfile": text}, "example")
    (service,) = read.read_services({"services/example/service.yaml": draft.text})
    assert (service.torch.origin, str(service.torch.version), service.variants[0].channel) == torch


def test_packages_without_a_version_are_named_or_left_to_be_resolved() -> None:
    texts = {
        "Dockerfile": (
            "FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04\n"
            "RUN apt-get update && apt-get install -y python3 python3-pip\n"
            "RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128\n"
            "RUN pip install 'uvicorn[standard]>=0.30' six==1.17.0 httpx\nRUN pip install httpx==0.28.1\n"
        )
    }
    named = draft_adoption(texts, "app")
    left = draft_adoption(texts, "app", resolved_later=True)
    assert "# - left out: uvicorn[standard]>=0.30 (no version)\n" in named.text
    assert "no version" not in left.text
    assert (
        named.unpinned == left.unpinned == ("uvicorn[standard]>=0.30",)
    )  # httpx has a version in a later step
