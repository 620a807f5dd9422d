"""A page in a real Chromium, as a reader has it: its width, its colours, with and without scripts; and axe-core on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

FOLDER = Path(__file__).parents[1] / "browser"  # with axe-core's pin and hash
CHROMIUM = ("chromium", "google-chrome", "chromium-browser")
DRIVER = ("chromedriver", "chromium.chromedriver")
HEIGHT = 900  # pixels
TIMEOUT_SECONDS = 60

Scheme = Literal["light", "dark"]


def missing_programs() -> str:
    """Which programs the tests of pages need and this machine lacks; "" where it has all."""
    needed = {"chromium": CHROMIUM, "chromedriver (Debian's chromium-driver)": DRIVER, "npm": ("npm",)}
    return ", ".join(name for name, programs in needed.items() if not find_program(programs))


def find_program(names: tuple[str, ...]) -> str:
    return next((path for name in names if (path := shutil.which(name))), "")


@cache
def axe_source() -> str:
    """The source of axe-core, fetched by npm, which compares it with the hash in package-lock.json.

    Raises OSError with npm's last line where that fails.
    """
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    with tempfile.TemporaryDirectory(prefix="axe-") as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, folder)
        command = (find_program(("npm",)), "ci", *options)
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
        if result.returncode:
            raise OSError(f"npm cannot fetch axe-core: {(result.stderr.strip().splitlines() or [''])[0]}")
        return Path(folder, "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


class Browser:
    """A Chromium that shows one page after the other."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def visit(self, address: str, *, width: int, scheme: Scheme = "light", scripts: bool = True) -> None:
        """Opens a page at a width in pixels. What it logs and requests from here on is its own."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.command(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.messages()
        self.requests()
        self.driver.get(address)

    def command(self, name: str, **options: Any) -> dict[str, Any]:
        """A command of Chromium's own protocol, and its answer."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, options)
        return answer

    def evaluate(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def messages(self) -> list[str]:
        """What the console has since the last call: errors, refused requests, breaches of the page's policy."""
        return [row["message"] for row in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """The addresses that were requested since the last call."""
        rows = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = [json.loads(row["message"])["message"] for row in rows]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 (A, AA) and its best practices, with the elements."""
        self.evaluate(axe_source())
        answer = self.driver.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
        )
        return [
            f"{rule['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
            for rule in answer["violations"]
            for node in rule["nodes"]
        ]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A Chromium without a profile, driven by its own driver."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = find_program(CHROMIUM)
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    if not os.geteuid():
        options.add_argument("--no-sandbox")  # which root cannot have
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # with the driver's path, selenium looks for none and asks nobody
    driver = Chrome(options, Service(find_program(DRIVER)))
    driver.set_script_timeout(TIMEOUT_SECONDS)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
