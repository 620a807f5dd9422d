"""An inventory as CycloneDX's own library writes it, which torchpin's text is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL

if TYPE_CHECKING:
    from cyclonedx.model.license import License as CycloneDxLicense

    from torchpin.sbom.inventory import BomComponent, Inventory
    from torchpin.sbom.licenses import License

_NO_SERIAL_NUMBER = UUID(int=0)
_TYPES = {
    "package": ComponentType.LIBRARY,
    "build requirement": ComponentType.LIBRARY,
    "source": ComponentType.APPLICATION,
    "base image": ComponentType.CONTAINER,
}


def library_text(inventory: Inventory) -> str:
    """An inventory as CycloneDX JSON with torchpin's serial number."""
    outputter = make_outputter(_bom(inventory), OutputFormat.JSON, SchemaVersion.V1_6)
    text = outputter.output_as_string(indent=1) + "\n"
    # in place of the first number: to write it twice would take twice as long
    return text.replace(str(_NO_SERIAL_NUMBER), str(uuid5(NAMESPACE_URL, text)), 1)


def _bom(inventory: Inventory) -> Bom:
    env = inventory.environment
    root = Component(
        name=env.name,
        type=ComponentType.CONTAINER,
        bom_ref=env.name,
        description=env.service.summary,
        properties=_properties(
            python=str(env.service.python), platform=env.variant.platform, channel=env.variant.channel
        ),
    )
    bom = Bom(
        serial_number=_NO_SERIAL_NUMBER,
        components=map(_component, inventory.components),
        # register_dependency, which looks through all of them each time, takes seconds
        dependencies=[
            Dependency(BomRef(ref), [Dependency(BomRef(target)) for target in targets])
            for ref, targets in inventory.dependencies.items()
        ],
    )
    bom.metadata.timestamp = None  # type: ignore[assignment]  # the field is optional in CycloneDX
    bom.metadata.component = root
    bom.metadata.lifecycles.add(PredefinedLifecycle(phase=LifecyclePhase.PRE_BUILD))
    bom.metadata.tools.components.add(Component(name="torchpin", type=ComponentType.APPLICATION))
    return bom


def _component(component: BomComponent) -> Component:
    return Component(
        name=component.name,
        version=component.version,
        type=_TYPES[component.kind],
        bom_ref=component.ref,
        purl=PackageURL.from_string(component.purl),
        scope=_scope(component),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)] if component.sha256 else [],
        licenses=_licenses(component.license),
        external_references=_external_references(component),
        properties=_properties(
            layer=component.layer,
            file=component.filename,
            license_of=component.license_source,
            provided="by the base image" if component.provided else "",
        ),
    )


def _scope(component: BomComponent) -> ComponentScope:
    """*excluded* is what a build uses and the image does not hold."""
    if component.kind == "build requirement":
        return ComponentScope.EXCLUDED
    return ComponentScope.OPTIONAL if component.optional else ComponentScope.REQUIRED


def _licenses(stated: License) -> list[CycloneDxLicense]:
    if not stated.expression:
        return [DisjunctiveLicense(name=name) for name in stated.names]
    if is_supported_id(stated.expression):
        return [DisjunctiveLicense(id=stated.expression)]
    return [LicenseExpression(stated.expression)]


def _external_references(component: BomComponent) -> list[ExternalReference]:
    if not component.address:
        return []
    kind = ExternalReferenceType.VCS if component.kind == "source" else ExternalReferenceType.DISTRIBUTION
    return [ExternalReference(type=kind, url=XsUri(component.address))]


def _properties(**values: str) -> list[Property]:
    return [
        Property(name=f"torchpin:{name.replace('_', '-')}", value=value)
        for name, value in values.items()
        if value
    ]
