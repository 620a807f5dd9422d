"""Labels that depend on more than the Dockerfile: they tell the sources, hold no secret, and are not in the image key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from torchpin.commands.build import parse_attestations
from torchpin.errors import InputError
from torchpin.image.labels import image_labels, public_address
from torchpin.model import Base, LicenseStatement, Torch
from torchpin.tools.buildx import Attestations

if TYPE_CHECKING:
    from support.fixture_types import Environments, Locks

DIGEST = "sha256:" + "0f" * 32
MIT = LicenseStatement(name="a", version="1", sha256="ab" * 32, expression="MIT")


def test_an_image_says_what_it_was_built_from(environment: Environments, lock: Locks) -> None:
    env = environment(base=Base(image="nvidia/cuda:12.1", digest=DIGEST))
    licensed = replace(lock(env), licenses=(MIT,))
    labels = image_labels(
        env,
        licensed,
        sbom_digest="sha256:1",
        origin="https://user:token@github.com/o/r.git",
        revision="1e" * 20,
    )
    assert labels == {
        "org.opencontainers.image.source": "https://github.com/o/r.git",
        "org.opencontainers.image.revision": "1e" * 20,
        "org.opencontainers.image.base.name": "docker.io/nvidia/cuda:12.1",
        "org.opencontainers.image.base.digest": DIGEST,
        "org.opencontainers.image.licenses": "MIT",
        "io.torchpin.sbom": "sha256:1",
        "io.torchpin.torch": "2.5.1+cu121",
        "io.torchpin.cuda": "12.1",
        "io.torchpin.python": "3.10.14",
        "io.torchpin.archs": "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
        "io.torchpin.driver": "525",
    }


def test_what_is_not_known_has_no_label(environment: Environments, lock: Locks) -> None:
    torch = Torch(version=Version("9.9.9"), companions={})
    env = environment(base=Base(image="python:3.10"), torch=torch, channel="cpu")
    assert image_labels(env, lock(env), sbom_digest="sha256:1") == {
        "org.opencontainers.image.base.name": "docker.io/library/python:3.10",
        "io.torchpin.sbom": "sha256:1",
        "io.torchpin.torch": "9.9.9+cpu",
        "io.torchpin.python": "3.10.14",
    }


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("git@github.com:o/r.git", "ssh://github.com/o/r.git"),
        ("github.com:o/r.git", "ssh://github.com/o/r.git"),
        ("ssh://git:secret@git.example:22/r?token=x", "ssh://git.example:22/r"),
        ("https://x-access-token:secret@github.com/o/r", "https://github.com/o/r"),
        ("/home/me/r", ""),
        ("../r", ""),
        ("file:///home/me/r", ""),
        ("", ""),
    ],
)
def test_an_address_has_no_user_and_no_folder_of_this_machine(address: str, public: str) -> None:
    assert public_address(address) == public


@pytest.mark.parametrize(
    ("sbom", "provenance", "attestations"),
    [
        ("", "", Attestations()),
        (True, True, Attestations(sbom="true", provenance="mode=min")),
        ("generator=registry.local/scanner:1", "max", Attestations(sbom="generator=registry.local/scanner:1", provenance="mode=max")),
    ],
)  # fmt: skip
def test_attestations_are_named_as_buildx_takes_them(
    sbom: str | bool, provenance: str | bool, attestations: Attestations
) -> None:
    assert parse_attestations(sbom, provenance) == attestations


@pytest.mark.parametrize(
    ("sbom", "provenance"), [("yes", ""), ("generator=a,b", ""), ("", "mode=max"), ("", "x")]
)
def test_an_attestation_that_buildx_does_not_have_is_an_error(sbom: str, provenance: str) -> None:
    with pytest.raises(InputError, match=r"^--(sbom|provenance) must have no value, or "):
        parse_attestations(sbom, provenance)
