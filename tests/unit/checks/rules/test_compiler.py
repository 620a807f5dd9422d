"""CMP001: a C compiler where kernels are compiled at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.base_images import environment_on
from support.checks import judge_check
from support.descriptions import PLAIN, read_service
from torchpin.description.edit import apply_changes
from torchpin.model import Environment, Layer, Run, Torch

if TYPE_CHECKING:
    from support.fixture_types import Environments
    from torchpin.checks.registry import Result

RUNTIME = "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04"
TORCH = Torch(version=Version("2.8.0"), companions={})


def check(environment: Environments, image: str = RUNTIME, **changes: Any) -> Result:
    channel = changes.pop("channel", "cu128")
    env = environment_on(environment, image, channel=channel, torch=TORCH, **changes)
    return judge_check(env, "CMP001")


def layer(*pins: str) -> tuple[Layer, ...]:
    return (Layer(name="model", packages=tuple(Requirement(pin) for pin in pins)),)


SIGNS: dict[str, dict[str, Any]] = {
    "a variable": {"run": Run(env={"ENABLE_TORCH_COMPILE": "1"})},
    "a variable of torch": {"run": Run(env={"TORCHINDUCTOR_CACHE_DIR": "/cache"})},
    "a variable of triton": {"run": Run(env={"TRITON_CACHE_DIR": "/cache"})},
    "a switch": {"run": Run(env={"COMPILE_UNET": "true"})},
    "an option": {"run": Run(command=("python", "serve.py", "--compile"))},
    "an option with words": {"run": Run(command=("python", "serve.py", "--enable-torch-compile"))},
    "an import": {"imports": ("torch", "triton")},
    "a package whose kernels are triton's": {"layers": layer("liger-kernel==0.5.2")},
    "a package that compiles models": {"layers": layer("vllm==0.11.0")},
}


@pytest.mark.parametrize("changes", SIGNS.values(), ids=SIGNS)
def test_what_shows_that_kernels_are_compiled_is_a_warning(
    changes: dict[str, Any], environment: Environments
) -> None:
    result = check(environment, **changes)
    (finding,) = result.findings
    assert (result.status, finding.level, finding.about) == ("warning", "warning", "compiler")
    assert finding.message.endswith(f", and neither {RUNTIME} nor `apt` has a C compiler")
    assert finding.help == (
        "add gcc and libc6-dev to `apt`, or set `compiles: false` under `run:` if nothing is compiled at run time"
    )


@pytest.mark.parametrize(
    "run",
    [
        Run(env={"TORCH_COMPILE_DISABLE": "1"}),
        Run(env={"ENABLE_TORCH_COMPILE": "0"}),
        Run(env={"PRECOMPILED": "1"}),
        Run(command=("serve", "--no-compile")),
        Run(command=("serve", "--compile=false")),
    ],
)
def test_what_shows_nothing_is_a_notice(run: Run, environment: Environments) -> None:
    result = check(environment, run=run)
    assert (result.status, result.findings) == ("ok", ())
    assert [notice.message for notice in result.notices] == [
        f"torch 2.8.0 brings triton, which compiles kernels, and neither {RUNTIME} nor `apt` has a C compiler"
    ]


def test_the_word_false_ends_it_whatever_the_signs(environment: Environments) -> None:
    result = check(environment, run=Run(env={"ENABLE_TORCH_COMPILE": "1"}, compiles=False))
    assert (result.status, result.notices, len(result.evidence)) == ("ok", (), 1)


def test_the_word_true_is_an_error_without_a_compiler(environment: Environments) -> None:
    result = check(environment, run=Run(compiles=True))
    assert (result.status, result.findings[0].level) == ("incompatible", "error")
    assert "add gcc and libc6-dev" in result.findings[0].help
    assert check(environment, run=Run(compiles=True), apt=("build-essential",)).status == "ok"


@pytest.mark.parametrize(
    "apt", [("build-essential",), ("gcc", "libc6-dev"), ("g++",), ("clang",), ("gcc", "python3-dev")]
)
def test_a_system_package_ends_it(apt: tuple[str, ...], environment: Environments) -> None:
    result = check(environment, run=Run(env={"ENABLE_TORCH_COMPILE": "1"}), apt=apt)
    assert (result.status, len(result.evidence)) == ("ok", 1)


def test_gcc_without_its_recommendations_has_no_headers(environment: Environments) -> None:
    (finding,) = check(environment, run=Run(compiles=True), apt=("ca-certificates", "gcc")).findings
    assert finding.message.endswith("has the headers of the C library for gcc")
    assert [change.value for change in finding.fix] == ["libc6-dev"]


def test_a_versioned_compiler_is_found_by_cc_alone(environment: Environments) -> None:
    assert check(environment, run=Run(compiles=True), apt=("g++-12",)).status == "incompatible"
    named = Run(compiles=True, env={"CC": "/usr/bin/g++-12"})
    assert check(environment, run=named, apt=("g++-12",)).status == "ok"


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", "ok"),
        ("nvcr.io/nvidia/cuda:12.8.1-devel-rockylinux9", "ok"),
        ("nvidia/cuda:12.8.1-base-ubuntu24.04", "warning"),
        ("docker.io/library/python:3.11-slim", "warning"),
        ("python:3.12.7-slim-bookworm", "warning"),
        ("python:3.11", "ok"),
        ("python:3.12-bookworm", "ok"),
        ("ubuntu:24.04", "warning"),
        ("debian:bookworm-slim", "warning"),
        ("pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime", "warning"),
        ("pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel", "ok"),
        ("pytorch/pytorch:2.11.0-cuda12.8-cudnn9-runtime", "ok"),
        ("pytorch/pytorch:2.10.0-cuda12.8-cudnn9-runtime", "unknown"),
        ("example/own:1", "unknown"),
    ],
)
def test_the_name_of_a_base_says_whether_it_has_one(
    image: str, status: str, environment: Environments
) -> None:
    assert check(environment, image, run=Run(env={"ENABLE_TORCH_COMPILE": "1"})).status == status


def test_an_unknown_base_is_no_question_where_nothing_shows_it(environment: Environments) -> None:
    assert check(environment, "example/own:1").status == "not applicable"


def test_on_a_cpu_torch_compile_needs_a_cxx_compiler(environment: Environments) -> None:
    assert check(environment, "ubuntu:22.04", channel="cpu").status == "not applicable"
    run = Run(env={"ENABLE_TORCH_COMPILE": "1"})
    (finding,) = check(environment, "ubuntu:22.04", channel="cpu", run=run, apt=("gcc", "libc6-dev")).findings
    assert finding.message.endswith("has a C++ compiler")
    assert check(environment, "ubuntu:22.04", channel="cpu", run=run, apt=("g++",)).status == "ok"


def test_packages_with_kernels_compile_none_on_a_cpu(environment: Environments) -> None:
    changes = {"channel": "cpu", "layers": layer("liger-kernel==0.5.2")}
    assert check(environment, "ubuntu:22.04", **changes).status == "not applicable"


@pytest.mark.parametrize("apt", ["", "apt: [curl]\n", "apt:\n  - curl\n"])
def test_its_edits_can_be_written_and_end_it(apt: str) -> None:
    run = 'run:\n  env: {ENABLE_TORCH_COMPILE: "1"}\n'
    text = PLAIN.replace("12.1.1-cudnn8-devel", "12.1.1-cudnn8-runtime") + apt + run

    def result(description: str) -> Result:
        service = read_service(description)
        return judge_check(Environment(service=service, variant=service.variants[0]), "CMP001")

    (finding,) = result(text).findings
    assert result(apply_changes(text, finding.fix)).status == "ok"
    word = text.replace("run:\n", "run:\n  compiles: false\n")
    assert result(word).status == "ok"


RUNTIME_WITH_INDUCTOR = """\
name: lora
summary: A model that is compiled when the service starts
python: "3.11.13"
base: {image: "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04"}
torch: {version: "2.8.0"}
variants:
  gpu: {channel: cu128, platform: linux/amd64}
layers:
  - name: model
    packages: [transformers==4.57.1]
apt: [ca-certificates, curl]
imports: [torch, triton]
run:
  env: {ENABLE_TORCH_COMPILE: "1"}
"""
SLIM_WITH_UNSLOTH = (
    RUNTIME_WITH_INDUCTOR.replace("nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04", "python:3.11-slim-bookworm")
    .replace("transformers==4.57.1", "unsloth==2025.9.1")
    .replace("imports: [torch, triton]", "imports: [torch, unsloth]")
    .replace('env: {ENABLE_TORCH_COMPILE: "1"}', "ports: [8000]")
)
PYTORCH_RUNTIME_WITH_AN_OPTION = (
    RUNTIME_WITH_INDUCTOR.replace(
        "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04", "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime"
    )
    .replace("imports: [torch, triton]", "imports: [torch]")
    .replace('env: {ENABLE_TORCH_COMPILE: "1"}', "command: [python, -m, fish_speech.server, --compile]")
)


@pytest.mark.parametrize("text", [RUNTIME_WITH_INDUCTOR, SLIM_WITH_UNSLOTH, PYTORCH_RUNTIME_WITH_AN_OPTION])
def test_kernels_without_a_compiler(text: str) -> None:
    """A warning before anything is built, which a system package or a word ends."""

    def status(description: str) -> str:
        service = read_service(description)
        return judge_check(Environment(service=service, variant=service.variants[0]), "CMP001").status

    assert status(text) == "warning"
    assert status(text.replace("apt: [", "apt: [build-essential, ")) == "ok"
    assert status(text.replace("run:\n", "run:\n  compiles: false\n")) == "ok"


def test_without_apt_get_no_package_of_it_is_proposed(environment: Environments) -> None:
    (finding,) = check(environment, "nvidia/cuda:12.8.1-base-ubi9", run=Run(compiles=True)).findings
    assert finding.help == (
        "ubi9 has no apt-get: set `image: nvidia/cuda:12.8.1-base-ubuntu22.04` and add gcc and libc6-dev to `apt`, or choose a "
        "base image with a compiler; or set `compiles: false`"
    )
    assert finding.fix == ()
    (other,) = check(environment, "fedora:42", run=Run(compiles=True)).findings
    assert "choose a base image of Debian or Ubuntu and add gcc" in other.help


def test_a_compiler_with_its_version_is_one(environment: Environments) -> None:
    apt = ("gcc=4:11.2.0-1ubuntu1", "libc6-dev=2.35-0ubuntu3")
    assert check(environment, run=Run(compiles=True), apt=apt).status == "ok"
