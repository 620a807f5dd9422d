"""What the METADATA of torch's partners say of torch, as the rows of partners.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.measure.metadata import parse_requirements, requirements_on

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_DECLARED_DATE = re.compile(r'(\n  declared: \{date: ")[0-9-]+')
_ENVIRONMENT = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "extra": "",
}


def torch_requirement(metadata: bytes) -> str | None:
    """The specifier of torch in a wheel's METADATA, for Linux on x86_64 and without extras.

    Empty where torch is required in any version, None where it is not required at all or the METADATA cannot be parsed.
    """
    specifiers = [
        ",".join(sorted(map(str, requirement.specifier), reverse=True))
        for requirement in requirements_on(parse_requirements(metadata), {"torch"})
        if requirement.marker is None or requirement.marker.evaluate(_ENVIRONMENT)
    ]
    return ",".join(filter(None, specifiers)) if specifiers else None


def format_declared(requirements: Mapping[str, Mapping[str, str | None]]) -> str:
    """The section `declared` of partners.yaml: package to version to what `torch_requirement` says of it.

    Versions with the same requirement share a row; those that require no torch, or any, have none.
    """
    lines = ["declared:"]
    for package, by_version in sorted(requirements.items()):
        rows: dict[str, list[str]] = {}
        for version in sorted(by_version, key=Version):
            rows.setdefault(by_version[version] or "", []).append(version)
        for specifier, versions in rows.items():
            names = ", ".join(f'"{version}"' for version in versions)
            if specifier:
                lines.append(f'- {{package: {package}, torch: "{specifier}", versions: [{names}]}}')
    return "\n".join([*lines, ""])


def renewed_table(text: str, requirements: Mapping[str, Mapping[str, str | None]], today: date) -> str:
    """The text of partners.yaml with these requirements and the day on which they were read; what people write stays."""
    head, _, _ = text.partition("\ndeclared:\n")
    dated = _DECLARED_DATE.sub(rf"\g<1>{today.isoformat()}", head, count=1)
    return f"{dated}\n{format_declared(requirements)}"
