"""`report`: in a few lines, as JSON and as a page that is the same for the same commit and date."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.command_line import DESCRIPTION, replace_text, run_command, tree

if TYPE_CHECKING:
    from pathlib import Path


def commit_all(root: Path, message: str, day: str) -> None:
    date = f"{day}T12:00:00Z"
    variables = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        subprocess.run(("git", "-C", root, "add", "--all"), check=True)
        subprocess.run(("git", "-C", root, "commit", "--quiet", "--message", message), check=True)


def record_image(root: Path, size: int) -> None:
    """A record of an image with one package of another version than its lock, and without the others."""
    folder = root / "records" / "lora-gpu"
    (folder / "pip_freeze.txt").write_text("accelerate==1.0.0\n")
    (folder / "build.json").write_text(json.dumps({"size_bytes": size}))


@pytest.fixture
def recorded(copy: Path, plain_git: None) -> Path:
    """The committed files in a repository of git whose second commit has the record of an image."""
    root = copy.rename(copy.with_name("clips"))
    subprocess.run(("git", "init", "--quiet", "--initial-branch=main", root), check=True)
    commit_all(root, "first", "2026-11-01")
    record_image(root, 9_000_000_000)
    commit_all(root, "record", "2026-11-20")
    return root


def test_a_report_says_in_a_few_lines_how_the_services_stand_and_how_to_get_the_page(committed: Path) -> None:
    before = tree(committed)
    result = run_command(committed, "report")
    assert result.code == 0
    assert result.out.splitlines() == [
        "All 5 services are in order",
        "5 services, 7 environments, 0 errors and warnings, 0 open questions, 0 unexplained deviations, 0 of 7 images recorded",
        "write all of it as a page: `invoke report --html report.html`",
    ]
    assert tree(committed) == before


def test_a_report_tells_of_record_and_commit_and_is_reproducible(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795651200")  # 2026-11-26
    pages = [tmp_path / name for name in ("first.html", "second.html")]
    for page in pages:
        result = run_command(recorded, "report", "--html", str(page))
        assert result.code == 0
        assert result.out.splitlines()[0] == "1 of 5 services needs attention"
    assert pages[0].read_bytes() == pages[1].read_bytes()
    report = json.loads(run_command(recorded, "report", "--json").out)
    head = subprocess.run(
        ("git", "-C", recorded, "rev-parse", "HEAD"), capture_output=True, text=True, check=True
    ).stdout.strip()
    assert report["origin"] == {
        "repository": "clips",
        "day": "2026-11-26",
        "commit": head,
        "is_changed": False,
    }
    lora = next(service for service in report["services"] if service["name"] == "lora")
    record = lora["environments"][0]["record"]
    assert (record["day"], record["age"], record["size"]) == ("2026-11-20", 6, 9_000_000_000)
    assert "accelerate: 1.6.0 is locked, but 1.0.0 is installed" in record["differences"]
    assert lora["concerns"] == [
        f"the recorded image of lora-gpu differs from its lock in {len(record['differences'])} packages"
    ]


def test_what_is_not_committed_is_told(recorded: Path) -> None:
    record_image(recorded, 1)
    replace_text(recorded, DESCRIPTION, "gpus: [A6000, H100, B200]", "gpus: [A6000, H100, V100]")
    report = json.loads(run_command(recorded, "report", "--service", "lora", "--json").out)
    assert report["origin"]["is_changed"] is True
    assert report["attention"] == ["lora"]
    assert report["services"][0]["verdict"] == "incompatible"


def test_a_service_that_cannot_be_read_is_reported_with_its_problems(copy: Path, tmp_path: Path) -> None:
    replace_text(copy, DESCRIPTION, 'python: "3.10.14"', "python: 3")
    page = tmp_path / "page.html"
    result = run_command(copy, "report", "--html", str(page))
    assert result.code == 2
    assert "lora: its description cannot be read" in result.out
    text = page.read_text(encoding="utf-8").replace("<wbr>", "")
    assert "1 of 5 services needs attention" in text
    assert "services/lora/service.yaml" in text


def test_a_date_that_is_none_is_refused(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    result = run_command(committed, "report")
    assert result.code == 2
    assert "SOURCE_DATE_EPOCH must be seconds since 1970, not 'yesterday'" in result.err


def test_judge_and_support_write_the_page_of_what_they_judged(committed: Path, tmp_path: Path) -> None:
    page = tmp_path / "judged.html"
    result = run_command(committed, "judge", "--service", "lora", "--gpu", "V100", "--html", str(page))
    assert result.code == 1
    text = page.read_text(encoding="utf-8")
    assert "Judged for V100 in place of what the services describe." in text
    assert "1 of 1 service needs attention" in text
    assert run_command(committed, "support", "--gpu", "B200", "--html", str(page)).code == 0
    assert "Services by GPU" in page.read_text(encoding="utf-8")
