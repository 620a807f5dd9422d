"""The cool-down with real uv: what is younger than a cut-off is left out, named, or excepted; the channel has no times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.stub_service import CHANNELS, environment, stub
from torchpin.errors import FindingsError
from torchpin.lock import cooldown
from torchpin.lock.cooldown import CutOff
from torchpin.model import Settings
from torchpin.tools import index_server, uv_audit, uv_resolve

if TYPE_CHECKING:
    from torchpin.model import Lock
    from torchpin.tools.index_server import File

CUTOFF = CutOff(time="2026-11-19T00:00:00Z", days=7, exceptions={})


def dated(file: File, day: str) -> File:
    return replace(file, uploaded=f"2026-{day}T12:00:00.000Z")


PYPI = {
    **CHANNELS["pypi"],
    "sympy": [dated(stub("sympy", "1.13.1"), "10-01"), dated(stub("sympy", "1.14.0"), "11-24")],
    "api": [
        dated(stub("api", "1.0", "sympy>=1.13"), "10-01"),
        dated(stub("api", "1.1", "sympy>=1.14"), "11-18"),
        dated(stub("api", "1.2", "sympy>=1.13"), "11-20"),
    ],
}
INDEXES = {**CHANNELS, "pypi": PYPI}


def resolve(*pins: str, cutoff: CutOff | None = CUTOFF, pypi: str = "pypi") -> tuple[Lock, list[str]]:
    notices: list[str] = []
    with index_server.serve({**INDEXES, "undated": CHANNELS["pypi"]}) as base:
        settings = Settings(mirrors={"pypi": f"{base}/{pypi}/"})
        lock = uv_resolve.resolve(
            environment(*pins),
            settings,
            index=f"{base}/cpu/",
            published={},
            cutoff=cutoff,
            add_notice=notices.append,
        )
    return lock, notices


def test_what_is_younger_than_the_cut_off_is_left_out_but_for_the_channel() -> None:
    lock, notices = resolve("api==1.0")
    assert {name: package.version for name, package in lock.packages.items()} == {
        "torch": "2.5.1+cpu",
        "sympy": "1.13.1",
        "api": "1.0",
    }
    assert (cooldown.recorded_cutoff(lock), notices) == (CUTOFF.time, [])


def test_a_pin_that_is_too_young_is_refused_with_the_day_it_is_allowed() -> None:
    with pytest.raises(
        FindingsError,
        match=r"\n    .*: api 1\.2 was published on 2026-11-20; it is allowed from 2026-11-28\n",
    ):
        resolve("api==1.2")


def test_what_a_pin_requires_is_named_where_it_is_too_young() -> None:
    with pytest.raises(
        FindingsError,
        match=r"\n    sympy 1\.14\.0 was published on 2026-11-24; it is allowed from 2026-12-02\n",
    ):
        resolve("api==1.1")


def test_an_exception_need_not_wait_and_is_told() -> None:
    lock, notices = resolve("api==1.1", cutoff=replace(CUTOFF, exceptions={"sympy": "a fix"}))
    assert lock.packages["sympy"].version == "1.14.0"
    assert {*notices} == {"sympy 1.14.0, published on 2026-11-24 (a fix)"}


def test_an_index_without_times_is_named_by_its_packages() -> None:
    with pytest.raises(
        FindingsError, match=r"api 1\.0 has no time of publication on its index.*\n.*sympy 1\.14"
    ):
        resolve("api==1.0", pypi="undated")


def test_the_newest_versions_are_those_before_the_cut_off() -> None:
    env = environment("api==1.0")
    with index_server.serve(INDEXES) as base:
        settings = Settings(mirrors={"pypi": f"{base}/pypi/"})
        requests = {env.name: (env, ["api"])}
        newest = [uv_audit.newest_versions(requests, settings, cutoff)[env.name] for cutoff in (None, CUTOFF)]
    assert newest == [{"api": "1.2"}, {"api": "1.1"}]
