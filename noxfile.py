# /// script
# requires-python = ">=3.10"
# dependencies = ["nox"]
# ///
"""Nox sessions: lint, tests, verification and requirements. `python3 bootstrap.py nox` runs what a change must pass."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nox

if TYPE_CHECKING:
    from collections.abc import Callable

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True

# UV_* and PIP_* variables that would change what is installed, or where; and what keeps each process compiling all modules.
UNSET_VARIABLES = (
    "PIP_CONSTRAINT",
    "PIP_PREFIX",
    "PIP_REQUIRE_HASHES",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONDONTWRITEBYTECODE",
    "UV_CONSTRAINT",
    "UV_OVERRIDE",
    "UV_PREFIX",
    "UV_PYTHON",
    "UV_REQUIRE_HASHES",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
)
SITE = ".torchpin/site"
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, on Linux
MEMORY_OF_UNIT_TESTS = 1 << 30  # bytes; containers often have 64 MiB there
UV_PIN = Path("src/torchpin/resources/uv.txt")
REQUIREMENTS = (
    ("requirements/run.txt", ("pyproject.toml", "--extra", "build")),
    ("requirements/dev.txt", ("pyproject.toml", "--all-extras", "--constraint", "requirements/run.txt")),
    ("requirements/fuzz.txt", ("--group", "fuzz")),
    ("requirements/docs.txt", ("--group", "docs", "--constraint", "requirements/dev.txt")),
)


def prepare(session: nox.Session) -> None:
    """Install exactly the locked packages, then torchpin itself."""
    session.env.update(dict.fromkeys(UNSET_VARIABLES))
    session.install("--require-hashes", "-r", "requirements/dev.txt")
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def hadolint(session: nox.Session) -> None:
    """Lint the generated Dockerfiles."""
    session.run("hadolint", *sorted(map(str, Path("docker").glob("*/Dockerfile"))))


def workflows(session: nox.Session) -> None:
    """Audit the workflows, those of a new repository too, and the action."""
    templates = sorted(map(str, Path("src/torchpin/resources/project").glob("*.yml")))
    session.run("zizmor", "--offline", "--quiet", ".github", "action.yml", *templates)


def generated(session: nox.Session) -> None:
    """Check that locks, Dockerfiles and documents are up to date."""
    for task in ("lock", "render", "document"):
        session.run("invoke", task, "--check")


STEPS: dict[str, Callable[[nox.Session], object]] = {
    "ruff": lambda session: session.run("ruff", "check"),
    "format": lambda session: session.run("ruff", "format", "--check"),
    "mypy": lambda session: session.run("mypy", "--num-workers", "auto"),
    "hadolint": hadolint,
    "workflows": workflows,
    "generated": generated,
}


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, Dockerfiles and generated files; `-- ruff mypy` runs only these steps."""
    steps = session.posargs or list(STEPS)
    if unknown := [step for step in steps if step not in STEPS]:
        session.error(f"unknown step: {', '.join(unknown)}; choose from {', '.join(STEPS)}")
    prepare(session)
    for step in steps:
        STEPS[step](session)


@nox.session
def unit(session: nox.Session) -> None:
    """Tests without processes or network; `-- -k probe` picks some."""
    prepare(session)
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_OF_UNIT_TESTS
    session.run(
        *("pytest", "-n", "auto", "-o", "tmp_path_retention_policy=failed", "tests/unit", *session.posargs),
        # each file that is written is synced, for which a disk takes as long as all else
        env={"PYTEST_DEBUG_TEMPROOT": str(MEMORY)} if in_memory else {},
    )


@nox.session
def integration(session: nox.Session) -> None:
    """Tests with real tools; a test skips without its tool, and fails if TORCHPIN_REQUIRE (docker,network,registry,browser) names it."""
    prepare(session)
    # Two at once, each with an engine of its own; more of them only wait for the disk.
    session.run("pytest", "-n", "2", "tests/integration", *session.posargs)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Kills, full disks and denied permissions on every command that writes; `-- --minutes 60 --seed 2 --only lock`."""
    prepare(session)
    session.run("python", "-m", "support.faults.campaign", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def verify(session: nox.Session) -> None:
    """All checks on the committed files; arguments go to `invoke verify`: `-- --service lora --json`."""
    prepare(session)
    session.run("invoke", "verify", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, to .torchpin/site/html; fails on links that lead nowhere. `-- --write` renews what is made for it."""
    prepare(session)
    if "--write" in session.posargs:
        session.run("python", "site/write.py")
    session.install("--require-hashes", "-r", "requirements/docs.txt")
    session.run("python", "site/staging.py", SITE)
    session.run("zensical", "build", "--strict", "--config-file", f"{SITE}/zensical.toml")
    session.log(
        f"the site is in {SITE}/html; `python -m http.server -d {SITE}/html` shows it at http://localhost:8000"
    )


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz the readers; `-- --minutes N --target NAME --seed S` (20 minutes for all targets), `-- --help` for the others."""
    prepare(session)
    session.install("--require-hashes", "-r", "requirements/fuzz.txt")
    session.run("python", "-m", "fuzz.run", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Benchmarks, both sides in one run, to docs/BENCHMARKS.md: `-- builds --runs 3`; an hour for all, on a quiet machine."""
    prepare(session)
    session.run("python", "bench/all.py", *session.posargs)


@nox.session(default=False)
def requirements(session: nox.Session) -> None:
    """Write requirements/*.txt from pyproject.toml; `-- --check` compares, other arguments go to uv (`-- --upgrade`)."""
    check = "--check" in session.posargs
    options = [argument for argument in session.posargs if argument != "--check"]
    session.env.update(dict.fromkeys(UNSET_VARIABLES))
    session.install("--require-hashes", "-r", "requirements/dev.txt")
    for file, sources in REQUIREMENTS:
        target = Path(session.create_tmp(), "new.txt") if check else Path(file)
        if check:
            shutil.copyfile(file, target)  # uv keeps the pins of an existing output file that still fit
        session.run(
            *("uv", "pip", "compile", *sources, "--quiet"),
            *("--universal", "--python-version", "3.10", "--generate-hashes"),
            *("--no-annotate", "--no-emit-index-url", "--custom-compile-command", "nox -s requirements"),
            *("--output-file", str(target), *options),
        )
        if check and target.read_bytes() != Path(file).read_bytes():
            session.error(f"{file} is out of date for pyproject.toml; run `nox -s requirements`")
    write_uv_pin(session, check=check)


def write_uv_pin(session: nox.Session, *, check: bool) -> None:
    """Write uv's pin with the hashes of its files, which the package brings along: images of other platforms get it by them."""
    requirements = Path("requirements/run.txt").read_text(encoding="utf-8")
    pin = re.search(r"^uv==.*?(?=^\S|\Z)", requirements, re.MULTILINE | re.DOTALL)
    if pin is None:
        session.error("requirements/run.txt does not pin uv")
    if not check:
        UV_PIN.write_text(pin[0], encoding="utf-8")
    elif UV_PIN.read_text(encoding="utf-8") != pin[0]:
        session.error(f"{UV_PIN} is out of date for requirements/run.txt; run `nox -s requirements`")
