"""Fixes of pins: the position of a pin, the help text, and the edits of the description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat.pins import extras_text, file_packages
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement

    from torchpin.compat.pins import Pin
    from torchpin.facts.rows import Row
    from torchpin.model import Environment

    Pins = Mapping[str, Pin]


def cite(*rows: Row) -> str:
    """The sources of fact rows, as the evidence of a finding: `source (date); source (date)`."""
    return "; ".join(dict.fromkeys(row.citation for row in rows))


def pin_location(pins: Pins, replacement: Requirement | None, package: str) -> str:
    """The position of the pin to replace; where it is not declared, that of the package which requires it."""
    pin = pins.get(canonicalize_name(replacement.name)) if replacement else None
    return pin.location if pin and pin.path else pins[package].location


def pin_changes(
    env: Environment, pins: Pins, replacement: Requirement | None, requirer: str
) -> tuple[Change, ...]:
    """The edits that write a replacement: in place of the declared pin of that name, else as a new pin.

    A new pin goes into the layer of the package that requires it. No edits without a replacement or a plain layer.
    """
    if replacement is None:
        return ()
    pin = pins.get(canonicalize_name(replacement.name))
    if pin and pin.name in file_packages(env):
        return ()  # another version is another file, which nobody can tell
    if pin and pin.path.startswith("layers["):
        value = f"{replacement.name}{extras_text(pin.extras)}{replacement.specifier}"
        return (Change(path=pin.path, value=value),)
    requirer_layer = pins[requirer].path.partition(".")[0]
    layer = (
        requirer_layer
        if requirer_layer.startswith("layers[") and _is_plain_layer(env, requirer_layer)
        else _first_plain_layer(env)
    )
    return (Change(path=f"{layer}.packages[+]", value=str(replacement)),) if layer else ()


def help_text(env: Environment, pins: Pins, replacement: Requirement, requirer: str) -> str:
    """The help for the same edits, with lines that can be pasted."""
    changes = pin_changes(env, pins, replacement, requirer)
    if not changes:
        return f"pin `{replacement}`"
    (change,) = changes
    if change.path.endswith("[+]"):
        layer = env.service.layers[_layer_number(change.path.removesuffix(".packages[+]"))]
        return f"add `- {change.value}` to the layer {layer.name}"
    old = pins[canonicalize_name(replacement.name)]
    return f"replace `- {old.name}=={old.version}` with `- {change.value}`"


def torch_move(env: Environment, specifier: str) -> str:
    """The alternative where a package requires a certain torch: `` move torch: `invoke bump torch==2.8.0 …` ``, or ""."""
    current = env.service.torch.version
    allowed = SpecifierSet(specifier)
    releases = [version for version in facts.release_versions() if allowed.contains(version)]
    if not releases or allowed.contains(current):
        return ""
    nearest = next((version for version in releases if version > current), releases[-1])
    return f"move torch: `invoke bump torch=={nearest} --service {env.service.name}`"


def _layer_number(layer: str) -> int:
    """2 for `layers[2]`."""
    return int(layer[len("layers[") : -1])


def _first_plain_layer(env: Environment) -> str:
    """The key path of the first layer of the variant that a pin of PyPI may be added to, "" where there is none."""
    paths = (f"layers[{number}]" for number in range(len(env.service.layers)))
    return next((path for path in paths if _is_plain_layer(env, path)), "")


def _is_plain_layer(env: Environment, path: str) -> bool:
    """Whether a layer of the variant is from PyPI: that of an ABI wheel has a release page as its index."""
    layer = env.service.layers[_layer_number(path)]
    is_own = layer.name in {of_variant.name for of_variant in env.layers}
    names = {canonicalize_name(package.name) for package in layer.packages}
    return is_own and not layer.index and not names & facts.abi_packages()
