"""Index pages are parsed in both forms, compared and formatted."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin import facts
from torchpin.facts import index_pages
from torchpin.facts.load import all_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = Path(facts.__file__).parent / "data" / "index"
OLD, NEW = "ab" * 32, "cd" * 32
TORCH = "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl"
ENCODED = TORCH.replace("+", "%2B")


def tables_until_2_10() -> dict[str, Any]:
    """The tables, before anybody has heard of a torch after 2.10.0 on cu130."""
    copied = deepcopy(all_tables())
    next(row for row in copied["channels"]["channels"] if row["name"] == "cu130").update(
        first="2.9.0", last="2.10.0"
    )
    return copied


def page(versions: Sequence[str], *, channel: str = "cu121") -> dict[str, Any]:
    rows = [[f"torch-{version}-cp310-cp310-linux_x86_64.whl", OLD] for version in versions]
    return {"channel": channel, "source": "a test", "date": "2026-03-15", "packages": {"torch": rows}}


@pytest.mark.parametrize(
    "href",
    [
        f"https://index.example/whl/cu121/{ENCODED}#sha256={OLD}",
        f"/whl/cu121/{ENCODED}#sha256={OLD}",
        f"../../whl/{TORCH}#sha256={OLD}",
        f"{ENCODED.replace('%2B', '%2b')}?token=1/2#egg=torch&amp;sha256={OLD}",
    ],
)
def test_a_link_may_be_whole_or_relative_and_its_plus_encoded_or_not(href: str) -> None:
    assert index_pages.parse_page(f'<!DOCTYPE html><a href="{href}">{TORCH}</a><br/>') == {TORCH: OLD}


def test_a_link_without_a_hash_has_none() -> None:
    text = f'<a name="x">x</a><a href="/whl/{ENCODED}#md5=abc" data-dist-info-metadata="sha256={NEW}">x</a>'
    assert index_pages.parse_page(text) == {TORCH: None}


def test_a_page_in_json() -> None:
    cp311_wheel = TORCH.replace("cp310", "cp311")
    rows = [
        {"filename": TORCH, "url": "x", "hashes": {"sha256": OLD}},
        {"filename": cp311_wheel, "url": "x", "hashes": {}},
    ]
    assert index_pages.parse_page(json.dumps({"meta": {"api-version": "1.0"}, "files": rows})) == {
        TORCH: OLD,
        cp311_wheel: None,
    }


@pytest.mark.parametrize(
    "text", ["{", '{"projects": []}', '{"files": [1]}', '{"files": [{"filename": "x"}]}']
)
def test_json_that_is_no_page_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|no list of files|a file has no name"):
        index_pages.parse_page(text)


def test_what_is_no_page_at_all_lists_nothing() -> None:
    assert (
        index_pages.parse_page("")
        == index_pages.parse_page("<html><h1>502 Bad Gateway</h1><a href='/login'>log in</a>")
        == {}
    )


@pytest.mark.parametrize(
    ("filename", "installable"),
    [
        (TORCH, True),
        ("torch-2.10.0-3-cp310-cp310-manylinux_2_28_aarch64.whl", True),
        ("torchtext-0.6.0-py3-none-any.whl", True),
        ("torchaudio-2.1.0-cp310-cp310-linux_s390x.whl", True),
        ("torch-2.5.1-cp310-none-macosx_11_0_arm64.whl", False),
        ("torch-2.5.1+cu121-cp310-cp310-win_amd64.whl", False),
        ("torch-2.5.1.tar.gz", False),
        ("torch-nightly-cp310-cp310-linux_x86_64.whl", False),
    ],
)
def test_wheels_that_linux_can_install_are_kept(*, filename: str, installable: bool) -> None:
    assert index_pages.is_linux_wheel(filename) is installable


def test_a_name_with_two_hashes_proves_nothing() -> None:
    assert index_pages.merge_hashes([(TORCH, OLD), (TORCH, OLD)]) == {TORCH: OLD}
    assert index_pages.merge_hashes([(TORCH, OLD), (TORCH, NEW)]) == {TORCH: None}


def test_files_come_go_and_change_their_hash() -> None:
    difference = index_pages.compare_files(
        {"a": OLD, "b": OLD, "c": OLD, "d": None}, {"a": OLD, "c": NEW, "d": NEW, "e": None}
    )
    assert difference == index_pages.SnapshotDifference(
        added=("e",), removed=("b",), changed=("c",), hashed=("d",)
    )
    assert str(difference) == "1 added, 1 removed, 1 changed, 1 hashed"


def test_a_hash_that_is_not_there_any_more_is_a_change() -> None:
    assert index_pages.compare_files({"a": OLD}, {"a": None}).changed == ("a",)


HASHES = st.none() | st.sampled_from((OLD, NEW))
FILES = st.dictionaries(st.sampled_from("abcdef"), HASHES)


@given(FILES)
def test_what_is_as_recorded_makes_no_difference(files: Mapping[str, str | None]) -> None:
    difference = index_pages.compare_files(files, files)
    assert (bool(difference), str(difference)) == (False, "unchanged")


@given(FILES, FILES)
def test_a_difference_leads_from_the_old_to_the_new(
    old: Mapping[str, str | None], new: Mapping[str, str | None]
) -> None:
    difference = index_pages.compare_files(old, new)
    assert (set(old) - {*difference.removed}) | {*difference.added} == set(new)
    assert {*difference.changed, *difference.hashed} == {
        name for name in {*old} & {*new} if old[name] != new[name]
    }


def test_a_channels_torch_is_stable_and_its_own() -> None:
    recorded = page(["2.1.0+cu121", "2.5.1+cu121", "2.5.1+cpu", "2.6.0rc1+cu121"])
    recorded["packages"]["torch"].append(["torch-2.0.1-cp310-cp310-manylinux2014_aarch64.whl", OLD])
    assert [str(version) for version in index_pages.torch_versions(recorded)] == ["2.1.0", "2.5.1"]


def test_an_old_build_without_a_local_part_is_of_the_channel_that_lists_it() -> None:
    versions = index_pages.torch_versions(page(["1.8.0", "1.8.1+cu102", "0.1.6.post17"], channel="cu102"))
    assert [str(version) for version in versions] == ["1.8.0", "1.8.1"]


def test_a_torch_that_is_gone_is_told() -> None:
    old, new = page(["2.5.0+cu121", "2.5.1+cu121"]), page(["2.5.1+cu121"])
    assert list(index_pages.removed_releases(old, new)) == ["torch 2.5.0 was removed from cu121"]


def test_a_new_torch_comes_with_what_people_have_to_add() -> None:
    old, new = page(["2.9.0+cu130"], channel="cu130"), page(["2.9.0+cu130", "99.0.0+cu130"], channel="cu130")
    first, last = index_pages.new_releases(old, new, tables_until_2_10())
    assert first == (
        "torch 99.0.0 is new on cu130; torch.yaml has no row for it (Pythons, torchvision, torchaudio, triton, "
        "cuDNN, ABI); channels.yaml does not list 99.0 for cu130; archs.yaml has no row for 99.0 on cu130"
    )
    assert last == "its newest torch is 99.0.0; in channels.yaml last is 2.10.0"


def test_a_new_torch_that_the_tables_know_needs_no_more_than_the_channels_end() -> None:
    old, new = page(["2.9.0+cu130"], channel="cu130"), page(["2.9.0+cu130", "2.11.0+cu130"], channel="cu130")
    assert list(index_pages.new_releases(old, new, tables_until_2_10())) == [
        "torch 2.11.0 is new on cu130",
        "its newest torch is 2.11.0; in channels.yaml last is 2.10.0",
    ]


@pytest.mark.parametrize("channel", [channel.name for channel in facts.channels() if channel.recorded])
def test_a_page_is_written_as_it_lies_there(channel: str) -> None:
    text = (FOLDER / f"{channel}.json").read_text(encoding="utf-8")
    assert index_pages.format_page(json.loads(text)) == text
