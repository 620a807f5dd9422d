"""A forecast of bytes as lines for people and as a document for programs, with times at a link's speed and their price."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torchpin.errors import InputError
from torchpin.quantities import format_megabytes
from torchpin.queries.forecast import Bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.queries.forecast import Forecast

_SPEED = re.compile(
    r"(?P<number>\d{1,9}(?:\.\d{1,6})?) ?(?P<prefix>[kMGT]?)(?P<unit>bit|B)(?:/s|ps)?", re.ASCII
)
_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_PRICE = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)
_SHOWN_PACKAGES = 3  # of a layer; the others are counted
_SHOWN_LARGEST = 5  # packages; a document has more
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")  # longer than most terminals are wide


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """The speed of a network line in bytes a second, and the price of an hour of a machine that waits; 0 for none."""

    speed: float = 0
    price: float = 0

    def seconds(self, count: int) -> float | None:
        """How long a number of bytes takes; None without a speed."""
        return count / self.speed if self.speed else None

    def cost(self, count: int) -> float | None:
        """What that time costs; None without a speed or a price."""
        seconds = self.seconds(count)
        return None if seconds is None or not self.price else seconds / 3600 * self.price


def parse_line(link: str, price: str) -> Line:
    """The line that `--link` (1Gbit, 250 MB/s) and `--price` (2.5, an hour) name; "" for none.

    Raises InputError for anything else, and for a price without a link.
    """
    match = _SPEED.fullmatch(link)
    speed = (
        float(match["number"]) * _PREFIXES[match["prefix"]] / (8 if match["unit"] == "bit" else 1)
        if match
        else 0
    )
    if link and not speed:
        raise InputError(f"--link must be a speed such as 1Gbit or 250MB, not {link!r}")
    if price and not (_PRICE.fullmatch(price) and float(price)):
        raise InputError(f"--price must be the price of an hour such as 2.5, not {price!r}")
    if price and not link:
        raise InputError("--price needs --link: the time to pay for follows from the speed")
    return Line(speed=speed, price=float(price or 0))


LAYER_HEADERS = ("layer", "MB", "on disk", "packages")


def layer_rows(forecast: Forecast, *, shown: int = _SHOWN_PACKAGES) -> list[tuple[str, ...]]:
    """A row a layer above the base image, from the lowest up, with the cells of LAYER_HEADERS; sizes in MB.

    `shown`: how many packages of a layer are named; the others are counted.
    """
    rows: list[tuple[str, ...]] = []
    for layer in forecast.layers:
        unlisted = len(layer.packages) - shown
        names = ", ".join(layer.packages[:shown]) + (f" +{unlisted}" if unlisted > 0 else "")
        rows.append((layer.name, _cell(layer.download), _cell(layer.unpacked), names))
    if forecast.own_files:
        rows.append(("own files", "-", _cell(Bytes(count=forecast.own_files)), ""))
    return rows


def _cell(size: Bytes) -> str:
    """`1,336`, `~2,499` where it is computed, `?` where it is unknown."""
    text = _size(size).replace("about ", "~").removesuffix(" MB")
    return "?" if text == "unknown" else text


def forecast_lines(forecast: Forecast, line: Line) -> Iterator[str]:
    """What an environment's image costs, for people: the sums, then what updates push and hosts pull."""
    base = forecast.base
    yield f"{forecast.environment}: a build downloads {_size(forecast.download)}{_time(forecast.download, line)}"
    yield f"  image: {_size(forecast.image)} on disk; a build needs {_size(forecast.peak)} at its peak"
    yield (
        f"  base image {_DIGEST.sub('', forecast.base_image)}: {_optional(base.download)} to download, "
        f"{_optional(base.unpacked)} on disk"
    )
    if forecast.unknown:
        yield f"  not counted, since their bytes are unknown: {_DIGEST.sub('', '; '.join(forecast.unknown))}"
    largest = forecast.largest[:_SHOWN_LARGEST]
    yield "  largest packages: " + ", ".join(f"{name} {_size(size)}" for name, size in largest)
    for push in forecast.pushes:
        yield f"  an update of {push.kind} pushes {_size(push.download)}{_time(push.download, line)}"
    hosts: dict[str, list[str]] = {}
    for pull in forecast.pulls:
        bytes_text = (
            f"has {_size(pull.shared)} of it and pulls {_size(pull.download)}{_time(pull.download, line)}"
        )
        hosts.setdefault(bytes_text, []).append(pull.environment)
    for bytes_text, environments in hosts.items():
        yield f"  a host with {' or '.join(environments)} {bytes_text}"


def forecast_document(forecast: Forecast, line: Line) -> dict[str, Any]:
    """The forecast as JSON has it; each number of bytes that is transferred with `seconds` and `cost`, null without them."""

    def transfer(size: Bytes) -> dict[str, Any]:
        return {
            **asdict(size), "seconds": line.seconds(size.count), "cost": line.cost(size.count)
        }  # fmt: skip

    return {
        "environment": forecast.environment,
        "base": {"image": forecast.base_image, **asdict(forecast.base)},
        "layers": [asdict(layer) for layer in forecast.layers],
        "own_files": forecast.own_files,
        "download": transfer(forecast.download),
        "image": asdict(forecast.image),
        "peak": asdict(forecast.peak),
        "largest": [{"package": name, **asdict(size)} for name, size in forecast.largest],
        "pushes": [
            {"kind": push.kind, "layers": push.layers, "download": transfer(push.download)}
            for push in forecast.pushes
        ],
        "pulls": [
            {
                "environment": pull.environment,
                "shared": asdict(pull.shared),
                "download": transfer(pull.download),
            }
            for pull in forecast.pulls
        ],
        "unknown": forecast.unknown,
    }


def _time(size: Bytes, line: Line) -> str:
    seconds, cost = line.seconds(size.count), line.cost(size.count)
    if seconds is None or not size.count:
        return ""
    return f", {seconds:,.0f} s" + (f" for {cost:,.2f}" if cost is not None else "")


def _size(size: Bytes) -> str:
    if not size.count and not size.exact:
        return "unknown"
    return f"{'' if size.exact else 'about '}{_megabytes(size.count)}"


def _megabytes(count: int) -> str:
    return format_megabytes(count, digits=0 if count >= 10**7 else 1)


def _optional(count: int | None) -> str:
    return "unknown" if count is None else _megabytes(count)
