"""The git checkouts of a service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import COMMIT, CREDENTIALS, INSIDE, NAME, TAG, URL
from torchpin.description.shapes import Items, Key, Record, Text
from torchpin.model import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.description.yaml_reader import Reader


def _refuse_credentials(url: str) -> str:
    """A message that does not repeat an address with credentials."""
    if CREDENTIALS.match(url):
        return "the address has a user or a token; leave it out, it belongs in git's credential store"
    return ""


def _refuse_other_folders(path: str) -> str:
    if INSIDE.pattern.fullmatch(path) and not path.startswith("third_party/"):
        return f"{path!r} is not in third_party/, the folder of clones"
    return ""


_SOURCE = Record(
    keys=(
        Key(
            name="name",
            shape=Text(rule=NAME),
            doc="The name of the source; TORCHPIN_MIRROR_<NAME> replaces its address.",
            example="sd-scripts",
            required=True,
        ),
        Key(
            name="url",
            shape=Text(rule=URL, refuse=_refuse_credentials),
            doc="The address of the git repository, without credentials.",
            example="https://github.com/kohya-ss/sd-scripts",
            required=True,
        ),
        Key(
            name="tag",
            shape=Text(rule=TAG),
            doc="The tag; a clone fails if it is not at the commit.",
            example="v0.10.0",
            required=True,
        ),
        Key(
            name="commit",
            shape=Text(rule=COMMIT),
            doc="The commit, in full.",
            example="966e9d7f6bb4058abbddb815dd40462b35ffb1d2",
            required=True,
        ),
        Key(
            name="path",
            shape=Text(rule=INSIDE, refuse=_refuse_other_folders),
            doc="Where it is cloned to, and its folder below the service's home in the image.",
            example="third_party/sd-scripts",
            required=True,
        ),
        Key(
            name="requirements",
            shape=Text(rule=INSIDE),
            doc="A requirements file of the source, which is compared with the lock and not installed.",
            example="requirements.txt",
        ),
    )
)
SOURCES = Items(of=_SOURCE)


def check_sources(reader: Reader, sources: Sequence[Mapping[str, Any] | None]) -> None:
    """Adds a problem for a source whose name is another's, or whose folder is, holds or lies in another's."""
    names: set[str] = set()
    checkout_paths: set[str] = set()
    outer_paths: set[str] = set()  # the folders that checkouts lie in
    for number, source in enumerate(sources):
        name, path = (source or {}).get("name"), (source or {}).get("path")
        outer = {path[: slash.start()] for slash in re.finditer("/", path or "")} if path else set()
        if name in names or path in outer_paths or {path, *outer} & checkout_paths:
            reader.add_problem_at(
                f"sources[{number}]", "another source has this name or path; choose another"
            )
        names |= {name} if name else set()
        checkout_paths |= {path} if path else set()
        outer_paths |= outer


def build_sources(values: Iterable[Mapping[str, Any]]) -> tuple[Source, ...]:
    return tuple(Source(**source) for source in values)


def source_mapping(source: Source) -> dict[str, object]:
    return {
        "name": source.name,
        "url": source.url,
        "tag": source.tag,
        "commit": source.commit,
        "path": source.path,
        "requirements": source.requirements,
    }
