"""The image key in what buildx prints of an image in a registry."""

from __future__ import annotations

import json

import pytest

from torchpin.tools.docker import KEY_LABEL
from torchpin.tools.registry import parse_key

KEY = "ab" * 32
IMAGE = {"architecture": "amd64", "os": "linux", "config": {"Labels": {KEY_LABEL: KEY, "other": "b"}}}


@pytest.mark.parametrize(
    ("document", "key"),
    [
        (IMAGE, KEY),
        ({"linux/amd64": IMAGE}, KEY),
        ({"linux/amd64": IMAGE, "linux/arm64": IMAGE}, KEY),
        ({"linux/amd64": IMAGE, "linux/arm64": {"config": {"Labels": {KEY_LABEL: "cd"}}}}, None),
        ({"linux/amd64": IMAGE, "unknown/unknown": None}, None),
        ({"config": {"Labels": None}}, None),
        ({"config": {"Labels": {KEY_LABEL: 5}}}, None),
        ({"config": []}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_key_is_the_label_of_all_platforms(document: object, key: str | None) -> None:
    assert parse_key(json.dumps(document)) == key


def test_what_is_not_json_has_no_key() -> None:
    assert parse_key("<nil>") is None
