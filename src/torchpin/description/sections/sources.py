"""The git checkouts of a service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import (
    COMMIT,
    INSIDE,
    INSTALL,
    NAME,
    PACKAGE,
    RESERVED,
    TAG,
    URL,
)
from torchpin.description.sections.addresses import refuse_credentials
from torchpin.description.shapes import Flag, Items, Key, OneOrList, Record, Text
from torchpin.model import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from torchpin.description.yaml_reader import Reader


_refuse_credentials = refuse_credentials(", it belongs in git's credential store")


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
            doc="The tag; a clone fails if it is not at the commit. Without one the commit alone is fetched.",
            example="v0.10.0",
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
            doc="Where it is cloned to, and its folder below the service's home in the image unless `to` is given.",
            example="third_party/sd-scripts",
            required=True,
        ),
        Key(
            name="to",
            shape=Text(rule=INSIDE),
            doc="Its folder below the service's home in the image; it may lie in that of a source above it.",
            example="ComfyUI/custom_nodes/manager",
        ),
        Key(
            name="requirements",
            shape=OneOrList(one=Text(rule=INSIDE), several=Items(of=Text(rule=INSIDE), unique=True)),
            doc="Requirements files of the source. They are compared with the lock; `install` resolves them into it.",
            example="requirements.txt",
        ),
        Key(
            name="install",
            shape=Text(rule=INSTALL),
            doc="What is installed: its requirements, in a layer of their own, or the source itself too.",
            example="requirements",
        ),
        Key(
            name="without",
            shape=Items(of=Text(rule=PACKAGE), unique=True),
            doc="Packages that it asks for and that are left out, since something else stands for them; a reason says what.",
            example="[opencv-python]",
        ),
        Key(
            name="submodules",
            shape=OneOrList(one=Flag(), several=Items(of=Text(rule=INSIDE), unique=True)),
            doc="Its submodules, at the commits that it names: all, those at these paths, or none (`false`).",
            example="true",
        ),
        Key(
            name="lfs",
            shape=Flag(),
            doc="Whether files of Git LFS are fetched, which needs `git lfs`; `false` leaves their pointers.",
            example="true",
        ),
    )
)
SOURCES = Items(of=_SOURCE)


def check_sources(
    reader: Reader, sources: Sequence[Mapping[str, Any] | None], layers: Sequence[Mapping[str, Any] | None]
) -> None:
    """Adds a problem for a source whose name is another's, or whose folder is, holds or lies in another's.

    In the image a folder may lie in that of a source above it, which is copied before.
    """
    _check_targets(reader, sources)
    layer_names = {(layer or {}).get("name") for layer in layers}
    for number, source in enumerate(sources):
        _check_install(reader, source or {}, f"sources[{number}]", layer_names)
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


def _check_install(
    reader: Reader, source: Mapping[str, Any], path: str, layer_names: Collection[str | None]
) -> None:
    """Adds a problem for an installed source without requirements, or whose layer has the name of a declared one."""
    if source.get("install") == "requirements" and not source.get("requirements"):
        message = "`install: requirements` installs what files ask for; name them in `requirements`"
        reader.add_problem_at(f"{path}.install", message)
    if source.get("without") and not source.get("install"):
        message = "nothing that the source asks for is installed; remove it, or set `install: requirements`"
        reader.add_problem_at(f"{path}.without", message)
    if source.get("install") and (source.get("name") in layer_names or source.get("name") in RESERVED):
        message = (
            f"the requirements of {source['name']!r} become a layer of that name, which another layer has; "
            "rename that layer or the source"
        )
        reader.add_problem_at(f"{path}.name", message)


def _check_targets(reader: Reader, sources: Sequence[Mapping[str, Any] | None]) -> None:
    """Adds a problem for a folder in the image that is another's, or that holds the folder of a source above it."""
    above: list[Mapping[str, Any]] = []
    for number, source in enumerate(source or {} for source in sources):
        target = source.get("to") or source.get("path")
        for other in above:
            other_target = other.get("to") or other.get("path")
            # folders of clones are checked by their paths
            if not target or not other_target or not (source.get("to") or other.get("to")):
                continue
            if target == other_target:
                message = f"{target!r} is the folder of another source in the image; choose another"
            elif other_target.startswith(f"{target}/"):
                message = f"{other_target!r}, the folder of a source above, lies in it; move that source below this one"
            else:
                continue
            reader.add_problem_at(f"sources[{number}].{'to' if source.get('to') else 'path'}", message)
        above.append(source)


def build_sources(values: Iterable[Mapping[str, Any]]) -> tuple[Source, ...]:
    return tuple(Source(**{**source, **_tuples(source)}) for source in values)


def _tuples(source: Mapping[str, Any]) -> dict[str, Any]:
    """The requirements of a source as a tuple of files."""
    files = source.get("requirements", ())
    return {"requirements": (files,) if isinstance(files, str) else files}


def source_mapping(source: Source) -> dict[str, object]:
    return {
        "name": source.name,
        "url": source.url,
        "tag": source.tag,
        "commit": source.commit,
        "path": source.path,
        "to": source.to,
        "requirements": source.requirements[0]
        if len(source.requirements) == 1
        else list(source.requirements) or None,
        "install": source.install,
        "without": list(source.without),
        "submodules": list(source.submodules) if isinstance(source.submodules, tuple) else source.submodules,
        "lfs": source.lfs,
    }
