"""A lock as pylock.toml: one file a package, for one Python and platform."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.pylock import Package, Pylock, PylockSelectError
from packaging.tags import compatible_tags, cpython_tags
from packaging.version import Version

from support.abi_wheels import ATTENTION, DIGEST, LAYER_ONE, RELEASE, make_environment, make_lock, resolution
from torchpin.description.environments import GLIBC_MINOR, MACHINES, select_environments
from torchpin.errors import InputError
from torchpin.lock.export import file_name_in_url
from torchpin.lock.locations import file_urls
from torchpin.lock.pylock import Location, build_pylock, pylock_text
from torchpin.workspace import workspace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.tags import Tag

    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Lock

ROOT = Path(__file__).parents[3]
REPOSITORY = workspace.open_repository(ROOT)
COMMITTED = select_environments(REPOSITORY.services)
UPLOADED = datetime(2024, 8, 3, 1, 2, 3, tzinfo=timezone.utc)


def locations(env: Environment, lock: Lock) -> dict[str, Location]:
    """The known addresses, and one for each file of PyPI."""
    known = file_urls(env, lock, {})
    return {
        name: Location(url=known[name])
        if name in known
        else Location(url=f"https://files.example/{file_name_in_url(package)}", upload_time=UPLOADED)
        for name, package in lock.packages.items()
    }


def target(env: Environment) -> Any:
    """The markers of an environment, as `select` takes them."""
    python = env.service.python
    return {
        "implementation_name": "cpython",
        "platform_machine": MACHINES[env.variant.platform],
        "platform_python_implementation": "CPython",
        "python_full_version": f"{python.major}.{python.minor}.{python.micro or 5}",
        "python_version": f"{python.major}.{python.minor}",
        "sys_platform": "linux",
    }


def packages_of(pylock: Pylock) -> dict[str, Package]:
    return {package.name: package for package in pylock.packages}


def tags(env: Environment) -> Iterator[Tag]:
    python, machine = (env.service.python.major, env.service.python.minor), MACHINES[env.variant.platform]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, 4, -1)]
    platforms += [
        f"manylinux2014_{machine}",
        f"manylinux2010_{machine}",
        f"manylinux1_{machine}",
        f"linux_{machine}",
    ]
    yield from cpython_tags(python, platforms=platforms)
    yield from compatible_tags(python, f"cp{python[0]}{python[1]}", platforms)


@pytest.mark.parametrize("env", COMMITTED, ids=[env.name for env in COMMITTED])
def test_an_installer_selects_the_locked_file_of_every_package(env: Environment) -> None:
    lock = workspace.read_lock(REPOSITORY, env)
    pylock = Pylock.from_dict(
        tomllib.loads(pylock_text(env, lock, build_pylock(env, lock, locations(env, lock))))
    )
    selected = {
        package.name: file.hashes["sha256"]  # type: ignore[union-attr]
        for package, file in pylock.select(environment=target(env), tags=[*tags(env)])
    }
    assert selected == {name: package.sha256 for name, package in lock.packages.items()}
    for package in pylock.packages:
        assert bool(package.archive) + bool(package.sdist) + len(package.wheels or ()) == 1


@pytest.mark.parametrize(
    "other", [{"platform_machine": "riscv64"}, {"sys_platform": "darwin"}, {"python_full_version": "3.12.1"}]
)
def test_another_machine_is_refused(other: dict[str, str]) -> None:
    env = COMMITTED[0]
    lock = workspace.read_lock(REPOSITORY, env)
    pylock = build_pylock(env, lock, locations(env, lock))
    with pytest.raises(PylockSelectError):
        [*pylock.select(environment=target(env) | other, tags=[*tags(env)])]


def test_a_file_has_its_address_size_hash_and_the_index_that_it_is_of(
    environment: Environments, lock: Locks
) -> None:
    env = environment()
    locked = lock(env)
    packages = packages_of(build_pylock(env, locked, locations(env, locked)))
    (wheel,) = packages["tqdm"].wheels or ()
    assert (packages["tqdm"].version, packages["tqdm"].index) == (Version("4.66.5"), None)
    assert (wheel.url, wheel.name) == ("https://files.example/tqdm-4.66.5-py3-none-any.whl", None)
    assert (wheel.upload_time, wheel.size) == (UPLOADED, locked.packages["tqdm"].size)
    assert packages["torch"].index == "https://download.pytorch.org/whl/cu121"


def test_a_file_whose_address_does_not_end_with_its_name_is_named(
    environment: Environments, lock: Locks
) -> None:
    env = environment()
    locked = lock(env)
    placed = locations(env, locked) | {"tqdm": Location(url="https://mirror.example/download/17", size=3)}
    packages = packages_of(build_pylock(env, locked, placed))
    (wheel,) = packages["tqdm"].wheels or ()
    assert (wheel.name, wheel.size) == ("tqdm-4.66.5-py3-none-any.whl", 3)


def test_a_wheel_whose_name_has_another_version_is_an_archive_without_one(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    locked = make_lock(env, resolution(artifact))
    text = pylock_text(env, locked, build_pylock(env, locked, locations(env, locked)))
    (row,) = [row for row in tomllib.loads(text)["packages"] if row["name"] == "flash-attn"]
    assert row == {
        "name": "flash-attn",
        "archive": {
            "url": f"{RELEASE}/{file_name_in_url(locked.packages['flash-attn'])}",
            "hashes": {"sha256": DIGEST},
        },
        "tool": {"torchpin": {"version": "2.8.3"}},
    }
    assert "# torch and its companions are provided by the base image" in text
    assert "torch" not in {row["name"] for row in tomllib.loads(text)["packages"]}


def test_what_exists_as_source_only_is_a_source(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    locked = lock(env, artifact("schedulefree", "1.4", filename="schedulefree-1.4.tar.gz", by=("lora",)))
    packages = packages_of(build_pylock(env, locked, locations(env, locked)))
    assert (packages["schedulefree"].sdist is not None, packages["schedulefree"].wheels) == (True, None)


def test_what_is_no_file_of_its_package_is_refused(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    locked = lock(env, artifact("a", "1", filename="b-1.tar.gz", by=("lora",)))
    with pytest.raises(
        InputError,
        match=r"^lora-gpu cannot be written as pylock\.toml: .*'b-1\.tar\.gz' is not consistent with package name 'a'",
    ):
        build_pylock(env, locked, locations(env, locked))
