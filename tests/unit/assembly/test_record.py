"""RECORD: what is read, made to fit, and written."""

from __future__ import annotations

import pytest

from torchpin.assembly.record import RecordRow, content_row, read_record, write_record

SIGNED = "x.dist-info/RECORD.jws"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.py,sha256=x,3\n", [("a.py", "sha256=x", 3)]),
        ("a.py,sha256=x,0003\r\n\r\n", [("a.py", "sha256=x", 3)]),
        ("\ufeffa.py,,\n", [("a.py", "", -1)]),
        ("/a.py,,\n", [("a.py", "", -1)]),
        ("./b/../a.py,,3\n", [("./b/../a.py", "", 3)]),
        ("a.py,sha256=x,3\na.py,sha256=y,4\n", [("a.py", "sha256=x", 3)]),
        ("a.py,sha256=x,3\ngone.py,sha256=y,4\n../a.py,,\n", [("a.py", "sha256=x", 3)]),
        ('"a.py",sha256=x,3\n', [("a.py", "sha256=x", 3)]),
        ("", [("a.py", "", 7)]),
    ],
)
def test_lines_are_those_of_the_files(text: str, expected: list[tuple[str, str, int]]) -> None:
    assert read_record(text, {"a.py": 7}, ()) == expected


def test_a_file_that_is_never_listed_gets_no_line() -> None:
    rows = read_record("", {SIGNED: 2, "b.py": 1, "a.py": 1}, [SIGNED])
    assert [row.path for row in rows] == ["b.py", "a.py"]


@pytest.mark.parametrize(
    "text", ["a.py\n", "a.py,x\n", "a.py,x,1,2\n", "a.py,x,-1\n", "a.py,x,one\n", "a.py,x,1_0\n"]
)
def test_a_line_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RECORD has a line that is not path, hash and size: a\.py"):
        read_record(text, {"a.py": 1}, ())


def test_a_line_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match="RECORD cannot be read: line 2: field larger than field limit"):
        read_record(f"a.py,,\n{'x' * 200_000},,\n", {"a.py": 1}, ())


def test_lines_are_written_in_the_order_of_their_paths() -> None:
    rows = [
        RecordRow("b.py", "sha256=b", 0),
        RecordRow('with "quotes", and comma', "", 1),
        RecordRow("../../../bin/x"),
        RecordRow("B.py", "sha256=B", 10),
        content_row("größe", b""),
    ]
    assert write_record(rows).decode() == (
        "../../../bin/x,,\n"
        "B.py,sha256=B,10\n"
        "b.py,sha256=b,0\n"
        "größe,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
        '"with ""quotes"", and comma",,1\n'
    )
