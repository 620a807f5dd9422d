"""The document that the probe leaves in an image, `proof.json`: what the image was verified to be."""

from __future__ import annotations

from typing import Any

from torchpin.errors import ToolError
from torchpin.parsing import parse_json

PROOF = "/opt/torchpin/proof.json"


def parse_proof(content: bytes) -> dict[str, Any]:
    """The probe's document. Raises ToolError for what it cannot have written."""
    try:
        document = parse_json(content)
    except ValueError as error:
        raise ToolError(f"{PROOF} of the image is not JSON: {error}; build the image again") from None
    if not isinstance(document, dict):
        raise ToolError(f"{PROOF} of the image is not a mapping; build the image again")
    distributions = document.get("distributions")
    fits = {
        "distributions": isinstance(distributions, dict) and all(map(_is_text, distributions.values())),
        "python": _is_text(document.get("python")),
        "sources": isinstance(document.get("sources"), dict),
        "torch": isinstance(document.get("torch", ""), (dict, type(None))),
        "findings": all(map(_is_finding, _list(document.get("findings")))),
        "wheels": isinstance(document.get("wheels", {}), dict),
    }
    wrong = [name for name, is_right in fits.items() if not is_right]
    if wrong:
        raise ToolError(f"{PROOF} of the image has no valid {', '.join(wrong)}; build the image again")
    return document


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [None]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_finding(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(value.get(key)) for key in ("id", "level", "message", "help")
    )
