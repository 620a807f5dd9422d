"""The layers of a service: its packages, in install order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from torchpin.description.patterns import NAME, PIN, RESERVED
from torchpin.description.shapes import Flag, Items, Key, Record, Text
from torchpin.model import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.description.yaml_reader import Reader


def parse_pin(text: str) -> Requirement:
    """An exact pin, `name==version` or `name[extra]==version`. Raises ValueError for everything looser."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from None
    exact = [s for s in requirement.specifier if s.operator == "==" and not s.version.endswith(".*")]
    if len(requirement.specifier) != 1 or not exact or requirement.url or requirement.marker:
        message = "pin one version with =="
        raise ValueError(message)
    return requirement


_LAYER = Record(
    keys=(
        Key(
            name="name",
            shape=Text(rule=NAME),
            doc="The name of the layer; its lock file is named after it.",
            example="web",
            required=True,
        ),
        Key(
            name="packages",
            shape=Items(of=Text(rule=PIN, parse=parse_pin)),
            doc="Exact pins. What they require is resolved and locked with them.",
            example='["fastapi==0.119.0", "uvicorn[standard]==0.37.0"]',
            required=True,
        ),
        Key(
            name="optional",
            shape=Flag(),
            doc="Where an optional layer cannot be installed, the image is built without it.",
            example="true",
            default="false",
        ),
    )
)
LAYERS = Items(of=_LAYER)


def check_layers(
    reader: Reader, layers: Sequence[Mapping[str, Any] | None], torch: Mapping[str, Any]
) -> None:
    """Adds a problem for each layer name and package that is there twice, or is torchpin's own to install."""
    names: set[str] = set()
    pinned_at: dict[str, str] = {}
    family = {"torch", *(torch.get("companions") or {})}
    for number, layer in enumerate(layers):
        name = (layer or {}).get("name")
        if name in names or name in RESERVED:
            owner = "another layer" if name in names else "a layer that torchpin adds"
            message = f"{name!r} is the name of {owner}; choose another name"
            reader.add_problem_at(f"layers[{number}].name", message)
        names |= {name} if name else set()
        _check_packages(
            reader, (layer or {}).get("packages") or (), f"layers[{number}].packages", family, pinned_at
        )


def _check_packages(
    reader: Reader,
    packages: Iterable[Requirement | None],
    path: str,
    family: set[str],
    pinned_at: dict[str, str],
) -> None:
    """`pinned_at` has the key path of each package so far, and is updated."""
    for number, requirement in enumerate(packages):
        if requirement is None:
            continue
        key_path = f"{path}[{number}]"
        name = canonicalize_name(requirement.name)
        if name in family:
            reader.add_problem_at(key_path, f"{name} is pinned under `torch`; a layer cannot pin it again")
        elif name in pinned_at:
            reader.add_problem_at(key_path, f"{name} is pinned twice, first at {pinned_at[name]}; keep one")
        pinned_at[name] = key_path


def build_layers(values: Iterable[Mapping[str, Any]]) -> tuple[Layer, ...]:
    return tuple(Layer(**layer) for layer in values)


def layer_mapping(layer: Layer) -> dict[str, object]:
    return {
        "name": layer.name,
        "packages": [str(package) for package in layer.packages],
        "optional": layer.optional,
    }
