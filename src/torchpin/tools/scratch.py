"""Temporary folders that name their owner, so that what a killed command left is told from what a running one uses."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import ToolError
from torchpin.tools import process

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "torchpin-"
LAB = "lab"  # the kind of a lab's folder
MARKER = ".torchpin-owner"
# Seconds: a process that has just been killed may have started others, which end by themselves.
DEAD_AFTER = 60
# Seconds: whether the process of another machine or container still runs cannot be seen from here.
UNSEEN_AFTER = 24 * 60 * 60
_FOLDER_NAME = re.compile(r"torchpin-(?:[a-z]+-)?[a-z0-9_]{8}")
_OWNER = re.compile(r"(\d{1,10})-(\d{1,20})-([0-9a-f]{8})-([0-9a-f]{8})-(\d{1,20})-(\d{1,16})")
_MARKER_BYTES = 200
_REMOVALS, _REMOVAL_PAUSE = (
    5,
    0.1,
)  # tries to remove a folder into which something still writes; seconds between them
# What building a file tree mounts in it; these hold no files of anyone, so they can be unmounted.
_PSEUDO_FILE_SYSTEMS = {"proc", "sysfs", "devtmpfs", "devpts", "mqueue", "tmpfs", "overlay"}
_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process: its id and start (in clock ticks since boot), digests of machine and boot, its pid namespace.

    `created`: when it made what it owns, in milliseconds since 1970.
    """

    pid: int
    started: int
    machine: str
    boot: str
    namespace: int
    created: int

    def __str__(self) -> str:
        """One name, that can stand in the name of an image."""
        return f"{self.pid}-{self.started}-{self.machine}-{self.boot}-{self.namespace}-{self.created}"

    @property
    def age(self) -> float:
        """Seconds."""
        return time.time() - self.created / 1000


def current_owner() -> Owner:
    """This process."""
    return Owner(
        pid=os.getpid(),
        started=_start_of(os.getpid()) or 0,
        machine=_digest(Path("/etc/machine-id")),
        boot=_digest(_PROC / "sys/kernel/random/boot_id"),
        namespace=_namespace(),
        created=int(time.time() * 1000),
    )


def parse_owner(text: str) -> Owner | None:
    """The owner of a name, None for any other text."""
    match = _OWNER.fullmatch(text)
    if not match:
        return None
    pid, started, machine, boot, namespace, created = match.groups()
    return Owner(
        pid=int(pid),
        started=int(started),
        machine=machine,
        boot=boot,
        namespace=int(namespace),
        created=int(created),
    )


def is_abandoned(owner: Owner) -> bool:
    """Whether an owner is gone, and that for long enough."""
    this_process = current_owner()
    if owner.boot != this_process.boot:
        # another boot of this machine has ended, another machine may still run
        same_machine = owner.machine == this_process.machine != _digest(Path(os.devnull))
        return owner.age > (DEAD_AFTER if same_machine else UNSEEN_AFTER)
    if owner.namespace != this_process.namespace or not this_process.started:
        return owner.age > UNSEEN_AFTER
    return _start_of(owner.pid) != owner.started and owner.age > DEAD_AFTER


@contextmanager
def temporary_folder(kind: str = "") -> Iterator[Path]:
    """A temporary folder that is removed at the end, and that another command can clear if this one is killed.

    Its name begins with `torchpin-` and, if there is one, the kind. The first of a process clears what killed commands
    left, but for labs: they have more than a folder, which the next lab clears.
    """
    _clear_abandoned(Path(tempfile.gettempdir()))
    directory = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{kind}-" if kind else PREFIX)
    folder = Path(directory.name)
    try:
        (folder / MARKER).write_text(str(current_owner()))
        yield folder
    finally:
        _remove_when_still(directory)


@contextmanager
def kept_folder(kind: str) -> Iterator[Path]:
    """A temporary folder that stays, as a command's result: it loses its marker at the end, so nothing clears it.

    It is removed where the block is interrupted; an error leaves it, since it may show why.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-"))
    try:
        (folder / MARKER).write_text(str(current_owner()))
        yield folder
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        (folder / MARKER).unlink(missing_ok=True)
        raise
    else:
        (folder / MARKER).unlink(missing_ok=True)


def _remove_when_still(directory: tempfile.TemporaryDirectory[str]) -> None:
    """Remove a folder, and what a process that is just ending still writes into it."""
    for _ in range(_REMOVALS):
        with suppress(OSError):
            directory.cleanup()
            return
        time.sleep(_REMOVAL_PAUSE)
    directory.cleanup()


@lru_cache(maxsize=1)
def _clear_abandoned(parent: Path) -> None:
    for folder in abandoned_folders(parent):
        if not folder.name.startswith(f"{PREFIX}{LAB}-"):
            with suppress(ToolError):  # a lab says what cannot be removed
                remove_abandoned(folder)


def abandoned_folders(parent: Path | None = None) -> Iterator[Path]:
    """The folders of this user's killed commands, by name, marker, age, and that no process works in them."""
    for folder in sorted((parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*")):
        owner = read_owner(folder)
        if owner and is_abandoned(owner) and not _has_users(folder):
            yield folder


def read_owner(folder: Path) -> Owner | None:
    """The owner that a temporary folder's marker names; None for what is not a plain folder of this user with one."""
    if not _FOLDER_NAME.fullmatch(folder.name):
        return None
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != _user():
            return None
        handle = os.open(
            folder / MARKER, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        )
    except OSError:
        return None
    try:
        is_plain = stat.S_ISREG(os.fstat(handle).st_mode)
        content = os.read(handle, _MARKER_BYTES) if is_plain else b""
    except OSError:
        return None
    finally:
        os.close(handle)
    return parse_owner(content.decode(errors="replace"))


def remove_abandoned(folder: Path) -> None:
    """Remove an abandoned folder, never across a mount; links are removed, not followed.

    Raises ToolError where something is mounted in it that stays, or a file cannot be removed.
    """
    for mount_point, kind in sorted(_mounts_below(folder), key=lambda mount: -len(mount[0])):
        if kind in _PSEUDO_FILE_SYSTEMS:
            with suppress(ToolError):
                process.run(("umount", mount_point), check=False)
    if mounts := _mounts_below(folder):
        raise ToolError(f"{mounts[0][0]} is mounted; unmount it, then remove {folder}")
    try:
        # the marker last, so that a removal that is interrupted goes on with the next command
        for path in folder.iterdir():
            if path.name != MARKER:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.rmtree(folder)
    except FileNotFoundError:
        return  # another command clears it
    except OSError as error:
        raise ToolError(f"{error.filename}: {error.strerror}; remove {folder} yourself") from None


def _mounts_below(folder: Path) -> list[tuple[str, str]]:
    """The mount points below a folder, each with the type of its file system."""
    try:
        lines = (_PROC / "self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    mounts = []
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), before.split()[4])
        if mount_point.startswith(f"{folder.resolve()}/"):
            mounts.append((mount_point, after.split()[0]))
    return mounts


def _has_users(folder: Path) -> bool:
    """Whether a process works in a folder or was started with its path."""
    path = os.fsencode(folder)
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if path in (entry / "cmdline").read_bytes():
                return True
            if (entry / "cwd").readlink().is_relative_to(folder):
                return True
    return False


def _start_of(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None for one that has ended, or without /proc."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _namespace() -> int:
    with suppress(OSError, ValueError):
        return int(str((_PROC / "self/ns/pid").readlink()).strip("pid:[]"))
    return 0


def _digest(path: Path) -> str:
    """Eight hexadecimal digits of a file's digest; those of nothing without the file."""
    content = b""
    with suppress(OSError):
        content = path.read_bytes()
    return sha256(content).hexdigest()[:8]


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0
