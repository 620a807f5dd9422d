"""What is said to Docker: commands, contexts, secrets and names; no engine is asked here."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.image.build_log import Failure
from torchpin.model import Base, Environment, Run, Settings
from torchpin.tools import buildx, docker

if TYPE_CHECKING:
    from collections.abc import Callable

    Environments = Callable[..., Environment]

DIGEST = "sha256:" + "0f" * 32
CONTEXT = Path("/build/context")
PLAIN = (
    *("docker", "buildx", "build", "--progress", "plain", "--platform", "linux/amd64"),
    *("--file", "/build/context/Dockerfile", "--provenance", "false"),
)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_least_build_command() -> None:
    command = buildx.build_command(
        CONTEXT, platform="linux/amd64", tags=(), labels={}, secrets={}, contexts={}
    )
    assert command == (*PLAIN, "--load", "/build/context")


def test_the_whole_build_command() -> None:
    command = buildx.build_command(
        CONTEXT,
        platform="linux/amd64",
        tags=("torchpin/lora-gpu:0123", "torchpin/lora-gpu:latest"),
        labels={"io.torchpin.key": "0123", "a": "b c"},
        secrets={"network": Path("/tmp/y/network"), "ca": Path("/etc/ca.crt")},
        contexts={"nvidia/cuda:12.1.1": "docker-image://registry.local/hub/nvidia/cuda:12.1.1"},
        network="host",
        no_cache=True,
        builder="mine",
    )
    assert command == (
        *PLAIN,
        *("--tag", "torchpin/lora-gpu:0123", "--tag", "torchpin/lora-gpu:latest"),
        *("--label", "a=b c", "--label", "io.torchpin.key=0123"),
        *("--secret", "id=ca,src=/etc/ca.crt", "--secret", "id=network,src=/tmp/y/network"),
        *("--build-context", "nvidia/cuda:12.1.1=docker-image://registry.local/hub/nvidia/cuda:12.1.1"),
        *("--network", "host", "--builder", "mine", "--no-cache", "--load", "/build/context"),
    )


def test_the_default_network_is_not_named() -> None:
    command = buildx.build_command(
        CONTEXT, platform="linux/arm64", tags=(), labels={}, secrets={}, contexts={}, network="none"
    )
    assert command[-4:] == ("--network", "none", "--load", "/build/context")


# --- mirrors of bases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "digest", "mirrors", "expected"),
    [
        ("nvidia/cuda:12.1.1", None, {}, {}),
        ("nvidia/cuda:12.1.1", None, {"ghcr.io": "registry.local"}, {}),
        ("ghcr.io/owner/base:1", None, {"docker.io": "registry.local"}, {}),
        (
            "nvidia/cuda:12.1.1",
            None,
            {"docker.io": "registry.local/hub"},
            {"nvidia/cuda:12.1.1": "docker-image://registry.local/hub/nvidia/cuda:12.1.1"},
        ),
        (
            "nvidia/cuda:12.1.1",
            DIGEST,
            {"docker.io": "registry.local/hub/"},
            {f"nvidia/cuda:12.1.1@{DIGEST}": f"docker-image://registry.local/hub/nvidia/cuda:12.1.1@{DIGEST}"},
        ),
        (
            "docker.io/nvidia/cuda:12.1.1",
            None,
            {"docker.io": "registry.local/hub"},
            {"docker.io/nvidia/cuda:12.1.1": "docker-image://registry.local/hub/nvidia/cuda:12.1.1"},
        ),
        (
            "ghcr.io/owner/base:1",
            DIGEST,
            {"ghcr.io": "registry.local:5000"},
            {f"ghcr.io/owner/base:1@{DIGEST}": f"docker-image://registry.local:5000/owner/base:1@{DIGEST}"},
        ),
        (
            "registry.local:5000/base:1",
            None,
            {"registry.local:5000": "other.local"},
            {"registry.local:5000/base:1": "docker-image://other.local/base:1"},
        ),
        (
            "debian:12",
            None,
            {"docker.io": "registry.local/hub"},
            {"debian:12": "docker-image://registry.local/hub/library/debian:12"},
        ),
    ],
    ids=[
        "no mirror", "a mirror of another registry", "a registry without a mirror", "docker.io", "a digest and a slash",
        "docker.io by name", "another registry", "a registry with a port", "an official image",
    ],
)  # fmt: skip
def test_a_base_is_replaced_by_its_mirror_s(
    image: str, digest: str | None, mirrors: dict[str, str], expected: dict[str, str], environment: Environments
) -> None:  # fmt: skip
    env = environment(base=Base(image=image, digest=digest))
    assert buildx.base_contexts(env, Settings(mirrors=mirrors)) == expected


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_build_without_mirrors_and_certificates_needs_no_secret() -> None:
    assert buildx.network_script(Settings(), ca=False).strip() == ""


def test_mirrors_are_exported_by_their_variables() -> None:
    settings = Settings(
        mirrors={"sd-scripts": "file:///srv/a.git", "cu121": "https://mirror.example/whl/cu121"}
    )
    assert buildx.network_script(settings, ca=True) == (
        "export TORCHPIN_MIRROR_CU121=https://mirror.example/whl/cu121\n"
        "export TORCHPIN_MIRROR_SD_SCRIPTS=file:///srv/a.git\n"
        "export SSL_CERT_FILE=/run/torchpin/ca.crt\n"
    )  # fmt: skip


@given(st.text(st.characters(exclude_characters="\x00", codec="utf-8")))
def test_no_address_can_break_out_of_its_shell_line(address: str) -> None:
    script = buildx.network_script(Settings(mirrors={"pypi": address}), ca=False)
    assert shlex.split(script) == ["export", f"TORCHPIN_MIRROR_PYPI={address}"]


def test_an_address_with_a_quote_is_one_word() -> None:
    settings = Settings(mirrors={"pypi": "https://x'; touch /tmp/broken; '"})
    assert buildx.network_script(settings, ca=False) == (
        "export TORCHPIN_MIRROR_PYPI='https://x'\"'\"'; touch /tmp/broken; '\"'\"''\n"
    )


# --- names and words -------------------------------------------------------------------------------------------------


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


def test_a_failed_build_says_step_last_lines_remedy_and_log() -> None:
    failure = Failure(step="layer 00-torch", lines=("a", "  b"), help="It is full. Make room.")
    assert buildx.failure_message(failure, Path("/repo/.torchpin/logs/x.log")) == (
        "The build failed at layer 00-torch; nothing was tagged or recorded.\n"
        "    a\n"
        "      b\n"
        "What helps: It is full. Make room.\n"
        "The whole log: /repo/.torchpin/logs/x.log"
    )


def test_a_failed_build_without_a_known_remedy_says_none() -> None:
    message = buildx.failure_message(Failure(step="the build", lines=("a",)), Path("x.log"))
    assert (
        message
        == "The build failed at the build; nothing was tagged or recorded.\n    a\nThe whole log: x.log"
    )
    assert "What helps" not in message


# --- the running container -------------------------------------------------------------------------------------------

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
