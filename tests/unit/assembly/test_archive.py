"""Archives that are no wheels: hostile names, links, bombs, and bytes that are not what is declared."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.wheel_files import zip_file
from torchpin.assembly.archive import DamagedWheelError, WheelArchive, WheelError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "x-1.0-py3-none-any.whl"
BIG = bytes(3_000_000)


def opened(content: bytes) -> WheelArchive:
    return WheelArchive(io.BytesIO(content), NAME)


def read_all(content: bytes) -> dict[str, bytes]:
    archive = opened(content)
    return {path: b"".join(archive.chunks(path)) for path in archive.files}


@pytest.mark.parametrize("stored", [False, True])
def test_every_file_is_read_as_it_was_written(stored: bool) -> None:
    files = {"a.py": b"a", "b/größe.txt": b"", "c.bin": bytes(range(256)) * 10_000, "zeros": BIG}
    assert read_all(zip_file({**files, "folder/": b""}, stored=stored)) == files


def test_chunks_of_few_bytes_that_become_many_stay_small() -> None:
    chunks = [*opened(zip_file({"zeros": BIG})).chunks("zeros")]
    assert max(map(len, chunks)) <= 1 << 20
    assert b"".join(chunks) == BIG


@pytest.mark.parametrize(
    ("mode", "system", "expected"),
    [(0o755, 3, True), (0o654, 3, True), (0o644, 3, False), (0o755, 0, False), (0o600, 3, False)],
)
def test_a_file_is_executable_where_the_archive_says_so(mode: int, system: int, expected: bool) -> None:
    assert opened(zip_file({"x": (b"", mode)}, system=system)).files["x"].executable is expected


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"/etc/passwd": b""}, "'/etc/passwd' is not a path inside of the environment"),
        ({"../../up.py": b""}, "'../../up.py' is not a path inside of the environment"),
        ({"a/../../up.py": b""}, "is not a path inside of the environment"),
        ({"a/./b": b""}, "is not a path inside of the environment"),
        ({"a//b": b""}, "is not a path inside of the environment"),
        ({"a\\..\\b": b""}, "is not a path inside of the environment"),
        ({"a\nb": b""}, "is not a path inside of the environment"),
        ({"/": b""}, "is not a path inside of the environment"),
        ({"x": (b"/etc/passwd", 0o120777)}, "x is a link or a device, which a wheel must not have"),
        ({"x": (b"", 0o010644)}, "x is a link or a device, which a wheel must not have"),
        ({"pkg/.wh.__init__.py": b""}, "pkg/.wh.__init__.py would remove a file from the image"),
        ({"pkg/.wh..wh..opq": b""}, "would remove a file from the image"),
        ({"a": b"", "a/b": b""}, "a is a file and a folder"),
        ({"a": b"", "a/": b""}, "a is a file and a folder"),
    ],
)
def test_a_file_that_no_wheel_has_is_refused(files: Mapping[str, bytes], reason: str) -> None:
    with pytest.raises(WheelError) as excinfo:
        opened(zip_file(files))
    assert str(excinfo.value).startswith(f"{NAME}: ")
    assert reason in str(excinfo.value)


def with_two(first: str, second: str) -> bytes:
    """An archive with one file under two names of the same length, of which the second is changed to be the first."""
    return zip_file({first: b"1", second: b"2"}).replace(second.encode(), first.encode())


def test_a_file_that_is_there_twice_is_refused() -> None:
    with pytest.raises(WheelError, match=r"a.py is there twice"):
        opened(with_two("a.py", "b.py"))


def test_a_name_that_is_not_utf_8_is_refused() -> None:
    content = bytearray(zip_file({"größe": b""}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(signature) + offset
        content[place : place + 2] = bytes(2)
    with pytest.raises(WheelError, match="is not marked as UTF-8"):
        opened(bytes(content))


def test_a_name_that_is_cut_off_by_a_null_is_refused() -> None:
    with pytest.raises(WheelError, match="is not a path"):
        opened(zip_file({"safe.py?x": b""}).replace(b"safe.py?x", b"safe.py\0x"))


def test_another_name_at_the_content_is_refused() -> None:
    content = zip_file({"a.py": b"1"}).replace(b"a.py", b"b.py", 1)
    with pytest.raises(WheelError, match=r"a.py has another name at its content"):
        read_all(content)


def test_files_that_lie_over_each_other_are_refused() -> None:
    """One compressed megabyte that a thousand names share would become a thousand."""
    content = bytearray(zip_file({"a": b"12345", "b": b"12345"}))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = struct.pack("<I", 0)
    with pytest.raises(WheelError, match="lies over another file"):
        opened(bytes(content))


@pytest.mark.parametrize("declared", [10, 3_000_001])
def test_a_file_of_another_size_than_is_declared_is_damaged(declared: int) -> None:
    content = bytearray(zip_file({"zeros": BIG}))
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = struct.pack("<I", declared)
    with pytest.raises(DamagedWheelError, match="zeros is not what the table of contents declares"):
        read_all(bytes(content))


def test_more_bytes_than_any_wheel_has_are_refused() -> None:
    content = bytearray(zip_file({str(number): b"" for number in range(30)}))
    place = -1
    while (place := content.find(b"PK\x01\x02", place + 1)) >= 0:
        content[place + 24 : place + 28] = struct.pack("<I", 0xFFFFFFF0)
    with pytest.raises(WheelError, match="declares more than"):
        opened(bytes(content))


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [(8, 1, "is encrypted"), (10, 14, "is compressed in another way"), (10, 99, "another way")],
)
def test_what_is_encrypted_or_compressed_otherwise_is_refused(offset: int, value: int, reason: str) -> None:
    content = bytearray(zip_file({"x": b"x"}))
    place = content.index(b"PK\x01\x02") + offset
    content[place : place + 2] = struct.pack("<H", value)
    with pytest.raises(WheelError, match=reason):
        opened(bytes(content))


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip file", zip_file({"x": b"x"})[:-30]])
def test_what_is_not_a_zip_file_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedWheelError, match="it is not a zip file that can be read"):
        opened(content)


def test_a_file_that_is_larger_than_what_is_read_at_once_is_refused() -> None:
    archive = opened(zip_file({"x": b"12345"}))
    assert archive.read("x", 5) == b"12345"
    with pytest.raises(WheelError, match="x has 5 bytes, and at most 4 are read"):
        archive.read("x", 4)


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_no_changed_byte_gives_another_content(position: int, byte: int) -> None:
    files = {"a/b.py": b"print('hello')\n" * 20, "c.txt": b"text"}
    content = bytearray(zip_file(files))
    content[position % len(content)] = byte
    try:
        contents = read_all(bytes(content))
    except WheelError:
        return
    assert {*contents.values()} <= {*files.values()}


def test_the_zip_files_of_these_tests_are_those_of_a_common_tool() -> None:
    with zipfile.ZipFile(io.BytesIO(zip_file({"a": b"1"}))) as archive:
        assert archive.testzip() is None
