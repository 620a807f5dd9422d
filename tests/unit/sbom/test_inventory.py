"""An inventory has every locked package with the address that it has, the sources, the base image, and what needs what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.abi_wheels import ATTENTION, DIGEST, LAYER_ONE, RELEASE, make_environment, make_lock, resolution
from torchpin.model import Base, LicenseStatement, Source
from torchpin.sbom.inventory import BomComponent, Inventory, environment_inventory

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks

PINNED = Base(image="ghcr.io/a/b/cuda:12.1", digest="sha256:" + "1e" * 32)
SOURCE = Source(
    name="sd-scripts",
    url="https://github.com/Kohya-ss/sd-scripts.git",
    tag="v0.10.0",
    commit="0f" * 20,
    path="sd-scripts",
)


def component(inventory: Inventory, ref: str) -> BomComponent:
    (match,) = (part for part in inventory.components if part.ref == ref)
    return match


def test_a_package_has_the_index_that_it_comes_from_and_pypi_has_none(
    environment: Environments, lock: Locks
) -> None:
    inventory = environment_inventory(environment(), lock())
    torch = component(inventory, "package:torch")
    assert torch.purl == "pkg:pypi/torch@2.5.1%2Bcu121?repository_url=https://download.pytorch.org/whl/cu121"
    assert torch.address == ("https://download.pytorch.org/whl/cu121/torch-2.5.1%2Bcu121-py3-none-any.whl")
    assert (torch.sha256, torch.layer, torch.provided) == ("ab" * 32, "00-torch", False)
    tqdm = component(inventory, "package:tqdm")
    assert (tqdm.purl, tqdm.address) == ("pkg:pypi/tqdm@4.66.5", "")


def test_torch_of_pypi_has_no_other_index(environment: Environments, lock: Locks) -> None:
    env = environment(channel="pypi")
    inventory = environment_inventory(env, lock(env))
    assert "?" not in component(inventory, "package:torch").purl


def test_an_abi_wheel_has_its_release_and_a_provided_torch_says_so(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    inventory = environment_inventory(env, make_lock(env, resolution(artifact)))
    flash = component(inventory, "package:flash-attn")
    address = f"{RELEASE}/{flash.filename.replace('+', '%2B')}"
    assert flash.address == address
    assert flash.purl.startswith("pkg:pypi/flash-attn@2.8.3?download_url=https://github.com/Dao-AILab/")
    assert flash.sha256 == DIGEST
    assert component(inventory, "package:torch").provided


def test_sources_and_base_image_are_components(environment: Environments, lock: Locks) -> None:
    elsewhere = replace(SOURCE, name="own", url="https://user:secret@git.example/a?token=x", path="own")
    env = environment(base=PINNED, sources=(SOURCE, elsewhere))
    inventory = environment_inventory(env, lock(env))
    source = component(inventory, "source:sd-scripts")
    assert (source.version, source.purl) == ("v0.10.0", f"pkg:github/kohya-ss/sd-scripts@{'0f' * 20}")
    own_source = component(inventory, "source:own")
    assert own_source.address == f"git+https://git.example/a@{'0f' * 20}"
    assert "secret" not in str(inventory.components)
    assert "token" not in str(inventory.components)
    base = component(inventory, "base")
    assert (base.name, base.version, base.sha256) == ("ghcr.io/a/b/cuda", "12.1", "1e" * 32)
    assert base.purl == f"pkg:oci/cuda@sha256:{'1e' * 32}?repository_url=ghcr.io/a/b/cuda&tag=12.1"
    assert {"base", "source:own", "source:sd-scripts"} <= {*inventory.dependencies[env.name]}


def test_a_base_image_without_digest_goes_by_its_tag(environment: Environments, lock: Locks) -> None:
    official = component(
        environment_inventory(environment(base=Base(image="python:3.10-slim")), lock()), "base"
    )
    assert (official.name, official.purl) == (
        "docker.io/library/python",
        "pkg:docker/library/python@3.10-slim",
    )
    private = component(environment_inventory(environment(base=Base(image="ghcr.io/a/b:1")), lock()), "base")
    assert private.purl == "pkg:docker/a/b@1?repository_url=ghcr.io"


def test_what_requires_what_is_that_of_the_lock(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    sdist = artifact("dadaptation", "3.2", filename="dadaptation-3.2.tar.gz", by=("tqdm",))
    stray = artifact("stray", "1", by=("gone",))
    tools = (artifact("setuptools", "81", by=("dadaptation",)), artifact("tqdm", "4", by=("dadaptation",)))
    inventory = environment_inventory(env, lock(env, sdist, stray, build=tools))
    dependencies = inventory.dependencies
    assert dependencies["package:torch"] == ("package:nvidia-cudnn-cu12",)
    assert "package:stray" in dependencies[env.name]
    assert dependencies["package:tqdm"] == ("package:dadaptation",)
    assert dependencies["package:dadaptation"] == ("build:setuptools", "build:tqdm")
    assert {"package:torch", "package:tqdm", "package:torchvision"} <= {*dependencies[env.name]}
    assert {*dependencies} == {env.name, *(part.ref for part in inventory.components)}
    reached = {target for targets in dependencies.values() for target in targets}
    assert reached == {part.ref for part in inventory.components}


def test_a_license_is_that_of_the_file(environment: Environments, lock: Locks, artifact: Artifacts) -> None:
    env = environment()
    statement = LicenseStatement(
        name="a", version="1", sha256="1e" * 32, expression="MIT", metadata_of="a-1.tar.gz"
    )
    licensed = replace(lock(env, artifact("a", "1", sha256="1e" * 32)), licenses=(statement,))
    inventory = environment_inventory(env, licensed)
    package = component(inventory, "package:a")
    assert (package.license.expression, package.license_source) == ("MIT", "a-1.tar.gz")
    assert component(inventory, "package:tqdm").license.reference == ""


def test_a_package_in_two_layers_is_one_component_of_the_last(environment: Environments, lock: Locks) -> None:
    full_lock = lock()
    tqdm = next(package for layer in full_lock.layers for package in layer.packages if package.name == "tqdm")
    first, *others = full_lock.layers
    doubled = replace(full_lock, layers=(replace(first, packages=(*first.packages, tqdm)), *others))
    inventory = environment_inventory(environment(), doubled)
    assert component(inventory, "package:tqdm").layer == others[-1].name
