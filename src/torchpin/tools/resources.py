"""The files that torchpin brings along as data: the template of Dockerfiles and the scripts of images."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "resources"


@cache
def read_resource(name: str) -> str:
    """The text of a file, by its path below resources/."""
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def resource_names(folder: str) -> tuple[str, ...]:
    """The paths of the files in a folder below resources/, sorted; without what Python compiles beside them."""
    return tuple(sorted(f"{folder}/{path.name}" for path in (_FOLDER / folder).iterdir() if path.is_file()))
