"""What a build does not get of its context: the .dockerignore that holds for a Dockerfile."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Matcher = Callable[[str], bool]

FILE_NAME = ".dockerignore"


def is_ignore_file(path: str) -> bool:
    """Whether a path is `.dockerignore`, or `Dockerfile.dockerignore` beside a Dockerfile."""
    return posixpath.basename(path).endswith(FILE_NAME)


def ignore_lines(text: str) -> tuple[str, ...]:
    """The patterns of a .dockerignore, without comments and blank lines."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnoreFiles:
    """`lines`: the patterns of each .dockerignore by its path; `matcher`: says of patterns which paths of a context they mean."""

    lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    matcher: Callable[[Sequence[str]], Matcher] = lambda _: lambda _: False
    _matchers: dict[str, Matcher] = field(default_factory=dict, repr=False, compare=False)

    def path_for(self, dockerfile: str, context: str) -> str:
        """The file that holds for a Dockerfile, by BuildKit's order: its own, else the one of the context; "" for none."""
        candidates = (f"{dockerfile}{FILE_NAME}", posixpath.join(context, FILE_NAME))
        return next((path for path in candidates if path in self.lines), "")

    def lines_for(self, dockerfile: str, context: str) -> Sequence[str]:
        """The patterns that hold for a Dockerfile."""
        return self.lines.get(self.path_for(dockerfile, context), ())

    def is_left_out(self, path: str, dockerfile: str, context: str) -> bool:
        """Whether the build of a Dockerfile does not get a file of its context."""
        source = self.path_for(dockerfile, context)
        if not source:
            return False
        if source not in self._matchers:
            self._matchers[source] = self.matcher(self.lines[source])
        prefix = f"{context.rstrip('/')}/" if context else ""
        return path.startswith(prefix) and self._matchers[source](path[len(prefix) :])
