"""Packages that are added to a service: what was requested, which layer each goes into, and the edits of the description."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners
from torchpin.compat.family import channel_names
from torchpin.compat.pins import declared_pins, extras_text
from torchpin.compat.wheels import abi_pin
from torchpin.description.environments import select_environments
from torchpin.description.suggestions import name_hint
from torchpin.errors import InputError
from torchpin.lock.layers import declared_layers
from torchpin.model import Change, Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.model import Environment, Lock, Service

COMPANIONS = ("torchvision", "torchaudio")  # released with torch, so they are pinned beside it
_NEW_LAYER = "app"


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """A requested package and the layer that it goes into; without a layer it is a companion of torch."""

    requirement: Requirement
    layer: str

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The version of an exact request, else ""."""
        bounds = [*self.requirement.specifier]
        exact = len(bounds) == 1 and bounds[0].operator == "==" and not bounds[0].version.endswith(".*")
        return bounds[0].version if exact else ""

    def pinned(self, version: str) -> Addition:
        return replace(self, requirement=exact_pin(self.requirement, version))


def exact_pin(requirement: Requirement, version: str) -> Requirement:
    return Requirement(f"{requirement.name}{extras_text(requirement.extras)}=={version}")


def parse_packages(texts: Iterable[str]) -> tuple[Requirement, ...]:
    """The requested packages, in their order. Raises InputError with all that are none, and with one that is named twice."""
    requirements: dict[str, Requirement] = {}
    problems = []
    for text in texts:
        try:
            requirement = _parse_package(text.strip())
        except ValueError as error:
            problems.append(f"{text}: {error}")
            continue
        earlier = requirements.setdefault(canonicalize_name(requirement.name), requirement)
        if earlier is not requirement:
            problems.append(f"{text}: {earlier} names the same package; name it once")
    if problems:
        raise InputError("\n".join([*problems, "nothing was changed"]))
    return tuple(requirements.values())


def _parse_package(text: str) -> Requirement:
    """Raises ValueError, with what to write instead, for anything but a name, extras and versions."""
    if "://" in text or text.startswith(("git+", ".", "/")) or text.endswith(".whl"):
        raise ValueError(
            "is an address or a file; write its pin into the service.yaml with `url:` and `sha256:`, `path:`, or `git:` "
            "and `commit:` (docs/SERVICE.md, packages)"
        )
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"is not a requirement ({reason}); write a name, with extras and versions where they matter: "
            "fastapi, 'uvicorn[standard]', 'pydantic>=2,<3'"
        ) from None
    if requirement.marker:
        raise ValueError(
            "has a marker, and a variant has one Python and one platform; name the variants that have it in the "
            f"service.yaml: {{pin: {requirement.name}==VERSION, variants: [gpu]}}"
        )
    return requirement


def place(
    service: Service, requirements: Sequence[Requirement], locks: Mapping[str, Lock | None], layer: str
) -> tuple[Addition, ...]:
    """The requested packages with their layers: `layer` if one is named, else that which has the package already as a
    dependency, else the last one that every variant has and that is not optional; a new one where there is none.

    `locks` are the present ones by environment. Raises InputError with every package that the description has already, and
    for an unknown layer.
    """
    problems = [problem for row in requirements for problem in _refusals(service, row)]
    if problems:
        raise InputError("\n".join([*problems, "nothing was changed"]))
    usable = _usable_layers(service)
    if layer:
        _require_usable(service, layer, usable)
    return tuple(
        Addition(requirement=row, layer=_layer_of(service, canonicalize_name(row.name), locks, usable, layer))
        for row in requirements
    )


def _refusals(service: Service, requirement: Requirement) -> Iterator[str]:
    """Why a package cannot be added, and what to do instead."""
    name = canonicalize_name(requirement.name)
    if name in service.torch.family:
        key = "torch.version" if name == "torch" else f"torch.companions.{name}"
        yield (
            f"{service.location(key)}: {name} {service.torch.family[name]} is pinned under `torch`; "
            f"`invoke bump torch==VERSION --service {service.name}` moves it with all that belongs to it"
        )
        return
    pins = {pin.path: pin for env in select_environments([service]) for pin in declared_pins(env).values()}
    for pin in pins.values():
        if pin.name == name:
            pinned = f"{name}{extras_text(pin.extras)}=={pin.version}"
            advice = f"`invoke bump {name}==VERSION --service {service.name}` changes it"
            if not requirement.extras <= pin.extras:
                extras = extras_text({*requirement.extras, *pin.extras})
                advice = f"write {name}{extras}=={pin.version} there, then lock"
            yield f"{pin.location}: {pinned} is pinned already; {advice}"
    for number, override in enumerate(service.overrides):
        if canonicalize_name(override.package.name) == name:
            yield (
                f"{service.location(f'overrides[{number}].package')}: {override.package} is an override, which decides the "
                "version; change it there"
            )
    for wheel in service.build.wheels if service.build else ():
        if canonicalize_name(wheel.package.name) == name:
            yield f"{service.file}: {wheel.package} is compiled for the image by `build.wheels`; change it there"
    if name in facts.abi_packages():
        versions = ", ".join(
            sorted({row.version for row in facts.wheels() if row.package == name}, key=Version)
        )
        yield (
            f"{name}: its wheels are for one build of torch each, and torchpin selects the file; give it a layer of its own "
            f"in {service.file}: {{name: {name}, packages: [{name}==VERSION]}} (recorded: {versions})"
        )


def _usable_layers(service: Service) -> list[Layer]:
    """The layers that can take another package: that of an ABI wheel has it alone."""
    return [layer for layer in service.layers if abi_pin(layer) is None]


def _require_usable(service: Service, name: str, usable: Sequence[Layer]) -> None:
    names = [layer.name for layer in usable]
    if name in names:
        return
    if any(layer.name == name for layer in service.layers):
        raise InputError(
            f"layer {name} of {service.name} has a wheel that is from no index, alone; name another layer "
            f"({name_hint('', names)})"
        )
    raise InputError(
        f"unknown layer {name!r} of {service.name} ({name_hint(name, names)}); nothing was changed"
    )


def _layer_of(
    service: Service, name: str, locks: Mapping[str, Lock | None], usable: Sequence[Layer], chosen: str
) -> str:
    if name in COMPANIONS and not chosen:
        return ""
    if chosen:
        return chosen
    everywhere = [layer.name for layer in usable if not (layer.optional or layer.variants or layer.index)]
    for env in select_environments([service]):
        home = _locked_layer(env, locks.get(env.name), name)
        if home in everywhere:
            return home
    return everywhere[-1] if everywhere else _free_name(service)


def _locked_layer(env: Environment, lock: Lock | None, name: str) -> str:
    """The declared layer whose lock has a package; "" for none."""
    declared = declared_layers(env)
    for layer in lock.layers if lock else ():
        if layer.name in declared and any(package.name == name for package in layer.packages):
            return declared[layer.name].name
    return ""


def _free_name(service: Service) -> str:
    """The name of a new layer, which no layer and no source has."""
    taken = {layer.name for layer in service.layers} | {source.name for source in service.sources}
    candidates = [_NEW_LAYER, *(f"{_NEW_LAYER}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in candidates if name not in taken)


def has_layer(env: Environment, addition: Addition) -> bool:
    """Whether an environment gets a package."""
    layers = [layer for layer in env.service.layers if layer.name == addition.layer]
    return not layers or any(not layer.variants or env.variant.name in layer.variants for layer in layers)


def with_pins(env: Environment, additions: Iterable[Addition]) -> Environment:
    """An environment as if packages were pinned; one whose version is not known yet has version 0."""
    service = env.service
    layers = {layer.name: layer for layer in service.layers}
    companions = dict(service.torch.companions)
    for addition in additions:
        pin = exact_pin(addition.requirement, addition.version or "0")
        if not addition.layer:
            companions[addition.name] = Version(addition.version or "0")
            continue
        layer = layers.get(addition.layer, Layer(name=addition.layer, packages=()))
        layers[addition.layer] = replace(layer, packages=(*layer.packages, pin))
    torch = replace(service.torch, companions=companions)
    return replace(env, service=replace(service, layers=tuple(layers.values()), torch=torch))


def version_by_facts(service: Service, addition: Addition) -> Addition:
    """An addition with the version that goes with the torch, where the channel has the package and facts tell the version.

    Not all that a channel lists can be read: index snapshots have the files of recorded releases alone.
    """
    env = with_pins(select_environments([service])[0], [addition])
    choice = partners.best_choice(addition.name, service.torch.version)
    if addition.version or choice is None or addition.name not in channel_names(env):
        return addition
    fits = addition.requirement.specifier.contains(choice.version, prereleases=True)
    return addition.pinned(str(choice.version)) if fits else addition


def addition_changes(service: Service, additions: Sequence[Addition]) -> list[Change]:
    """The edits that add pinned packages, each in the order of the request."""
    numbers = {layer.name: number for number, layer in enumerate(service.layers)}
    changes = []
    new_layers: dict[str, list[str]] = {}
    companions: dict[str, str] = {}
    for addition in additions:
        pin = str(addition.requirement)
        if not addition.layer:
            companions[addition.name] = addition.version
        elif addition.layer in numbers:
            changes.append(Change(path=f"layers[{numbers[addition.layer]}].packages[+]", value=pin))
        else:
            new_layers.setdefault(addition.layer, []).append(pin)
    changes += [
        Change(path="layers[+]", value={"name": name, "packages": tuple(pins)})
        for name, pins in new_layers.items()
    ]
    if companions and "torch.companions" not in service.positions:
        return [*changes, Change(path="torch.companions", value=companions)]
    return changes + [
        Change(path=f"torch.companions.{name}", value=version) for name, version in companions.items()
    ]
