"""A small repository with all that its commands need on this machine: package indexes, a git origin, and a work tree."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.forks import can_fork, open_forks
from torchpin.lab import stub_wheels
from torchpin.tools import index_server
from torchpin.tools.uv_install import local_platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.forks import Forks
    from torchpin.tools.index_server import File

ROOT = Path(__file__).parents[3]
TORCH, NEXT_TORCH = "2.7.1", "2.8.0"
OLD_TAG, TAG = "v0.9", "v1.0"
CHANNEL = "cpu"
PACKAGES = {"plainlib": ("1.0", "1.1"), "helperlib": ("2.0",)}
COMMAND_SECONDS = 120  # what no command of this small repository takes, however busy the machine is
_SMOKE_TEST = '"""Torch is a stub."""\n\nimport torch\n\nassert torch.__torchpin_stub__\nprint("smoke: ok")\n'
_DESCRIPTION = """\
name: {name}
summary: A service that faults are tried on
python: "{python}"
base: {{image: "debian:12", digest: "sha256:{digest}"}}
torch: {{version: "{torch}"}}
variants:
  cpu: {{channel: cpu, platform: {platform}}}
layers:
  - {{name: serving, packages: [plainlib==1.0]}}
{sources}imports: [torch, plainlib]
"""
_SOURCES = """\
sources:
  - name: toolbox
    url: https://example.org/toolbox
    tag: {tag}
    commit: {commit}
    path: third_party/toolbox
    requirements: requirements.txt
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """A repository, the environment of every command in it, the commits of the source's tags, and what starts commands."""

    folder: Path
    template: Path
    environ: Mapping[str, str]
    commits: Mapping[str, str]
    forks: Forks | None


def run_git(folder: Path, *arguments: str) -> str:
    """The output of git without this machine's settings."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    person = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in {"NAME": "a", "EMAIL": "a@example.org", "DATE": "2000-01-01T00:00:00+0000"}.items()
    }
    environ |= {**person, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ("git", "-C", str(folder), *arguments)
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


def command_line(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", "from torchpin.cli.entry import main; main()", *arguments)


def run_to_end(root: Path, environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of torchpin without a fault."""
    return subprocess.run(
        command_line(*arguments),
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=COMMAND_SECONDS,
    )


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """A world below a folder, with its servers running as long as it is open."""
    commits = _create_origin(folder)
    with index_server.serve(_channels()) as address:
        template = folder / "template"
        _write_repository(template, commits[TAG])
        mirrors = {"pypi": f"{address}/pypi/", CHANNEL: f"{address}/{CHANNEL}/"}
        mirrors["toolbox"] = f"file://{folder}/toolbox.git"
        lines = ["[mirrors]", *(f'"{name}" = "{url}"' for name, url in mirrors.items())]
        (template / "torchpin.toml").write_text("\n".join(lines) + "\n")
        environ = _environment(folder)
        with open_forks(environ) if can_fork() else nullcontext() as forks:
            yield World(folder=folder, template=template, environ=environ, commits=commits, forks=forks)


def _environment(folder: Path) -> dict[str, str]:
    for name in ("home", "uv-cache"):
        (folder / name).mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "UV_", "PIP_", "TORCHPIN_", "XDG_", "PYTHON"))
    }
    return kept | {
        "HOME": str(folder / "home"),
        "UV_CACHE_DIR": str(folder / "uv-cache"),
        "XDG_CACHE_HOME": str(folder / "cache"),  # torchpin's own
        "XDG_DATA_HOME": str(folder / "uv-data"),  # where uv looks for Pythons of its own, with a lock file
        "UV_HTTP_RETRIES": "0",
        "UV_LINK_MODE": "copy",
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "DOCKER_HOST": f"unix://{folder}/no-engine.sock",
        "NO_COLOR": "1",
    }


def _channels() -> dict[str, dict[str, list[File]]]:
    python_tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    torch = [
        file
        for version in (TORCH, NEXT_TORCH)
        for file in stub_wheels.torch_family(
            version=version,
            local=CHANNEL,
            companions={},
            cuda=None,
            archs=(),
            cudnn=None,
            python_tag=python_tag,
            platform=f"linux_{platform.machine()}",
            cxx11_abi=True,
        )
    ]
    plain = {
        name: [_plain_wheel(name, version) for version in versions] for name, versions in PACKAGES.items()
    }
    plain["filelock"] = [_plain_wheel("filelock", "3.18.0")]
    plain["typing-extensions"] = [_plain_wheel("typing-extensions", "4.14.0")]
    return {CHANNEL: {"torch": torch}, "pypi": plain}


def _plain_wheel(name: str, version: str) -> File:
    module = name.replace("-", "_")
    requires = ("helperlib==2.0",) if name == "plainlib" else ()
    modules = {f"{module}/__init__.py": f'__version__ = "{version}"\n'}
    return stub_wheels.index_file(*stub_wheels.build_wheel(name, version, requires=requires, modules=modules))


def _create_origin(folder: Path) -> dict[str, str]:
    """A bare repository for the source, with two tags; the commit of each."""
    work = folder / "toolbox-work"
    work.mkdir()
    (work / "requirements.txt").write_text("plainlib==1.0\n")
    run_git(work, "init", "--quiet", "--initial-branch=main")
    commits = {}
    for tag in (OLD_TAG, TAG):
        for number in range(40):
            (work / f"module{number}.py").write_text(f"value = '{tag} {number}'\n" * 50)
        run_git(work, "add", ".")
        run_git(work, "commit", "--quiet", "--message", tag)
        run_git(work, "tag", tag)
        commits[tag] = run_git(work, "rev-parse", "HEAD").strip()
    run_git(folder, "clone", "--quiet", "--bare", str(work), str(folder / "toolbox.git"))
    return commits


def _write_repository(root: Path, commit: str) -> None:
    root.mkdir()
    (root / ".gitignore").write_text("/.torchpin/\n/.venvs/\n/third_party/\n/torchpin.toml\n")
    (root / "notes.txt").write_text("not torchpin's\n")
    for name, sources in {"alpha": _SOURCES.format(tag=TAG, commit=commit), "beta": ""}.items():
        text = _DESCRIPTION.format(
            name=name,
            sources=sources,
            python=platform.python_version(),
            torch=TORCH,
            platform=local_platform(),
            digest="ab" * 32,
        )
        folder = root / "services" / name
        folder.mkdir(parents=True)
        (folder / "service.yaml").write_text(text)
        (folder / "smoke.py").write_text(_SMOKE_TEST)
