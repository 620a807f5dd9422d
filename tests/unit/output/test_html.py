"""The HTML page: whole, nothing from outside, everything escaped."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser

from support.results import FINDING, NOTICE, WARNING, environments, lora, make_result, results
from torchpin.model import Finding
from torchpin.output import html
from torchpin.queries import support


class Tags(HTMLParser):
    """Whether every element is closed in order; links and scripts that it holds."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [
            value or ""
            for name, value in attrs
            if name in {"src", "href"} and not (value or "").startswith("#")
        ]
        if tag == "script":
            self.outside.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An empty element of the picture."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_needs_nothing_from_outside_and_hides_nothing() -> None:
    gpus = support.select_gpus(environments())
    support_matrix = support.build_matrix(environments(), gpus, results())
    text = html.render_page(results(), environments(), support_matrix, date(2026, 11, 24))
    tags = Tags()
    tags.feed(text)
    assert (tags.open, tags.outside) == ([], [])
    assert text.count("<rect") == len(support_matrix.environments) * len(gpus)
    assert len(re.findall("Waived until", text)) == sum(len(result.accepted) for result in results())


def test_what_others_wrote_is_escaped_in_the_page() -> None:
    env, _ = lora()
    hostile = Finding(location="<b>", message="<script>alert(1)</script>", help="&", service="lora")
    support_matrix = support.build_matrix([env], ["<i>"], [])
    text = html.render_page([make_result(findings=(hostile,))], [env], support_matrix, date(2026, 11, 24))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;i&gt;" in text


def test_each_level_has_its_article_and_a_notice_does_not_change_the_verdict() -> None:
    env, _ = lora()
    matrix = support.build_matrix([env], ["B200"], [])
    rows = [make_result(status="ok", notices=(NOTICE,))]
    text = html.render_page(rows, [env], matrix, date(2026, 11, 24))
    assert '<article class="notice"><h3>notice GPU001: Code</h3><p>cu128 is frozen</p>' in text
    assert '<td class="ok">ok</td>' in text
    rows = [make_result(findings=(FINDING, WARNING), unknown=("not in the facts",))]
    text = html.render_page(rows, [env], matrix, date(2026, 11, 24))
    assert re.findall('<article class="([a-z]+)">', text) == ["error", "warning", "unknown"]
    assert '<td class="incompatible">incompatible</td>' in text
    assert "<p><strong>plan the update</strong></p>" not in text
