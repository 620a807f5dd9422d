"""Both formats are valid for their own validators, say the same, and are the same text each time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from support.abi_wheels import ATTENTION, LAYER_ONE, make_environment, make_lock, resolution
from torchpin.model import Base, LicenseStatement, Source
from torchpin.sbom.cyclonedx_bom import cyclonedx_text
from torchpin.sbom.inventory import Inventory, environment_inventory
from torchpin.sbom.spdx_document import spdx_text

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks

SOURCE = Source(name="s", url="ssh://git.example/s", tag="v1", commit="0f" * 20, path="s")


def statement(sha256: str, **fields: Any) -> LicenseStatement:
    return LicenseStatement(name="x", version="1", sha256=sha256, **fields)


@pytest.fixture(scope="module")
def inventory(environment: Environments, lock: Locks, artifact: Artifacts) -> Inventory:
    env = environment(base=Base(image="nvidia/cuda:12", digest="sha256:" + "2d" * 32), sources=(SOURCE,))
    hashes = ["0a" * 32, "0b" * 32, "0c" * 32, "0d" * 32]
    packages = [
        artifact(name, "1", sha256=sha256, by=("lora",)) for name, sha256 in zip("abcd", hashes, strict=True)
    ]
    sdist = artifact("dadaptation", "3.2", filename="dadaptation-3.2.tar.gz", sha256="0e" * 32, by=("a",))
    tools = (artifact("a", "2", sha256="0f" * 32, by=("dadaptation",)),)
    licenses = (
        statement(hashes[0], expression="MIT"),
        statement(hashes[1], text="MIT OR Apache-2.0"),
        statement(hashes[2], classifiers=("OSI Approved :: BSD License", "OSI Approved :: MIT License")),
        statement(hashes[3], text="LicenseRef-Own", metadata_of="d-1.tar.gz"),
    )
    return environment_inventory(env, replace(lock(env, *packages, sdist, build=tools), licenses=licenses))


def spdx_problems(document: dict[str, Any]) -> list[str]:
    return [
        problem.validation_message
        for problem in validate_full_spdx_document(JsonLikeDictParser().parse(document))  # type: ignore[no-untyped-call]
    ]


def test_cyclonedx_s_validator_accepts_it_and_finds_a_fault(inventory: Inventory) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    text = cyclonedx_text(inventory)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"library"', '"lib"')) is not None


def test_spdx_s_validator_accepts_it_and_finds_a_fault(inventory: Inventory) -> None:
    document = json.loads(spdx_text(inventory, "x", created=0))
    assert spdx_problems(document) == []
    document["packages"][1]["licenseDeclared"] = "LicenseRef-nowhere"
    assert spdx_problems(document)


def test_a_torch_of_the_base_image_is_valid_too(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    inventory = environment_inventory(env, make_lock(env, resolution(artifact)))
    text = cyclonedx_text(inventory)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert spdx_problems(json.loads(spdx_text(inventory, text, created=0))) == []
    rows = {row["bom-ref"]: row for row in json.loads(text)["components"]}
    provided = {"name": "torchpin:provided", "value": "by the base image"}
    assert provided in rows["package:torch"]["properties"]
    assert provided not in rows["package:a"]["properties"]


def test_the_same_inventory_is_the_same_text_and_another_has_another_number(inventory: Inventory) -> None:
    text = cyclonedx_text(inventory)
    backwards = replace(inventory, components=inventory.components[::-1])
    assert cyclonedx_text(backwards) == text
    assert "timestamp" not in text
    first, *others = inventory.components
    other_text = cyclonedx_text(replace(inventory, components=(replace(first, version="13"), *others)))
    assert json.loads(other_text)["serialNumber"] != json.loads(text)["serialNumber"]
    assert spdx_text(inventory, text, created=7) == spdx_text(inventory, text, created=7)


def test_licenses_are_identifiers_expressions_names_or_nothing(inventory: Inventory) -> None:
    bom = json.loads(cyclonedx_text(inventory))
    stated = {row["bom-ref"]: row.get("licenses") for row in bom["components"]}
    assert stated["package:a"] == [{"license": {"id": "MIT"}}]
    assert stated["package:b"] == [{"expression": "MIT OR Apache-2.0"}]
    assert stated["package:c"] == [
        {"license": {"name": "BSD License"}},
        {"license": {"name": "MIT License"}},
    ]
    assert stated["package:d"] == [{"expression": "LicenseRef-Own"}]
    assert stated["package:tqdm"] is None
    document = json.loads(spdx_text(inventory, "x", created=0))
    declared = {row["SPDXID"]: row.get("licenseDeclared") for row in document["packages"]}
    assert declared["SPDXRef-package-a"] == "MIT"
    assert declared["SPDXRef-package-c"] == "LicenseRef-BSD-License-MIT-License"
    assert declared["SPDXRef-package-tqdm"] == "NOASSERTION"
    names = {row["licenseId"]: row["name"] for row in document["hasExtractedLicensingInfos"]}
    assert names == {
        "LicenseRef-BSD-License-MIT-License": "BSD License, MIT License",
        "LicenseRef-Own": "LicenseRef-Own",
    }


def test_scopes_tell_what_the_image_holds(inventory: Inventory) -> None:
    scopes = {row["bom-ref"]: row["scope"] for row in json.loads(cyclonedx_text(inventory))["components"]}
    assert (scopes["package:a"], scopes["build:a"]) == ("required", "excluded")
    relationships = json.loads(spdx_text(inventory, "x", created=0))["relationships"]
    assert {
        "spdxElementId": "SPDXRef-build-a",
        "relatedSpdxElement": "SPDXRef-package-dadaptation",
        "relationshipType": "BUILD_DEPENDENCY_OF",
    } in relationships


def test_an_address_that_spdx_s_readers_reject_is_left_out(inventory: Inventory) -> None:
    document = json.loads(spdx_text(inventory, "x", created=0))
    locations = {row["SPDXID"]: row["downloadLocation"] for row in document["packages"]}
    assert locations["SPDXRef-source-s"] == "NOASSERTION"
    assert locations["SPDXRef-package-torch"].startswith("https://download.pytorch.org/whl/cu121/torch-2.5.1")
    purls = [row["externalRefs"][0]["referenceLocator"] for row in document["packages"][1:]]
    assert f"pkg:generic/s@{'0f' * 20}?vcs_url=git%2Bssh://git.example/s%40{'0f' * 20}" in purls


def test_a_time_is_the_one_that_was_given(inventory: Inventory) -> None:
    document = json.loads(spdx_text(inventory, "x", created=86_400))
    assert document["creationInfo"]["created"] == "1970-01-02T00:00:00Z"
