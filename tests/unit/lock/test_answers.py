"""A lock that answers its description is not resolved again; one that does not is, and says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from support import small_service
from support.abi_wheels import ATTENTION, LAYER_ONE, LAYER_TWO, make_environment, resolution
from support.abi_wheels import make_lock as make_abi_lock
from support.layers import make_layer
from torchpin import paths
from torchpin.commands.answered_locks import answered_locks
from torchpin.compat.wheels import abi_wheels
from torchpin.description.environments import select_environments
from torchpin.lock import answers
from torchpin.lock.file_format import STAGE
from torchpin.lock.layers import inputs_digest, layer_lock, split_layers
from torchpin.model import Base, BuildStage, BuiltWheel, Lock, Recommendation, Source, Upstream
from torchpin.tools.uv import UV_VERSION
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Artifact, Environment

ROOT = Path(__file__).parents[3]
UV = "0.13.9"
SOURCE = Source(
    name="tool",
    url="https://example.org/tool",
    commit="0f" * 20,
    path="third_party/tool",
    requirements=("requirements.txt",),
    install="requirements",
)
UPSTREAM = Upstream(
    source="tool", commit="0f" * 20, file="requirements.txt", requirements=("einops>=0.7", "tqdm")
)


def with_source(environment: Environments, **changes: Any) -> Environment:
    return environment(sources=(replace(SOURCE, **changes),))


def lock_of(env: Environment, artifact: Artifacts, *more: Artifact) -> Lock:
    packages = [
        artifact("torch", "2.5.1+cu121", by=("lora",)),
        artifact("torchvision", "0.20.1+cu121", by=("lora",)),
        artifact("tqdm", "4.66.5", by=("lora",)),
        artifact("einops", "0.8.0", by=("lora",)),
        *more,
    ]
    layers, _ = split_layers(env, packages, uv=UV, upstreams=(UPSTREAM,))
    return Lock(layers=layers, upstreams=(UPSTREAM,))


def test_the_committed_locks_answer_their_descriptions() -> None:
    repo = workspace.open_repository(ROOT)
    environments = select_environments(repo.services)
    locks = {env.name: workspace.read_lock(repo, env) for env in environments}
    reasons = {env.name: answers.unanswered(env, locks[env.name], uv=UV_VERSION) for env in environments}
    assert set(reasons.values()) == {""}
    assert answered_locks(repo, environments) == locks


def test_another_uv_resolves(environment: Environments, lock: Locks) -> None:
    env = environment()
    assert answers.unanswered(env, lock(env), uv=UV) == ""
    reason = answers.unanswered(env, lock(env), uv="0.13.10")
    assert reason == "00-torch.requirements.txt was locked by uv 0.13.9"


def test_a_moved_pin_resolves(environment: Environments, lock: Locks) -> None:
    moved = environment(layers=(make_layer("training", "tqdm==4.67.1"),))
    reason = answers.unanswered(moved, lock(environment()), uv=UV)
    assert reason == "02-training.requirements.txt no longer matches its description"


def test_a_package_outside_the_range_of_a_project_s_file_resolves(
    environment: Environments, artifact: Artifacts
) -> None:
    rows = [Recommendation(component="numpy", says=says, by="requirements.txt") for says in ("<2", "<3")]
    outside, inside = (environment(sources=(SOURCE,), recommends=(row,)) for row in rows)
    locked = lock_of(inside, artifact, artifact("numpy", "2.2.6", by=("torch",)))
    assert answers.unanswered(inside, locked, uv=UV) == ""
    assert answers.unanswered(outside, locked, uv=UV) == "numpy 2.2.6 is locked, and requirements.txt says <2"


def test_a_package_in_a_layer_of_another_split_resolves(environment: Environments, lock: Locks) -> None:
    env = environment()
    layers = {layer.name: layer for layer in lock(env).layers}
    (cudnn,) = layers["01-torch-deps"].packages
    layers["01-torch-deps"] = replace(layers["01-torch-deps"], packages=())
    training = layers["02-training"]
    layers["02-training"] = replace(training, packages=(cudnn, *training.packages))
    moved = replace(lock(env), layers=tuple(layers.values()))
    assert answers.unanswered(env, moved, uv=UV) == "torchpin splits what is locked into other layers"


def test_a_cut_off_is_no_other_split(environment: Environments, lock: Locks) -> None:
    env = environment()
    layers = tuple(replace(layer, cutoff="2026-11-19T00:00:00Z") for layer in lock(env).layers)
    assert answers.unanswered(env, replace(lock(env), layers=layers), uv=UV) == ""


def test_what_facts_say_of_an_abi_wheel_is_an_input(
    environment: Environments, artifact: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE, LAYER_TWO)
    wheel = abi_wheels(env)["flash-attn"]
    assert wheel.requires == ("einops",)
    lock = make_abi_lock(env, resolution(artifact))
    assert answers.unanswered(env, lock, uv=UV) == ""
    for changed in (
        replace(wheel, sha256="cd" * 32),
        replace(wheel, requires=()),
        replace(wheel, requires=("einops", "b")),
        replace(wheel, requires=("einops>=99",)),
    ):
        monkeypatch.setattr(answers, "abi_wheels", lambda _, changed=changed: {"flash-attn": changed})
        assert answers.unanswered(env, lock, uv=UV) == "the facts about flash-attn have changed"


def test_what_the_image_compiles_is_not_locked(environment: Environments, lock: Locks) -> None:
    wheel = BuiltWheel(package=Requirement("tqdm==4.66.5"), source="tool")
    stage = BuildStage(base=Base(image="ubuntu:22.04"), wheels=(wheel,))
    env, other = environment(build=stage), environment(build=replace(stage, wheels=()))
    assert inputs_digest(env, STAGE) != inputs_digest(other, STAGE)
    locked = replace(lock(env), stage=layer_lock(env, STAGE, (), uv=UV))
    assert answers.unanswered(env, locked, uv=UV) == "tqdm is locked, and compiled for the image"


def test_what_a_source_asks_for_is_taken_from_the_lock(
    environment: Environments, artifact: Artifacts
) -> None:
    env = with_source(environment)
    (source,) = env.service.sources
    assert answers.committed_upstream(env, lock_of(env, artifact), source) == UPSTREAM


@pytest.mark.parametrize(
    "changes",
    [{"commit": "1e" * 20}, {"tag": "v1"}, {"requirements": ("other.txt",)}, {"without": ("einops",)}],
)
def test_of_another_commit_or_file_the_lock_says_nothing(
    changes: dict[str, Any], environment: Environments, artifact: Artifacts
) -> None:
    lock = lock_of(with_source(environment), artifact)
    env = with_source(environment, **changes)
    (source,) = env.service.sources
    assert answers.committed_upstream(env, lock, source) is None


def test_a_pin_that_is_gone_may_have_stood_for_a_line_of_the_source(
    environment: Environments, artifact: Artifacts
) -> None:
    env = with_source(environment)
    (source,) = env.service.sources
    lock = lock_of(env, artifact, artifact("from-address", "1.0", by=("lora",)))
    assert answers.committed_upstream(env, lock, source) is None
    compared_only = with_source(environment, install="")
    lock = replace(lock, upstreams=(UPSTREAM,))
    assert answers.committed_upstream(compared_only, lock, compared_only.service.sources[0]) == UPSTREAM


def test_a_lock_that_is_not_as_it_would_be_written_is_no_answer(tmp_path: Path) -> None:
    small_service.write_service(tmp_path)
    repo = small_service.open_repository(tmp_path)
    environments = select_environments(repo.services)
    assert [*answered_locks(repo, environments)] == ["lora-gpu"]
    wheels = tmp_path / small_service.LOCK / "wheels.txt"
    text = wheels.read_text()
    for broken in (None, text.replace("six", "sax"), text + "\n"):
        wheels.unlink() if broken is None else wheels.write_text(broken)
        assert answered_locks(small_service.open_repository(tmp_path), environments) == {}
    wheels.write_text(text)
    layer = tmp_path / small_service.LOCK / paths.lock_file("02-training")
    layer.rename(layer.with_name("02-training.lock"))
    assert answered_locks(small_service.open_repository(tmp_path), environments) == {}
