"""A license is what a package's metadata state, shortened and on one line, and nothing where they state none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.lock.metadata import license_statement

if TYPE_CHECKING:
    from support.fixture_types import Artifacts

HEAD = "Metadata-Version: 2.1\nName: a\nVersion: 1\n"
BSD = "License :: OSI Approved :: BSD License"


def test_the_three_fields_are_read(artifact: Artifacts) -> None:
    metadata = f"{HEAD}License-Expression: MIT\nLicense: MIT License\nClassifier: {BSD}\nClassifier: Topic :: X\n\ntext"
    statement = license_statement(artifact("a", "1"), metadata.encode())
    assert statement
    assert (statement.name, statement.version, statement.sha256) == ("a", "1", "ab" * 32)
    assert (statement.expression, statement.text) == ("MIT", "MIT License")
    assert statement.classifiers == ("OSI Approved :: BSD License",)


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "License: UNKNOWN\n",
        "License:\n",
        "Classifier: License :: OSI Approved\n",
        f"License: {'Permission is hereby granted, ' * 9}\n",
        "License: Copyright\n        All rights\n        reserved\n",
        "\nLicense: MIT\n",
    ],
    ids=["none", "unknown", "empty", "no name", "a text", "lines", "in the description"],
)
def test_what_states_no_license_is_no_statement(artifact: Artifacts, fields: str) -> None:
    assert license_statement(artifact("a", "1"), f"{HEAD}{fields}".encode()) is None


def test_control_characters_and_bidirectional_overrides_are_no_part_of_it(artifact: Artifacts) -> None:
    statement = license_statement(artifact("a", "1"), f"{HEAD}License: M\u202eI\x9bT\n".encode())
    assert statement
    assert statement.text == "M I T"


@given(st.binary(max_size=300))
def test_no_metadata_are_a_traceback(artifact: Artifacts, content: bytes) -> None:
    statement = license_statement(artifact("a", "1"), content)
    assert statement is None or statement.name == "a"
