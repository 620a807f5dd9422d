"""What the benchmarks of builds build: zopilot's 171 packages with PyPI's torch, on a base image of this machine's Debian.

The base image has Python, pip and zopilot's system packages, so that all sides start from the same one, and no side waits
for a mirror of Debian.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
BASE = "torchpin-bench/base:1"
SERVICE = "services/zopilot/service.yaml"
_BASE_PACKAGES = "python3,python3-dev,python3-pip,python3-venv,ca-certificates,curl,gcc,git,libc6-dev,libglib2.0-0,libgomp1,wget"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Variables that would make torchpin hand on this machine's certificates; the base image has them already.
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SECONDS_TO_START = 60
_REGISTRY = """\
version: 0.1
log: {{accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:0", secret: benchmark}}
"""


@contextmanager
def engine(*, containerd_store: bool = False) -> Iterator[Path]:
    """A Docker engine of our own, which the client and torchpin use meanwhile; the folder of its data. Requires root."""
    with tempfile.TemporaryDirectory(prefix="tpb-") as name:
        folder = Path(name)
        configuration = folder / "daemon.json"
        configuration.write_text(
            '{"features": {"containerd-snapshotter": true}}' if containerd_store else "{}"
        )
        command = [
            *(
                "dockerd",
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "-H",
                f"unix://{folder}/docker.sock",
            ),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"),
            *("--config-file", str(configuration)),
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        os.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        try:
            _wait_for_engine(process, folder / "log")
            yield folder / "data"
        finally:
            del os.environ["DOCKER_HOST"]
            process.terminate()
            process.wait(_SECONDS_TO_START)


def _wait_for_engine(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while subprocess.run(("docker", "version"), capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd does not answer; its log ends with:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry on the loopback address, with its blobs in a folder; yields its address."""
    folder.mkdir(parents=True)
    configuration, log = folder / "config.yml", folder.with_suffix(".log")
    configuration.write_text(_REGISTRY.format(folder=folder))
    with log.open("wb") as output:
        process = subprocess.Popen(
            ("docker-registry", "serve", str(configuration)), stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not (match := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"docker-registry does not answer:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield match[1]
    finally:
        process.terminate()
        process.wait(_SECONDS_TO_START)


def make_base() -> None:
    """Import the base image into the engine, unless it is there."""
    if not subprocess.run(("docker", "image", "inspect", BASE), capture_output=True, check=False).returncode:
        return
    archive = _base_archive()
    variables = [f"ENV {name}={_CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT")]
    changes = [word for line in variables for word in ("--change", line)]
    subprocess.run(("docker", "import", *changes, str(archive), BASE), check=True, capture_output=True)


def _base_archive() -> Path:
    """The tar of the base image, below .torchpin/: made once by mmdebstrap."""
    archive = ROOT / ".torchpin/bench/base.tar"
    if archive.is_file():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tpb-") as name:
        tree = Path(name, "tree")
        codename = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
        assert codename, "the base image is made of this machine's Debian"
        subprocess.run(
            ("mmdebstrap", "--variant=apt", f"--include={_BASE_PACKAGES}", codename[1], str(tree)), check=True
        )
        shutil.copyfile(_CERTIFICATES, tree / _CERTIFICATES.lstrip("/"))
        for marker in tree.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()  # the recipe installs into the image's own Python, as its page does
        partial = archive.with_suffix(".partial")
        subprocess.run(("tar", "--create", "--file", str(partial), "--directory", str(tree), "."), check=True)
        partial.rename(archive)
    return archive


def base_python() -> str:
    """The version of the base image's Python."""
    command = ("docker", "run", "--rm", "--network=none", BASE, "python3", "-c")
    script = "import platform; print(platform.python_version())"
    return subprocess.run((*command, script), check=True, capture_output=True, text=True).stdout.strip()


def make_project(folder: Path, checkout: Path) -> None:
    """A repository with zopilot alone: torch from PyPI, the base image and its Python; locked, rendered and committed.

    `checkout` is the torchpin that makes it.
    """
    tracked = ("services/zopilot", "tasks.py", "noxfile.py", "docs", "DEVIATIONS.md")
    for path in tracked:
        source = ROOT / path
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / path)
    text = (folder / SERVICE).read_text(encoding="utf-8")
    text = text.replace('python: "3.10.12"', f'python: "{base_python()}"', 1)
    text = re.sub(r"image: nvidia/\S+\n  digest: \S+", f"image: {BASE}", text, count=1)
    text = text.replace("channel: cu124", "channel: pypi", 1)
    text = re.sub(r"^apt: .*$", "apt: []", text, count=1, flags=re.MULTILINE)
    (folder / SERVICE).write_text(text, encoding="utf-8")
    for command in (("lock",), ("document", "--overwrite")):
        subprocess.run(torchpin(checkout, *command), cwd=folder, check=True, capture_output=True)


def torchpin(checkout: Path, *arguments: str) -> tuple[str, ...]:
    """A command of a checkout's own torchpin (`python3 bootstrap.py invoke --list` sets it up)."""
    return (str(checkout / ".venv/bin/torchpin"), *arguments)


def locked_requirements(folder: Path) -> dict[str, str]:
    """The versions of the locked packages of the project, without local parts."""
    lines = [
        line
        for file in sorted((folder / "lockfiles/zopilot-gpu").glob("*.requirements.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    return dict(line.split(" ", 1)[0].split("==") for line in lines)
