"""An inventory as a CycloneDX 1.6 document; the same inventory gives the same text."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.spdx import is_supported_id

if TYPE_CHECKING:
    from torchpin.model import Environment
    from torchpin.sbom.inventory import BomComponent, Inventory
    from torchpin.sbom.licenses import License

_NO_SERIAL_NUMBER = str(UUID(int=0))
_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_TYPES = {
    "package": "library",
    "build requirement": "library",
    "source": "application",
    "base image": "container",
}
_NOT_IN_ADDRESSES = str.maketrans({character: f"%{ord(character):02X}" for character in " \"'[]<>{}"})
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MOST_ROWS = 20_000  # some ten MB; the environments of a large repository mostly have the same packages


def cyclonedx_text(inventory: Inventory) -> str:
    """An inventory as CycloneDX JSON. Its serial number follows from what it says, and it bears no time.

    The text is that of CycloneDX's library, which takes fifty times as long.
    """
    components = sorted(
        inventory.components, key=lambda row: (_TYPES[row.kind], row.name, row.version, row.ref)
    )
    rows = ",\n  ".join(map(_component_text, components))
    dependencies = ",\n  ".join(
        _dependency_text(ref, targets) for ref, targets in sorted(inventory.dependencies.items())
    )
    trailer = _indented(
        {
            "metadata": _metadata(inventory.environment),
            "serialNumber": f"urn:uuid:{_NO_SERIAL_NUMBER}",
            "version": 1,
            "$schema": _SCHEMA,
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
        },
        depth=0,
    ).removeprefix("{\n")
    text = f'{{\n "components": [\n  {rows}\n ],\n "dependencies": [\n  {dependencies}\n ],\n{trailer}\n'
    # in place of the first number, which the second follows from
    return text.replace(_NO_SERIAL_NUMBER, str(uuid5(NAMESPACE_URL, text)), 1)


def _indented(row: dict[str, Any], *, depth: int) -> str:
    # strings in JSON have no line ends of their own
    return json.dumps(row, indent=1).replace("\n", "\n" + " " * depth)


def _metadata(env: Environment) -> dict[str, Any]:
    root: dict[str, Any] = {
        "bom-ref": env.name,
        "description": env.service.summary,
        "name": env.name,
        "properties": _properties(
            channel=env.variant.channel, platform=env.variant.platform, python=str(env.service.python)
        ),
        "type": "container",
    }
    return {
        "component": root,
        "lifecycles": [{"phase": "pre-build"}],
        "tools": {"components": [{"name": "torchpin", "type": "application"}]},
    }


@lru_cache(maxsize=_MOST_ROWS)
def _dependency_text(ref: str, targets: tuple[str, ...]) -> str:
    return _indented({"dependsOn": sorted(targets), "ref": ref} if targets else {"ref": ref}, depth=2)


@lru_cache(maxsize=_MOST_ROWS)
def _component_text(component: BomComponent) -> str:
    row = {
        "bom-ref": component.ref,
        "externalReferences": _external_references(component),
        "hashes": [{"alg": "SHA-256", "content": component.sha256}] if component.sha256 else [],
        "licenses": _licenses(component.license),
        "name": component.name,
        "properties": _properties(
            file=component.filename,
            layer=component.layer,
            license_of=component.license_source,
            provided="by the base image" if component.provided else "",
        ),
        "purl": component.purl,
        "scope": _scope(component),
        "type": _TYPES[component.kind],
        "version": component.version,
    }
    return _indented({name: value for name, value in row.items() if value != []}, depth=2)


def _scope(component: BomComponent) -> str:
    """*excluded* is what a build uses and the image does not hold."""
    if component.kind == "build requirement":
        return "excluded"
    return "optional" if component.optional else "required"


def _licenses(stated: License) -> list[dict[str, Any]]:
    if not stated.expression:
        return [{"license": {"name": name}} for name in sorted({*stated.names} - {""})]
    if is_supported_id(stated.expression):
        return [{"license": {"id": stated.expression}}]
    return [{"expression": stated.expression}]


def _external_references(component: BomComponent) -> list[dict[str, str]]:
    if not component.address:
        return []
    kind = "vcs" if component.kind == "source" else "distribution"
    return [{"type": kind, "url": _address(component.address)}]


def _address(address: str) -> str:
    """An address as the schema has it: with one fragment, and only such percent signs as begin an escape."""
    path, mark, fragment = _PERCENT.sub("%25", address).translate(_NOT_IN_ADDRESSES).partition("#")
    return f"{path}{mark}{fragment.replace('#', '%23')}"


def _properties(**values: str) -> list[dict[str, str]]:
    """Those that have a value; names are given in their order."""
    return [
        {"name": f"torchpin:{name.replace('_', '-')}", "value": value}
        for name, value in values.items()
        if value
    ]
