"""`--recorded` says which releases the index snapshots can lock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.descriptions import PLAIN, read_service
from torchpin.commands.recorded_index import require_recorded
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.tools.index_server import File

if TYPE_CHECKING:
    from torchpin.model import Environment


def described(torch: str) -> Environment:
    (env,) = select_environments([read_service(PLAIN)])
    family = replace(env.service.torch, version=Version(torch), companions={})
    return replace(env, service=replace(env.service, torch=family))


def wheel(version: str, *, machine: str = "x86_64", metadata: str | None = "Name: torch\n") -> File:
    name = f"torch-{version}%2Bcu121".replace("%2B", "+")
    return File(filename=f"{name}-cp310-cp310-linux_{machine}.whl", sha256=None, metadata=metadata)


FILES = {
    "torch": (
        wheel("2.4.1"),
        wheel("2.5.1"),
        wheel("2.5.0", metadata=None),
        wheel("2.3.1", machine="aarch64"),
    )
}


def test_a_release_that_is_recorded_with_its_dependencies_can_be_locked() -> None:
    require_recorded(described("2.5.1"), FILES)


@pytest.mark.parametrize(
    ("torch", "state"),
    [
        ("2.5.0", "torch 2.5.0 is recorded without its dependencies"),
        ("2.9.0", "torch 2.9.0 is not recorded"),
        ("2.3.1", "torch 2.3.1 is not recorded"),  # for another machine it is
    ],
)
def test_one_that_is_not_is_refused_with_those_that_are(torch: str, state: str) -> None:
    with pytest.raises(InputError) as raised:
        require_recorded(described(torch), FILES)
    first, problem, advice = str(raised.value).splitlines()
    assert first.startswith("the index snapshot of cu121 of 20")
    assert first.endswith(" does not have what lora-gpu needs")
    assert problem == f"{state}; recorded with dependencies: 2.4.1, 2.5.1"
    assert advice.startswith("lock without `--recorded`")


def test_a_channel_whose_snapshot_has_none_says_so() -> None:
    with pytest.raises(InputError, match=r"torch 2\.5\.1 is not recorded; recorded with dependencies: none"):
        require_recorded(described("2.5.1"), {})
