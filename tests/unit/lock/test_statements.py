"""The files of licenses and of wheels read back as they were written, and show every change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.errors import InputError
from torchpin.lock import sealing, statements
from torchpin.model import LicenseStatement, SharedFiles, WheelContents

MIT = LicenseStatement(name="a", version="1", sha256="0f" * 32, expression="MIT")
FILE = "lockfiles/lora-gpu/licenses.txt"
texts = st.text(max_size=20).filter(lambda text: text == text.strip())
license_statements = st.builds(
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
    lines = statements.licenses_text("lora-gpu", (MIT, other)).splitlines()
    assert lines[:3] == [
        "# torchpin lock of lora-gpu, licenses as the packages state them",
        "# Made by `invoke lock`; do not edit.",
        "# environment: lora-gpu",
    ]
    assert lines[4:] == [
        f'a==1 sha256:{"0f" * 32} {{"License-Expression": "MIT"}}',
        f'torch==2.7.1+cu128 sha256:{"1e" * 32} {{"License": "BSD", "Classifier": ["OSI Approved :: BSD License"], "of": "torch-2.7.1.whl"}}',
    ]


@given(st.lists(license_statements, max_size=3).map(tuple))
def test_licenses_read_back_as_they_were_written(written: tuple[LicenseStatement, ...]) -> None:
    assert statements.parse_licenses(FILE, statements.licenses_text("lora-gpu", written)) == written


def test_an_edit_by_hand_is_found() -> None:
    text = statements.licenses_text("lora-gpu", (MIT,))
    with pytest.raises(InputError) as excinfo:
        statements.parse_licenses(FILE, text.replace('"MIT"', '"0BSD"'))
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
    text = sealing.seal("# licenses", {"environment": "lora-gpu"}, lines)
    with pytest.raises(InputError) as excinfo:
        statements.parse_licenses(FILE, text)
    assert f"{FILE}:5:1: not the license of a locked package: 'a==1 sha256:0f0f" in str(excinfo.value)


WHEELS_FILE = "lockfiles/lora-gpu/wheels.txt"
BITSANDBYTES = WheelContents(
    name="bitsandbytes",
    version="0.46.0",
    sha256="0f" * 32,
    requires=("torch<3,>=2.2",),
    installs=("bitsandbytes",),
    cuda_libraries=("11.8", "12.0"),
)
words = st.lists(st.text(min_size=1, max_size=9), max_size=2).map(tuple)
names = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True)
wheels = st.builds(
    WheelContents,
    name=names,
    version=st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}(\+cu121)?", fullmatch=True),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    requires=words,
    installs=words,
    cuda_libraries=words,
    cuda_runtimes=st.lists(st.integers(8, 19), max_size=2).map(tuple),
    shares=st.lists(
        st.builds(SharedFiles, package=names, count=st.integers(1, 9), example=st.text(max_size=9)),
        max_size=2,
        unique_by=lambda shared: shared.package,
    ).map(tuple),
    contents_of=st.text(max_size=9),
    unread=st.text(max_size=9),
)


def test_a_wheel_is_one_line() -> None:
    gpu = WheelContents(
        name="onnxruntime-gpu",
        version="1.22.0",
        sha256="1e" * 32,
        installs=("onnxruntime",),
        shares=(SharedFiles(package="onnxruntime", count=4, example="onnxruntime/__init__.py"),),
    )
    torch = WheelContents(
        name="torch", version="2.8.0+cu128", sha256="2d" * 32, unread="its index has no such file"
    )
    lines = statements.wheels_text("lora-gpu", (BITSANDBYTES, gpu, torch)).splitlines()
    assert lines[0] == "# torchpin lock of lora-gpu, what was read out of its wheels"
    assert lines[4:] == [
        f'bitsandbytes==0.46.0 sha256:{"0f" * 32} {{"requires": ["torch<3,>=2.2"], "installs": ["bitsandbytes"], "cuda-libraries": ["11.8", "12.0"]}}',
        f'onnxruntime-gpu==1.22.0 sha256:{"1e" * 32} {{"installs": ["onnxruntime"], "shares": {{"onnxruntime": [4, "onnxruntime/__init__.py"]}}}}',
        f'torch==2.8.0+cu128 sha256:{"2d" * 32} {{"unread": "its index has no such file"}}',
    ]


@given(st.lists(wheels, max_size=3).map(tuple))
def test_wheels_read_back_as_they_were_written(written: tuple[WheelContents, ...]) -> None:
    assert statements.parse_wheels(WHEELS_FILE, statements.wheels_text("lora-gpu", written)) == written


@pytest.mark.parametrize(
    "fields",
    [
        "{",
        '{"installs": "a"}',
        '{"installs": [1]}',
        '{"cuda-runtimes": ["12"]}',
        '{"shares": ["a"]}',
        '{"shares": {"a": [1]}}',
        '{"unread": null}',
        '{"unread": "", "installs": ["a"]}',
        '{"installs": ["a"], "requires": ["torch"]}',
        '{"something": "else"}',
        f'{{"installs": {"[" * 2000}}}',
    ],
)
def test_a_line_that_is_no_wheel_is_named(fields: str) -> None:
    lines = [f"a==1 sha256:{'0f' * 32} {fields}"]
    text = sealing.seal("# wheels", {"environment": "lora-gpu"}, lines)
    with pytest.raises(InputError) as excinfo:
        statements.parse_wheels(WHEELS_FILE, text)
    assert f"{WHEELS_FILE}:5:1: not as `invoke lock` writes a wheel: 'a==1 sha256:0f0f" in str(excinfo.value)


def test_a_file_of_wheels_with_another_header_is_named() -> None:
    with pytest.raises(InputError, match="expected the header field environment"):
        statements.parse_wheels(WHEELS_FILE, sealing.seal("# wheels", {"layer": "a"}, []))
