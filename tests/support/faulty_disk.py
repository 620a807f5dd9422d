"""A write of files that is stopped at each of its operations on the disk, one after the other.

What is computed before the write is computed once: each fault happens in a fork of the process that has come so far.
"""

from __future__ import annotations

import os
import traceback
import types
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import pytest

from torchpin.errors import ToolError
from torchpin.tools import transaction
from torchpin.tools.transaction import disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPERATIONS = ("open", "write", "fsync", "fchmod")
PATH_OPERATIONS = ("replace", "unlink", "mkdir", "rmdir", "touch")
STOPPED, FINISHED, UNEXPECTED = 0, 1, 2  # exit codes of a fork


class ProcessStopped(BaseException):
    """A process that is gone: it does nothing more, not even what stands after `finally`."""


class FaultyDisk:
    """The operations on the disk while files are written; in a fork of this process one of them fails.

    `check` gets the number of the operation (from 1) after each fork has ended; it leaves the files as they were before.
    """

    def __init__(self, fault: BaseException, check: Callable[[int], None]) -> None:
        self.fault, self.check = fault, check
        self.operations = 0
        self.fail_at = 0  # 0 in the process that forks
        self._is_checking = False

    def try_all(self, command: Callable[[], object]) -> None:
        """Run a command that writes one transaction until it has failed at each of its operations."""
        with self._patched():
            try:
                command()
            except (ToolError, ProcessStopped, OSError):
                if self._is_checking:  # the check has failed
                    raise
            except BaseException:
                if not self.fail_at:
                    raise
                traceback.print_exc()
                os._exit(UNEXPECTED)
            if self.fail_at:
                os._exit(STOPPED if self.operations >= self.fail_at else FINISHED)

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Every write, sync, rename and removal counts; where Python's pathlib does it, there too."""
        patched_os = types.SimpleNamespace(**vars(os))
        for name in OPERATIONS:
            setattr(patched_os, name, self._count_calls(getattr(os, name)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "os", patched_os)
            for name in PATH_OPERATIONS:
                patch.setattr(Path, name, self._count_calls(getattr(Path, name)))
            patch.setattr(transaction, "write", self._write_in_forks(transaction.write))
            yield

    def _count_calls(self, real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if not self._is_checking:
                self.operations += 1
                if not self.fail_at:
                    self._fork(self.operations)
                is_stopped = isinstance(self.fault, ProcessStopped)
                if self.operations == self.fail_at or (0 < self.fail_at < self.operations and is_stopped):
                    raise self.fault
            return real(*arguments, **options)

        return call

    def _write_in_forks(self, write: Any) -> Any:
        """A transaction begins anew for each of its operations; the process that forks does not write."""

        def call(*arguments: Any, **options: Any) -> Any:
            before = self.operations
            if not self._is_checking and not self.fail_at:
                number = before + 1
                while self._fork(number) and not self.fail_at:
                    number += 1
                if not self.fail_at:
                    raise ProcessStopped
                self.operations = before
            return write(*arguments, **options)

        return call

    def _fork(self, fail_at: int) -> bool:
        """Whether the operation was reached; returns in the fork as well, which goes on until the command ends."""
        child = os.fork()
        if not child:
            self.fail_at = fail_at
            return True
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in {STOPPED, FINISHED}, (code, fail_at)
        self._is_checking = True
        with pytest.MonkeyPatch.context() as patch:
            # this process stands in the middle of the command, whose locks a stopped one has no more
            patch.setattr(filelock, "FileLock", lambda path, timeout: nullcontext())
            self.check(fail_at if code == STOPPED else 0)
        self._is_checking = False
        return code == STOPPED
