"""The packages of a lock are cut into groups: by size, without changing what wins where two install one file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.abi_wheels import ATTENTION, LAYER_ONE, make_environment, make_lock, resolution
from support.layers import make_layer
from torchpin.image.groups import FEW, LARGE, MANY, MEDIUM, package_groups
from torchpin.model import SharedFiles

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import LayerLock, Lock, WheelContents

LAYERS = (make_layer("first", "early==1"), make_layer("second", "pandas==1", "tiny==1"))


def cut(lock: Lock) -> list[tuple[str, str, list[str]]]:
    return [
        (group.place, group.name, [package.name for package in group.packages])
        for group in package_groups(lock)
    ]


def described(lock: Lock, name: str, **changes: Any) -> Lock:
    """A lock in which something else was read out of a wheel."""
    wheels: tuple[WheelContents, ...] = tuple(
        replace(contents, **changes) if contents.name == name else contents for contents in lock.wheels
    )
    return replace(lock, wheels=wheels)


@pytest.fixture
def sized(environment: Environments, lock: Locks, artifact: Artifacts) -> Lock:
    return lock(
        environment(layers=LAYERS),
        artifact("nvidia-cudnn-cu12", "9.1.0.70", by=("torch",), size=664_752_741, sha256="01" * 32),
        artifact("tqdm", "4.66.5", by=("pandas",), size=80_000, sha256="02" * 32),
        artifact("early", by=("lora",), size=50_000, sha256="03" * 32),
        artifact("pandas", by=("lora",), size=LARGE, sha256="04" * 32),
        artifact("numpy", by=("pandas",), size=LARGE - 1, sha256="05" * 32),
        artifact("pillow", by=("pandas",), size=FEW - LARGE - MEDIUM + 1, sha256="08" * 32),
        artifact("tiny", by=("lora",), size=MEDIUM - 1, sha256="06" * 32),
        artifact("pytz", by=("pandas",), size=MEDIUM, sha256="07" * 32),
    )


def test_what_is_large_lies_below_what_is_small(sized: Lock) -> None:
    assert cut(sized) == [
        ("torch", "00-torch", ["torch"]),
        ("libraries", "01-torch-deps.with_torch", ["nvidia-cudnn-cu12"]),
        ("family", "00-torch.companions", ["torchvision"]),
        ("large", "03-second.pandas", ["pandas"]),
        ("ordered", "02-first", ["early"]),
        ("ordered", "03-second.up_to_8_MB", ["numpy", "pillow", "pytz"]),
        ("ordered", "03-second", ["tiny", "tqdm"]),
    ]


def test_each_package_is_in_one_group_with_its_layer_s_origin(sized: Lock) -> None:
    groups = package_groups(sized)
    names = [package.name for group in groups for package in group.packages]
    assert sorted(names) == sorted(sized.packages)
    assert {group.place: group.layer.origin for group in groups[:3]} == {
        "torch": "cu121", "libraries": "pypi", "family": "cu121",
    }  # fmt: skip
    assert len({group.file for group in groups}) == len(groups)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pandas", {"shares": (SharedFiles(package="early", count=1, example="a.py"),)}),
        ("early", {"shares": (SharedFiles(package="pandas", count=1, example="a.py"),)}),
        ("pandas", {"unread": "its index does not serve it"}),
        ("early", {"contents_of": "early-1.0.tar.gz", "installs": ("pandas",)}),
        ("early", {"sha256": "ff" * 32}),  # nothing was read out of the locked file
    ],
)
def test_a_package_that_may_overwrite_files_of_an_earlier_layer_stays_behind_it(
    sized: Lock, name: str, changes: dict[str, Any]
) -> None:
    order = [group for _, group, _ in cut(described(sized, name, **changes))]
    assert order.index("03-second.pandas") == order.index("02-first") + 1


def test_what_torch_brings_stays_behind_companions_that_it_may_share_files_with(sized: Lock) -> None:
    shared = (SharedFiles(package="torchvision", count=1, example="a.so"),)
    order = [group for _, group, _ in cut(described(sized, "nvidia-cudnn-cu12", shares=shared))]
    assert order.index("00-torch.companions") < order.index("01-torch-deps.nvidia-cudnn-cu12")


def test_a_package_overtakes_one_of_which_only_other_folders_are_known(sized: Lock) -> None:
    changed = described(sized, "early", contents_of="early-1.0.tar.gz", installs=("early",))
    assert cut(changed) == cut(sized)


def test_another_version_of_a_package_changes_its_group_alone(sized: Lock) -> None:
    def moved(layer: LayerLock) -> LayerLock:
        packages = (
            replace(p, version="2", sha256="0a" * 32) if p.name == "tiny" else p for p in layer.packages
        )
        return replace(layer, packages=tuple(packages))

    changed = replace(sized, layers=tuple(map(moved, sized.layers)))
    before, after = package_groups(sized), package_groups(changed)
    assert [
        group.name for group, other in zip(before, after, strict=True) if group.packages != other.packages
    ] == ["03-second"]


def test_few_medium_packages_stay_with_the_small_ones(sized: Lock) -> None:
    def without_pillow(layer: LayerLock) -> LayerLock:
        return replace(layer, packages=tuple(p for p in layer.packages if p.name != "pillow"))

    changed = replace(sized, layers=tuple(map(without_pillow, sized.layers)))
    assert cut(changed)[-1] == ("ordered", "03-second", ["numpy", "pytz", "tiny", "tqdm"])


@pytest.mark.parametrize(
    ("sizes", "beside"),
    [
        ({"cublas": 300, "cudnn": 500, "cufft": 200, "nccl": 100}, ["cudnn"]),
        ({"cublas": 300, "cudnn": 400, "cufft": 399, "nccl": 400}, ["cudnn"]),
        ({"cublas": 300, "cudnn": 300, "cufft": 250, "nccl": 350}, ["nccl"]),
        ({"cublas": 200, "cudnn": 300, "cufft": 200, "nccl": 300}, ["cudnn"]),
        ({"cublas": 100, "cudnn": 300, "cufft": 200, "nccl": 600}, ["nccl"]),
        ({"cublas": 100, "cudnn": 300, "cufft": 200, "nccl": 700}, []),
        ({"cudnn": 600}, []),
    ],
)
def test_half_of_torch_s_libraries_lie_beside_it_the_largest_first(
    environment: Environments, lock: Locks, artifact: Artifacts, sizes: dict[str, int], beside: list[str]
) -> None:
    env = environment(layers=(make_layer("web", "tqdm==4.66.5"),))
    libraries = (artifact(name, by=("torch",), size=size * 1_000_000) for name, size in sizes.items())
    brought = artifact("nvidia-cudnn-cu12", "9.1.0.70", by=("torch",), size=1, sha256="01" * 32)
    groups = {name: (place, names) for place, name, names in cut(lock(env, brought, *libraries))}
    assert groups.get("01-torch-deps.beside_torch", ("torch", [])) == ("torch", beside)
    rest = [name for name in sizes if name not in beside]
    assert groups["01-torch-deps.with_torch"] == ("libraries", rest)


@pytest.mark.parametrize("count", [MANY - 1, MANY])
def test_many_small_packages_that_come_along_lie_below_those_that_are_pinned(
    environment: Environments, lock: Locks, artifact: Artifacts, count: int
) -> None:
    env = environment(layers=(make_layer("web", "fastapi==1", "pandas==1"),))
    brought = [f"brought{number:02}" for number in range(count)]
    pinned = [artifact("fastapi", by=("lora", "pandas"), size=1), artifact("pandas", by=("lora",), size=2)]
    groups = cut(lock(env, *pinned, *(artifact(name, by=("fastapi",), size=3) for name in brought)))
    cuts = [("ordered", "02-web.brought_along", brought), ("ordered", "02-web", ["fastapi", "pandas"])]
    whole = [("ordered", "02-web", [*brought, "fastapi", "pandas"])]
    assert groups[-len(cuts) :] == cuts if count == MANY else groups[-len(whole) :] == whole


def test_small_packages_of_which_none_is_pinned_stay_together(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(layers=(make_layer("models", "transformers==1"),))
    brought = [artifact(f"brought{number:02}", by=("transformers",), size=3) for number in range(MANY)]
    groups = cut(lock(env, artifact("transformers", by=("lora",), size=LARGE), *brought))
    assert [name for _, name, _ in groups if name.startswith("02-")] == [
        "02-models.transformers",
        "02-models",
    ]


def test_an_optional_layer_is_installed_whole_or_not_at_all(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(layers=(make_layer("extra", "pandas==1", "tqdm==4.66.5", optional=True),))
    assert cut(lock(env, artifact("pandas", by=("lora",), size=LARGE)))[-2] == (
        "large", "02-extra", ["pandas", "tqdm"],
    )  # fmt: skip
    assert cut(lock(env))[-1] == ("ordered", "02-extra", ["tqdm"])


def test_an_abi_wheel_s_layer_stays_whole(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    assert cut(make_lock(env, resolution(artifact)))[0][:2] == ("large", "01-attention")


def test_what_is_built_from_source_comes_last_in_its_layer(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(layers=(make_layer("old", "dadaptation==3.2", "tqdm==4.66.5"),))
    source = artifact("dadaptation", "3.2", filename="dadaptation-3.2.tar.gz", by=("lora",), size=LARGE)
    groups = package_groups(lock(env, source))
    assert [(group.name, [package.name for package in group.packages]) for group in groups[-2:]] == [
        ("02-old", ["tqdm"]), ("02-old.from_source", ["dadaptation"]),
    ]  # fmt: skip


def test_files_that_are_in_no_index_are_a_group_of_their_own(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    located = artifact("mine", by=("tqdm",), size=LARGE, origin="address")
    assert ("ordered", "02-training.from_files", ["mine"]) in cut(lock(env, located))


def test_an_empty_layer_has_no_group(environment: Environments, lock: Locks) -> None:
    env = environment(layers=(make_layer("empty"), make_layer("training", "tqdm==4.66.5")))
    assert [name for _, name, _ in cut(lock(env))] == [
        "00-torch", "00-torch.companions", "01-torch-deps", "03-training",
    ]  # fmt: skip
