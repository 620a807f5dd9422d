"""Projects of uv: their lock and indexes decide the channel, and name what comes from another index than torch."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from torchpin.adopt.draft import draft_adoption
from torchpin.adopt.python_version import required_python
from torchpin.commands.adopt import _judge_draft
from torchpin.description import read
from torchpin.project.channels import index_channel

if TYPE_CHECKING:
    from torchpin.adopt.draft import Adoption
    from torchpin.model import Service

DOCKERFILE = dedent("""\
    FROM nvidia/cuda:12.6.3-base-ubuntu22.04
    COPY --from=ghcr.io/astral-sh/uv:0.9.10 /uv /bin/uv
    COPY pyproject.toml uv.lock ./
    RUN uv sync --frozen --no-install-project
    """)
PYTORCH, PYPI = "https://download.pytorch.org/whl", "https://mirror.example/pypi/simple"


def pyproject(channel: str, *, torch: str = "torch==2.9.1", python: str = "==3.12.*") -> str:
    return dedent(f"""\
        [project]
        name = "lockmix"
        requires-python = "{python}"
        dependencies = ["{torch}", "timm==1.0.22"]
        [tool.uv.sources]
        torch = {{ index = "pytorch" }}
        [[tool.uv.index]]
        name = "pytorch"
        url = "{PYTORCH}/{channel}"
        explicit = true
        """)


def lock_of(*packages: tuple[str, str, str]) -> str:
    """A uv.lock of (name, version, address of the index)."""
    rows = [
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{registry}" }}\n'
        for name, version, registry in packages
    ]
    return "version = 1\n\n" + "\n".join(rows)


def adopted(
    channel: str, lock: str, *, dockerfile: str = DOCKERFILE, **options: str
) -> tuple[Adoption, Service]:
    texts = {"Dockerfile": dockerfile, "pyproject.toml": pyproject(channel, **options), "uv.lock": lock}
    draft = draft_adoption(texts, "lockmix")
    (service,) = read.read_services({"services/lockmix/service.yaml": draft.text})
    return draft, service


@pytest.mark.parametrize(
    ("channel", "companion", "torch_version", "version"),
    [
        ("cu126", "torchvision", "2.9.1+cu126", "0.24.1"),
        ("cpu", "torchaudio", "2.8.0+cpu", "2.8.0"),
        ("cu128", "torchvision", "2.8.0+cu128", "0.23.0"),
    ],
)
def test_the_lock_decides_the_channel_and_a_companion_from_elsewhere_is_named(
    channel: str, companion: str, torch_version: str, version: str
) -> None:
    lock = lock_of(("torch", torch_version, f"{PYTORCH}/{channel}"), (companion, version, PYPI))
    draft, service = adopted(channel, lock, torch=f"torch=={torch_version.partition('+')[0]}")
    assert service.variants[0].channel == channel
    assert (service.python.major, service.python.minor) == (3, 12)
    (match,) = (match for match in draft.matches if match.id == "ADO014")
    assert match.finding.location == "uv.lock:9:1"
    assert match.finding.message == (
        f"{companion} {version} comes from PyPI, and torch {torch_version} from {channel}"
    )
    assert f'`{companion} = {{ index = "pytorch" }}`' in match.finding.help
    judged = {result.check: result for result in _judge_draft(draft)}
    assert "of the wheels" not in str(judged["BAS003"].findings)


def test_a_family_of_one_index_has_no_finding() -> None:
    torch = ("torch", "2.9.1+cu126", f"{PYTORCH}/cu126")
    draft, _ = adopted("cu126", lock_of(torch, ("torchvision", "0.24.1+cu126", f"{PYTORCH}/cu126")))
    assert "ADO014" not in {match.id for match in draft.matches}
    draft, _ = adopted("cu126", lock_of(("torch", "2.9.1", PYPI), ("torchvision", "0.24.1", PYPI)))
    assert "ADO014" not in {match.id for match in draft.matches}


def test_without_a_lock_the_configured_index_decides() -> None:
    texts = {"Dockerfile": DOCKERFILE, "pyproject.toml": pyproject("cu130")}
    (service,) = read.read_services({"services/a/service.yaml": draft_adoption(texts, "a").text})
    assert service.variants[0].channel == "cu130"


def test_the_lock_s_fork_for_linux_counts() -> None:
    lock = dedent("""\
        [[package]]
        name = "torch"
        version = "2.9.1"
        source = { registry = "https://mirror.example/pypi/simple" }
        resolution-markers = ["sys_platform == 'darwin'"]
        [[package]]
        name = "torch"
        version = "2.9.1+cu128"
        source = { registry = "https://download.pytorch.org/whl/cu128" }
        resolution-markers = ["sys_platform != 'darwin'"]
        """)
    for text in (lock, "\n".join([*lock.splitlines()[5:], *lock.splitlines()[:5], ""])):
        assert adopted("cu128", text)[1].variants[0].channel == "cu128"


@pytest.mark.parametrize(
    ("python", "version"),
    [("==3.12.*", "3.12"), (">=3.11,<3.13", "3.11"), ("<3.14", "3.13"), ("<3", "")],
)
def test_the_python_of_requires_python(python: str, version: str) -> None:
    required = required_python({"project": {"requires-python": python}})
    assert required.startswith(version)
    assert bool(required) == bool(version)


@pytest.mark.parametrize("python", [">=3.9", ">=3.10,<3.13"])
def test_the_image_s_python_stays_where_it_is_allowed(python: str) -> None:
    dockerfile = DOCKERFILE.replace("COPY pyproject", "RUN apt-get install -y python3\nCOPY pyproject")
    lock = lock_of(("torch", "2.9.1+cu126", f"{PYTORCH}/cu126"))
    _, service = adopted("cu126", lock, dockerfile=dockerfile, python=python)
    assert (service.python.major, service.python.minor) == (3, 10)


def test_a_table_of_another_type_requires_no_python() -> None:
    assert required_python({"project": []}) == ""


@pytest.mark.parametrize(
    ("url", "channel"),
    [
        ("https://download.pytorch.org/whl/cu126", "cu126"),
        ("https://mirror.example/pytorch/whl/cu126/", "cu126"),
        ("https://download.pytorch.org/whl/rocm6.2.4", "rocm6.2.4"),
        ("https://download.pytorch.org/whl/xpu", "xpu"),
        ("https://download.pytorch.org/whl/nightly/cu128", "nightly/cu128"),
        ("https://download.pytorch.org/whl/test/cu130", "test/cu130"),
        ("https://pypi.jetson-ai-lab.io/jp6/cu126", "jp6/cu126"),
        ("https://pypi.jetson-ai-lab.dev/jp6/cu126/+simple/", "jp6/cu126"),
        ("https://flashinfer.ai/whl/cu126/torch2.6", ""),
        ("https://mirror.example/simple", ""),
        ("https://repo.radeon.com/rocm/manylinux/rocm-rel-6.3/", "rocm6.3"),
        ("https://rocm.nightlies.example.com/v2/gfx120X-all/", "rocm"),
        ("https://pytorch-extension.intel.com/release-whl/stable/xpu/us/", "xpu"),
        ("https://developer.download.nvidia.com/compute/redist/jp/v60/pytorch/", "jp60"),
    ],
)
def test_the_channel_of_an_index_is_its_whole_name(url: str, channel: str) -> None:
    assert index_channel(url) == channel
