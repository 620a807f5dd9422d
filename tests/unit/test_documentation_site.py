"""The pages of the documentation site: links, navigation, and what is made from the command line and the facts."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import picture
import pytest
import staging
import write
import yaml

from torchpin import facts
from torchpin.cli.groups import GROUPS
from torchpin.cli.main import namespace
from torchpin.description.read import read_services

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
OTHER_PROGRAMS = {"git", "cd", "python3", "docker", "nox"}
WRITTEN_BY_HAND = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name.islower())
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def navigation(entries: Any) -> Iterator[str]:
    """The pages of a navigation."""
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from (page for value in entry.values() for page in navigation(value))


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [*navigation(staging.configuration(ROOT)["project"]["nav"])]
    assert sorted(pages) == sorted(staging.staged_texts(ROOT))


def test_what_is_made_from_commands_and_facts_is_up_to_date() -> None:
    assert write.outdated_files(ROOT) == [], "run `nox -s docs -- --write`"


def test_every_command_is_in_a_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(namespace.task_names)


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for page in (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "DEVIATIONS.md",
        "docs/a.md",
        "docs/services/b.md",
    ):
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).write_text("text\n", encoding="utf-8")
    (tmp_path / "tasks.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("docs/a.md", "[b](services/b.md#x)", "[b](services/b.md#x)"),
        ("docs/services/b.md", "[d](../../DEVIATIONS.md#b)", "[d](../DEVIATIONS.md#b)"),
        ("docs/services/b.md", "[t](../../tasks.py)", f"[t]({staging.GITHUB}tasks.py)"),
        ("README.md", f"[a]({staging.GITHUB}docs/a.md#y)", "[a](a.md#y)"),
        ("README.md", f'<img src="{staging.RAW}docs/a.md">', '<img src="a.md">'),
        ("docs/a.md", "[x](https://x.example/a) [h](#here)", "[x](https://x.example/a) [h](#here)"),
        ("docs/a.md", "`[no](nothing.md)`", "`[no](nothing.md)`"),
        ("docs/a.md", "```text\n[no](nothing.md)\n```", "```text\n[no](nothing.md)\n```"),
    ],
)
def test_a_link_leads_to_the_page_of_the_site_or_to_github(
    repository: Path, page: str, text: str, expected: str
) -> None:
    (repository / page).write_text(f"{text}\n", encoding="utf-8")
    place = "index.md" if page == "README.md" else page.removeprefix("docs/")
    assert staging.staged_texts(repository)[place] == f"{expected}\n"


def test_links_that_name_nothing_are_reported_with_their_lines(repository: Path) -> None:
    (repository / "docs/a.md").write_text("text\n[x](b.md) and [y](../nothing.py)\n", encoding="utf-8")
    with pytest.raises(staging.BrokenLinkError) as raised:
        staging.staged_texts(repository)
    assert str(raised.value).splitlines() == [
        "docs/a.md:2: b.md is not in the repository",
        "docs/a.md:2: ../nothing.py is not in the repository",
    ]


# --- what the pages name ---------------------------------------------------------------------------------------------


def console_commands(text: str) -> list[str]:
    blocks = [body for language, body in FENCED.findall(text) if language == "console"]
    lines = [line.split(" #")[0] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [command.strip() for line in lines for command in line[2:].split("&&")]


@pytest.mark.parametrize("page", WRITTEN_BY_HAND, ids=lambda page: page.name)
def test_the_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    inline = re.findall(r"`(torchpin [a-z][^`\n]*)`", re.sub(FENCED, "", text))
    for command in (*console_commands(text), *inline):
        words = command.removeprefix("python3 bootstrap.py ").split()
        if words[0] in OTHER_PROGRAMS or words[0] not in {"torchpin", "invoke"}:
            assert words[0] in OTHER_PROGRAMS, command
            continue
        assert words[1] in namespace.task_names, command
        parameters = {*inspect.signature(namespace[words[1]].body).parameters} | {"help"}
        options = {word[2:].partition("=")[0].replace("-", "_") for word in words if word.startswith("--")}
        assert options <= parameters, command


def test_the_description_of_the_guide_can_be_read_with_what_is_added_to_it() -> None:
    texts = {page.name: page.read_text(encoding="utf-8") for page in WRITTEN_BY_HAND}
    blocks = {
        name: "".join(body for language, body in FENCED.findall(text) if language == "yaml")
        for name, text in texts.items()
    }
    (service,) = read_services({"services/whisper/service.yaml": blocks["describe.md"] + blocks["waive.md"]})
    assert [waiver.check for waiver in service.waivers] == ["GPU001"]
    assert yaml.safe_load(blocks["lock.md"])["cooldown"]["time"] == "7 days"


def test_the_action_and_the_hooks_have_what_the_page_about_ci_names() -> None:
    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    action, hooks = (yaml.safe_load(body) for _, body in FENCED.findall(text) if "torchpin/torchpin" in body)
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    assert {"push", "pull_request"} <= {*action[True]}  # YAML 1.1 reads `on` so
    assert {*action["jobs"]["pins"]["steps"][1]["with"]} <= {*inputs}
    assert {"strict", "require", "judge", "verify", "baseline"} <= {*inputs}
    offered = {
        hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    }
    assert {hook["id"] for hook in hooks["repos"][0]["hooks"]} == offered


# --- the picture -----------------------------------------------------------------------------------------------------


def test_the_picture_shows_a_range_for_each_gpu_and_channel() -> None:
    texts = [element.text for element in ET.fromstring(picture.picture_text()).iter() if element.text]
    for gpu in picture.GPUS:
        assert gpu in texts
    assert picture.release_range("B200", "cu121") == ""
    assert picture.release_range("B200", "cu128").startswith("2.7\N{EN DASH}")
    assert {*picture.CHANNELS} <= {channel.name for channel in facts.channels()}


def test_the_picture_names_no_gpu_that_is_not_in_the_facts() -> None:
    with pytest.raises(ValueError, match="Voodoo 2 is not in the facts"):
        picture.release_range("Voodoo 2", "cu128")
