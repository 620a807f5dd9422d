"""Index pages that are damaged, endless or made to take long."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from torchpin.facts import index_pages

NAME = "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl"
SHA = "ab" * 32
ROW = {"filename": NAME, "hashes": {"sha256": SHA}}


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ([], "Expecting|no list of files"),
        ({"files": None}, "no list of files"),
        ({"files": [1]}, "a file has no name, or a hash that is not a sha256: 1"),
        ({"files": [{**ROW, "filename": 7}]}, "a file has no name"),
        ({"files": [{**ROW, "hashes": None}]}, "a file has no name"),
        ({"files": [{**ROW, "hashes": {"sha256": "AB"}}]}, "not a sha256"),
        ({"files": [ROW] * 200_001}, "lists more than 200000 files"),
        ({"files": [{**ROW, "filename": "a" * 256 + ".whl"}]}, "a file name that is too long: aaa"),
        ({"files": [{**ROW, "filename": f"a-1-{'a.' * 30}a-{'a.' * 30}a-any.whl"}]}, "too long: a-1-a"),
    ],
)
def test_json_that_is_no_page_says_why(page: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        index_pages.parse_page('{"x"' if page == [] else json.dumps(page))


def test_json_that_is_nested_too_deep_says_so() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        index_pages.parse_page('{"files": ' + "[" * 100_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<a data-requires-python='>=3.8' href={NAME}>x</a>", {NAME: None}),
        (f'<A HREF = "{NAME}#sha256={SHA}"\n>x</A>', {NAME: SHA}),
        (f'<!-- <a href="{NAME}">x</a> -->', {}),
        (f'<a title="href={NAME}">x</a><abbr href="{NAME}">', {}),
    ],
)
def test_links_are_read_as_browsers_read_them(text: str, expected: dict[str, str | None]) -> None:
    assert index_pages.parse_page(text) == expected


@pytest.mark.parametrize(
    "part", ["<a ", "<!--", '<a href="', "<a href='x", "</", "<![CDATA[", "<a x=", '"', "<a/"]
)
def test_a_page_of_fragments_is_read_in_linear_time(part: str) -> None:
    start = time.monotonic()
    try:
        assert index_pages.parse_page(part * 300_000) == {}
    except ValueError as error:
        assert "it ends inside of a" in str(error)  # noqa: PT017 - some fragments are whole
    assert time.monotonic() - start < 5


def test_a_page_of_100_000_links_is_read_in_seconds() -> None:
    links = "".join(
        f'<a href="/whl/torch-2.5.{number}%2Bcu121-cp310-cp310-linux_x86_64.whl#sha256={number:064x}">x</a><br>\n'
        for number in range(100_000)
    )
    start = time.monotonic()
    assert len(index_pages.parse_page(links)) == 100_000
    assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"channel": "cu121", "packages": {"torch": [[NAME, SHA], [NAME, None]]}}, True),
        ({"channel": "cu121", "packages": {}}, True),
        ([], False),
        ({"packages": {}}, False),
        ({"channel": "cu121", "packages": {"torch": {}}}, False),
        ({"channel": "cu121", "packages": {"torch": [[NAME]]}}, False),
    ],
)
def test_a_snapshot_is_told_by_its_shape(page: Any, *, expected: bool) -> None:
    assert index_pages.is_snapshot(page) is expected
