"""Build commands, mirrored base images, secrets, and the message of a failed build."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.image.build_log import Failure
from torchpin.model import Base, Settings
from torchpin.tools import builders, buildx, credentials

if TYPE_CHECKING:
    from support.fixture_types import Environments

DIGEST = "sha256:" + "0f" * 32
CONTEXT = Path("/build/context")
PLAIN = (
    *("docker", "buildx", "build", "--progress", "plain", "--platform", "linux/amd64"),
    *("--file", "/build/context/Dockerfile", "--provenance", "false"),
    *("--build-arg", "SOURCE_DATE_EPOCH=1748995200"),
)
TIMES = buildx.Times(epoch=1748995200)


def test_the_least_build_command() -> None:
    command = buildx.build_command(
        CONTEXT, platform="linux/amd64", tags=(), labels={}, secrets={}, contexts={}, times=TIMES
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
        times=TIMES,
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


def test_a_builder_that_can_sets_the_times_in_all_layers() -> None:
    command = buildx.build_command(
        CONTEXT,
        platform="linux/amd64",
        tags=(),
        labels={},
        secrets={},
        contexts={},
        times=replace(TIMES, rewritten=True),
    )
    assert command == (*PLAIN, "--output", "type=docker,rewrite-timestamp=true", "/build/context")


def test_attestations_are_passed_on_and_provenance_is_off_without() -> None:
    attestations = buildx.Attestations(sbom="generator=registry.local/scanner", provenance="mode=max")
    command = buildx.build_command(
        CONTEXT,
        platform="linux/amd64",
        tags=(),
        labels={},
        secrets={},
        contexts={},
        times=TIMES,
        attestations=attestations,
    )
    assert "--provenance mode=max --sbom generator=registry.local/scanner " in shlex.join(command)


def test_the_default_network_is_not_named() -> None:
    command = buildx.build_command(
        CONTEXT,
        platform="linux/arm64",
        tags=(),
        labels={},
        secrets={},
        contexts={},
        times=TIMES,
        network="none",
    )
    assert command[-4:] == ("--network", "none", "--load", "/build/context")


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


def test_a_failed_build_says_step_last_lines_remedy_and_log() -> None:
    failure = Failure(step="layer 00-torch", lines=("a", "  b"), help="remove images that you do not need")
    assert buildx.failure_message(failure, Path("/repo/.torchpin/logs/x.log")) == (
        "the build failed at layer 00-torch; nothing was tagged or recorded\n"
        "    a\n"
        "      b\n"
        "help: remove images that you do not need\n"
        "log: /repo/.torchpin/logs/x.log"
    )


def test_a_failed_build_without_a_known_remedy_says_none() -> None:
    message = buildx.failure_message(Failure(step="the build", lines=("a",)), Path("x.log"))
    assert message == "the build failed at the build; nothing was tagged or recorded\n    a\nlog: x.log"
    assert "help:" not in message


def test_a_build_gets_what_this_machine_has_to_get_in_at_a_mirror_as_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine corp.example login reader password a/b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    credentials._authorization.cache_clear()
    with buildx.secret_files(Settings(mirrors={"pypi": "https://corp.example/simple"})) as secrets:
        assert (
            "export TORCHPIN_MIRROR_PYPI=https://reader:a%2Fb@corp.example/simple\n"
            in secrets["network"].read_text()
        )
        assert secrets["network"].stat().st_mode & 0o777 == 0o600
    credentials._authorization.cache_clear()


MOUNTED = "RUN a \\\n    --mount=type=secret,id=network,target=/n \\\n    b\n"


@pytest.mark.parametrize(
    ("script", "hashes", "secrets", "files"),
    [
        ("export TORCHPIN_MIRROR_PYPI=https://mirror.example/simple\n", False, ["network"], []),
        ("export TORCHPIN_MIRROR_PYPI=https://mirror.example/simple\n", True, [], ["network"]),
        ("export TORCHPIN_MIRROR_PYPI=https://user:S3CRET@mirror.example/simple\n", True, ["network"], []),
    ],
)
def test_credentials_are_a_secret_everywhere_and_addresses_where_that_costs_nothing(
    tmp_path: Path, script: str, secrets: list[str], files: list[str], *, hashes: bool
) -> None:
    path = tmp_path / "network"
    path.write_text(script)
    machine = buildx.fit_machine(MOUNTED, {"network": path}, hashes=hashes)
    assert ([*machine.secrets], [*machine.files]) == (secrets, files)
    assert ("type=secret" in machine.dockerfile) == bool(secrets)
    assert ("source=machine/network," in machine.dockerfile) == bool(files)


def test_a_machine_without_secrets_mounts_none() -> None:
    machine = buildx.fit_machine(MOUNTED, {}, hashes=True)
    assert (machine.dockerfile, machine.secrets, machine.files) == ("RUN a \\\n    b\n", {}, {})


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("25.0.5", False), ("26.0.0", True), ("26.1.5+dfsg1", True), ("27.1.2", True), ("27.2.0", False),
        ("28.0", False), ("dev", False), ("", False),
    ],
)  # fmt: skip
def test_engines_that_hash_an_image_for_its_secrets_are_known(version: str, *, expected: bool) -> None:
    assert builders.is_hashing_version(version) is expected


def test_kept_downloads_are_an_argument_of_the_build() -> None:
    def words(*, keep_downloads: bool) -> tuple[str, ...]:
        return buildx.build_command(
            CONTEXT, platform="linux/amd64", tags=(), labels={}, secrets={}, contexts={}, times=TIMES,
            keep_downloads=keep_downloads,
        )  # fmt: skip

    assert "KEEP_DOWNLOADS=1" in words(keep_downloads=True)
    assert "KEEP_DOWNLOADS=1" not in words(keep_downloads=False)


def test_layers_are_compressed_by_zstd_where_the_engine_keeps_them_compressed() -> None:
    def end(compression: str, times: buildx.Times = TIMES) -> tuple[str, ...]:
        command = buildx.build_command(
            CONTEXT, platform="linux/amd64", tags=(), labels={}, secrets={}, contexts={}, times=times,
            compression=compression,
        )  # fmt: skip
        return command[-3:-1]

    assert end("zstd") == ("--output", "type=docker,compression=zstd")
    assert end("")[-1] == "--load"
    # a builder in a container hands over an archive
    assert end("zstd", replace(TIMES, rewritten=True)) == ("--output", "type=docker,rewrite-timestamp=true")
