"""The text of an SBOM is to the byte the one that CycloneDX's own library writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.exception.model import InvalidUriException
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.cyclonedx_library import library_text
from torchpin.description.environments import select_environments
from torchpin.sbom.cyclonedx_bom import cyclonedx_text
from torchpin.sbom.inventory import BomComponent, Inventory, environment_inventory
from torchpin.sbom.licenses import License
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from support.fixture_types import Environments

ROOT = Path(__file__).parents[3]
BASE = BomComponent(ref="base", kind="base image", name="docker.io/a", version="1", purl="pkg:docker/a@1")
PACKAGE = BomComponent(ref="package:a", kind="package", name="a", version="1", purl="pkg:pypi/a@1")


@pytest.fixture(scope="module")
def inventory(environment: Environments) -> Inventory:
    env = environment()
    dependencies = {env.name: ("package:a", "base"), "base": (), "package:a": ()}
    return Inventory(environment=env, components=(PACKAGE, BASE), dependencies=dependencies)


def validation_problem(text: str) -> object:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_all_committed_environments_have_the_library_s_text() -> None:
    repo = workspace.open_repository(ROOT)
    environments = select_environments(repo.services)
    assert len(environments) >= 7
    for env in environments:
        inventory = environment_inventory(env, workspace.read_lock(repo, env))
        assert cyclonedx_text(inventory) == library_text(inventory), env.name


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sha256": "0a" * 32},
        {"license": License(expression="MIT")},
        {"license": License(expression="MIT OR (Apache-2.0 AND LicenseRef-Own)")},
        {"license": License(expression="LicenseRef-Own"), "license_source": "a-1.tar.gz"},
        {"license": License(names=("z", "a", "z", 'é "\\ \n\u2028 <'))},
        {"address": "https://a.example/a b[1]'{2}<3>\"%20+%2B.whl#sha256=0"},
        {"address": "git+ssh://git@a.example/a@0f", "kind": "source"},
        {"address": "git+ssh://git@a.example/a@0f", "kind": "build requirement", "ref": "package:a"},
        {"filename": "é-1.whl", "layer": "00-torch", "license_source": "x", "provided": True},
        {"optional": True},
        {"optional": True, "kind": "build requirement"},
        {"version": "", "kind": "source"},
        {"purl": "pkg:pypi/a@1%2Bcu121?download_url=https://a.example/%2B%26"},
    ],
    ids=str,
)
def test_a_component_of_each_shape_has_the_library_s_text(
    inventory: Inventory, fields: dict[str, Any]
) -> None:
    varied = replace(inventory, components=(replace(PACKAGE, **fields), BASE))
    assert cyclonedx_text(varied) == library_text(varied)


def test_the_order_of_components_is_the_library_s(inventory: Inventory) -> None:
    names = ["b", "B", "a", "a-b", "ab", "é"]
    components = tuple(
        replace(PACKAGE, ref=f"{prefix}{name}{version}", name=name, version=version)
        for name in names
        for version in ("10", "9")
        for prefix in ("package:", "build:", "build-stage:")
    )
    components += (replace(BASE, name="z"), replace(PACKAGE, ref="s", kind="source"))
    dependencies: dict[str, tuple[str, ...]] = {row.ref: () for row in components}
    dependencies |= {"s": ("base", "build:b9"), inventory.environment.name: ("s", "base")}
    varied = replace(inventory, components=components, dependencies=dependencies)
    assert cyclonedx_text(varied) == library_text(varied)
    assert cyclonedx_text(replace(varied, components=varied.components[::-1])) == library_text(varied)


def test_a_component_that_was_written_before_is_not_taken_for_another(inventory: Inventory) -> None:
    for version in ("1", "2", "1"):
        varied = replace(inventory, components=(replace(PACKAGE, version=version), BASE))
        assert cyclonedx_text(varied) == library_text(varied)


def test_an_address_that_the_library_does_not_take_is_escaped(inventory: Inventory) -> None:
    varied = replace(inventory, components=(replace(PACKAGE, address="https://a.example/100%#1#2"), BASE))
    with pytest.raises(InvalidUriException):
        library_text(varied)
    text = cyclonedx_text(varied)
    assert '"url": "https://a.example/100%25#1%232"' in text
    assert validation_problem(text) is None


def test_what_is_stated_nowhere_is_left_out(inventory: Inventory) -> None:
    varied = replace(inventory, components=(replace(PACKAGE, license=License(names=("",))), BASE))
    rows = {row["bom-ref"]: row for row in json.loads(cyclonedx_text(varied))["components"]}
    assert "licenses" not in rows["package:a"]
