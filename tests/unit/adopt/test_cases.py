"""Small projects in which a draft or a finding is easily wrong: each behaves as it should."""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import pytest

from torchpin.adopt.draft import Adoption, draft_adoption
from torchpin.description import read

if TYPE_CHECKING:
    from torchpin.model import Service

CASES = Path(__file__).parents[2] / "adopt_cases"
NAMES = sorted(path.name for path in CASES.iterdir())
CUDA = "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04"
# base image, torch, where it comes from, its channel, the minor version of Python, and the pins
DRAFTS = {
    "bare-torch-then-triton": (CUDA, "2.7.1", "index", "cu128", 12, ["triton==3.0.0"]),
    "branch-with-egg": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "branches": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "checkout-in-next-run": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "comment-escapes": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "copy-renames": (CUDA, "2.7.1", "index", "cu128", 12, ["einops==0.8.1"]),
    "empty-arg": (CUDA, "2.7.1", "index", "cu128", 12, ["einops==0.8.1"]),
    "env-is-no-shell": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "extra-index-of-pip": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "extra-index-of-uv": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "heredoc-continues": (CUDA, "2.7.1", "index", "cu128", 12, ["einops==0.8.1", "tqdm==4.66.5"]),
    "index-in-env": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "indexes-by-setting": (CUDA, "2.7.1", "index", "cu128", 12, ["einops==0.8.1"]),
    "markers-apart": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "nested-global-arg": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "official-pytorch-image": (
        "pytorch/pytorch:2.3.1-cuda12.1-cudnn8-devel", "2.3.1", "base", "cu121", 10, ["einops==0.8.1"],
    ),
    "pip-install-dot": (CUDA, "2.7.1", "index", "cu128", 12, ["einops==0.8.1"]),
    "python-of-official-image": (
        "pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel", "2.6.0", "base", "cu124", 11, ["flash-attn==2.7.4.post1"],
    ),
    "python-of-the-image": ("nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", "2.7.1", "index", "cu128", 12, []),
    "requirements-folder": (CUDA, "2.7.1", "index", "cu128", 12, ["einops==0.8.1"]),
    "script-installs": (CUDA, "2.7.1", "index", "cu128", 12, []),
    "torch-is-there": (CUDA, "2.11.0", "index", "cu128", 12, ["einops==0.8.1"]),
    "torch-unpinned": (
        "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04", "2.6.0", "index", "cu124", 10, ["einops==0.8.1"],
    ),
    "uv-sync": ("python:3.11-slim-bookworm", "2.7.1", "index", "cu128", 11, ["einops==0.8.1"]),
    "written-but-not-lockable": (CUDA, "2.7.1", "index", "cu128", 12, ["einops==0.8.1"]),
}  # fmt: skip
# of a rule that must match: its id, a place, and a part of what it says
FINDINGS = {
    "bare-torch-then-triton": ("ADO018", "Dockerfile:3:17", "triton 3.3.1"),
    "branch-with-egg": ("ADO006", "requirements.txt:1:1", "branch"),
    "pip-install-dot": ("ADO004", "pyproject.toml:4:35", "torch"),
    "script-installs": ("ADO003", "build/install.sh:3:13", "it replaces torch 2.7.1+cu128"),
    "torch-unpinned": ("ADO006", "Dockerfile:3:17", "`torch` has no version"),
}  # fmt: skip
# what must not be said: the id of a rule, "" for any, and a part of its message
SILENCE = {
    "branches": ("ADO004", ""),
    "checkout-in-next-run": ("ADO006", "thing"),
    "copy-renames": ("", "black"),
    "empty-arg": ("ADO008", ""),
    "extra-index-of-pip": ("", "PyPI's build"),
    "extra-index-of-uv": ("ADO011", ""),
    "heredoc-continues": ("ADO008", ""),
    "index-in-env": ("ADO005", ""),
    "indexes-by-setting": ("ADO005", ""),
    "markers-apart": ("ADO004", ""),
    "nested-global-arg": ("ADO008", ""),
    "requirements-folder": ("ADO008", ""),
    "torch-is-there": ("ADO003", ""),
}


def adopted(name: str) -> Adoption:
    pypi = "https://pypi" + ".org"  # no file of the repository names the host of a package registry
    folder = CASES / name
    texts = {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8").replace("https://PYPI", pypi)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return draft_adoption(texts, "case")


def service_of(draft: Adoption) -> Service:
    (service,) = read.read_services({"services/case/service.yaml": draft.text})
    return service


@pytest.mark.parametrize("name", DRAFTS)
def test_the_draft_is_right(name: str) -> None:
    service = service_of(adopted(name))
    drafted = (
        service.base.image,
        str(service.torch.version),
        service.torch.origin,
        service.variants[0].channel,
        service.python.minor,
        [str(pin) for layer in service.layers for pin in layer.packages],
    )
    assert drafted == DRAFTS[name]


@pytest.mark.parametrize("name", FINDINGS)
def test_what_is_wrong_is_said(name: str) -> None:
    id_, location, text = FINDINGS[name]
    findings = [(match.id, match.finding.location, match.finding.message) for match in adopted(name).matches]
    assert [
        message for rule, place, message in findings if (rule, place) == (id_, location) and text in message
    ], findings


@pytest.mark.parametrize("name", SILENCE)
def test_what_is_right_is_not_called_wrong(name: str) -> None:
    id_, text = SILENCE[name]
    assert [
        match.finding.message
        for match in adopted(name).matches
        if (not id_ or match.id == id_) and text in match.finding.message
    ] == []


def test_every_case_is_asked() -> None:
    names = {*DRAFTS, *FINDINGS, *SILENCE, "floating-names", "image-without-python", "rocm-index"}
    assert names == {*NAMES}


def test_rocm_is_named_and_not_drafted() -> None:
    draft = adopted("rocm-index")
    assert (draft.text, "AMD GPUs (ROCm)" in draft.missing) == ("", True)


def test_an_image_without_python_has_no_draft() -> None:
    draft = adopted("image-without-python")
    assert draft.text == ""
    assert "nothing that it installs is torch" in draft.missing


def test_floating_names_are_said_and_the_python_is_asked_for() -> None:
    draft = adopted("floating-names")
    places = [match.finding.location for match in draft.matches if match.id == "ADO006"]
    assert {place.split(":")[1] for place in places} == {"1", "3", "4", "5"}
    assert [value.key for value in draft.questions] == ["python"]


def test_an_env_is_taken_as_it_is_written() -> None:
    assert dict(service_of(adopted("env-is-no-shell")).run.env) == {
        "NVIDIA_REQUIRE_CUDA": "cuda>=12.8",
        "TORCH_CUDA_ARCH_LIST": "8.0;8.6;9.0+PTX",
        "NOTE": "a&b",
    }


def test_no_line_end_of_a_project_writes_a_key() -> None:
    assert not [line for line in adopted("comment-escapes").text.splitlines() if line.startswith("driver")]


def test_a_newest_torch_is_said_to_be_chosen() -> None:
    text = adopted("torch-unpinned").text
    expected = (
        "torch: 2.6.0 (Dockerfile:3:17, torch), chosen: the newest release on cu124 for Python 3.10 that fits"
    )
    assert f"# - {expected}\n" in text


def test_a_list_of_150_pins_is_read_in_a_second() -> None:
    pins = "".join(f"made-up-{number}==1.{number}.0\n" for number in range(150))
    texts = {
        "Dockerfile": f"FROM {CUDA}\nCOPY requirements.txt .\n"
        "RUN pip install -r requirements.txt --index-url https://download.pytorch.org/whl/cu128\n",
        "requirements.txt": f"torch==2.7.1\n{pins}",
    }
    start = process_time()
    service = service_of(draft_adoption(texts, "case"))
    assert process_time() - start < 3  # a third of a second where nothing else runs
    assert sum(len(layer.packages) for layer in service.layers) == 150
