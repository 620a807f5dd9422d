"""The targets of an update, parsed from their texts: `torch==2.7.1`, `base=IMAGE`, `SOURCE@TAG`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLES = "torch==2.7.1, transformers==4.54.1, python==3.11.9, base=nvidia/cuda:12.8.1-devel-ubuntu22.04 or sd-scripts@v0.10.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What is to change, and to what: a version, an image (with its `digest`, if it has one), or a tag."""

    kind: Literal["torch", "python", "base", "source", "package"]
    name: str
    to: str
    digest: str = ""

    def __str__(self) -> str:
        sign = {"base": "=", "source": "@"}.get(self.kind, "==")
        return f"{self.name}{sign}{self.to}{f'@{self.digest}' if self.digest else ''}"


def parse_targets(*texts: str) -> tuple[Target, ...]:
    """The targets of one update, in their order. Raises InputError for one that is given twice, or with two values."""
    targets: dict[tuple[str, str], Target] = {}
    for target in map(parse_target, texts):
        earlier = targets.setdefault((target.kind, target.name), target)
        if earlier is not target:
            advice = "name it once" if earlier == target else "an update takes only one of them"
            raise InputError(f"{earlier} and {target} are the same pin; {advice}")
    return tuple(targets.values())


def join_targets(targets: Sequence[Target]) -> str:
    """The targets as they are written after `bump`."""
    return " ".join(map(str, targets))


def parse_target(text: str) -> Target:
    """The target that a text names. Raises InputError, with examples, for a text that names none."""
    text = text.strip()
    # the last colon starts the tag: a registry may have a port, as in localhost:5000/cuda:12.8
    image = re.fullmatch(
        r"base\s*={1,2}\s*(?P<image>[\w.\-/:]*[\w.\-]:\w[\w.\-]*)(?:@(?P<digest>sha256:[0-9a-f]{64}))?", text
    )
    if image:
        return Target(kind="base", name="base", to=image["image"], digest=image["digest"] or "")
    if re.match(r"base\s*=", text):
        raise InputError(
            f"{text!r} does not name an image with a tag (a digest has 64 hex digits); for example {_EXAMPLES}"
        )
    tag = re.fullmatch(r"(?P<name>[\w.-]+)@(?P<tag>[\w./-]+)", text)
    if tag:
        return Target(kind="source", name=tag["name"], to=tag["tag"])
    pin = re.fullmatch(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*={1,2}\s*v?(?P<version>[^\s=]+)", text)
    if pin is None:
        raise InputError(f"{text!r} is not an exact pin; for example {_EXAMPLES}")
    name, version = canonicalize_name(pin["name"]), pin["version"]
    try:
        exact = Version(version)
    except ValueError:  # InvalidVersion, and for a number of more digits than Python converts a plain one
        raise InputError(f"{text!r}: {version!r} is not an exact version; for example {_EXAMPLES}") from None
    if exact.local:
        raise InputError(
            f"{text!r}: the channel selects the build; leave out `+{exact.local}` and pass `--channel {exact.local}`"
        )
    if name == "torch":  # `2.7` is the release 2.7.0, whose name the facts have
        version = next(
            (release.version for release in facts.releases() if Version(release.version) == exact), str(exact)
        )
    return Target(kind={"torch": "torch", "python": "python"}.get(name, "package"), name=name, to=version)  # type: ignore[arg-type]
