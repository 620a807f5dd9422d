"""Recorded pages renewed from indexes on the loopback: in JSON as torchpin serves them, in HTML as PyTorch does."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from torchpin import paths
from torchpin.commands import facts
from torchpin.errors import InputError, ToolError
from torchpin.facts import channel, index_pages, recorded_hash, section_ages
from torchpin.model import Settings
from torchpin.tools import index_server
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.facts.index_pages import Page

TODAY = date(2099, 1, 1)  # after every date of the facts
FOLDER = Path(index_pages.__file__).parent / "data" / "index"
RECORDED_PAGES = {name: (FOLDER / f"{name}.json").read_text() for name in ("cu121", "cu128")}
WHEEL = "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl"
NEW = "torch-99.0.0+cu128-cp312-cp312-manylinux_2_28_x86_64.whl"
HtmlPages = dict[str, str]  # `cu121/torch` → a package's page


def html_page(files: Mapping[str, str | None], channel_name: str) -> str:
    """A page as download.pytorch.org writes it, with a Windows wheel that nobody asked for."""
    rows = {**files, "torch-9.9.9-cp310-cp310-win_amd64.whl": None}
    links = [
        f'<a href="/whl/{channel_name}/{quote(name)}{f"#sha256={digest}" if digest else ""}" data-core-metadata="x">{name}</a>'
        for name, digest in rows.items()
    ]
    return "<!DOCTYPE html>\n<html><body><h1>Links</h1>" + "<br/>\n".join(links) + "</body></html>"


def html_pages(*channels: str) -> HtmlPages:
    loaded = {name: json.loads(RECORDED_PAGES[name]) for name in channels}
    return {
        f"{name}/{package}": html_page(index_pages.merge_hashes(rows), name)
        for name, page in loaded.items()
        for package, rows in page["packages"].items()
    }


@contextmanager
def serve_pages(served_pages: HtmlPages) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served_pages.get(self.path.strip("/"), "").encode()
            self.send_response(200 if self.path.strip("/") in served_pages else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def make_repository(root: Path, **mirrors: str) -> Repository:
    (root / paths.INDEX_SNAPSHOTS).mkdir(parents=True)
    for name in RECORDED_PAGES:
        shutil.copy(FOLDER / f"{name}.json", root / paths.INDEX_SNAPSHOTS)
    return Repository(root=root, services=(), settings=Settings(mirrors=mirrors))


def make_mirrored_repository(root: Path, host: str) -> Repository:
    return make_repository(root, **{name: f"http://user:S3CRET@{host}/{name}/" for name in RECORDED_PAGES})


def page_texts(root: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in (root / paths.INDEX_SNAPSHOTS).iterdir()}


def read_page(root: Path, channel_name: str) -> Page:
    page: Page = json.loads(page_texts(root)[channel_name])
    return page


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchpin.tools.http.time.sleep", lambda seconds: None)


def test_the_recorded_index_itself_makes_no_difference(tmp_path: Path) -> None:
    with index_server.serve({name: index_server.recorded_files(name) for name in RECORDED_PAGES}) as base:
        repo = make_repository(tmp_path, **{name: f"{base}/{name}" for name in RECORDED_PAGES})
        refreshed = facts.refresh_snapshots(repo, today=TODAY)
    assert [renewal.channel for renewal in refreshed.renewals] == ["cu121", "cu128"]
    assert not any(
        difference for renewal in refreshed.renewals for difference in renewal.differences.values()
    )
    assert (refreshed.written, refreshed.code) == (None, 0)
    assert page_texts(tmp_path) == RECORDED_PAGES
    first, second, end = facts.refresh_report(refreshed)
    page = json.loads(RECORDED_PAGES["cu121"])
    count = sum(len(index_pages.merge_hashes(rows)) for rows in page["packages"].values())
    assert (
        first
        == f"cu121: {page['date']} → 2099-01-01, {count} files of {len(page['packages'])} packages, unchanged"
    )
    assert second.startswith("cu128: ")
    assert end == "nothing was written; renew the index snapshots with `--write`"


def test_an_index_in_html_is_read_and_a_mirror_leaves_no_trace(tmp_path: Path) -> None:
    with serve_pages(html_pages("cu121")) as host:
        refreshed = facts.refresh_snapshots(
            make_mirrored_repository(tmp_path, host), ["cu121"], today=TODAY, write=True
        )
    assert refreshed.written == ("src/torchpin/facts/data/index/cu121.json",)
    assert (refreshed.problems, refreshed.code) == ((), 0)
    page, recorded = read_page(tmp_path, "cu121"), json.loads(RECORDED_PAGES["cu121"])
    assert page == {
        **recorded,
        "source": "https://download.pytorch.org/whl/cu121/; Linux wheels of the torch family only",
        "date": "2099-01-01",
    }
    assert "127.0.0.1" not in page_texts(tmp_path)["cu121"]
    assert page_texts(tmp_path)["cu128"] == RECORDED_PAGES["cu128"]


def test_a_new_release_is_shown_with_what_people_have_to_add(tmp_path: Path) -> None:
    served = html_pages("cu128")
    served["cu128/torch"] += f'<a href="{quote(NEW)}#sha256={"ab" * 32}">{NEW}</a>'
    with serve_pages(served) as host:
        repo = make_mirrored_repository(tmp_path, host)
        preview = facts.refresh_snapshots(repo, ["cu128"], today=TODAY)
        assert page_texts(tmp_path) == RECORDED_PAGES
        refreshed = facts.refresh_snapshots(repo, ["cu128"], today=TODAY, write=True)
    assert preview.renewals[0].differences["torch"] == index_pages.SnapshotDifference(added=(NEW,))
    channel_name = channel("cu128")
    assert channel_name is not None
    last = f"its newest torch is 99.0.0; in channels.yaml last is {channel_name.last}"
    lines = list(facts.refresh_report(preview))
    assert lines[1:3] == ["  torch: 1 added", f"    + {NEW}"]
    assert lines[3].startswith(
        "  notice: torch 99.0.0 is new on cu128; torch.yaml has no row for it (Pythons, "
    )
    assert lines[4:] == [f"  notice: {last}", "nothing was written; renew the index snapshots with `--write`"]
    assert [NEW, "ab" * 32] in read_page(tmp_path, "cu128")["packages"]["torch"]
    assert refreshed.problems == (
        f"index/cu128.json: {last}",
        "index/cu128.json: torch 99.0.0 has no row in torch.yaml",
    )
    assert refreshed.code == 1


def test_a_release_that_is_gone_is_loud(tmp_path: Path) -> None:
    served = html_pages("cu121")
    rows = index_pages.merge_hashes(json.loads(RECORDED_PAGES["cu121"])["packages"]["torch"])
    served["cu121/torch"] = html_page({name: rows[name] for name in rows if "2.5.0+" not in name}, "cu121")
    with serve_pages(served) as host:
        refreshed = facts.refresh_snapshots(make_mirrored_repository(tmp_path, host), ["cu121"], today=TODAY)
    assert refreshed.code == 1
    assert "  error: torch 2.5.0 was removed from cu121" in list(facts.refresh_report(refreshed))


def test_a_changed_hash_is_refused_until_it_is_accepted(tmp_path: Path) -> None:
    old = recorded_hash("cu121", WHEEL)
    assert old is not None
    served = html_pages("cu121", "cu128")
    served["cu121/torch"] = served["cu121/torch"].replace(old, "ab" * 32)
    with serve_pages(served) as host:
        repo = make_mirrored_repository(tmp_path, host)
        refused = facts.refresh_snapshots(repo, today=TODAY, write=True)
        assert page_texts(tmp_path) == RECORDED_PAGES  # of cu128 neither: all or none
        accepted = facts.refresh_snapshots(repo, today=TODAY, write=True, accept_changed_hashes=True)
    assert refused.changed_hashes == (f"cu121: {WHEEL}: hash in the index snapshot {old}, now {'ab' * 32}",)
    assert (refused.code, refused.written) == (1, None)
    assert list(facts.refresh_report(refused))[-1].startswith(
        "nothing was written: files have other hashes than in the index snapshot"
    )
    assert accepted.written is not None
    assert len(accepted.written) == 2
    assert [WHEEL, "ab" * 32] in read_page(tmp_path, "cu121")["packages"]["torch"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "lists no Linux wheel"),
        ("<html><h1>502 Bad Gateway</h1></html>", "lists no Linux wheel"),
        ('{"error": "maintenance"}', "is not an index page"),
        (None, "HTTP 404"),
    ],
)
def test_a_page_that_is_none_stops_everything(tmp_path: Path, answer: str | None, message: str) -> None:
    served = html_pages("cu121", "cu128")
    if answer is None:
        del served["cu128/torch"]
    else:
        served["cu128/torch"] = answer
    with serve_pages(served) as host, pytest.raises(ToolError) as excinfo:
        facts.refresh_snapshots(make_mirrored_repository(tmp_path, host), today=TODAY, write=True)
    assert f"http://{host}/cu128/torch/ " in str(excinfo.value)
    assert message in str(excinfo.value)
    assert page_texts(tmp_path) == RECORDED_PAGES


def test_an_index_that_nobody_answers_for_is_named_without_its_credentials(tmp_path: Path) -> None:
    with socket.socket() as free_socket:
        free_socket.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free_socket.getsockname()[1]}"
    with pytest.raises(ToolError) as excinfo:
        facts.refresh_snapshots(make_mirrored_repository(tmp_path, host), ["cu121"], today=TODAY, write=True)
    message = str(excinfo.value)
    assert message.startswith(f"http://{host}/cu121/")
    assert "S3CRET" not in message
    assert message.endswith("nothing was written; unchanged: src/torchpin/facts/data/index/cu121.json")
    assert page_texts(tmp_path) == RECORDED_PAGES


def test_a_snapshot_that_changed_while_the_index_was_read_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repository(tmp_path)
    path = tmp_path / paths.INDEX_SNAPSHOTS / "cu121.json"

    def fetch_while_others_write(_: object, page: Page, today: date) -> Page:
        path.write_text(path.read_text() + "\n")
        return {**page, "date": str(today)}

    monkeypatch.setattr(facts, "_fetch_snapshot", fetch_while_others_write)
    with pytest.raises(
        ToolError, match=r"cu121\.json:\d+ changed while this command ran; nothing was written"
    ):
        facts.refresh_snapshots(repo, ["cu121"], today=TODAY, write=True)
    assert path.read_text().endswith("\n\n")


def test_only_a_recorded_channel_can_be_renewed(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no index snapshot of cu132; known: cu121, cu128; nothing was fetched"
    ):
        facts.refresh_snapshots(make_repository(tmp_path), ["cu132"], today=TODAY)


def test_a_broken_record_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    repo = make_repository(tmp_path)
    (tmp_path / paths.INDEX_SNAPSHOTS / "cu121.json").write_text("{")
    with pytest.raises(InputError, match=r"cu121\.json is not JSON"):
        facts.refresh_snapshots(repo, today=TODAY)


def test_the_facts_hold_together_and_grow_old_but_for_frozen_pages() -> None:
    check_result = facts.check_facts(TODAY)
    assert (check_result.problems, check_result.code) == ((), 1)
    assert {"torch.yaml", "gpus.yaml", "index"} <= {age.table for age in check_result.expired}
    assert "cu121" not in {age.row for age in check_result.expired if age.table == "index"}


def test_young_facts_are_clean() -> None:
    oldest = min(age.oldest for age in section_ages(TODAY))
    check_result = facts.check_facts(date.fromisoformat(oldest))
    assert check_result.expired == ()
    assert facts.FactsReport(problems=(), ages=check_result.ages).code == 0
