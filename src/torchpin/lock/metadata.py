"""What the metadata of a package say of its license: METADATA of a wheel, PKG-INFO of a source archive."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from packaging.metadata import parse_email

from torchpin.model import LicenseStatement

if TYPE_CHECKING:
    from torchpin.model import Artifact

_LONGEST_TEXT = 100  # characters of a License field; longer ones are the text of a license, not its name
_MOST_CLASSIFIERS = 20
_CLASSIFIER = "License :: "


def license_statement(package: Artifact, metadata: bytes) -> LicenseStatement | None:
    """What a package's metadata say of its license, None if nothing.

    Metadata that cannot be parsed say nothing.
    """
    try:
        fields, _ = parse_email(metadata)
    except (ValueError, LookupError):
        return None
    classifiers = [
        _plain(text.removeprefix(_CLASSIFIER))
        for text in fields.get("classifiers", [])
        if text.startswith(_CLASSIFIER) and text != f"{_CLASSIFIER}OSI Approved"
    ]
    text = fields.get("license", "").strip()
    statement = LicenseStatement(
        name=package.name,
        version=package.version,
        sha256=package.sha256,
        expression=_plain(fields.get("license_expression", "")),
        text=_plain(text) if len(text) <= _LONGEST_TEXT and "\n" not in text else "",
        classifiers=tuple(sorted({*classifiers} - {""}))[:_MOST_CLASSIFIERS],
    )
    return statement if statement.expression or statement.text or statement.classifiers else None


def _plain(text: str) -> str:
    """A text of one line, shortened, without control characters; "" for UNKNOWN, which setuptools writes for no text."""
    visible = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    plain = " ".join(visible.split())[: 10 * _LONGEST_TEXT]
    return "" if plain.upper() == "UNKNOWN" else plain
