"""Image names, and the command that runs a container."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from docker.errors import DockerException
from requests import ConnectionError, ReadTimeout  # noqa: A004 - requests' own name
from urllib3.exceptions import ProtocolError

from torchpin.model import Run, Settings
from torchpin.tools import docker

if TYPE_CHECKING:
    from support.fixture_types import Environments


@pytest.mark.parametrize(
    ("registry", "prefix", "expected"),
    [
        ("", "torchpin", "torchpin/lora-gpu"),
        ("ghcr.io/name", "torchpin", "ghcr.io/name/torchpin/lora-gpu"),
        ("registry.local:5000/", "torchpin", "registry.local:5000/torchpin/lora-gpu"),
        ("", "torchpin-lab/12-34", "torchpin-lab/12-34/lora-gpu"),
        ("", "", "lora-gpu"),
    ],
)
def test_an_image_s_name_is_registry_prefix_and_environment(
    registry: str, prefix: str, expected: str, environment: Environments
) -> None:
    assert docker.image_repository(environment(), Settings(registry=registry), prefix=prefix) == expected


SERVICE_RUN = Run(
    command=("python", "app.py"),
    env=MappingProxyType({"TZ": "UTC"}),
    ports=(7860, 8000),
    volumes=("/workspace", "/app/logs"),
)


def test_the_least_run_command(environment: Environments) -> None:
    command = docker.run_command(
        environment(), "torchpin/lora-gpu:0123", command=(), gpus=False, terminal=False
    )
    assert command == (
        "docker", "run", "--rm", "--name", "lora-gpu", "--platform", "linux/amd64", "torchpin/lora-gpu:0123",
    )  # fmt: skip


def test_the_whole_run_command(environment: Environments) -> None:
    env = environment(run=SERVICE_RUN)
    command = docker.run_command(
        env, "torchpin/lora-gpu:0123", command=("bash", "-l"), gpus=True, terminal=True
    )
    assert command == (
        *("docker", "run", "--rm", "--name", "lora-gpu", "--interactive", "--tty"),
        *("--publish", "7860:7860", "--publish", "8000:8000"),
        *("--volume", "lora-gpu-workspace:/workspace", "--volume", "lora-gpu-app-logs:/app/logs"),
        *("--gpus", "all", "--platform", "linux/amd64", "torchpin/lora-gpu:0123", "bash", "-l"),
    )


def test_memory_variables_and_secrets_are_in_the_run_command_as_files(environment: Environments) -> None:
    env = environment(run=Run(shm_size="8GB", ipc="private"))
    files = docker.RunFiles(env_files=(Path("/r/.env"),), secrets={"HF_TOKEN": Path("/t/HF_TOKEN")})
    command = docker.run_command(env, "image", command=(), gpus=False, terminal=False, run_files=files)
    assert command == (
        *("docker", "run", "--rm", "--name", "lora-gpu", "--env-file", "/r/.env"),
        *("--mount", "type=bind,source=/t/HF_TOKEN,target=/run/secrets/HF_TOKEN,readonly"),
        *("--shm-size", "8GB", "--ipc", "private", "--platform", "linux/amd64", "image"),
    )


@pytest.mark.parametrize(
    ("channel", "gpus_present", "gpus_requested"),
    [("cu121", True, True), ("cu121", False, False), ("cpu", True, False), ("cpu", False, False), ("pypi", True, True)],
)  # fmt: skip
def test_gpus_are_asked_for_only_where_there_are_some_and_torch_can_use_them(
    environment: Environments, channel: str, *, gpus_present: bool, gpus_requested: bool
) -> None:
    env = environment(channel=channel)
    command = docker.run_command(env, "image", command=(), gpus=gpus_present, terminal=False)
    assert ("--gpus" in command) is gpus_requested


def test_a_container_of_another_platform_says_which(environment: Environments) -> None:
    env = environment(platform="linux/arm64", variant="arm64", channel="cpu")
    command = docker.run_command(env, "image", command=(), gpus=True, terminal=False)
    assert command == ("docker", "run", "--rm", "--name", "lora-arm64", "--platform", "linux/arm64", "image")


def test_variants_of_one_service_share_no_volume(environment: Environments) -> None:
    names = {
        docker.run_command(environment(run=SERVICE_RUN, variant=name), "i", command=(), gpus=False, terminal=False)[10]
        for name in ("gpu", "cpu")
    }  # fmt: skip
    assert names == {"lora-gpu-workspace:/workspace", "lora-cpu-workspace:/workspace"}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))), "connection reset by peer"),
        (ReadTimeout("HTTPConnectionPool(host='localhost', port=None): Read timed out."), "it did not answer within 120 s"),
        (DockerException("pull https://u:S3CRET@a/x \x1b[31mfailed\nmore"), "pull https://a/x  [31mfailed"),
        (DockerException(""), "DockerException"),
    ],
)  # fmt: skip
def test_an_error_of_the_engine_is_one_line_without_what_libraries_wrap_it_in(
    error: Exception, message: str
) -> None:
    assert docker.short_message(error) == message
