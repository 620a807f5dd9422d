"""The files of a repository that torchpin generates, by their place and their header."""

from __future__ import annotations

import re

_DOCKERFILE = re.compile(r"(?:^|/)docker/[^/]+/Dockerfile$")
_LOCK = re.compile(r"(?:^|/)lockfiles/[^/]+/[^/]+\.txt$")
_DOCKERFILE_HEADER = re.compile(r"# Made from \S*service\.yaml, its lock .* by `\w+ render`; do not edit\.")
_LOCK_HEADER = re.compile(r"# torchpin lock of ")


def is_generated_dockerfile(path: str, text: str) -> bool:
    """Whether a file is the Dockerfile of an environment as `render` writes it, edited or not."""
    return bool(_DOCKERFILE.search(path) and _DOCKERFILE_HEADER.match(text))


def is_generated_lock(path: str, text: str) -> bool:
    """Whether a file is one of the lock of an environment, edited or not."""
    return bool(_LOCK.search(path) and _LOCK_HEADER.match(text))
