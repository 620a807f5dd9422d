"""The forecast of an image's bytes is held against the image that is built; a disk without room stops a build."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from support.labs import build_environment, image_tag, image_tags
from torchpin import paths
from torchpin.commands.lock import lock
from torchpin.commands.plan import own_bytes
from torchpin.queries.forecast import BaseBytes, forecast
from torchpin.tools import docker, image_sizes
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_the_forecast_is_the_image_within_five_per_cent(scratch: Repository, env: Environment) -> None:
    shutil.rmtree(scratch.root / paths.lock_folder(env.name))  # so that all wheels are read
    assert not any(outcome.code for outcome in lock(scratch, [env]))
    outcome = build_environment(scratch, env)
    assert outcome.code == 0, outcome.detail
    with docker.engine() as client:
        base = image_sizes.engine_size(client, env.base.reference)
        built = image_sizes.engine_size(client, image_tag(scratch, env))
    assert base
    assert built
    locked = workspace.read_lock(scratch, env)
    expected = forecast(env, locked, base=BaseBytes(unpacked=base), own_files=own_bytes(scratch, env))
    installed = [package for layer in locked.layers for package in layer.packages]
    assert expected.packages.exact == all(not package.is_source for package in installed)
    assert expected.image.count - base == pytest.approx(built - base, rel=0.05)
    assert expected.image.count == pytest.approx(built, rel=0.05)


def test_a_disk_without_room_stops_a_build_before_it_starts(
    scratch: Repository, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=1_000_000)
    real = image_sizes.cache_size

    def without_cache(client: Any) -> int:
        assert real(client) >= 0
        return 0

    monkeypatch.setattr(image_sizes.shutil, "disk_usage", lambda _: usage)  # type: ignore[attr-defined]
    monkeypatch.setattr(image_sizes, "cache_size", without_cache)
    outcome = build_environment(scratch, env)
    assert outcome.code == 3
    assert "has 0.0 GB; free some (`docker image prune`, `docker builder prune`)" in outcome.detail
    assert image_tags(scratch) == []
    usage.free = 10**12
    monkeypatch.setattr(image_sizes, "cache_size", real)
    assert build_environment(scratch, env).code == 0
