"""The page of a report: whole, nothing from outside, everything escaped, and the same each time."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from support.reports import HOSTILE, SCRIPT, committed_report, full_report
from torchpin.output import report_page
from torchpin.output.program import called_as
from torchpin.queries.report import RecordState, Report

VOID = {"meta", "br", "img", "link", "input", "wbr"}


class PageParser(HTMLParser):
    """What a page has: open elements, addresses, ids, attributes with code or style, its scripts, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href"}:
                self.addresses.append(value or "")
            elif name == "id":
                self.ids.append(value or "")
            elif name == "style" or name.startswith("on"):
                self.inline.append(name)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An empty element of a picture."""
        self.addresses += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.text += data


@pytest.mark.parametrize(
    "report", [committed_report(), full_report(), full_report(HOSTILE)], ids=str.__name__
)
def test_the_page_is_whole_and_needs_nothing_from_outside(report: Report) -> None:
    page = PageParser(report_page.render_report(report))
    assert page.open == []
    assert {address for address in page.addresses if not address.startswith("#")} == {"data:,"}
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= {*page.ids}
    assert len(page.ids) == len({*page.ids})
    assert page.inline == []
    assert len(page.scripts) == 1


def test_the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else() -> None:
    page = report_page.render_report(full_report(HOSTILE))
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    digests = [
        b64encode(sha256(text.encode()).digest()).decode()
        for text in re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
        + re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    ]
    allowed = f"style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; img-src data:"
    assert policy == [f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"]


def test_what_others_wrote_stays_text_and_directions_are_shown() -> None:
    text = report_page.render_report(full_report(HOSTILE))
    page = PageParser(text)
    assert SCRIPT not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\\u202egpj.exe\\u202c" in page.text
    assert page.text.count(SCRIPT) > 30
    assert "{{ 7*7 }}" in page.text


def test_the_page_of_this_repository_has_all_of_its_report() -> None:
    report = committed_report()
    page = PageParser(report_page.render_report(report))
    assert "All 5 services are in order" in page.text
    for service in report.services:
        assert service.summary in page.text
        for deviation in service.deviations:
            assert deviation.reason is None or deviation.reason.because in page.text.replace("\n", " ")
    for row in report.matrix.cells:
        assert row[0].environment in page.text
    assert "torch 2.5.1 \N{RIGHTWARDS ARROW} 2.7.1" in page.text
    assert "20 locked packages moved" in page.text
    assert "Not recorded yet: coaxial-gpu" in page.text


def test_the_same_report_is_the_same_page() -> None:
    assert report_page.render_report(full_report()) == report_page.render_report(full_report())


def test_each_kind_of_finding_is_shown_with_what_ends_it() -> None:
    text = PageParser(report_page.render_report(full_report())).text
    assert "GPU001: some words" in text
    assert "The change that ends it; invoke judge --fix makes it:" in text
    assert "+some words" in text
    assert "Accepted until 2027-01-31: some words" in text
    assert "the lock of some words is missing" in text
    assert "services/x/service.yaml:1:1: some words" in text
    assert "some words: 1 is locked, but 2 is installed" in text
    assert "1 without a reason" in text


def test_the_called_program_is_named() -> None:
    with called_as("torchpin"):
        page = report_page.render_report(full_report())
    assert "torchpin judge --fix" in page
    assert "invoke " not in page


@pytest.mark.parametrize(
    ("count", "concerned", "unreadable", "headline"),
    [
        (0, 0, (), "No services"),
        (1, 0, (), "The service is in order"),
        (1, 1, (), "1 of 1 service needs attention"),
        (3, 0, (), "All 3 services are in order"),
        (3, 1, (), "1 of 3 services needs attention"),
        (3, 1, ("x",), "2 of 4 services need attention"),
    ],
)
def test_the_headline_counts_what_needs_attention(
    count: int, concerned: int, unreadable: tuple[str, ...], headline: str
) -> None:
    report = committed_report()
    services = tuple(
        replace(report.services[1], concerns=("1 error",) if number < concerned else ())
        for number in range(count)
    )
    report = replace(report, services=services, unreadable=dict.fromkeys(unreadable, ()))
    assert report_page.headline(report) == headline


def test_a_record_is_told_by_its_age_and_by_what_differs() -> None:
    report = full_report()
    matches, differs = (env.record for env in report.services[0].environments)
    assert matches
    assert differs
    texts = {
        report_page.record_text(record)
        for record in (
            None,
            matches,
            differs,
            replace(matches, age=0),
            RecordState(day=None, age=None, size=None, differences=None),
        )
    }
    assert texts == {
        "not recorded yet",
        "2026-11-20, 6 days old; matches its lock",
        "2026-11-20, 6 days old; differs from its lock in 1 package",
        "2026-11-20, today; matches its lock",
        "not committed; not compared, without a current lock",
    }


def test_the_summary_says_why_services_need_attention() -> None:
    assert report_page.summary_lines(full_report()) == [
        "2 of 4 services need attention",
        "some words: 1 error; 1 warning; the lock of some words is missing",
        "some words broken: its description cannot be read",
        "4 services, 4 environments, 2 errors and warnings, 1 open question, 1 unexplained deviation, 2 of 4 images recorded",
    ]
