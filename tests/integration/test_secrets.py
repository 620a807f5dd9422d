"""A canary in each way into the commands, and none in any way out: terminal, JSON, logs, written files."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from support.command_line import ROOT, run_command, run_process, whole_tree
from support.git_repositories import git
from support.secret_project import write_secret_project
from torchpin.commands.crash import write_crash_log
from torchpin.errors import InputError, ToolError
from torchpin.tools import buildx

if TYPE_CHECKING:
    from pathlib import Path

    from support.command_line import CommandResult
    from torchpin.image.build_log import Event

CANARY = "c4n4ry"
ADDRESS = f"http://user:{CANARY}@127.0.0.1:1/simple?token={CANARY}"  # nothing listens there
COMMANDS = {
    "git": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("clone", "--service", "lora")),
    "git's tags": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("verify", "--service", "lora", "--network")),
    "git before a lock": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("lock", "--service", "lora", "--refresh")),
    "uv": ("TORCHPIN_MIRROR_PYPI", ("lock", "--service", "tiny")),
    "an export": ("TORCHPIN_MIRROR_PYPI", ("export", "--service", "lora")),
    "the build's command": ("TORCHPIN_MIRROR_PYPI", ("build", "--service", "lora", "--dry-run")),
    "doctor": ("TORCHPIN_MIRROR_CU121", ("doctor",)),
    "a registry": ("TORCHPIN_REGISTRY", ("judge",)),
    "SARIF": ("TORCHPIN_MIRROR_PYPI", ("judge", "--sarif")),
    "an update": ("TORCHPIN_MIRROR_PYPI", ("bump", "tqdm==4.67.0", "--no-build", "--recorded", "--yes")),
    "updates that are possible": ("TORCHPIN_MIRROR_PYPI", ("outdated", "--service", "lora", "--json")),
    "uv's own index": ("UV_DEFAULT_INDEX", ("lock", "--service", "tiny")),
    "uv's other index": ("UV_INDEX", ("lock", "--service", "tiny")),
    "uv's extra index": ("UV_EXTRA_INDEX_URL", ("lock", "--service", "tiny")),
    "uv's links": ("UV_FIND_LINKS", ("lock", "--service", "tiny")),
    "pip's index": ("PIP_INDEX_URL", ("lock", "--service", "tiny")),
    "a proxy": ("ALL_PROXY", ("lock", "--service", "tiny")),
    "a proxy of git": ("https_proxy", ("clone", "--service", "lora")),
    "JSON": ("TORCHPIN_MIRROR_SD_SCRIPTS", ("verify", "--service", "lora", "--network", "--json")),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed repository with a small service, which has no lock yet."""
    root = tmp_path_factory.mktemp("committed") / "repository"
    for name in ("services", "docker", "lockfiles", "docs", "records"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("DEVIATIONS.md", "tasks.py"):
        shutil.copy2(ROOT / name, root)
    assert run_command(root, "new", "--service", "tiny").code == 0
    return root


@pytest.fixture
def copy(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; no engine answers, and nothing is asked twice."""
    root = tmp_path / "repository"
    shutil.copytree(repository, root)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{root}/none.sock")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    return root


@pytest.mark.parametrize(("variable", "command"), COMMANDS.values(), ids=COMMANDS)
def test_no_address_s_secret_is_printed_or_written(
    copy: Path, variable: str, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, ADDRESS)
    expect_no_canary(run_command(copy, *command), copy)


def test_no_secret_is_printed_by_a_process_of_its_own(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others run in this process, which is quicker; what tools print goes through pipes in both."""
    for variable in ("TORCHPIN_MIRROR_CU128", "TORCHPIN_MIRROR_PYPI", "TORCHPIN_MIRROR_SD_SCRIPTS"):
        monkeypatch.setenv(variable, ADDRESS)
    result = run_process(copy, "lock", "--service", "lora", "--refresh")
    assert "127.0.0.1:1" in result.output
    expect_no_canary(result, copy)


SETTINGS = f"""
[build]
registry = "registry.example/team"
[mirrors]
pypi = "{ADDRESS}#token={CANARY}"
cu121 = "{ADDRESS}"
sd-scripts = "{ADDRESS}"
"""


@pytest.mark.parametrize(
    "command",
    [("lock", "--service", "tiny"), ("clone", "--service", "lora"), ("doctor",), ("judge", "--json"),
     ("export", "--service", "lora", "--format", "pylock"), ("build", "--service", "lora", "--dry-run"),
     ("verify", "--service", "lora", "--network", "--json")],
    ids=" ".join,
)  # fmt: skip
def test_no_secret_of_settings_is_printed_or_written(copy: Path, command: tuple[str, ...]) -> None:
    (copy / "torchpin.toml").write_text(SETTINGS)
    expect_no_canary(run_command(copy, *command), copy)


def test_no_secret_of_a_wrong_setting_is_printed(copy: Path) -> None:
    (copy / "torchpin.toml").write_text(f'[build]\nregistry = "{ADDRESS}"\n[mirrors]\nother = "{ADDRESS}"\n')
    result = run_command(copy, "judge")
    assert result.code == InputError.exit_code
    expect_no_canary(result, copy)


def test_no_secret_of_a_description_or_a_remote_is_printed(copy: Path) -> None:
    git(copy, "init", "--quiet")
    git(copy, "remote", "add", "origin", f"https://user:{CANARY}@mirror.example/x?token={CANARY}")
    expect_no_canary(run_command(copy, "judge", "--sarif"), copy)
    path = copy / "services/tiny/service.yaml"
    path.write_text(
        f"{path.read_text()}sources:\n  - {{name: a, url: '{ADDRESS}', tag: v1, commit: '{'c' * 40}', path: third_party/a}}\n"
    )
    result = run_command(copy, "judge", "--json")
    assert result.code == InputError.exit_code
    assert "services/tiny/service.yaml:" in result.output
    assert CANARY not in result.output


def test_a_draft_keeps_no_secret_of_a_project_and_nothing_tells_one(copy: Path, tmp_path: Path) -> None:
    count = write_secret_project(tmp_path / "theirs", CANARY)
    assert count > 50
    for options in ((), ("--json",), ("--write", "services/drafted", "--channel", "cu121")):
        result = run_command(copy, "adopt", str(tmp_path / "theirs"), *options)
        assert result.code == 0, result.output
        expect_no_canary(result, copy)
    assert (copy / "services/drafted/service.yaml").exists()


def expect_no_canary(result: CommandResult, root: Path) -> None:
    """Neither the output nor a file has the canary, but the settings and git's configuration that it came from."""
    assert result.output
    assert CANARY not in result.output
    names = [name for name, content in whole_tree(root).items() if CANARY.encode() in content]
    assert {*names} <= {"torchpin.toml", ".git/config"}


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
