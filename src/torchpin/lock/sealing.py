"""Texts that show every edit: a header, a digest of all that is written, and lines."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from torchpin.controls import CONTROL
from torchpin.errors import InputError
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def digest(text: str) -> str:
    """The SHA-256 of a text, as `sha256:…`."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def seal(first: str, fields: Mapping[str, str], lines: Sequence[str]) -> str:
    """A text of a header, lines, and in between the digest of both, so that any edit is detected."""
    head = [
        first,
        "# Made by `invoke lock`; do not edit.",
        *(f"# {name}: {value}" for name, value in fields.items()),
    ]
    body = [*lines, ""]
    return "\n".join([*head, f"# digest: {digest(chr(10).join([*head, *body]))}", *body])


def unseal(file: str, text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The header fields and the numbered lines of a sealed text. Raises InputError if the digest does not match."""
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1) if CONTROL.search(text.replace("\n", "")) else ():
        control = CONTROL.search(line)
        if control:
            message = f"a control character at column {control.start() + 1}"
            raise broken_file_error(file, number, message)
    seals = [number for number, line in enumerate(lines) if line.startswith("# digest: ")]
    if len(seals) != 1:
        raise broken_file_error(file, 1, "expected one `# digest:` line in the header")
    (seal,) = seals
    without = "\n".join(lines[:seal] + lines[seal + 1 :])
    if lines[seal] != f"# digest: {digest(without)}":
        raise broken_file_error(file, seal + 1, "was edited: its digest does not match its lines")
    fields = {}
    for number, line in enumerate(lines[2:seal], start=3):
        name, colon, value = line.removeprefix("# ").partition(": ")
        if not line.startswith("# ") or not colon:
            raise broken_file_error(file, number, f"not a header field: {line[:80]!r}")
        fields[name] = value
    if lines[-1]:
        raise broken_file_error(file, len(lines), "the last line has no end")
    return fields, [(number + 1, line) for number, line in enumerate(lines[:-1]) if number > seal]


def is_sealed(text: str) -> bool:
    """Whether a text is a file of a lock that was not edited."""
    try:
        unseal("", text)
    except InputError:
        return False
    return True


def has_header(text: str) -> bool:
    """Whether a text is a file of a lock, edited or not; a file without any of the header is somebody's own."""
    head = text.split("\n")[:20]
    return "# Made by `invoke lock`; do not edit." in head or any(
        line.startswith("# digest: ") for line in head
    )


def broken_file_error(file: str, line: int, message: str) -> InputError:
    problem = Problem(position=Position(file=file, line=line, column=1), path="", message=message)
    return InputError("run `invoke lock` to write it again, or restore it from git", (problem,))
