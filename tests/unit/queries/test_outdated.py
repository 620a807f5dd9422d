"""What could move, and what each move opens and closes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.model import Base, Environment, Layer, Lock, Recommendation, Source, Torch
from torchpin.queries import outdated

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.queries.outdated import Update


def layer(*pins: str) -> tuple[Layer, ...]:
    return (Layer(name="training", packages=tuple(map(Requirement, pins))),)


def updates_of_kind(env: Environment, lock: Lock, kind: str, **newest: str) -> list[Update]:
    return [update for update in outdated.list_updates(env, lock, newest).updates if update.kind == kind]


def torch_updates(env: Environment, lock: Lock) -> dict[str, Update]:
    return {update.to: update for update in updates_of_kind(env, lock, "torch")}


def has_note(notes: tuple[str, ...], *parts: str) -> bool:
    return any(all(part in note for part in parts) for note in notes)


def test_each_later_series_has_its_newest_release_with_the_channels_that_serve_it(
    environment: Environments, lock: Locks
) -> None:
    updates = torch_updates(environment(), lock())
    assert updates["2.6.0"].served_by == ("cu118", "cu124", "cu126")
    assert "2.7.1" in updates
    assert "2.7.0" not in updates
    assert "with torchvision 0.21.0" in updates["2.6.0"].notes


def test_a_release_for_other_pythons_is_left_out_and_told(environment: Environments, lock: Locks) -> None:
    outlook = outdated.list_updates(environment(), lock(), {})
    assert "2.15.0" not in {update.to for update in outlook.updates}
    assert "torch 2.15.0 has no wheel for Python 3.10.14" in outlook.notes
    newer = environment(python=Version("3.12.4"))
    assert "2.15.0" in torch_updates(newer, lock(newer))


def test_the_newest_on_a_channel_that_ended_is_told(environment: Environments, lock: Locks) -> None:
    notes = outdated.list_updates(environment(), lock(), {}).notes
    assert "torch 2.5.1 is the newest known release on cu121, which is frozen" in notes


def test_a_release_after_the_recorded_pages_says_whose_word_it_is(
    environment: Environments, lock: Locks
) -> None:
    updates = torch_updates(environment(), lock())
    assert has_note(updates["2.14.1"].notes, "release matrix")
    assert not has_note(updates["2.10.0"].notes, "release matrix")


def test_gpus_are_gained_and_lost_by_channel(environment: Environments, lock: Locks) -> None:
    env = environment(gpus=("B200", "A6000", "V100"))
    updates = torch_updates(env, lock(env))
    assert "B200 runs on cu128" in updates["2.7.1"].resolves
    assert has_note(updates["2.7.1"].introduces, "V100 does not run on cu128")
    assert not has_note((*updates["2.7.1"].introduces, *updates["2.7.1"].resolves), "A6000")


def test_what_must_move_with_torch_is_told(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(layers=layer("bitsandbytes==0.44.1"))
    updates = torch_updates(env, lock(env, artifact("bitsandbytes", "0.44.1", by=("lora",))))
    assert has_note(
        updates["2.6.0"].introduces, "bitsandbytes 0.44.1 requires torch<2.6", "bitsandbytes==0.45.1 meets it"
    )


def test_what_the_resolver_moves_by_itself_opens_nothing(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    updates = torch_updates(env, lock(env, artifact("sympy", "1.13.1", by=("torch",))))
    assert not has_note(updates["2.7.1"].introduces, "sympy")


def test_advisers_are_left_and_met(environment: Environments, lock: Locks) -> None:
    recommendations = (
        Recommendation(component="torch", says="2.5.x"),
        Recommendation(component="torch", says=">=2.6", by="README"),
    )
    env = environment(recommends=recommendations)
    update = torch_updates(env, lock(env))["2.6.0"]
    assert (update.introduces, update.resolves) == (("report says 2.5.x",), ("README says >=2.6",))


def test_a_companion_that_goes_with_later_releases_is_told(environment: Environments, lock: Locks) -> None:
    family = Torch(version=Version("2.5.1"), companions=MappingProxyType({"torchaudio": Version("2.5.1")}))
    env = environment(torch=family)
    update = torch_updates(env, lock(env))["2.12.1"]
    assert "no matching torchaudio is known" not in update.introduces
    assert "with torchaudio 2.11.0" in update.notes


def test_a_wheel_with_an_abi_that_is_lacking_is_told(environment: Environments, lock: Locks) -> None:
    env = environment(
        layers=(*layer("tqdm==4.66.5"), Layer(name="fa", packages=(Requirement("flash-attn==2.8.3"),)))
    )
    assert has_note(
        torch_updates(env, lock(env))["2.9.1"].introduces, "flash-attn==2.8.3 has no wheel for cu126"
    )


def test_a_cpu_build_stays_one(environment: Environments, lock: Locks) -> None:
    env = environment(variant="cpu", channel="cpu")
    assert {update.served_by for update in updates_of_kind(env, lock(env), "torch")} == {("cpu",)}


def test_pypi_serves_every_release_that_fits(environment: Environments, lock: Locks) -> None:
    env = environment(variant="list", channel="pypi")
    assert torch_updates(env, lock(env))["2.6.0"].served_by == ("pypi",)


def test_torch_from_the_base_moves_with_it(environment: Environments, lock: Locks) -> None:
    env = environment(torch=Torch(version=Version("2.5.1"), companions=MappingProxyType({}), origin="base"))
    notes = outdated.list_updates(env, lock(), {}).notes
    assert "torch comes from the base image, and is updated with it" in notes


def test_a_later_patch_of_the_base_ends_an_end_of_life(environment: Environments, lock: Locks) -> None:
    env = environment(base=Base(image="nvidia/cuda:12.6.0-devel-ubuntu22.04"))
    updates = {update.to.split(":")[1]: update for update in updates_of_kind(env, lock(), "base")}
    assert list(updates) == [f"12.6.{patch}-devel-ubuntu22.04" for patch in (1, 2, 3)]
    assert updates["12.6.1-devel-ubuntu22.04"].introduces == (
        "nvidia/cuda:12.6.1-devel-ubuntu22.04 is end of life",
    )
    assert updates["12.6.3-devel-ubuntu22.04"].resolves == (
        "nvidia/cuda:12.6.0-devel-ubuntu22.04 is end of life",
    )


@pytest.mark.parametrize(
    "image", ["nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04", "pytorch/pytorch:2.5.1-cuda12.1-cudnn9-devel"]
)
def test_a_base_without_a_later_patch_stays(environment: Environments, lock: Locks, image: str) -> None:
    assert updates_of_kind(environment(base=Base(image=image)), lock(), "base") == []


def test_later_tags_of_a_source_say_what_they_ask_for_anew(environment: Environments, lock: Locks) -> None:
    source = Source(
        name="sd-scripts",
        url="https://github.com/kohya-ss/sd-scripts.git",
        tag="v0.9.1",
        commit="8f4ee8fc343b047965cd8976fca65c3a35b7593a",
        path="third_party/sd-scripts",
    )
    updates = {
        update.to: update for update in updates_of_kind(environment(sources=(source,)), lock(), "source")
    }
    assert list(updates) == ["v0.10.0", "v0.10.1"]
    assert has_note(updates["v0.10.0"].introduces, "torch>=2.6.0", "more")
    assert updates["v0.10.0"].notes == ("tagged 2026-01-19",)


def test_a_source_that_facts_do_not_know_has_no_steps(environment: Environments, lock: Locks) -> None:
    source = Source(name="x", url="https://github.com/a/x", tag="v1", commit="1" * 40, path="third_party/x")
    assert updates_of_kind(environment(sources=(source,)), lock(), "source") == []


def test_a_package_moves_where_pypi_has_a_later_one(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    locked = lock(None, artifact("colorama", "0.4.5", by=("tqdm",)))
    updates = updates_of_kind(environment(), locked, "package", tqdm="4.67.0", colorama="0.4.6", torch="9")
    assert [(update.name, update.used, update.to, update.notes) for update in updates] == [
        ("tqdm", "4.66.5", "4.67.0", ()),
        ("colorama", "0.4.5", "0.4.6", ("required by tqdm",)),
    ]
    assert updates_of_kind(environment(), locked, "package", tqdm="4.66.5") == []


def test_a_cap_of_another_pin_is_opened(environment: Environments, lock: Locks, artifact: Artifacts) -> None:
    env = environment(layers=layer("transformers==4.54.1", "huggingface-hub==0.34.3"))
    packages = [
        artifact("transformers", "4.54.1", by=("lora",)),
        artifact("huggingface-hub", "0.34.3", by=("lora",)),
    ]
    (update,) = updates_of_kind(env, lock(env, *packages), "package", **{"huggingface-hub": "1.2.0"})
    assert has_note(update.introduces, "transformers 4.54.1 requires huggingface-hub<1.0")


def test_torch_and_what_it_brings_are_not_asked_about(environment: Environments, lock: Locks) -> None:
    assert outdated.independent_packages(environment(), lock()) == ("tqdm",)


def test_what_was_not_asked_is_told(environment: Environments, lock: Locks) -> None:
    assert "PyPI was not queried" in outdated.list_updates(environment(), lock(), None).notes
    assert "PyPI was not queried" not in outdated.list_updates(environment(), lock(), {}).notes
