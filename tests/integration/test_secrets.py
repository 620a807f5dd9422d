"""A canary in each way into the commands, and none in any way out: terminal, JSON, logs, written files."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from support.command_line import ROOT, run_process, tree
from torchpin.commands.crash import write_crash_log
from torchpin.errors import ToolError
from torchpin.tools import buildx

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.image.build_log import Event

CANARY = "c4n4ry"
ADDRESS = f"http://user:{CANARY}@127.0.0.1:1/simple?token={CANARY}"  # nothing listens there
COMMANDS = {
    "git": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("clone", "--service", "lora")),
    "git's tags": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("verify", "--service", "lora", "--network")),
    "git before a lock": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("lock", "--service", "lora")),
    "uv": ("TORCHPIN_MIRROR_PYPI", ("lock", "--service", "tiny")),
    "an export": ("TORCHPIN_MIRROR_PYPI", ("export", "--service", "lora")),
    "the build's command": ("TORCHPIN_MIRROR_PYPI", ("build", "--service", "lora", "--dry-run")),
    "doctor": ("TORCHPIN_MIRROR_CU121", ("doctor",)),
    "a registry": ("TORCHPIN_REGISTRY", ("judge",)),
    "JSON": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("verify", "--service", "lora", "--network", "--json")),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name in ("services", "docker", "lockfiles", "docs", "records"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("DEVIATIONS.md", "tasks.py"):
        shutil.copy2(ROOT / name, root)
    return root


@pytest.mark.parametrize(("variable", "command"), COMMANDS.values(), ids=COMMANDS)
def test_no_address_s_secret_is_printed_or_written(
    copy: Path, variable: str, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_process(copy, "new", "--service", "tiny")
    monkeypatch.setenv(variable, ADDRESS)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    result = run_process(copy, *command)
    assert result.output
    assert CANARY not in result.output
    assert not [name for name, content in tree(copy).items() if CANARY.encode() in content]


def test_no_secret_that_buildkit_prints_is_shown_kept_or_told(tmp_path: Path) -> None:
    line = f"#7 [2/3] RUN git clone -q {ADDRESS.replace('simple', 'x' * 60)}"
    text = f"{line}\\n#7 0.5 fatal: unable to access '{ADDRESS}'\\n#7 ERROR: exit code: 128\\n"
    script = f'import sys; sys.stdout.write("{text}"); sys.exit(1)'
    log = tmp_path / "build.log"
    events: list[Event] = []
    with pytest.raises(ToolError) as excinfo:
        buildx.build((sys.executable, "-c", script), log, events.append)
    assert "unable to access 'http://127.0.0.1:1/simple'" in str(excinfo.value)
    for output in (str(excinfo.value), log.read_text(), str(events)):
        assert CANARY not in output


def test_no_secret_is_in_the_log_of_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["invoke", "adopt", ADDRESS])
    log = write_crash_log(ValueError(ADDRESS))
    assert log
    assert CANARY not in log.read_text()
    log.unlink()
