"""The repository's own files in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.description.patterns import IGNORED, INSIDE, MODE, NO_TARGET, TARGET, USER
from torchpin.description.shapes import Items, Key, Record, Text
from torchpin.model import CopiedFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.description.yaml_reader import Reader

PRIVATE = frozenset((paths.SETTINGS, ".git", paths.WORK))


def _refuse_private(path: str) -> str:
    private = sorted(PRIVATE & {*path.split("/")})
    return f"{private[0]} is never copied into an image; choose another file or folder" if private else ""


def _refuse_system(path: str) -> str:
    if NO_TARGET.fullmatch(path):
        return (
            f"{path!r} is the system's or torchpin's, or is mounted over; choose another place, such as /app"
        )
    return ""


_FILES = Record(
    keys=(
        Key(
            name="from",
            shape=Text(rule=INSIDE, refuse=_refuse_private),
            doc="A file or folder, by its path from the root of the repository.",
            example="services/whisper/server.py",
            required=True,
        ),
        Key(
            name="to",
            shape=Text(rule=TARGET, refuse=_refuse_system),
            doc="Its path in the image: absolute, or relative to the service's folder (/opt/<name>, where the command starts), "
            "which is `.` itself. A folder's content goes into this folder.",
            example="server.py",
            required=True,
        ),
        Key(
            name="owner",
            shape=Text(rule=USER),
            doc="Who owns it: root, so that the service cannot change its own code, or the user of `run`.",
            example="root",
            default="root",
        ),
        Key(
            name="mode",
            shape=Text(rule=MODE),
            doc="The mode of the files; folders can be entered by who can read them. Without it 0755 for what is executable, else "
            "0644.",
            example='"0644"',
        ),
        Key(
            name="ignore",
            shape=Items(of=Text(rule=IGNORED), unique=True),
            doc="What of a folder is left out: patterns as in a .dockerignore, relative to the folder. The repository's "
            ".dockerignore counts too, and bytecode of Python is always left out.",
            example='["**/*.log", tests]',
        ),
    )
)
FILES = Items(of=_FILES)


def check_files(reader: Reader, values: Mapping[str, Any], home: str) -> None:
    """Adds a problem for what is copied to where it cannot be used: over other files, below a volume, for an unknown user."""
    run = values.get("run") or {}
    users = {"root", run.get("user") or "root"}
    taken: set[str] = {f"{home}/smoke.py"}
    for number, entry in enumerate(values.get("files") or ()):
        target, owner = (entry or {}).get("to"), (entry or {}).get("owner") or "root"
        if owner not in users:
            message = f"{owner!r} is neither root nor the user of `run`; write `user: {owner}` there, or choose one of them"
            reader.add_problem_at(f"files[{number}].owner", message)
        if not target:
            continue
        place = target if target.startswith("/") else home if target == "." else f"{home}/{target}"
        problem = _place_problem(place, taken, run.get("volumes") or (), _source_folders(values, home))
        if problem:
            reader.add_problem_at(f"files[{number}].to", problem)
        taken.add(place)


def _source_folders(values: Mapping[str, Any], home: str) -> list[str]:
    """The folders of a description's sources in the image."""
    sources = [source or {} for source in values.get("sources") or ()]
    return [f"{home}/{folder}" for source in sources if (folder := source.get("to") or source.get("path"))]


def _place_problem(place: str, taken: set[str], volumes: Sequence[str], sources: Sequence[str]) -> str:
    if place in taken:
        return f"something else is copied to {place}; choose another path"
    for volume in volumes:
        if f"{place}/".startswith(f"{volume}/"):
            return f"a volume is mounted at {volume} and hides it; choose another path"
    for folder in sources:
        if place == folder:
            return f"{folder} is a source at a commit, which would no longer be what it says; choose a path in it that it has not"
    return ""


def build_files(values: Iterable[Mapping[str, Any]]) -> tuple[CopiedFiles, ...]:
    return tuple(
        CopiedFiles(
            origin=value["from"],
            target=value["to"],
            owner=value.get("owner", "root"),
            mode=value.get("mode"),
            ignore=value.get("ignore", ()),
        )
        for value in values
    )


def files_mapping(files: CopiedFiles) -> dict[str, object]:
    return {
        "from": files.origin,
        "to": files.target,
        "owner": files.owner,
        "mode": files.mode,
        "ignore": list(files.ignore),
    }
