"""A machine's Dockerfile mounts the secrets that it needs, and differs from the committed one in nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.dockerfile import dockerfile, instructions
from torchpin.image.secret_mounts import fit_secret_mounts, mounted_secrets

if TYPE_CHECKING:
    from support.fixture_types import Environments, Locks


def test_a_machine_that_needs_nothing_mounts_no_secret(environment: Environments, lock: Locks) -> None:
    committed = dockerfile(environment(), lock())
    fitted = fit_secret_mounts(committed, ())
    assert mounted_secrets(committed) == {"network", "ca"}
    assert mounted_secrets(fitted) == frozenset()
    without = [re.sub(r" --mount=type=secret,\S+", "", line) for line in instructions(committed)]
    assert instructions(fitted) == without


def test_a_machine_that_needs_all_builds_what_is_committed(environment: Environments, lock: Locks) -> None:
    committed = dockerfile(environment(), lock())
    assert fit_secret_mounts(committed, ("network", "ca")) == committed


def test_each_secret_counts_for_itself(environment: Environments, lock: Locks) -> None:
    assert mounted_secrets(fit_secret_mounts(dockerfile(environment(), lock()), ("network",))) == {"network"}


def test_what_is_no_secret_is_bound_out_of_the_context(environment: Environments, lock: Locks) -> None:
    committed = dockerfile(environment(), lock())
    fitted = fit_secret_mounts(committed, ("network", "ca"), ("network", "ca"))
    assert mounted_secrets(fitted) == frozenset()
    bound = "--mount=type=bind,source=machine/network,target=/run/torchpin/network"
    assert fitted.count(bound) == committed.count("type=secret,id=network")


@pytest.mark.parametrize(
    "line",
    [
        "RUN --mount=type=secret,id=token,target=/run/t cat /run/t\n",
        "RUN --mount=type=secret,id=network,target=/run/n \\\n    cat /run/n\n",
    ],
)
def test_a_mount_beside_something_else_stays(line: str) -> None:
    assert fit_secret_mounts(line, ()) == line
