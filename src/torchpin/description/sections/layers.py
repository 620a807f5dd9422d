"""The layers of a service: its packages, in install order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin.description.patterns import NAME, RESERVED
from torchpin.description.sections.packages import PACKAGES, build_package, check_package, package_value
from torchpin.description.shapes import Flag, Items, Key, Record, Text
from torchpin.description.suggestions import name_hint
from torchpin.model import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.description.yaml_reader import Reader


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
            shape=PACKAGES,
            doc="Exact pins, or mappings with a pin and where it is from or what it is for. What they require is locked with them.",
            example='["fastapi==0.119.0", {pin: "bitsandbytes==0.45.3", variants: [gpu]}]',
            required=True,
        ),
        Key(
            name="optional",
            shape=Flag(),
            doc="Where an optional layer cannot be installed, the image is built without it.",
            example="true",
            default="false",
        ),
        Key(
            name="index",
            shape=Text(rule=NAME),
            doc="The index of `indexes` that the packages come from; what they require comes from PyPI.",
            example="corp",
            default="pypi",
        ),
        Key(
            name="variants",
            shape=Items(of=Text(rule=NAME), unique=True, expected="variant, such as gpu"),
            doc="The variants that have the layer.",
            example="[gpu]",
        ),
    )
)
LAYERS = Items(of=_LAYER)


def check_layers(reader: Reader, values: Mapping[str, Any]) -> None:
    """Adds a problem for each layer name and package that is there twice, or is torchpin's own to install, and each unknown name."""
    names: set[str] = set()
    pins = _Pins(
        reader=reader,
        family=frozenset({"torch", *((values.get("torch") or {}).get("companions") or {})}),
        variants=tuple(values.get("variants") or {}),
        pinned={},
    )
    indexes = tuple(values.get("indexes") or {})
    for number, layer in enumerate(value or {} for value in values.get("layers") or ()):
        path = f"layers[{number}]"
        name, index = layer.get("name"), layer.get("index")
        if name in names or name in RESERVED:
            owner = "another layer" if name in names else "a layer that torchpin adds"
            message = f"{name!r} is the name of {owner}; choose another name"
            reader.add_problem_at(f"{path}.name", message)
        names |= {name} if name else set()
        if index and index != "pypi" and index not in indexes:
            hint = name_hint(index, indexes) if indexes else "there are none; add it under `indexes`"
            reader.add_problem_at(f"{path}.index", f"unknown index {index!r} ({hint})")
        pins.check(layer, path)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pins:
    """The packages so far: `pinned` has the key path and the variants of each pin of a package."""

    reader: Reader
    family: frozenset[str]
    variants: tuple[str, ...]
    pinned: dict[str, list[tuple[str, frozenset[str]]]]

    def check(self, layer: Mapping[str, Any], path: str) -> None:
        of_layer = self._variants(layer, path)
        for number, value in enumerate(layer.get("packages") or ()):
            if value is None:
                continue
            key_path = f"{path}.packages[{number}]"
            check_package(self.reader, value, key_path)
            long_form = {} if isinstance(value, Requirement) else value
            pin = value if isinstance(value, Requirement) else value.get("pin")
            variants = self._variants(long_form, key_path) & of_layer
            if long_form.get("variants") and not variants and self._all_known(layer, long_form):
                self.reader.add_problem_at(
                    f"{key_path}.variants", "the layer is for other variants; no image has the package"
                )
            if layer.get("index", "pypi") != "pypi" and {"url", "path", "git"} & {*long_form}:
                message = (
                    f"the layer is from the index {layer['index']}; give the package a layer without `index`"
                )
                self.reader.add_problem_at(key_path, message)
            if pin is not None:
                self._add(canonicalize_name(pin.name), key_path, variants)

    def _variants(self, part: Mapping[str, Any], path: str) -> frozenset[str]:
        """The variants of a layer or a package; an unknown one is a problem."""
        named = part.get("variants") or ()
        for number, name in enumerate(named):
            if name is not None and self.variants and name not in self.variants:
                message = f"unknown variant {name!r} ({name_hint(name, self.variants)})"
                self.reader.add_problem_at(f"{path}.variants[{number}]", message)
        return frozenset(named or self.variants)

    def _all_known(self, *parts: Mapping[str, Any]) -> bool:
        return all({*(part.get("variants") or ())} <= {*self.variants} for part in parts)

    def _add(self, name: str, path: str, variants: frozenset[str]) -> None:
        """Adds a pin; one of torch's family, or of a package that a variant has already, is a problem."""
        earlier = next((row for row in self.pinned.get(name, ()) if row[1] & variants), None)
        if name in self.family:
            self.reader.add_problem_at(path, f"{name} is pinned under `torch`; a layer cannot pin it again")
        elif earlier and earlier[1] == variants == {*self.variants}:
            self.reader.add_problem_at(path, f"{name} is pinned twice, first at {earlier[0]}; keep one")
        elif earlier:
            shared = ", ".join(sorted(earlier[1] & variants))
            message = f"{name} is pinned twice for {shared}, first at {earlier[0]}; keep one for each variant"
            self.reader.add_problem_at(path, message)
        self.pinned.setdefault(name, []).append((path, variants))


def build_layers(values: Iterable[Mapping[str, Any]]) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            name=layer["name"],
            packages=tuple(map(build_package, layer["packages"])),
            optional=layer.get("optional", False),
            index="" if layer.get("index") == "pypi" else layer.get("index", ""),
            variants=layer.get("variants", ()),
        )
        for layer in values
    )


def layer_mapping(layer: Layer) -> dict[str, object]:
    return {
        "name": layer.name,
        "packages": [package_value(package) for package in layer.packages],
        "optional": layer.optional,
        "index": layer.index,
        "variants": list(layer.variants),
    }
