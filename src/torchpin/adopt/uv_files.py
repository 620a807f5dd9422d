"""uv's files of another project: what uv.lock holds on Linux, and the indexes of `[tool.uv]` in pyproject.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

from torchpin.compat.markers import marker_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LINUX = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_machine": "x86_64",
}
# The index of PyTorch or of a mirror, and NVIDIA's of Jetson: nightly/cu128 and jp6/cu126 are no builds of cu128 and cu126.
_CHANNEL = re.compile(
    r"/whl/((?:nightly/|test/)?(?:cpu|cu\d+|rocm[\d.]+|xpu))/?$|jetson-ai-lab[^/]*/((?:jp\d+|sbsa)/cu\d+)(?:/|$)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackage:
    """A package of a uv.lock. `registry`: the address of its index, "" for other sources. `line`: from 1."""

    name: str
    version: str
    registry: str
    line: int

    @property
    def channel(self) -> str:
        """The channel of PyTorch's index that it comes from, by its index or its local version; "" for any other index."""
        local = self.version.partition("+")[2]
        return index_channel(self.registry) or (local if re.fullmatch(r"cpu|cu\d+", local) else "")


def index_channel(url: str) -> str:
    """The channel of the address of a PyTorch index, or of its mirror: `…/whl/cu126` is cu126; "" for any other address."""
    match = _CHANNEL.search(url)
    return (match[1] or match[2]) if match else ""


def read_lock(lock: Mapping[str, Any], text: str) -> dict[str, LockedPackage]:
    """The packages of a uv.lock for Linux on x86_64, by normalized name. Raises ValueError where its packages are no tables."""
    rows = lock.get("package", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        message = "`package` is not a list of tables"
        raise ValueError(message)
    packages: dict[str, LockedPackage] = {}
    for row, line in zip(rows, _table_lines(text), strict=False):
        name, version, source = row.get("name"), row.get("version"), row.get("source")
        # a package of sources has no version in a uv.lock
        if isinstance(name, str) and isinstance(version, str) and _applies_to_linux(row):
            registry = source.get("registry") if isinstance(source, dict) else ""
            packages[canonicalize_name(name)] = LockedPackage(
                name=name, version=version, registry=registry if isinstance(registry, str) else "", line=line
            )
    return packages


def _table_lines(text: str) -> Iterator[int]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() == "[[package]]":
            yield number


def _applies_to_linux(row: Mapping[str, Any]) -> bool:
    """Whether a package is of a fork of the resolution that Linux is in; where that cannot be said, it is."""
    markers = row.get("resolution-markers")
    if not isinstance(markers, list) or not markers:
        return True
    return any(_holds_on_linux(marker) for marker in markers if isinstance(marker, str))


def _holds_on_linux(text: str) -> bool:
    try:
        return marker_holds(Marker(text), _LINUX) is not False
    except (InvalidMarker, RecursionError):
        return True


def configured_index(pyproject: Mapping[str, Any], name: str) -> str:
    """The address of the index that `[tool.uv.sources]` gives a package on Linux, else the default index's; "" for none."""
    settings = _table(_table(pyproject, "tool"), "uv")
    indexes = [row for row in _list(settings, "index") if isinstance(row, dict)]
    sources = {canonicalize_name(key): value for key, value in _table(settings, "sources").items()}
    rows = sources.get(canonicalize_name(name), [])
    for row in rows if isinstance(rows, list) else [rows]:
        if (
            isinstance(row, dict)
            and row.get("index")
            and _holds_on_linux(str(row.get("marker") or "os_name != ''"))
        ):
            return next(
                (str(index.get("url", "")) for index in indexes if index.get("name") == row["index"]), ""
            )
    return next((str(index.get("url", "")) for index in indexes if index.get("default") is True), "")


def index_name(pyproject: Mapping[str, Any], url: str) -> str:
    """The name of the `[[tool.uv.index]]` with an address, "" for none."""
    rows = _list(_table(_table(pyproject, "tool"), "uv"), "index")
    same = (
        row
        for row in rows
        if isinstance(row, dict) and str(row.get("url", "")).rstrip("/") == url.rstrip("/")
    )
    return next((str(row.get("name", "")) for row in same), "")


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _list(parent: Mapping[str, Any], key: str) -> list[Any]:
    value = parent.get(key)
    return value if isinstance(value, list) else []
