"""The page of a report in Chromium: on phones and desks, light and dark, for readers of screens, without its script, on paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.browser import Browser, open_browser
from support.reports import HOSTILE, committed_report, full_report
from torchpin.output.report_page import render_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.browser import Scheme
    from torchpin.queries.report import Report

pytestmark = pytest.mark.browser
WIDTHS = (360, 768, 1280)
PAGES: dict[str, Callable[[], Report]] = {
    "committed": committed_report,
    "full": full_report,
    "hostile": lambda: full_report(HOSTILE),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The file of each page."""
    folder = tmp_path_factory.mktemp("pages")
    files = {name: folder / f"{name}.html" for name in PAGES}
    for name, file in files.items():
        file.write_text(render_report(PAGES[name]()), encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def visible_services(browser: Browser) -> list[str]:
    """The services whose cards are shown, in their order on the page."""
    script = "return [...document.querySelectorAll('.card')].filter(c => c.checkVisibility()).map(c => c.dataset.service)"
    names: list[str] = browser.evaluate(script)
    return names


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("name", "scheme"), [("full", "light"), ("full", "dark"), ("committed", "dark"), ("hostile", "light")]
)
def test_a_page_is_readable_at_each_width_in_both_schemes(
    browser: Browser, pages: dict[str, Path], name: str, scheme: Scheme, width: int
) -> None:
    address = pages[name].as_uri()
    browser.visit(address, width=width, scheme=scheme)
    if name != "committed":  # whose folded parts have thousands of elements for axe-core to read
        browser.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert browser.evaluate("return innerWidth") == width
    assert browser.evaluate("return document.documentElement.scrollWidth") <= width
    assert browser.violations() == []
    assert browser.messages() == []
    assert browser.requests() == [address]


def test_a_page_that_is_worse_is_noticed(browser: Browser, tmp_path: Path) -> None:
    """What the tests above look for: each of it is in this page."""
    page = tmp_path / "worse.html"
    page.write_text(
        '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
        '<p style="width: 2000px; color: #eee; background: #fff">pale</p><img src="missing.png"><script>1</script>'
    )
    browser.visit(page.as_uri(), width=360)
    assert browser.evaluate("return document.documentElement.scrollWidth") > 360
    rules = {violation.partition(":")[0] for violation in browser.violations()}
    assert {"color-contrast", "image-alt", "region"} <= rules
    messages = " ".join(browser.messages())
    assert "ERR_FILE_NOT_FOUND" in messages
    assert "Content Security Policy" in messages
    assert [address.rpartition("/")[2] for address in browser.requests()] == ["worse.html", "missing.png"]


def test_hostile_texts_stay_text(browser: Browser, pages: dict[str, Path]) -> None:
    browser.visit(pages["hostile"].as_uri(), width=1280)
    counted = "return [document.scripts.length, document.images.length]"
    assert browser.evaluate(counted) == [1, 0]
    heading = browser.evaluate("return document.querySelector('h1').innerText")
    assert (
        heading
        == r'<script>alert(1)</script>"><img src=x onerror=alert(2)> {{ 7*7 }} \u202egpj.exe\u202c repository'
    )
    assert browser.evaluate("return document.body.innerText.includes('\u202e')") is False


@pytest.mark.parametrize("width", WIDTHS)
def test_colours_follow_the_reader(browser: Browser, pages: dict[str, Path], width: int) -> None:
    backgrounds = set()
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        browser.visit(pages["full"].as_uri(), width=width, scheme=scheme)
        backgrounds.add(browser.evaluate("return getComputedStyle(document.body).backgroundColor"))
    assert len(backgrounds) == 2


def test_services_are_found_filtered_and_sorted(browser: Browser, pages: dict[str, Path]) -> None:
    browser.visit(pages["full"].as_uri(), width=1280)
    assert visible_services(browser) == ["some words broken", "some words", "plain", "lora"]
    choose = (
        "const [id, value] = arguments; const field = document.getElementById(id); field.value = value;"
        "field.dispatchEvent(new Event(id === 'find' ? 'input' : 'change'))"
    )
    status = "return document.getElementById('count').textContent"
    browser.evaluate(choose, "find", "A6000 torch")
    assert visible_services(browser) == ["lora"]
    assert browser.evaluate(status) == "1 of 4 services"
    rows = "return [...document.querySelectorAll('.matrix tbody tr')].filter(r => r.checkVisibility()).length"
    assert browser.evaluate(rows) == 1
    browser.evaluate(choose, "find", "nothing like it")
    assert visible_services(browser) == []
    assert browser.evaluate("return document.getElementById('none').checkVisibility()") is True
    browser.evaluate(choose, "find", "")
    browser.evaluate(choose, "show", "attention")
    assert visible_services(browser) == ["some words broken", "some words"]
    browser.evaluate(choose, "show", "")
    browser.evaluate(choose, "sort", "name")
    assert visible_services(browser) == ["lora", "plain", "some words", "some words broken"]
    for field in ("bytes", "age"):  # what is unknown comes last
        browser.evaluate(choose, "sort", field)
        assert visible_services(browser) == ["some words", "lora", "plain", "some words broken"]
    browser.evaluate(choose, "sort", "rank")
    assert visible_services(browser) == ["some words broken", "some words", "plain", "lora"]
    assert browser.messages() == []


def test_a_page_is_complete_without_its_script(browser: Browser, pages: dict[str, Path]) -> None:
    browser.visit(pages["committed"].as_uri(), width=360)
    text = "return document.querySelector('main').textContent.replace(/\\s+/g, ' ')"
    complete = re.sub(r"\d of \d services", "", browser.evaluate(text))
    browser.visit(pages["committed"].as_uri(), width=360, scripts=False)
    assert browser.evaluate("return document.getElementById('controls').checkVisibility()") is False
    assert len(visible_services(browser)) == 5
    assert browser.evaluate(text).split() == complete.split()


def test_what_is_folded_is_printed(browser: Browser, pages: dict[str, Path]) -> None:
    browser.visit(pages["committed"].as_uri(), width=1280)
    browser.command("Emulation.setEmulatedMedia", media="print")
    controls = "return document.getElementById('controls').checkVisibility()"
    assert browser.evaluate(controls) is False
    folded = "return document.querySelectorAll('details:not([open])').length"
    assert browser.evaluate(folded) > 0
    parts = "return [...document.querySelectorAll('.stacked')].every((part) => part.checkVisibility())"
    assert browser.evaluate(parts) is True
    browser.command("Emulation.setEmulatedMedia", media="")
    assert browser.evaluate(parts) is False
