"""What only root may do for a test: small file systems, files that nobody may change, commands bound by file modes."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REMOUNTS = 5
# without these capabilities root is bound by the modes of files, as everyone else is
_BOUND_ROOT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")


def run_privileged(*command: str) -> str:
    """Why a command cannot be run as root, "" if it was."""
    privileged_command = command if os.geteuid() == 0 else ("sudo", "-n", *command)
    try:
        result = subprocess.run(privileged_command, capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return f"{privileged_command[0]}: {error.strerror}"
    failure = result.stderr.strip() or f"{privileged_command[0]} failed with exit code {result.returncode}"
    return failure if result.returncode else ""


class NotPossible(Exception):  # noqa: N818 - the usual case without root
    """Why this machine cannot have a fault."""


@contextmanager
def small_file_system(folder: Path, size: int) -> Iterator[None]:
    """A file system of so many bytes at a folder."""
    folder.mkdir(exist_ok=True)
    options = f"size={size},mode=0777,uid={os.getuid()},gid={os.getgid()}"
    reason = run_privileged("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if reason:
        raise NotPossible(f"mount: {reason}")
    try:
        yield
    finally:
        reason = run_privileged("umount", str(folder)) and run_privileged("umount", "--lazy", str(folder))
        if reason:
            raise RuntimeError(f"umount {folder}: {reason}")


def enlarge(folder: Path, size: int) -> None:
    # mount reads the kernel's list of mounts, and may miss a line of it while another trial unmounts
    for _ in range(_REMOUNTS):
        reason = run_privileged("mount", "-o", f"remount,size={size}", str(folder))
        if not reason:
            return
        time.sleep(0.1)
    raise RuntimeError(f"remount {folder}: {reason}")


def free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """A file or folder that not even root may change."""
    reason = run_privileged("chattr", "+i", str(path))
    if reason:
        raise NotPossible(f"chattr: {reason}")
    try:
        yield
    finally:
        run_privileged("chattr", "-i", str(path))


@contextmanager
def write_protected(path: Path) -> Iterator[None]:
    """A file or folder without write permission."""
    mode = path.stat().st_mode & 0o7777
    path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        path.chmod(mode)


@lru_cache(maxsize=1)
def bound_command() -> tuple[str, ...]:
    """What a command begins with so that modes bind it; nothing for users that they bind anyway."""
    if os.geteuid():
        return ()
    try:
        result = subprocess.run((*_BOUND_ROOT, "true"), capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotPossible(f"setpriv: {error.strerror}") from None
    if result.returncode:
        raise NotPossible(f"setpriv: {result.stderr.strip()}")
    return _BOUND_ROOT
