"""Every task alike: its programs, exit codes and messages, and what is wrong with a repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from support.command_line import (
    DESCRIPTION,
    ROOT,
    different_character,
    fail_if_called,
    replace_text,
    run_command,
    run_process,
    tree,
)
from torchpin.cli.main import namespace
from torchpin.description import read
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

STRICT_COMMANDS = (
    "lock", "lock --check", "lock --recorded", "clone", "render", "render --check", "build", "build --dry-run",
    "install --service lora", "verify --service lora", "verify --service lora --json", "document", "document --check",
    "export --service lora",
)  # fmt: skip


@pytest.mark.parametrize("disabled", [False, True], ids=["by default", "told not to"])
@pytest.mark.parametrize(
    "command",
    [("-m", "invoke"), ("-c", "from torchpin.cli.main import main; main()")],
    ids=["invoke", "torchpin"],
)
def test_commands_keep_their_bytecode_unless_python_was_told_not_to(
    tmp_path: Path, command: tuple[str, ...], disabled: bool
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONPYCACHEPREFIX": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1" if disabled else "",
    }
    subprocess.run(
        (sys.executable, *command, "services"), cwd=ROOT, env=environment, check=True, capture_output=True
    )
    assert bool([*tmp_path.rglob("workspace.*.pyc")]) is not disabled


def test_every_task_is_listed(committed: Path) -> None:
    result = run_process(committed, "--list")
    assert result.code == 0
    listed = re.findall(r"(?m)^  (\S+) +\S", result.out)
    assert sorted(listed) == sorted(namespace.task_names)


BROKEN_DESCRIPTIONS = {
    "an unknown key": ("budget:", "budgit:", r":\d+:1: unknown key 'budgit' \(did you mean 'budget'\?\)"),
    "a loose pin": ("tqdm==4.66.5", "tqdm>=4.66.5", r": expected an exact pin|exact pin"),
    "a number for a text": ('python: "3.10.14"', "python: 3.10", r":\d+:\d+: python: "),
    "no YAML": ("layers:\n", "layers: [\n", r":\d+:\d+: "),
}


@pytest.mark.parametrize(
    ("before", "after", "message"), BROKEN_DESCRIPTIONS.values(), ids=BROKEN_DESCRIPTIONS
)
def test_a_broken_description_ends_a_task_with_its_place_and_nothing_is_written(
    before: str, after: str, message: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_text(copy, DESCRIPTION, before, after)
    monkeypatch.setattr("torchpin.tools.process.run", fail_if_called)
    monkeypatch.setattr("torchpin.tools.files.write_files", fail_if_called)
    files_before = tree(copy)
    for command_line in STRICT_COMMANDS:
        result = run_command(copy, *command_line.split())
        assert result.code == 2, (command_line, result.output)
        assert result.out == "", command_line
        first, *_, last = result.err.splitlines()
        assert re.match(rf"{re.escape(DESCRIPTION)}:\d+:\d+: ", first), (command_line, result.err)
        assert re.search(message, result.err), result.err
        assert last.endswith("in the descriptions; nothing was written"), last
    assert tree(copy) == files_before


def test_bytes_that_are_no_text_are_refused_with_their_line(copy: Path) -> None:
    path = copy / DESCRIPTION
    path.write_bytes(path.read_bytes().replace(b"summary: FLUX", b"summary: \xff"))
    result = run_command(copy, "lock", "--check")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"{DESCRIPTION}:3:1: not UTF-8 at byte ")


def test_a_wrong_setting_ends_a_task_and_nothing_is_written(copy: Path) -> None:
    (copy / "torchpin.toml").write_text('[mirrors]\nsdscripts = "x"\n')
    before = tree(copy)
    result = run_command(copy, "document")
    assert (result.code, result.out) == (2, "")
    assert "unknown mirror 'sdscripts' (did you mean 'sd-scripts'?)" in result.err
    assert tree(copy) == before


WRONG_COMMANDS: Mapping[str, tuple[str, int, str]] = {
    "a service that is none": ("build --service lorra", 2, "service 'lorra' does not exist (did you mean 'lora'?)"),
    "a variant that is none": ("lock --check --variant gpus", 2, "variant 'gpus' does not exist (did you mean 'gpu'?)"),
    "a progress that is none": ("build --progress bogus", 2, "--progress must be auto, plain or json, not 'bogus'"),
    "a need that is none": ("verify --require docker,gpus", 2, "unknown `--require` value: gpus; known: docker, gpu, network, image, clone, record"),
    "a format that is none": ("export --service lora --format toml", 2, "--format must be requirements, pylock, cyclonedx or spdx, not 'toml'"),
    "a platform that is none": ("build --platform linux/riscv64", 2, "no selected environment is for linux/riscv64"),
    "a push out of the lab": ("build --lab --push", 2, "`--push` conflicts with `--lab`: the lab's images stay in the lab"),
    "a requirement that is not met": ("verify --require docker", 1, "no Docker engine at unix:///"),
    "an image that is required": ("verify --require image", 1, "no Docker engine at unix:///"),
    "a clone that is required": ("verify --require clone", 1, "not cloned: sd-scripts"),
    "a record that is required": ("verify --require record", 1, "not recorded yet"),
}  # fmt: skip


@pytest.mark.parametrize(("command_line", "code", "message"), WRONG_COMMANDS.values(), ids=WRONG_COMMANDS)
def test_wrong_words_end_with_a_sentence_and_write_nothing(
    command_line: str, code: int, message: str, committed: Path
) -> None:
    before = tree(committed)
    result = run_command(committed, *command_line.split())
    assert result.code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    assert tree(committed) == before


def test_a_broken_description_stops_the_commands_on_its_own_service_alone(copy: Path) -> None:
    path = copy / "services/zopilot/service.yaml"
    path.write_text(path.read_text().replace("platform: linux/amd64", "platform: windows/amd64", 1))
    position = "services/zopilot/service.yaml:"
    line = f"{position[:-1]} has 1 problem; zopilot is passed over\n"
    for command_line in ("lock --check", "render --check", "why lora torch", "export"):
        words = command_line.split()
        options = [] if words[0] == "why" else ["--service", "lora"]
        result = run_command(copy, *words, *options)
        assert (result.code, result.err) == (0, line), (command_line, result.output)
    for command_line in ("judge", "services", "verify", "support"):
        result = run_command(copy, command_line)
        assert result.code == 2, (command_line, result.output)
        assert result.err.startswith(position)
        assert line in result.err
        assert "lora" in result.out
    for command_line in ("lock --check", "document --check", "judge --service zopilot"):
        result = run_command(copy, *command_line.split())
        assert (result.code, result.out) == (2, ""), (command_line, result.output)
        assert result.err.startswith(position)


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    for task in ("services", "verify", "document --check"):
        result = run_command(tmp_path, *task.split())
        assert (result.code, result.out) == (2, "")
        assert result.err == (
            f"{tmp_path} is not in a torchpin repository: neither it nor a folder above it has services/; "
            "`invoke init` makes a folder one\n"
        )
    assert tree(tmp_path) == {}


def test_the_torchpin_command_is_the_same_thing(tmp_path: Path) -> None:
    code = "from torchpin.cli.main import main; main()"
    result = subprocess.run(
        (sys.executable, "-c", code, "services"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{tmp_path} is not in a torchpin repository")


def test_a_task_works_from_any_folder_of_the_repository(committed: Path) -> None:
    result = run_command(committed / "services" / "lora", "lock", "--check")
    assert result.code == 0, result.output


def test_a_file_that_cannot_be_read_is_a_sentence(copy: Path) -> None:
    path = copy / "services/lora/smoke.py"
    path.unlink()
    path.mkdir()
    result = run_command(copy, "render")
    assert (result.code, result.out) == (3, "")
    assert result.err == f"{path} is a folder, not a file; move it away, then try again\n"


def test_an_interrupted_task_ends_with_its_own_code(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("torchpin.commands.generate.write_documents", interrupted)
    result = run_command(committed, "document")
    assert (result.code, result.out, result.err) == (130, "", "interrupted; no partial output was kept\n")


def test_a_bug_ends_with_the_log_of_its_traceback(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchpin.commands.generate.write_documents", fail_if_called)
    result = run_command(copy, "document")
    assert result.code == 4
    assert "unexpected AssertionError: this was to be refused before" in result.err
    (log,) = (copy / ".torchpin" / "logs").glob("crash-*.log")
    assert str(log.relative_to(copy)) in result.err
    assert "Traceback (most recent call last)" in log.read_text()


def test_another_character_is_another_character() -> None:
    for character in "az09AZ #`|-\n~":
        assert (different_character(character) != character) == (character != "~")


def test_the_copy_is_the_committed_description(committed: Path) -> None:
    texts: Callable[[Path], dict[str, str]] = workspace.read_descriptions
    assert read.read_services(texts(committed)) == read.read_services(texts(ROOT))
