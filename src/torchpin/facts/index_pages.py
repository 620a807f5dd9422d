"""Index snapshots: parsing the pages of an index, comparing them, and their agreement with the tables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from html import unescape
from itertools import islice
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from torchpin.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torchpin.facts.load import RawRow, Table

    Files = Mapping[str, str | None]  # file name → sha256
    Page = Mapping[str, Any]

METADATA = "metadata"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FRAGMENT = re.compile(r"(?:^|&)sha256=([0-9a-f]{64})(?:&|$)")
# HTML by one pattern, not by html.parser: that one needs minutes for a page of some thousand tags without an end.
_TAG = re.compile(
    r"""<!--(?P<comment>)|<a(?=[\s/])(?P<attributes>(?:[^"'>]+|"[^"]*"|'[^']*')*)(?P<end>>?)""", re.IGNORECASE
)
_HREF = re.compile(
    r"""(?<![^\s"'/])href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))|"[^"]*"|'[^']*'""", re.IGNORECASE
)
# Bounds of a page: the largest of PyTorch's have some thousand files, with one to four tags each.
_MOST_FILES, _LONGEST_NAME, _MOST_TAGS = 200_000, 255, 256
_COMPANIONS = ("torchvision", "torchaudio")


def all_pages() -> dict[str, Page]:
    """Every index snapshot by name, as it is stored."""
    folder = Path(__file__).parent / "data" / "index"
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def parse_page(text: str) -> dict[str, str | None]:
    """The Linux wheels that a package's page lists, with their sha256; the page is JSON (PEP 691) or HTML (PEP 503).

    Raises ValueError for JSON that is not a page of PEP 691, HTML that is cut off, and what no index lists: too many
    files, or a name that is too long. HTML without links gives an empty mapping.
    """
    rows = list(
        islice(_json_rows(text) if text.lstrip().startswith("{") else _html_rows(text), _MOST_FILES + 1)
    )
    if len(rows) > _MOST_FILES:
        message = f"it lists more than {_MOST_FILES} files"
        raise ValueError(message)
    for name, _ in rows:
        _require_plausible(name)
    return merge_hashes(sorted((row for row in rows if is_linux_wheel(row[0])), key=lambda row: row[0]))


def _require_plausible(name: str) -> None:
    """Raises ValueError for a file name that takes long to parse: packaging makes every combination of its tags."""
    tags = prod(part.count(".") + 1 for part in name.rsplit("-", 3)[1:])
    if len(name) > _LONGEST_NAME or (name.endswith(".whl") and tags > _MOST_TAGS):
        message = f"it lists a file name that is too long: {name[:60]}…"
        raise ValueError(message)


def _json_rows(text: str) -> Iterator[tuple[str, str | None]]:
    page = parse_json(text)
    match page:
        case {"files": [*files]}:
            pass
        case _:
            message = "it has no list of files (PEP 691)"
            raise ValueError(message)
    for row in files:
        hashes = row.get("hashes") if isinstance(row, dict) else None
        match (row.get("filename"), hashes.get("sha256")) if isinstance(hashes, dict) else None:
            case (str(name), None | str() as digest) if digest is None or _SHA256.fullmatch(digest):
                yield name, digest
            case _:
                message = f"a file has no name, or a hash that is not a sha256: {str(row)[:80]}"
                raise ValueError(message)


def parse_addresses(text: str) -> dict[str, str]:
    """The address of each file that a package's page lists, by its name; it may be relative to the page's.

    Raises ValueError as `parse_page` does.
    """
    if not text.lstrip().startswith("{"):
        return {_parse_link(href)[0]: href.partition("#")[0] for href in _hrefs(text)}
    names = [name for name, _ in _json_rows(text)]
    files = parse_json(text)["files"]
    return {name: str(row.get("url", "")) for name, row in zip(names, files, strict=True)}


def _html_rows(text: str) -> Iterator[tuple[str, str | None]]:
    return map(_parse_link, _hrefs(text))


def _hrefs(text: str) -> Iterator[str]:
    """The links of a page."""
    position = 0
    while match := _TAG.search(text, position):
        comment = match["comment"] is not None
        position = text.find("-->", match.end()) if comment else match.end()
        if position < 0 or not (comment or match["end"]):
            message = f"it ends inside of a {'comment' if comment else 'link'}"
            raise ValueError(message)
        hrefs = (next(filter(None, href.groups()), "") for href in _HREF.finditer(match["attributes"] or ""))
        href = next(filter(None, hrefs), "")
        if href:
            yield unescape(href)


def _parse_link(href: str) -> tuple[str, str | None]:
    """File name and sha256 of a link, absolute or relative: `/whl/cu121/torch-2.5.1%2Bcu121-….whl#sha256=…`."""
    address, _, fragment = href.partition("#")
    match = _FRAGMENT.search(fragment)
    name = address.partition("?")[0].rsplit("/", 1)[-1]
    # Decoded by hand: only tools/ may import urllib.
    decoded = re.sub(r"%([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), name)
    return decoded, match[1] if match else None


def is_linux_wheel(filename: str) -> bool:
    """Whether a file is a wheel that can be installed on Linux, of platform `any` included; False for an invalid name."""
    try:
        tags = parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return False
    return any(tag.platform == "any" or "linux" in tag.platform for tag in tags)


def merge_hashes(rows: Iterable[tuple[str, str | None]]) -> dict[str, str | None]:
    """File name to sha256; None for a name without hash, or with two different ones."""
    # Pages do list a name twice with different contents (fbgemm_gpu 0.6.0 for aarch64).
    hashes: dict[str, str | None] = {}
    for name, digest in rows:
        hashes[name] = digest if hashes.get(name, digest) == digest else None
    return hashes


def format_page(page: Page) -> str:
    """A page as index snapshots are stored: JSON with one line per file, so that diffs can be reviewed."""
    head = "".join(f"{json.dumps(key)}: {json.dumps(page[key])},\n" for key in ("channel", "source", "date"))
    packages = ",\n".join(
        f"{json.dumps(name)}: [\n{_lines(rows)}]" for name, rows in page["packages"].items()
    )
    return f'{{{head}"packages": {{\n{packages}}}}}\n'


def _lines(rows: Iterable[object]) -> str:
    return ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotDifference:
    """The files of a package that are added, removed, changed (another hash), or hashed (no hash was recorded before)."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        counts = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "unchanged"


def compare_files(old: Files, new: Files) -> SnapshotDifference:
    """What differs between two listings of a package's files."""
    differing = [name for name in old if name in new and new[name] != old[name]]
    return SnapshotDifference(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in differing if old[name] is not None),
        hashed=tuple(name for name in differing if old[name] is None),
    )


def torch_versions(page: Page) -> tuple[Version, ...]:
    """The stable torch releases that a page lists for its own channel, oldest first, without local part."""
    names = [name for name, _ in page["packages"].get("torch", ()) if is_linux_wheel(name)]
    versions = {parse_wheel_filename(name)[1] for name in names if _is_build_of(page["channel"], name)}
    channel_versions = {Version(version.public) for version in versions}
    return tuple(
        sorted(
            version for version in channel_versions if not (version.is_prerelease or version.is_postrelease)
        )
    )


def _is_build_of(channel: str, name: str) -> bool:
    """Whether a wheel of torch is a build of the channel that lists it, and not one for aarch64 that all channels list.

    Until 1.8.0 the builds with the CUDA version of PyPI's wheels had no local part: torch 1.8.0 on cu102.
    """
    local = parse_wheel_filename(name)[1].local
    return local == channel or (local is None and channel.startswith("cu") and name.endswith("x86_64.whl"))


def removed_releases(old: Page, new: Page) -> Iterator[str]:
    """A message for each torch release that is in the old page of a channel only."""
    remaining = torch_versions(new)
    yield from (
        f"torch {version} was removed from {new['channel']}"
        for version in torch_versions(old)
        if version not in remaining
    )


def new_releases(old: Page, new: Page, tables: Mapping[str, Table]) -> Iterator[str]:
    """A message for each torch release that is in the new page of a channel only, with the rows that the tables lack."""
    channel, recorded = new["channel"], torch_versions(old)
    for version in torch_versions(new):
        if version not in recorded:
            missing = "; ".join(_missing_rows(version, channel, tables))
            yield f"torch {version} is new on {channel}{'; ' if missing else ''}{missing}"
    yield from _end_problems(new, tables)


def _missing_rows(version: Version, channel: str, tables: Mapping[str, Table]) -> Iterator[str]:
    series = f"{version.major}.{version.minor}"
    row = _channel_row(channel, tables)
    if str(version) not in {release["version"] for release in tables["torch"]["releases"]}:
        yield "torch.yaml has no row for it (Pythons, torchvision, torchaudio, triton, cuDNN, ABI)"
    if series not in row.get("series", ()):
        yield f"channels.yaml does not list {series} for {channel}"
    archs = {(archs_row["series"], archs_row["channel"]) for archs_row in tables["archs"]["archs"]}
    if row.get("cuda") and (series, channel) not in archs:
        yield f"archs.yaml has no row for {series} on {channel}"


def is_snapshot(page: Any) -> bool:
    """Whether a value has the shape of an index snapshot: its channel, and the files of each package with their hash."""
    return (
        isinstance(page, dict)
        and isinstance(page.get("channel"), str)
        and isinstance(page.get("packages"), dict)
        and all(
            isinstance(rows, list) and not any(_is_malformed(row) for row in rows)
            for rows in page["packages"].values()
        )
    )


def _is_malformed(row: Any) -> bool:
    match row:
        case [str(), None | str()]:
            return False
    return True


def problems(pages: Mapping[str, Page], tables: Mapping[str, Table]) -> Iterator[str]:
    """A message for each malformed index snapshot, and each disagreement with the tables."""
    for row in tables["channels"]["channels"]:
        if row.get("recorded") != (row["name"] in pages):
            yield f"channels.yaml: {row['name']}: recorded is {row.get('recorded')}, but its index snapshot {'exists' if row['name'] in pages else 'is missing'}"
    for name, page in pages.items():
        if name == METADATA:
            messages = list(_metadata_problems(page, tables))
        else:
            messages = list(_shape_problems(name, page)) or [
                *_end_problems(page, tables),
                *_release_problems(page, tables),
            ]
        yield from (f"index/{name}.json: {message}" for message in messages)


def _shape_problems(name: str, page: Page) -> Iterator[str]:
    yield from (f"{key} is missing" for key in ("channel", "source", "date", "packages") if not page.get(key))
    if page.get("channel") != name:
        yield f"channel is {page.get('channel')!r}, not {name!r}"
    for package, rows in page.get("packages", {}).items():
        yield from (f"{package}: {message}" for row in rows for message in _file_problems(package, row))


def _file_problems(package: str, row: Any) -> Iterator[str]:
    match row:
        case [str(filename), None | str() as digest]:
            if not is_linux_wheel(filename):
                yield f"{filename} is not a wheel for Linux"
            elif canonicalize_name(filename.partition("-")[0]) != package:
                yield f"{filename} belongs to another package"
            if digest is not None and not _SHA256.fullmatch(digest):
                yield f"{filename}: {digest!r} is not a sha256"
        case _:
            yield f"{row!r} is not a file name with its hash"


def _channel_row(name: str, tables: Mapping[str, Table]) -> RawRow:
    return next((row for row in tables["channels"]["channels"] if row["name"] == name), {})


def _end_problems(page: Page, tables: Mapping[str, Table]) -> Iterator[str]:
    versions, row = torch_versions(page), _channel_row(page["channel"], tables)
    for key, version in (("first", versions[0]), ("last", versions[-1])) if versions else ():
        if row.get(key) != str(version):
            age = {"first": "oldest", "last": "newest"}[key]
            yield f"its {age} torch is {version}; in channels.yaml {key} is {row.get(key)}"


def _release_problems(page: Page, tables: Mapping[str, Table]) -> Iterator[str]:
    versions = [row["version"] for row in tables["torch"]["releases"]]
    oldest = min(map(_parse_version, versions))
    series = _channel_row(page["channel"], tables).get("series", ())
    for version in torch_versions(page):
        if str(version) not in versions and version > oldest:
            yield f"torch {version} has no row in torch.yaml"
        elif str(version) in versions and f"{version.major}.{version.minor}" not in series:
            yield f"it lists torch {version}; channels.yaml does not list {version.major}.{version.minor} for {page['channel']}"


def _parse_version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:  # reported for its row, by validate.py
        return Version("0")


def _metadata_problems(page: Page, tables: Mapping[str, Table]) -> Iterator[str]:
    yield from (f"{key} is missing" for key in ("source", "date", "records") if not page.get(key))
    required = {
        (row["package"], version): row["torch"]
        for row in tables.get("partners", {}).get("declared", ())
        for version in row["versions"]
    }
    for row in page.get("records", ()):
        label = f"{row.get('channel')} {row.get('package')} {row.get('version')}"
        if not row.get("source"):
            yield f"{label}: source is missing"
        if not _channel_row(row.get("channel", ""), tables):
            yield f"{label}: channel does not exist"
        yield from (
            f"{label}: {message}"
            for line in row["requires_dist"]
            for message in _companion_problems(row, line, required)
        )


def _companion_problems(row: RawRow, line: str, required: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """A companion's build on a channel requires the torch that the partners' table has for PyPI's build."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        yield f"{line!r} is not a requirement"
        return
    key = (row["package"], row["version"].partition("+")[0])
    if requirement.name != "torch" or key[0] not in _COMPANIONS:
        return
    if not any(_same_torch(requirement, text) for text in [required.get(key)] if text):
        yield f"requires torch{requirement.specifier}; partners.yaml has {required.get(key) or 'nothing'} for {' '.join(key)}"


def _same_torch(requirement: Requirement, specifier: str) -> bool:
    """Whether a requirement is that of the table; a channel's build may name its own build of torch."""
    return {re.sub(r"\+\w+$", "", str(clause)) for clause in requirement.specifier} == {*specifier.split(",")}
