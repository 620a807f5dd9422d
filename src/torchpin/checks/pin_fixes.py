"""Repairs of pins: where they stand, what to write instead, in words and as edits of the description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement

    from torchpin.compat.pins import Pin
    from torchpin.facts.rows import Row
    from torchpin.model import Environment

    Pins = Mapping[str, Pin]


def cite(*rows: Row) -> str:
    """The evidence that rows of the facts are."""
    return "; ".join(dict.fromkeys(f"{row.source} ({row.date})" for row in rows))


def pin_location(pins: Pins, replacement: Requirement | None, package: str) -> str:
    """Where the pin stands that is to be changed, else that of the package which needs it."""
    pin = pins.get(canonicalize_name(replacement.name)) if replacement else None
    return pin.location if pin and pin.path else pins[package].location


def pin_changes(
    env: Environment, pins: Pins, replacement: Requirement | None, requirer: str
) -> tuple[Change, ...]:
    """The pin in place of the declared one of that name, else added to the layer of the package that needs it."""
    if replacement is None:
        return ()
    pin = pins.get(canonicalize_name(replacement.name))
    if pin and pin.path.startswith("layers["):
        extras = f"[{','.join(sorted(pin.extras))}]" if pin.extras else ""
        return (Change(path=pin.path, value=f"{replacement.name}{extras}{replacement.specifier}"),)
    requirer_layer = pins[requirer].path.partition(".")[0]
    layer = (
        requirer_layer
        if requirer_layer.startswith("layers[") and not _is_abi_layer(env, requirer_layer)
        else _first_plain_layer(env)
    )
    return (Change(path=f"{layer}.packages[+]", value=str(replacement)),) if layer else ()


def help_text(env: Environment, pins: Pins, replacement: Requirement, requirer: str) -> str:
    """The same in words that can be pasted."""
    edits = pin_changes(env, pins, replacement, requirer)
    if not edits:
        return f"Pin `{replacement}`."
    (change,) = edits
    if change.path.endswith("[+]"):
        layer = env.service.layers[_layer_number(change.path.removesuffix(".packages[+]"))]
        return f"Add `- {change.value}` to the layer {layer.name}."
    old = pins[canonicalize_name(replacement.name)]
    return f"Write `- {change.value}` in place of `- {old.name}=={old.version}`."


def _layer_number(layer: str) -> int:
    return int(layer[len("layers[") : -1])


def _first_plain_layer(env: Environment) -> str:
    paths = (f"layers[{number}]" for number in range(len(env.service.layers)))
    return next((path for path in paths if not _is_abi_layer(env, path)), "")


def _is_abi_layer(env: Environment, path: str) -> bool:
    """Whether a layer is that of an ABI wheel, which stands alone."""
    packages = env.service.layers[_layer_number(path)].packages
    return any(canonicalize_name(package.name) in facts.abi_packages() for package in packages)
