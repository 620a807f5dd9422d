"""The proof in an image is a document of the probe, or an error that says what is wrong with it."""

from __future__ import annotations

import json

import pytest

from torchpin.errors import ToolError
from torchpin.records.proof import parse_proof

FINDING = {"id": "IMG007", "level": "warning", "about": "a", "message": "a needs b", "help": "add b"}
DOCUMENT = {
    "python": "3.11.9",
    "distributions": {"torch": "2.5.1"},
    "torch": {"version": "2.5.1"},
    "sources": {},
    "findings": [FINDING],
}


@pytest.mark.parametrize("changes", [{}, {"torch": None}, {"wheels": {"a.whl": "0"}}, {"findings": []}])
def test_a_document_of_the_probe_is_read(changes: dict[str, object]) -> None:
    document = {**DOCUMENT, **changes}
    assert parse_proof(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON: it is not UTF-8"),
        (b"[]", "is not a mapping"),
        (b"{}", "has no valid distributions, python, sources, torch, findings; build the image again"),
        *(
            (json.dumps({**DOCUMENT, key: value}).encode(), f"has no valid {key}")
            for key, value in [
                ("distributions", {"torch": None}),
                ("distributions", []),
                ("python", 3),
                ("sources", None),
                ("torch", "2.5.1"),
                ("findings", [{}]),
                ("findings", "none"),
                ("wheels", []),
            ]
        ),
    ],
)
def test_anything_else_is_an_error(content: bytes, message: str) -> None:
    with pytest.raises(ToolError) as excinfo:
        parse_proof(content)
    assert message in str(excinfo.value)
