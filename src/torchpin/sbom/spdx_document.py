"""An inventory as an SPDX 2.3 document in JSON; the same inventory at the same time gives the same text."""

from __future__ import annotations

import io
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from spdx_tools.common.spdx_licensing import spdx_licensing
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    ExtractedLicensingInfo,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.validation.uri_validators import validate_download_location
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

from torchpin.sbom.inventory import BUILD_REF
from torchpin.sbom.licenses import LICENSE_REF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from boolean import Expression

    from torchpin.sbom.inventory import BomComponent, Inventory
    from torchpin.sbom.licenses import License

_DOCUMENT = "SPDXRef-DOCUMENT"
_PURPOSES = {
    "package": PackagePurpose.LIBRARY,
    "build requirement": PackagePurpose.LIBRARY,
    "source": PackagePurpose.SOURCE,
    "base image": PackagePurpose.CONTAINER,
}


def spdx_text(inventory: Inventory, content: str, *, created: int) -> str:
    """An inventory as SPDX JSON. `content`: its CycloneDX text, which the namespace follows from; `created`: seconds since 1970."""
    env = inventory.environment
    root = Package(
        spdx_id=_spdx_id(env.name),
        name=env.name,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        summary=env.service.summary,
        primary_package_purpose=PackagePurpose.CONTAINER,
    )
    document = Document(
        creation_info=CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id=_DOCUMENT,
            name=env.name,
            document_namespace=f"https://spdx.org/spdxdocs/{env.name}-{uuid5(NAMESPACE_URL, content)}",
            creators=[Actor(ActorType.TOOL, "torchpin")],
            created=datetime.fromtimestamp(created, tz=timezone.utc).replace(tzinfo=None),
        ),
        packages=[root, *map(_package, inventory.components)],
        relationships=[
            Relationship(_DOCUMENT, RelationshipType.DESCRIBES, root.spdx_id),
            *_relationships(inventory),
        ],
        extracted_licensing_info=_named_licenses(inventory.components),
    )
    stream = io.StringIO()
    # torchpin's tests validate what it writes; the writer's own validation takes seconds
    write_document_to_stream(document, stream, validate=False)
    return stream.getvalue() + "\n"


def _spdx_id(ref: str) -> str:
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", ref)


def _package(component: BomComponent) -> Package:
    return Package(
        spdx_id=_spdx_id(component.ref),
        name=component.name,
        version=component.version,
        download_location=_download_location(component.address),
        file_name=component.filename or None,
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, component.sha256)] if component.sha256 else [],
        license_concluded=SpdxNoAssertion(),
        license_declared=_declared_license(component.license),
        license_comment=f"as stated by {component.license_source}" if component.license_source else None,
        copyright_text=SpdxNoAssertion(),
        external_references=[
            ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", component.purl)
        ],
        primary_package_purpose=_PURPOSES[component.kind],
    )


def _download_location(address: str) -> str | SpdxNoAssertion:
    """An address that SPDX's readers take; they reject hosts of one word or with a long top-level domain, and files."""
    return SpdxNoAssertion() if not address or validate_download_location(address) else address


def _declared_license(stated: License) -> Expression | SpdxNoAssertion:
    return spdx_licensing.parse(stated.reference) if stated.reference else SpdxNoAssertion()


def _relationships(inventory: Inventory) -> Iterator[Relationship]:
    for ref, targets in inventory.dependencies.items():
        for target in targets:
            parts = (_spdx_id(ref), _spdx_id(target))
            if target.startswith(BUILD_REF):
                yield Relationship(parts[1], RelationshipType.BUILD_DEPENDENCY_OF, parts[0])
            else:
                yield Relationship(parts[0], RelationshipType.DEPENDS_ON, parts[1])


def _named_licenses(components: Iterable[BomComponent]) -> list[ExtractedLicensingInfo]:
    """What stands behind each LicenseRef: the names that packages give to licenses that are not on SPDX's list."""
    names: dict[str, str] = {}
    for component in components:
        for reference in LICENSE_REF.findall(component.license.reference):
            names[reference] = ", ".join(component.license.names) or reference
    return [
        ExtractedLicensingInfo(license_id=reference, license_name=name, extracted_text=name)
        for reference, name in sorted(names.items())
    ]
