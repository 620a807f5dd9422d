"""The bytes of an image follow from its lock: layers, what updates push, and what two images share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.errors import InputError
from torchpin.model import Base, WheelContents
from torchpin.queries.forecast import UNPACKED_RATIO, BaseBytes, Bytes, Forecast, forecast, layer_bytes
from torchpin.queries.forecast_text import (
    LAYER_HEADERS,
    Line,
    forecast_document,
    forecast_lines,
    layer_rows,
    parse_line,
)

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Lock

MB = 1_000_000
SIZES = {
    "torch": 900 * MB,
    "torchvision": 7 * MB,
    "nvidia-cudnn-cu12": 600 * MB,
    "tqdm": 80_000,
    "scipy": 40 * MB,
}


@pytest.fixture
def locked(artifact: Artifacts, lock: Locks) -> Any:
    """A lock of wheels with sizes, each its own hash; unpacked they have three times their bytes, as far as known."""

    def build(env: Environment, *, known: bool = True, moved: str = "") -> Lock:
        packages = [
            artifact(
                name,
                "1.0",
                by=("torch",) if name.startswith("nvidia") else (env.service.name,),
                size=size,
                sha256=f"{number + (50 if name == moved else 0):064x}",
            )
            for number, (name, size) in enumerate(SIZES.items())
        ]
        locked = lock(env, *packages)
        wheels = tuple(
            WheelContents(
                name=package.name,
                version=package.version,
                sha256=package.sha256,
                installs=(package.name,),
                unpacked=3 * (package.size or 0) if known else 0,
            )
            for package in packages
        )
        return replace(locked, wheels=wheels)

    return build


def forecast_of(env: Environment, lock: Lock, **options: Any) -> Forecast:
    return forecast(env, lock, **{"base": BaseBytes(), "own_files": 0, **options})


def test_layers_sum_to_the_image(environment: Environments, locked: Any) -> None:
    env = environment()
    total = sum(SIZES.values())
    result = forecast_of(env, locked(env), base=BaseBytes(download=10, unpacked=20), own_files=3)
    assert result.download == Bytes(count=total + 10)
    assert result.packages == Bytes(count=3 * total)
    assert result.image == Bytes(count=3 * total + 23)
    assert result.peak == Bytes(count=3 * total + 23 + 900 * MB)
    assert [layer.place for layer in result.layers][:2] == ["torch", "libraries"]
    assert result.largest[0] == ("torch", Bytes(count=2700 * MB))
    assert result.unknown == ("Python 3.10.14, unless the base image has it",)


def test_what_the_lock_does_not_say_is_estimated_and_said_so(environment: Environments, locked: Any) -> None:
    env = environment(apt=("git",))
    result = forecast_of(env, locked(env, known=False))
    assert not result.packages.exact
    assert result.packages.count == sum(round(size * UNPACKED_RATIO) for size in SIZES.values())
    assert result.download.exact
    assert result.unknown[0] == f"the base image {env.base.reference}"
    assert "1 system packages with what they require" in result.unknown


def test_an_update_pushes_the_layers_whose_content_moves(environment: Environments, locked: Any) -> None:
    env = environment()
    result = forecast_of(env, locked(env), own_files=5)
    pushes = {push.kind: push.download for push in result.pushes}
    assert pushes["torch"].count == (900 + 600 + 7) * MB
    (large,) = [download for kind, download in pushes.items() if kind.startswith("the largest of the others")]
    (small,) = [download for kind, download in pushes.items() if kind.startswith("a small package")]
    assert (large.count, small.count) == (40 * MB, 80_000)
    assert pushes["own files"] == Bytes(count=5)
    assert pushes["base image"] == Bytes(count=0, exact=False)


@pytest.mark.parametrize(
    ("moved", "base", "missing"),
    [
        ("", "", 0),
        ("tqdm", "", 80_000),
        ("torch", "", sum(SIZES.values())),
        ("", "ubuntu:24.04", sum(SIZES.values()) + 10),
    ],
)
def test_a_host_pulls_what_lies_above_the_first_difference(
    environment: Environments, locked: Any, moved: str, base: str, missing: int
) -> None:
    env = environment()
    other = environment(variant="other", **({"base": Base(image=base)} if base else {}))
    result = forecast_of(
        env, locked(env), base=BaseBytes(download=10), others=[(other, locked(other, moved=moved))]
    )
    (pull,) = result.pulls
    assert (pull.environment, pull.download.count) == ("lora-other", missing)
    assert pull.shared.count + pull.download.count == result.download.count


def test_system_packages_lie_between(environment: Environments, locked: Any) -> None:
    env, other = environment(), environment(apt=("git",))
    chains = [layer.chain for layer in layer_bytes(env, locked(env))]
    others = {layer.chain for layer in layer_bytes(other, locked(other))}
    shared = [layer.place for layer in layer_bytes(env, locked(env)) if layer.chain in others]
    assert shared == ["torch", "libraries", "family"]
    assert len(chains) > len(shared)


@pytest.mark.parametrize(("moved", "is_shared"), [("cublas", False), ("cudnn", True)])
def test_torch_and_the_libraries_beside_it_are_shared_together(
    environment: Environments, lock: Locks, artifact: Artifacts, moved: str, is_shared: bool
) -> None:
    def first_chain(digest: str) -> str:
        sizes = {"cublas": 300 * MB, "cudnn": 200 * MB, "cufft": 200 * MB}
        libraries = (
            artifact(name, by=("torch",), size=size, sha256=(digest if name == moved else "0a") * 32)
            for name, size in sizes.items()
        )
        return layer_bytes(environment(), lock(environment(), *libraries))[0].chain

    assert (first_chain("0b") == first_chain("0c")) == is_shared


def test_lines_are_parsed() -> None:
    assert parse_line("", "") == Line()
    assert parse_line("1Gbit", "2.5") == Line(speed=125e6, price=2.5)
    assert parse_line("250 MB/s", "") == Line(speed=250e6)
    assert Line(speed=125e6, price=3600).cost(125 * MB) == 1


@pytest.mark.parametrize(
    ("link", "price", "message"),
    [
        ("fast", "", "--link must be a speed"),
        ("0Gbit", "", "--link must be a speed"),
        ("1Gbit", "dear", "--price must be the price"),
        ("1Gbit", "0", "--price must be the price"),
        ("", "2.5", "--price needs --link"),
    ],
)
def test_what_is_no_line_is_refused(link: str, price: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_line(link, price)


def test_people_and_programs_read_it(environment: Environments, locked: Any) -> None:
    env = environment()
    result = forecast_of(env, locked(env, known=False), others=[(env, locked(env))])
    lines = list(forecast_lines(result, parse_line("1Gbit", "2.5")))
    assert lines[0] == "lora-gpu: a build downloads 1,547 MB, 12 s for 0.01"
    rows = layer_rows(result)
    assert {len(row) for row in rows} == {len(LAYER_HEADERS)}
    assert rows[0][:3] == ("00-torch", "900", "~1,683")
    assert "  an update of base image pushes unknown" in lines
    assert any(
        line.startswith("  a host with lora-gpu has 1,547 MB of it and pulls 0.0 MB") for line in lines
    )
    assert any(line.startswith("  image: about 2,") for line in lines)
    document = forecast_document(result, Line())
    assert document["download"] == {
        "count": sum(SIZES.values()),
        "exact": True,
        "seconds": None,
        "cost": None,
    }
    assert document["pulls"][0]["download"]["count"] == 0
    assert document["unknown"] == result.unknown
