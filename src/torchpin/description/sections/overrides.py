"""Versions that override what other packages require."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.description.patterns import PIN, PROSE
from torchpin.description.sections.packages import layer_pins, parse_pin
from torchpin.description.shapes import Items, Key, Record, Text
from torchpin.model import Override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.description.yaml_reader import Reader

OVERRIDES = Items(
    of=Record(
        keys=(
            Key(
                name="package",
                shape=Text(rule=PIN, parse=parse_pin),
                doc="The exact pin that holds, whatever version other packages require.",
                example="nvidia-cudnn-cu12==9.15.1.9",
                required=True,
            ),
            Key(
                name="because",
                shape=Text(rule=PROSE),
                doc="Why the other version is right.",
                example="bfloat16 Conv3d needs far more memory with the cuDNN that torch 2.9.1 requires",
                required=True,
            ),
            Key(
                name="evidence",
                shape=Text(rule=PROSE),
                doc="Where that can be read.",
                example="pytorch/pytorch issue 166790",
                required=True,
            ),
        )
    )
)


def check_overrides(reader: Reader, values: Mapping[str, Any]) -> None:
    """Adds a problem for an override of torch's family, a second one of a package, and one that a layer contradicts."""
    family = {"torch", *((values.get("torch") or {}).get("companions") or {})}
    pinned = {canonicalize_name(pin.name): (path, pin) for path, pin in layer_pins(values)}
    overridden: set[str] = set()
    for number, override in enumerate(values.get("overrides") or ()):
        package = (override or {}).get("package")
        if package is None:
            continue
        name, path = canonicalize_name(package.name), f"overrides[{number}].package"
        if name in family:
            reader.add_problem_at(path, f"{name} is pinned under `torch`; change it there")
        elif name in overridden:
            reader.add_problem_at(path, f"{name} is overridden twice; keep one")
        elif name in pinned and pinned[name][1].specifier != package.specifier:
            where, pin = pinned[name]
            reader.add_problem_at(
                path, f"{where} pins {pin}; write the same version in both, or remove the pin"
            )
        overridden.add(name)


def build_overrides(values: Iterable[Mapping[str, Any]]) -> tuple[Override, ...]:
    return tuple(Override(**override) for override in values)


def override_mapping(override: Override) -> dict[str, object]:
    return {
        "package": str(override.package),
        "because": override.because,
        "evidence": override.evidence,
    }
