"""Services from public reports whose wheels do not fit, each beside one that is right: what the judge says with a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.checks import judge_check
from support.small_service import read_environment
from support.wheels import BITSANDBYTES, ONNXRUNTIME_GPU, in_extra, shared, with_wheels
from torchpin.lock.layers import split_layers
from torchpin.model import Lock, WheelContents

if TYPE_CHECKING:
    from support.fixture_types import Artifacts
    from torchpin.checks.registry import Result
    from torchpin.model import Environment

DESCRIPTION = """\
name: lora
summary: A model behind an HTTP server
python: "3.12.11"
base:
  image: {image}
  rationale: The wheels bring CUDA.
torch:
  version: "{torch}"
  companions: {{}}
gpus: [A100]
variants:
  gpu: {{channel: {channel}, platform: linux/amd64}}
layers:
  - name: model
    packages: [{packages}]
imports: [torch]
"""
CUDA12 = "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04"
UBUNTU22 = "ubuntu:22.04"


def service(*packages: str, channel: str = "cu128", image: str = CUDA12, torch: str = "2.8.0") -> Environment:
    values = {"image": image, "channel": channel, "torch": torch, "packages": ", ".join(packages)}
    return read_environment(DESCRIPTION.format(**values))


def judge(
    artifact: Artifacts, env: Environment, check: str, *libraries: tuple[str, str], **wheels: dict[str, Any]
) -> Result:
    """A check's result with a lock of the pins and of these libraries, with the contents of wheels by package."""
    pins = [
        (package.name, str(package.specifier).removeprefix("=="))
        for package in env.service.layers[0].packages
    ]
    torch = ("torch", f"{env.service.torch.version}+{env.variant.channel}")
    packages = [artifact(name, version, by=("lora",)) for name, version in (torch, *pins, *libraries)]
    contents = tuple(
        WheelContents(name=file.name, version=file.version, sha256=file.sha256, installs=(file.name,))
        for file in packages
    )
    lock = Lock(layers=split_layers(env, packages, uv="0.13.9")[0], wheels=contents)
    return judge_check(env, check, with_wheels(lock, **wheels))


def requires(*requirements: str) -> dict[str, Any]:
    return {"requires": requirements}


EXTRAS = {version: requires(*in_extra("cuda", *names)) for version, names in ONNXRUNTIME_GPU.items()}
OTHER_MAJOR = [
    (service("onnxruntime-gpu==1.27.0"), {"onnxruntime_gpu": EXTRAS["1.27.0"]}, "onnxruntime-gpu", 13),
    (service("onnxruntime-gpu==1.22.0"), {"onnxruntime_gpu": EXTRAS["1.22.0"]}, "onnxruntime-gpu", 0),
    (service("onnxruntime-gpu==1.22.0", channel="cu130", torch="2.9.1", image=UBUNTU22),
     {"onnxruntime_gpu": EXTRAS["1.22.0"]}, "onnxruntime-gpu", 12),
    # cupy: the name alone
    (service("cupy-cuda12x==13.6.0", channel="cu130", torch="2.9.1", image=UBUNTU22), {}, "cupy-cuda12x", 12),
    (service("cupy-cuda12x==13.6.0", channel="cu126", torch="2.9.1", image=UBUNTU22), {}, "cupy-cuda12x", 0),
    # jax: the plugin's extra was not installed
    (service("jax-cuda13-plugin==0.12.0.1"),
     {"jax_cuda13_plugin": requires(*in_extra("with-cuda", "nvidia-cuda-runtime>=13.0.48"))}, "jax-cuda13-plugin", 13),
    (service("jax-cuda12-plugin==0.12.0.1"),
     {"jax_cuda12_plugin": requires(*in_extra("with-cuda", "nvidia-cuda-runtime-cu12>=12.1.105"))}, "jax-cuda12-plugin", 0),
]  # fmt: skip


@pytest.mark.parametrize(("env", "wheels", "about", "major"), OTHER_MAJOR)
def test_extension_of_another_cuda_major(
    env: Environment, wheels: dict[str, Any], about: str, major: int, artifact: Artifacts
) -> None:
    result = judge(artifact, env, "ABI002", **wheels)
    if not major:
        assert (result.status, result.findings) == ("ok", ())
        return
    (finding,) = result.findings
    assert finding.about == about
    assert f"is built for CUDA {major}" in finding.message
    if env.service.layers[0].packages[0].name == "onnxruntime-gpu" and major > 12:
        assert "onnxruntime-gpu==1.26.0" in finding.help


@pytest.mark.parametrize(
    ("pin", "channel", "libraries", "fits"),
    [
        ("bitsandbytes==0.46.0", "cu129", BITSANDBYTES["0.46.0"], False),
        ("bitsandbytes==0.46.1", "cu129", BITSANDBYTES["0.46.1"], True),
        ("bitsandbytes==0.46.0", "cu128", BITSANDBYTES["0.46.0"], True),
        # others, as a wheel with folders or files for majors names them
        ("fused-kernels==2.0", "cu128", ("11.8", "11.9"), False),
        ("fused-kernels==2.1", "cu128", ("11.8", "12.8"), True),
        ("quant-kernels==1.0", "cu128", ("10", "11"), False),
        ("quant-kernels==1.1", "cu128", ("11", "12"), True),
    ],
)
def test_library_per_cuda_version(
    pin: str, channel: str, libraries: tuple[str, ...], fits: bool, artifact: Artifacts
) -> None:
    name = pin.partition("==")[0]
    env = service(pin, channel=channel, image=UBUNTU22)
    result = judge(artifact, env, "ABI003", **{name.replace("-", "_"): {"cuda_libraries": libraries}})
    assert result.status == ("ok" if fits else "incompatible")
    if name == "bitsandbytes" and not fits:
        assert "bitsandbytes==0.46.1" in result.findings[0].help


TWO_OWNERS = [
    (("onnxruntime==1.22.1", "onnxruntime-gpu==1.22.0"),
     {"onnxruntime_gpu": {"shares": shared("onnxruntime", 4)}}, "onnxruntime-gpu"),
    (("onnxruntime-gpu==1.22.0",), {}, ""),
    (("faiss-cpu==1.11.0", "faiss-gpu-cu12==1.11.0"),
     {"faiss_gpu_cu12": {"shares": shared("faiss-cpu", 2, "faiss/loader.py")}}, "faiss-gpu-cu12"),
    (("faiss-gpu-cu12==1.11.0",), {}, ""),
    (("psycopg2==2.9.13", "psycopg2-binary==2.9.13"),
     {"psycopg2_binary": {"shares": shared("psycopg2", 10, "psycopg2/__init__.py")}}, "psycopg2"),
    # transformer-engine and its library have 222 files in common, all with the same bytes
    (("transformer-engine==2.20.2", "transformer-engine-cu12==2.20.2"),
     {"transformer_engine": {"installs": ("transformer_engine",)},
      "transformer_engine_cu12": {"installs": ("transformer_engine",)}}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("pins", "wheels", "kept"), TWO_OWNERS)
def test_two_runtimes_one_folder(
    pins: tuple[str, ...], wheels: dict[str, Any], kept: str, artifact: Artifacts
) -> None:
    result = judge(artifact, service(*pins), "DEP004", **wheels)
    assert result.unknown == ()
    if not kept:
        assert (result.status, result.findings) == ("ok", ())
        return
    (finding,) = result.findings
    assert finding.help.endswith(f"; {kept} stays installed")
    assert all(pin.partition("==")[0] in finding.message for pin in pins)


@pytest.mark.parametrize(
    ("image", "torch", "status"),
    [
        ("nvidia/cuda:12.8.1-cudnn-devel-ubuntu20.04", "2.8.0", "incompatible"),
        ("nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", "2.8.0", "ok"),
        ("debian:bullseye-slim", "2.7.1", "incompatible"),
        ("debian:bookworm-slim", "2.7.1", "ok"),
        ("ubuntu:20.04", "2.6.0", "incompatible"),
        ("ubuntu:24.04", "2.6.0", "ok"),
    ],
)
def test_wheel_newer_than_the_distribution(image: str, torch: str, status: str) -> None:
    channel = "cu126" if torch == "2.6.0" else "cu128"
    result = judge_check(service("flash-attn==2.8.3", image=image, torch=torch, channel=channel), "ABI001")
    assert result.status == status
    assert all("glibc" in finding.message for finding in result.findings)
