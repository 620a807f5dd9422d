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


def source(*rows: Row) -> str:
    """The evidence that rows of the facts are."""
    return "; ".join(dict.fromkeys(f"{row.source} ({row.date})" for row in rows))


def place(pins: Pins, instead: Requirement | None, package: str) -> str:
    """Where the pin stands that is to be changed, else that of the package which needs it."""
    pin = pins.get(canonicalize_name(instead.name)) if instead else None
    return pin.where if pin and pin.path else pins[package].where


def changes(env: Environment, pins: Pins, instead: Requirement | None, beside: str) -> tuple[Change, ...]:
    """The pin in place of the declared one of that name, else added to the layer of the package that needs it."""
    if instead is None:
        return ()
    pin = pins.get(canonicalize_name(instead.name))
    if pin and pin.path.startswith("layers["):
        extras = f"[{','.join(sorted(pin.extras))}]" if pin.extras else ""
        return (Change(path=pin.path, value=f"{instead.name}{extras}{instead.specifier}"),)
    own = pins[beside].path.partition(".")[0]
    layer = own if own.startswith("layers[") and not _is_abi(env, own) else _plain_layer(env)
    return (Change(path=f"{layer}.packages[+]", value=str(instead)),) if layer else ()


def sentence(env: Environment, pins: Pins, instead: Requirement, beside: str) -> str:
    """The same in words that can be pasted."""
    made = changes(env, pins, instead, beside)
    if not made:
        return f"Pin `{instead}`."
    (change,) = made
    if change.path.endswith("[+]"):
        layer = env.service.layers[_number(change.path.removesuffix(".packages[+]"))]
        return f"Add `- {change.value}` to the layer {layer.name}."
    old = pins[canonicalize_name(instead.name)]
    return f"Write `- {change.value}` in place of `- {old.name}=={old.version}`."


def _number(layer: str) -> int:
    return int(layer[len("layers[") : -1])


def _plain_layer(env: Environment) -> str:
    paths = (f"layers[{number}]" for number in range(len(env.service.layers)))
    return next((path for path in paths if not _is_abi(env, path)), "")


def _is_abi(env: Environment, path: str) -> bool:
    """Whether a layer is that of an ABI wheel, which stands alone."""
    packages = env.service.layers[_number(path)].packages
    return any(canonicalize_name(one.name) in facts.abi_packages() for one in packages)
