"""The encoding of other people's files: certain, declared, or refused with its place."""

from __future__ import annotations

import pytest

from torchpin.project.decoding import UndecodableError, decode_text

TEXT = "FROM python:3.11 # é\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_or_utf_8_is_certain(encoding: str) -> None:
    assert decode_text(TEXT.encode(encoding), "Dockerfile") == TEXT


@pytest.mark.parametrize("first", ["", "# a comment\n"])
def test_a_requirement_file_can_declare_its_encoding(first: str) -> None:
    text = f"{first}# -*- coding: latin-1 -*-\ntqdm==1 # é\n"
    assert decode_text(text.encode("latin-1"), "requirements.txt") == text


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (TEXT.encode("latin-1"), "Dockerfile", "line 1: not UTF-8 text at byte 19 (0xe9)"),
        (
            b"# coding: latin-1\n\xe9\n",
            "Dockerfile",
            "line 2: not UTF-8 text at byte 18 (0xe9)",
        ),
        (b"\n\n# coding: latin-1\n\xe9\n", "r.txt", "line 4: not UTF-8 text at byte 20 (0xe9)"),
        (b"# coding: klingon\n", "r.txt", "line 1: the declared encoding 'klingon' is unknown"),
        (b"# coding: zlib\n", "r.txt", "line 1: the declared encoding 'zlib' is not a text encoding"),
        (b"\xff\xfea", "Dockerfile", "line 1: not UTF-16 text at byte 2 (0x61)"),
    ],
)
def test_any_other_text_is_named_with_its_place(content: bytes, name: str, message: str) -> None:
    with pytest.raises(UndecodableError) as raised:
        decode_text(content, name)
    assert str(raised.value).startswith(message)
