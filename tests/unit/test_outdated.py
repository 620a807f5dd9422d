"""What could move, and what each move opens and closes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.compat import releases
from torchpin.model import Base, Layer, Recommendation, Source, Torch
from torchpin.queries import outdated

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import Artifact, Environment, Lock
    from torchpin.queries.outdated import Step

    Environments = Callable[..., Environment]
    Locks = Callable[..., Lock]
    Artifacts = Callable[..., Artifact]


def layer(*pins: str) -> tuple[Layer, ...]:
    return (Layer(name="training", packages=tuple(map(Requirement, pins))),)


def steps(env: Environment, lock: Lock, kind: str, **newest: str) -> list[Step]:
    return [one for one in outdated.outlook(env, lock, newest).steps if one.kind == kind]


def torch(env: Environment, lock: Lock) -> dict[str, Step]:
    return {one.to: one for one in steps(env, lock, "torch")}


def alike(said: tuple[str, ...], *words: str) -> bool:
    return any(all(word in one for word in words) for one in said)


# --- torch -----------------------------------------------------------------------------------------------------------


def test_each_later_series_has_its_newest_release_with_the_channels_that_serve_it(
    environment: Environments, lock: Locks
) -> None:
    found = torch(environment(), lock())
    assert found["2.6.0"].where == ("cu118", "cu124", "cu126")
    assert "2.7.1" in found
    assert "2.7.0" not in found
    assert "with torchvision 0.21.0" in found["2.6.0"].notes


def test_a_release_for_other_pythons_is_left_out_and_told(environment: Environments, lock: Locks) -> None:
    said = outdated.outlook(environment(), lock(), {})
    assert "2.15.0" not in {one.to for one in said.steps}
    assert "torch 2.15.0 has no wheel for Python 3.10.14" in said.notes
    newer = environment(python=Version("3.12.4"))
    assert "2.15.0" in torch(newer, lock(newer))


def test_the_newest_on_a_channel_that_ended_is_told(environment: Environments, lock: Locks) -> None:
    notes = outdated.outlook(environment(), lock(), {}).notes
    assert "torch 2.5.1 is the newest that facts know on cu121, which has ended" in notes


def test_a_release_after_the_recorded_pages_says_whose_word_it_is(
    environment: Environments, lock: Locks
) -> None:
    found = torch(environment(), lock())
    assert alike(found["2.14.1"].notes, "release matrix")
    assert not alike(found["2.10.0"].notes, "release matrix")


def test_gpus_are_gained_and_lost_by_channel(environment: Environments, lock: Locks) -> None:
    env = environment(gpus=("B200", "A6000", "V100"))
    found = torch(env, lock(env))
    assert "B200 runs on cu128" in found["2.7.1"].closes
    assert alike(found["2.7.1"].opens, "V100 does not run on cu128")
    assert not alike((*found["2.7.1"].opens, *found["2.7.1"].closes), "A6000")


def test_what_must_move_with_torch_is_told(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(layers=layer("bitsandbytes==0.44.1"))
    found = torch(env, lock(env, artifact("bitsandbytes", "0.44.1", by=("lora",))))
    assert alike(found["2.6.0"].opens, "bitsandbytes 0.44.1 needs torch<2.6", "bitsandbytes==0.45.1 ends it")


def test_what_the_resolver_moves_by_itself_opens_nothing(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    found = torch(env, lock(env, artifact("sympy", "1.13.1", by=("torch",))))
    assert not alike(found["2.7.1"].opens, "sympy")


def test_advisers_are_left_and_met(environment: Environments, lock: Locks) -> None:
    said = (
        Recommendation(component="torch", says="2.5.x"),
        Recommendation(component="torch", says=">=2.6", by="README"),
    )
    env = environment(recommends=said)
    found = torch(env, lock(env))["2.6.0"]
    assert (found.opens, found.closes) == (("report says 2.5.x",), ("README says >=2.6",))


def test_a_companion_that_ended_is_told(environment: Environments, lock: Locks) -> None:
    family = Torch(version=Version("2.5.1"), companions=MappingProxyType({"torchaudio": Version("2.5.1")}))
    env = environment(torch=family)
    assert "facts know no torchaudio for it" in torch(env, lock(env))["2.12.1"].opens


def test_a_wheel_with_an_abi_that_is_lacking_is_told(environment: Environments, lock: Locks) -> None:
    env = environment(
        layers=(*layer("tqdm==4.66.5"), Layer(name="fa", packages=(Requirement("flash-attn==2.8.3"),)))
    )
    assert alike(torch(env, lock(env))["2.9.1"].opens, "there is no wheel of flash-attn==2.8.3 for cu126")


def test_a_cpu_build_stays_one(environment: Environments, lock: Locks) -> None:
    env = environment(variant="cpu", channel="cpu")
    assert {one.where for one in steps(env, lock(env), "torch")} == {("cpu",)}


def test_pypi_serves_every_release_that_fits(environment: Environments, lock: Locks) -> None:
    env = environment(variant="list", channel="pypi")
    assert torch(env, lock(env))["2.6.0"].where == ("pypi",)


def test_torch_from_the_base_moves_with_it(environment: Environments, lock: Locks) -> None:
    env = environment(torch=Torch(version=Version("2.5.1"), companions=MappingProxyType({}), origin="base"))
    notes = outdated.outlook(env, lock(), {}).notes
    assert "torch comes with the base image, and moves with it" in notes


@pytest.mark.parametrize(
    ("version", "than", "so"), [("2.10", "2.9", True), ("2.9", "2.9", False), ("~=3", "2", False)]
)
def test_later_compares_versions_alone(version: str, than: str, *, so: bool) -> None:
    assert releases.later(version, than) is so


def test_every_recorded_triton_that_is_a_range_is_left_out(environment: Environments) -> None:
    family = [releases.family(environment(), one.version).get("triton", "0") for one in facts.releases()]
    assert all(map(releases.is_version, family))


# --- base, sources, packages -----------------------------------------------------------------------------------------


def test_a_later_patch_of_the_base_ends_an_end_of_life(environment: Environments, lock: Locks) -> None:
    env = environment(base=Base(image="nvidia/cuda:12.6.0-devel-ubuntu22.04"))
    found = {one.to.split(":")[1]: one for one in steps(env, lock(), "base")}
    assert list(found) == [f"12.6.{patch}-devel-ubuntu22.04" for patch in (1, 2, 3)]
    assert found["12.6.1-devel-ubuntu22.04"].opens == ("end-of-life",)
    assert found["12.6.3-devel-ubuntu22.04"].closes == (
        "nvidia/cuda:12.6.0-devel-ubuntu22.04 is end-of-life",
    )


@pytest.mark.parametrize(
    "image", ["nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "pytorch/pytorch:2.5.1-cuda12.1-cudnn9-devel"]
)
def test_a_base_without_a_later_patch_stays(environment: Environments, lock: Locks, image: str) -> None:
    assert steps(environment(base=Base(image=image)), lock(), "base") == []


def test_later_tags_of_a_source_say_what_they_ask_for_anew(environment: Environments, lock: Locks) -> None:
    source = Source(
        name="sd-scripts",
        url="https://github.com/kohya-ss/sd-scripts.git",
        tag="v0.9.1",
        commit="8f4ee8fc343b047965cd8976fca65c3a35b7593a",
        path="third_party/sd-scripts",
    )
    found = {one.to: one for one in steps(environment(sources=(source,)), lock(), "source")}
    assert list(found) == ["v0.10.0", "v0.10.1"]
    assert alike(found["v0.10.0"].opens, "torch>=2.6.0", "more")
    assert found["v0.10.0"].notes == ("of 2026-01-19",)


def test_a_source_that_facts_do_not_know_has_no_steps(environment: Environments, lock: Locks) -> None:
    source = Source(name="x", url="https://github.com/a/x", tag="v1", commit="1" * 40, path="third_party/x")
    assert steps(environment(sources=(source,)), lock(), "source") == []


def test_a_package_moves_where_pypi_has_a_later_one(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    held = lock(None, artifact("colorama", "0.4.5", by=("tqdm",)))
    found = steps(environment(), held, "package", tqdm="4.67.0", colorama="0.4.6", torch="9")
    assert [(one.name, one.used, one.to, one.notes) for one in found] == [
        ("tqdm", "4.66.5", "4.67.0", ()),
        ("colorama", "0.4.5", "0.4.6", ("wanted by tqdm",)),
    ]
    assert steps(environment(), held, "package", tqdm="4.66.5") == []


def test_a_cap_of_another_pin_is_opened(environment: Environments, lock: Locks, artifact: Artifacts) -> None:
    env = environment(layers=layer("transformers==4.54.1", "huggingface-hub==0.34.3"))
    packages = [
        artifact("transformers", "4.54.1", by=("lora",)),
        artifact("huggingface-hub", "0.34.3", by=("lora",)),
    ]
    (found,) = steps(env, lock(env, *packages), "package", **{"huggingface-hub": "1.2.0"})
    assert alike(found.opens, "transformers 4.54.1 needs huggingface-hub<1.0")


def test_torch_and_what_it_brings_are_not_asked_about(environment: Environments, lock: Locks) -> None:
    assert outdated.asked(environment(), lock()) == ("tqdm",)


def test_what_was_not_asked_is_told(environment: Environments, lock: Locks) -> None:
    assert "PyPI was not asked" in outdated.outlook(environment(), lock(), None).notes
    assert "PyPI was not asked" not in outdated.outlook(environment(), lock(), {}).notes
