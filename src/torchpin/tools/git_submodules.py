"""The submodules of a source: at the commits that its tree names, from the addresses that its .gitmodules has."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin.description.patterns import CREDENTIALS, URL
from torchpin.errors import ToolError
from torchpin.quantities import noun
from torchpin.redaction import redact_credentials
from torchpin.tools import process
from torchpin.tools.git_command import check_out, fetch_commit, head_commit, run_git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torchpin.model import Source
    from torchpin.progress import Step

# Bounds: PyTorch has some eighty submodules, nested three deep.
_MOST_SUBMODULES, _DEEPEST = 300, 10
_ADDRESS = re.compile(r"(?P<base>[A-Za-z]+://[^/]*|[^/:]+@[^/:]+:)(?P<path>.*)")


@dataclass(kw_only=True, slots=True)
class _Fetching:
    """What all submodules of a source share while they are fetched; `count` grows."""

    source: Source
    mirrors: Mapping[str, str]
    running: Step | None = None
    count: int = 0
    folders: list[Path] = field(default_factory=list)


def gitlinks(folder: Path, commit: str) -> dict[str, str]:
    """The commit of each submodule that a commit of a repository names, by its path."""
    listing = run_git("-C", str(folder), "ls-tree", "-r", "-z", "--full-tree", commit, timeout=process.QUERY)
    rows = (entry.partition("\t") for entry in listing.split("\0") if entry.startswith("160000 "))
    return {path: head.split()[2] for head, _, path in rows}


def unfetched_text(source: Source, names: tuple[str, ...]) -> str:
    """That a source has submodules which its description does not speak of."""
    return (
        f"{source.name}: {source.version} has the {noun(len(names), 'submodule')} {', '.join(names)}; set "
        "`submodules: true` to fetch them at the commits that it names, or `submodules: false` where empty folders are right"
    )


def is_selected(source: Source, path: str) -> bool:
    """Whether a submodule is fetched, by its path in the source; with one come those in it."""
    if not isinstance(source.submodules, tuple):
        return bool(source.submodules)
    return any(path == chosen or path.startswith(f"{chosen}/") for chosen in source.submodules)


def mirror_name(source: str, path: str) -> str:
    """The name by which a submodule's address is replaced: `trainer-third-party-engine`."""
    return f"{source}-{re.sub(r'[^a-z0-9]+', '-', path.lower()).strip('-')}"


def submodule_state(source: Source, folder: Path, commit: str) -> str:
    """What is wrong with the submodules of a clone; "" where those that are wanted are at their commits."""
    links = gitlinks(folder, commit)
    selected = [path for path in links if source.submodules is None or is_selected(source, path)]
    if isinstance(source.submodules, tuple):
        selected += [path for path in source.submodules if not _is_inside(path, links)]
    missing = [path for path in selected if not head_commit(folder / path)]
    if missing:
        return f"without its {noun(len(missing), 'submodule')} {', '.join(missing)}"
    for path, inner, named in fetched_submodules(source, folder, commit):
        actual = head_commit(inner)
        if actual != named:
            return (
                f"with the submodule {path} {f'at {actual[:12]}, not' if actual else 'not'} at {named[:12]}"
            )
    return ""


def _is_inside(path: str, links: Mapping[str, str]) -> bool:
    """Whether a path is a submodule, or is in one: whose own submodules are known when it is there."""
    return any(path == link or path.startswith(f"{link}/") for link in links)


def fetched_submodules(
    source: Source, folder: Path, commit: str, prefix: str = ""
) -> Iterator[tuple[str, Path, str]]:
    """The wanted submodules that are there, with those in them: path in the source, folder, and the commit that is named."""
    for path, named in gitlinks(folder, commit).items():
        inner, whole_path = folder / path, f"{prefix}{path}"
        if is_selected(source, whole_path) or _leads_to(source, whole_path):
            if is_selected(source, whole_path):
                yield whole_path, inner, named
            if head_commit(inner) == named:
                yield from fetched_submodules(source, inner, named, f"{whole_path}/")


def _leads_to(source: Source, path: str) -> bool:
    """Whether a submodule that is chosen lies in this one."""
    chosen = source.submodules if isinstance(source.submodules, tuple) else ()
    return any(inner.startswith(f"{path}/") for inner in chosen)


def fetch_submodules(
    source: Source, folder: Path, *, url: str, mirrors: Mapping[str, str], running: Step | None = None
) -> list[Path]:
    """Fetch the wanted submodules of a checked out source, and give their folders; `url` is where the source came from.

    Raises ToolError for submodules that the description does not mention, for a path that is none, and where one cannot
    be fetched from a safe address.
    """
    links = gitlinks(folder, source.commit)
    if source.submodules is None and links:
        raise ToolError(unfetched_text(source, tuple(links)))
    fetching = _Fetching(source=source, mirrors=mirrors, running=running)
    _fetch_inner(fetching, folder, source.commit, (source.url, url), "", 1)
    chosen = source.submodules if isinstance(source.submodules, tuple) else ()
    missing = [path for path in chosen if not head_commit(folder / path)]
    if missing:
        names = f"its submodules are {', '.join(links)}" if links else "it has none"
        raise ToolError(f"{source.name}: {source.version} has no submodule {missing[0]}; {names}")
    return fetching.folders


def _fetch_inner(
    fetching: _Fetching, folder: Path, commit: str, urls: tuple[str, str], prefix: str, depth: int
) -> None:
    """Fetch the submodules of a repository; `urls` are its own address, and the one that it was fetched from."""
    links = gitlinks(folder, commit)
    selected = [
        path
        for path in links
        if is_selected(fetching.source, f"{prefix}{path}") or _leads_to(fetching.source, f"{prefix}{path}")
    ]
    addresses = _listed_addresses(folder, commit) if selected else {}
    for path in selected:
        whole_path = f"{prefix}{path}"
        fetching.count += 1
        if depth > _DEEPEST or fetching.count > _MOST_SUBMODULES:
            raise ToolError(
                f"{fetching.source.name}: more than {_MOST_SUBMODULES} submodules, or deeper than {_DEEPEST}, at {whole_path}"
            )
        if path not in addresses:
            raise ToolError(
                f"{fetching.source.name}: .gitmodules has no address of the submodule {whole_path}"
            )
        recorded_url, fetched_from = (resolved_address(addresses[path], outer) for outer in urls)
        mirror = fetching.mirrors.get(mirror_name(fetching.source.name, whole_path))
        _require_safe(fetching.source, whole_path, recorded_url, urls[1])
        _fetch_one(fetching, folder / path, links[path], recorded_url, mirror or fetched_from, whole_path)
        _fetch_inner(
            fetching,
            folder / path,
            links[path],
            (recorded_url, mirror or fetched_from),
            f"{whole_path}/",
            depth + 1,
        )


def _fetch_one(
    fetching: _Fetching, into: Path, commit: str, recorded_url: str, address: str, path: str
) -> None:
    if into.is_symlink() or not into.is_dir() or any(into.iterdir()):
        raise ToolError(f"{fetching.source.name}: the folder of the submodule {path} is not an empty one")
    try:
        if fetching.running:
            fetching.running.advance(0, note=f"submodule {path}")
        fetch_commit(address, commit, into, fetching.running)
        check_out(into, fetching.running)
    except ToolError as error:
        raise ToolError(
            f"{fetching.source.name}: the submodule {path} could not be fetched at {commit[:12]} from "
            f"{redact_credentials(address)}:\n{process.indent(redact_credentials(str(error)))}"
        ) from None
    run_git("-C", str(into), "remote", "set-url", "--", "origin", recorded_url, timeout=process.QUICK)
    fetching.folders.append(into)


def _listed_addresses(folder: Path, commit: str) -> dict[str, str]:
    """The addresses of .gitmodules at a commit, by path; empty where it has no such file."""
    try:
        text = run_git(
            "-C", str(folder), "config", "--blob", f"{commit}:.gitmodules", "-z", "--get-regexp",
            r"^submodule\..*\.(path|url)$", timeout=process.QUICK,
        )  # fmt: skip
    except ToolError:
        return {}
    values: dict[str, dict[str, str]] = {}
    for entry in text.split("\0"):
        key, _, value = entry.partition("\n")
        name, _, field_name = key.removeprefix("submodule.").rpartition(".")
        values.setdefault(name, {})[field_name] = value
    return {row["path"]: row["url"] for row in values.values() if {"path", "url"} <= {*row}}


def resolved_address(url: str, outer: str) -> str:
    """The address of a submodule: one that begins with ./ or ../ is relative to that of the repository that names it."""
    match = _ADDRESS.fullmatch(outer.rstrip("/"))
    if not url.startswith(("./", "../")) or not match:
        return url
    path = posixpath.normpath(posixpath.join(f"/{match['path'].lstrip('/')}", url))
    return match["base"] + (path if "://" in match["base"] else path.lstrip("/"))


def _require_safe(source: Source, path: str, url: str, outer: str) -> None:
    """Raises ToolError for an address that a source must not choose: other transports, credentials, a folder of this machine."""
    what = f"{source.name}: the address of the submodule {path}"
    if CREDENTIALS.match(url):
        raise ToolError(f"{what} has a user or a token in it; ask its authors to remove it, or choose a fork")
    if not URL.pattern.fullmatch(url):
        raise ToolError(
            f"{what} is {redact_credentials(url)!r}, which is not a git address that torchpin fetches from"
        )
    if url.startswith("file:") and not outer.startswith("file:"):
        raise ToolError(
            f"{what} is a folder of this machine, {url}, and the source is not; choose another commit or a fork"
        )
