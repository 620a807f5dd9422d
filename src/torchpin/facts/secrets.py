"""What tells a secret: names of variables and options, short options, forms of values, and values that are none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

from torchpin.facts.load import build_row, load_table
from torchpin.facts.rows import Row

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretName(Row):
    """Names whose value is a secret. `pattern` is searched in the name's words in capitals, separated by blanks."""

    id: str
    pattern: re.Pattern[str]
    examples: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HarmlessValue(Row):
    """Values that are no secret, of the names that `name` is found in."""

    id: str
    name: re.Pattern[str]
    value: re.Pattern[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretOption(Row):
    """An option whose value is a secret unless it is `harmless`; behind one of `programs` (empty: any)."""

    id: str
    harmless: re.Pattern[str]
    example: str
    option: str = ""  # where it is not the id
    programs: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # programs whose option means something else
    attached: bool = False

    def applies(self, programs: AbstractSet[str]) -> bool:
        """Whether it is one of a command with these words."""
        return not programs & {*self.others} and (not self.programs or bool(programs & {*self.programs}))


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretForm(Row):
    """A form that secrets of one kind have. `pattern` is looked for where a hint is; its group `before` is no secret."""

    id: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    example: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretFile(Row):
    """Names of files that hold secrets, as shell patterns; those of `others` hold none."""

    id: str
    names: tuple[str, ...]
    others: tuple[str, ...] = ()


@cache
def secret_files() -> tuple[SecretFile, ...]:
    """The names of files that hold secrets."""
    return tuple(build_row(SecretFile, row) for row in load_table("secrets")["files"])


def is_secret_file(name: str) -> bool:
    """Whether a file with this name, without its folder, is one that holds secrets."""
    return any(
        any(fnmatchcase(name, pattern) for pattern in row.names)
        and not any(fnmatchcase(name, pattern) for pattern in row.others)
        for row in secret_files()
    )


@cache
def secret_names() -> tuple[SecretName, ...]:
    """The names that tell a secret."""
    rows = load_table("secrets")["names"]
    return tuple(build_row(SecretName, {**row, "pattern": re.compile(row["pattern"])}) for row in rows)


@cache
def secret_name() -> re.Pattern[str]:
    """What finds any of these names."""
    return re.compile("|".join(f"(?:{row.pattern.pattern})" for row in secret_names()))


@cache
def harmless_values() -> tuple[HarmlessValue, ...]:
    """The values that are no secret whatever a name tells."""
    rows = load_table("secrets")["harmless"]
    patterns = ({**row, "name": re.compile(row["name"]), "value": re.compile(row["value"])} for row in rows)
    return tuple(build_row(HarmlessValue, row) for row in patterns)


@cache
def secret_options() -> tuple[SecretOption, ...]:
    """The options whose name does not tell that their value is a secret."""
    rows = load_table("secrets")["options"]
    return tuple(
        build_row(
            SecretOption,
            {"option": row["id"], **row, "harmless": re.compile(row["harmless"], re.DOTALL)},
        )
        for row in rows
    )


@cache
def secret_forms() -> tuple[SecretForm, ...]:
    """The forms of values that are known; each matches only where it does not go on from a word."""
    rows = load_table("secrets")["forms"]
    return tuple(
        build_row(SecretForm, {**row, "pattern": re.compile(rf"(?<![A-Za-z0-9_-])(?:{row['pattern']})")})
        for row in rows
    )


@cache
def form_hint() -> re.Pattern[str]:
    """What finds a hint of any form, so that most texts are read once."""
    return re.compile("|".join(re.escape(hint) for form in secret_forms() for hint in form.hints))
