"""Failing inputs as files: what failed, with which value, and how to repeat it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

_LONGEST_VALUE = 200_000  # characters of a value that are kept


@dataclass(frozen=True, kw_only=True)
class Crash:
    """An input that failed: the bytes that the fuzzer drew the value from, and what was raised."""

    target: str
    key: str
    value: Any
    data: bytes
    error: BaseException


def crash_key(error: BaseException) -> str:
    """What tells one fault from another: the exception's type, and the last lines of the project that it came through."""
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/torchpin/" in frame.filename or "/fuzz/" in frame.filename
    ]
    return f"{type(error).__name__} at {' < '.join(reversed(frames[-2:])) or 'an unknown line'}"


def write_crash(folder: Path, crash: Crash) -> Path:
    """Writes a failing input, NAME.bin, and its description, NAME.txt, which is returned; the same key has the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{type(crash.error).__name__}-{sha256(crash.key.encode()).hexdigest()[:8]}"
    (folder / f"{stem}.bin").write_bytes(crash.data)
    description = folder / f"{stem}.txt"
    description.write_text(
        _describe(crash, folder / f"{stem}.bin"), encoding="utf-8", errors="backslashreplace"
    )
    return description


def _describe(crash: Crash, data_file: Path) -> str:
    trace = "".join(traceback.format_exception(type(crash.error), crash.error, crash.error.__traceback__))
    return (
        f"{crash.key}\n\n"
        f"repeat it: nox -s fuzz -- --target {crash.target} --repeat {data_file}\n"
        f"keep it: add this value to the examples of the target {crash.target!r} in tests/fuzz/\n\n"
        f"value = {repr(crash.value)[:_LONGEST_VALUE]}\n\n{trace}"
    )
