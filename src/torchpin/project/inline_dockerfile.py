"""A Dockerfile that stands in a compose file, as a text in which each line has the number that it has in that file."""

from __future__ import annotations

from dataclasses import dataclass

_DOLLAR = "$$"  # of a compose file; a single one begins a variable of its own


@dataclass(frozen=True, kw_only=True, slots=True)
class InlineDockerfile:
    """`text`: blank lines up to its first line, `first`, then the Dockerfile without its indentation, `indent` characters."""

    text: str
    first: int
    indent: int
    raw: tuple[str, ...]  # the lines of the compose file

    def has_line(self, line: int) -> bool:
        """Whether a line of the compose file is one of the Dockerfile."""
        return self.first <= line <= self.text.count("\n")

    def column(self, line: int, column: int) -> int:
        """The column in the compose file of a column in the text; both count from 1."""
        raw = self.raw[line - 1] if 0 < line <= len(self.raw) else ""
        position = self.indent
        for _ in range(column - 1):
            position += len(_DOLLAR) if raw.startswith(_DOLLAR, position) else 1
        return position + 1


def inline_dockerfile(value: str, text: str, before: int) -> InlineDockerfile | None:
    """The Dockerfile of a literal block, by its value and the number of lines before it; None where they do not match.

    The variables that compose would fill in stay as they are written.
    """
    raw = tuple(line.removesuffix("\r") for line in text.split("\n"))
    lines = value.rstrip("\n").split("\n")
    pairs = [*zip(raw[before : before + len(lines)], lines, strict=False)]
    indents = {len(line) - len(value) for line, value in pairs if value and line.endswith(value)}
    if len(indents) != 1 or len(pairs) != len(lines):
        return None
    (indent,) = indents
    if any(line[indent:] != value for line, value in pairs if value):
        return None
    body = "\n".join(line.replace(_DOLLAR, "$") for line in lines)
    return InlineDockerfile(text="\n" * before + body + "\n", first=before + 1, indent=indent, raw=raw)
