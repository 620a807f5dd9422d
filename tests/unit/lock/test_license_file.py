"""The file of licenses reads back as it was written, and shows every change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.model import LicenseStatement

MIT = LicenseStatement(name="a", version="1", sha256="0f" * 32, expression="MIT")
FILE = "lockfiles/lora-gpu/licenses.txt"
texts = st.text(max_size=20).filter(lambda text: text == text.strip())
statements = st.builds(
    LicenseStatement,
    name=st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True),
    version=st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}(\+cu121)?", fullmatch=True),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    expression=texts.filter(bool),
    text=texts,
    classifiers=st.lists(texts.filter(bool), max_size=2).map(tuple),
    metadata_of=texts,
)


def test_a_statement_is_one_line() -> None:
    other = LicenseStatement(
        name="torch",
        version="2.7.1+cu128",
        sha256="1e" * 32,
        text="BSD",
        classifiers=("OSI Approved :: BSD License",),
        metadata_of="torch-2.7.1.whl",
    )
    lines = file_format.licenses_text("lora-gpu", (MIT, other)).splitlines()
    assert lines[:3] == [
        "# torchpin lock of lora-gpu, licenses as the packages state them",
        "# Made by `invoke lock`; do not edit.",
        "# environment: lora-gpu",
    ]
    assert lines[4:] == [
        f'a==1 sha256:{"0f" * 32} {{"License-Expression": "MIT"}}',
        f'torch==2.7.1+cu128 sha256:{"1e" * 32} {{"License": "BSD", "Classifier": ["OSI Approved :: BSD License"], "of": "torch-2.7.1.whl"}}',
    ]


@given(st.lists(statements, max_size=3).map(tuple))
def test_licenses_read_back_as_they_were_written(written: tuple[LicenseStatement, ...]) -> None:
    assert file_format.parse_licenses(FILE, file_format.licenses_text("lora-gpu", written)) == written


def test_an_edit_by_hand_is_found() -> None:
    text = file_format.licenses_text("lora-gpu", (MIT,))
    with pytest.raises(InputError) as excinfo:
        file_format.parse_licenses(FILE, text.replace('"MIT"', '"0BSD"'))
    assert f"{FILE}:4:1: was edited: its digest does not match its lines" in str(excinfo.value)


@pytest.mark.parametrize(
    "fields",
    [
        "{}",
        "{",
        '{"License": 1}',
        '{"License": ""}',
        '{"Classifier": "MIT"}',
        '{"Classifier": [1]}',
        '{"License": "MIT", "Author": "x"}',
        f'{{"License": {"[" * 2000}}}',
    ],
)
def test_a_line_that_is_no_license_is_named(fields: str) -> None:
    lines = [f"a==1 sha256:{'0f' * 32} {fields}"]
    text = file_format._seal("# licenses", {"environment": "lora-gpu"}, lines)
    with pytest.raises(InputError) as excinfo:
        file_format.parse_licenses(FILE, text)
    assert f"{FILE}:5:1: not the license of a locked package: 'a==1 sha256:0f0f" in str(excinfo.value)
