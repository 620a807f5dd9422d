"""What commands and checks answer with: problems, findings, edits, outcomes; and the settings of a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

StatusCallback = Callable[[str], None]  # called with a line about the next step of a command
EditedValue = str | tuple[str, ...] | Mapping[str, str | tuple[str, ...]]
Level = Literal["error", "warning", "notice"]
Verdict = Literal["ok", "incompatible", "failed", "warning", "unknown", "not applicable", "waived", "skipped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a value is in a file: line and column from 1 (line 0: unknown), start and end as text offsets."""

    file: str
    line: int
    column: int
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One error in a user's file: its position, the key path (`torch.version`) and what is wrong."""

    position: Position
    path: str
    message: str

    @property
    def text(self) -> str:
        """The message, behind the key path where there is one."""
        return f"{self.path}: {self.message}" if self.path else self.message

    def __str__(self) -> str:
        return f"{self.position}: {self.text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One edit of a description: the value at a key path (`base.digest`, `layers[0].packages[1]`); None removes it.

    A mapping is one with texts as values, or lists of texts: a waiver, a reason, a layer. A tuple is a list of texts.
    """

    path: str
    value: EditedValue | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check found wrong: the location, a message, what to do (`help`), and the evidence (`source (date)`).

    `about` is the subject that a waiver names. `level`: an error is something that cannot work or does not match what
    is written; a warning must be fixed or waived; a notice needs no waiver and fails nothing but under `--strict`.
    `fix` has the edits of the description that resolve it. A safe fix follows from facts alone, so `--fix` applies it.
    """

    location: str
    message: str
    help: str
    about: str = ""
    service: str = ""
    evidence: str = ""
    level: Level = "error"
    fix: tuple[Change, ...] = ()
    fix_is_safe: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of one machine.

    `mirrors` replace addresses by name: a channel, `pypi`, `python`, a source or a registry host. `registry` is where
    images are pushed; `network` is the network of their builds, as Docker names it. `cache` is the folder of what is kept
    for the next image, "" for that of the user's caches. `keep_downloads` is whether what a build downloads stays in the
    builder's cache, which costs a second copy of each file; `registry_cache` is the registry in which builders keep theirs.
    """

    mirrors: Mapping[str, str] = field(default_factory=dict)
    registry: str = ""
    network: str = "default"
    cache: str = ""
    registry_cache: str = ""
    keep_downloads: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result of a command for one environment, source or file; `code` is the exit code that it requires.

    `kept`: a file that exists, and is not what would be written. `open`: the command has ended well, and left something for
    people to decide. `changes`: the packages that moved, each with its version before and after, "" for none.
    """

    name: str
    status: Literal["changed", "same", "kept", "planned", "open", "failed"]
    detail: str = ""
    code: int = 0
    seconds: float = 0.0
    changes: tuple[tuple[str, str, str], ...] = ()
