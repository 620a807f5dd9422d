"""The packages of a draft: what the steps of an image install, as pins, as requests for torch's family, and what is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.adopt.conda_torch import conda_torch
from torchpin.adopt.draft_sources import is_package_of_commit
from torchpin.compat.pins import extras_text
from torchpin.compat.recommendations import CONSTRAINT
from torchpin.description import patterns
from torchpin.facts.versions import is_version
from torchpin.lint.registry import TORCH_FAMILY, exact_version
from torchpin.model import Layer, Recommendation
from torchpin.project.channels import index_channel, is_pypi
from torchpin.project.markers import MarkerTarget, holds
from torchpin.project.requirement import parse_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.installs.commands import InstallCommand, InstallTarget, Project

MOST_LAYERS = 100  # an image has at most 127 layers, and torchpin's own are among them
MOST_PACKAGES = 2_000  # of a draft; real projects install some hundred
_UNFILLED = re.compile(
    r"(torch|torchvision|torchaudio)\s*(?:[=<>~!]=?|@)"
)  # behind it a variable without a value


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyRequest:
    """An install of torch or a companion. `version`: the exact one, "" for none; `specifier`: a range where it is none.

    `channel`: "" where it is none or unknown, `channels`: those that pip takes the highest version of; `reason`: what shows
    the channel, or why it cannot be determined. `is_open`: a variable of the build has the version.
    """

    name: str
    location: str
    text: str
    version: str = ""
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    channel: str = ""
    channel_location: str = ""
    channels: tuple[str, ...] = ()
    reason: str = ""
    is_open: bool = False


@dataclass(kw_only=True, slots=True)
class DraftPackages:
    """What the steps of an image install, collected step by step. `omitted`: what is left out, for people to read.

    `pinned`: the exact pins by normalized name with the step that has them, of which `layers` is made; `unpinned`: the
    requirements without a version.
    """

    project: Project
    environment: MarkerTarget
    layers: list[Layer] = field(default_factory=list)
    recommends: list[Recommendation] = field(default_factory=list)
    constraints: dict[tuple[str, str], Recommendation] = field(default_factory=dict)  # by name and range
    apt: dict[str, None] = field(default_factory=dict)
    family: list[FamilyRequest] = field(default_factory=list)
    omitted: list[str] = field(default_factory=list)
    unpinned: dict[str, str] = field(default_factory=dict)
    pinned: dict[str, tuple[Requirement, InstallCommand, InstallTarget]] = field(default_factory=dict)
    loose: dict[str, tuple[InstallCommand, InstallTarget]] = field(default_factory=dict)  # of `unpinned`
    sources: list[InstallTarget] = field(default_factory=list)  # packages of a commit
    too_many: int = 0  # packages that are left out since a bound was reached

    @property
    def left_open(self) -> tuple[str, ...]:
        """The requirements without a version that no other step pins exactly."""
        return tuple(text for package, text in self.unpinned.items() if package not in self.pinned)

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """What is asked for without a version, and the constraints of packages that no step pins."""
        constraints = (row for row in self.constraints.values() if row.component not in self.pinned)
        return (*self.recommends, *constraints)

    def add(self, step: InstallCommand) -> None:
        """Adds what a step installs."""
        if step.tool == "apt":
            names = (req.text for req in step.targets)
            self.apt |= dict.fromkeys(name for name in names if patterns.APT.pattern.fullmatch(name))
        elif step.tool == "conda":
            self._add_conda(step)
        else:
            self._add_pins(step)

    def _add_conda(self, step: InstallCommand) -> None:
        torch = conda_torch(step)
        for name, version in torch.versions.items():
            is_series = version.count(".") == 1 and is_version(version)  # conda's `=2.5` is any 2.5
            self.family.append(
                FamilyRequest(
                    name=name, location=step.location, text=f"{name} {version}".strip(),
                    version="" if is_series else version,
                    specifier=SpecifierSet(f"=={version}.*") if is_series else SpecifierSet(),
                    channel=torch.channel if name == "torch" else "", channel_location=step.location,
                    reason="conda installs that build",
                )
            )  # fmt: skip
        self.omitted += [f"{req.text} (conda)" for req in step.targets]

    def _add_pins(self, step: InstallCommand) -> None:
        constrained: dict[str, str] = {
            canonicalize_name(constraint.requirement.name): exact_version(constraint)
            for constraint in step.constraints
            if constraint.requirement
        }
        for constraint in step.constraints:
            self._add_constraint(constraint)
        pins = [(pin, req) for req in step.targets if (pin := self._pin(step, req, constrained))]
        brought = [req for req in step.locked if req.name in TORCH_FAMILY and req.requirement]
        self.family += [_family_request(step, req, req.name, exact_version(req)) for req in brought]
        self.family += _unread_requests(step)
        # the first pin of a package counts
        unique = {canonicalize_name(pin.name): (pin, req) for pin, req in reversed(pins)}
        fresh = {name: unique[name] for name in reversed(unique) if name not in self.pinned}
        room = max(MOST_PACKAGES - len(self.pinned), 0) if len(self.layers) < MOST_LAYERS else 0
        self.too_many += len([*fresh][room:])
        fresh = {name: fresh[name] for name in [*fresh][:room]}
        self.pinned |= {name: (pin, step, req) for name, (pin, req) in fresh.items()}
        abi = facts.abi_packages()
        for name, (pin, _) in fresh.items():
            if name in abi:
                self._add_layer((pin,))
        if plain := tuple(pin for name, (pin, _) in fresh.items() if name not in abi):
            self._add_layer(plain)

    def _add_layer(self, pins: tuple[Requirement, ...]) -> None:
        self.layers.append(Layer(name=f"step-{len(self.layers) + 1}", packages=pins))

    def _pin(
        self, step: InstallCommand, req: InstallTarget, constrained: Mapping[str, str]
    ) -> Requirement | None:
        """A requirement as an exact pin, None where the draft holds it elsewhere: torch's family, omitted ones."""
        if req.requirement is None or req.requirement.url:
            return self._address_pin(step, req)
        name = canonicalize_name(req.requirement.name)
        applies = holds(req.requirement.marker, self.environment)
        if applies is False:
            return None
        locked = self.project.locked.get(name)
        version = exact_version(req) or constrained.get(name) or (locked.version if locked else "")
        if name in TORCH_FAMILY:
            self.family.append(_family_request(step, req, name, version))
        elif applies is None:
            self.omitted.append(f"{req.text} (its marker cannot be evaluated)")
        elif not version:
            self._add_unpinned(step, req, name)
        elif not is_version(version):  # `===` takes any text, as a uv.lock does
            self.omitted.append(f"{req.text} ({version} is not a version)")
        else:
            return Requirement(f"{req.requirement.name}{extras_text(req.requirement.extras)}=={version}")
        return None

    def _address_pin(self, step: InstallCommand, req: InstallTarget) -> Requirement | None:
        """A package by its address as a pin, where facts know its wheels; torch's family is a request, all else is omitted."""
        version = req.reference.version.partition("+")[0] if req.reference else ""
        if req.name in facts.abi_packages() and is_version(version):
            return Requirement(f"{req.name}=={version}")
        if req.name in TORCH_FAMILY and is_version(version):
            self.family.append(_family_request(step, req, req.name, version))
            return None
        if req.reference is None and (unfilled := _UNFILLED.match(req.text)):
            self.family.append(replace(_family_request(step, req, unfilled[1], ""), is_open=True))
            return None
        if req.name:
            self.loose.setdefault(req.name, (step, req))
        if is_package_of_commit(req):
            self.sources.append(req)
        else:
            self.omitted.append(req.text)
        return None

    def _add_constraint(self, constraint: InstallTarget) -> None:
        """Keeps a constraint for what other packages bring; torch's family goes with its torch."""
        requirement = constraint.requirement
        if (
            requirement is None
            or not requirement.specifier
            or holds(requirement.marker, self.environment) is False
        ):
            return
        name, specifier = canonicalize_name(requirement.name), str(requirement.specifier)
        if name in TORCH_FAMILY or len(self.constraints) >= MOST_PACKAGES:
            return
        file = constraint.location.partition(":")[0]
        row = Recommendation(component=name, says=specifier, by=f"{CONSTRAINT}{file}")
        self.constraints.setdefault((name, specifier), row)

    def _add_unpinned(self, step: InstallCommand, req: InstallTarget, name: str) -> None:
        specifiers = str(req.requirement.specifier) if req.requirement else ""
        extras = extras_text(req.requirement.extras) if req.requirement else ""
        self.loose.setdefault(name, (step, req))
        self.unpinned.setdefault(name, f"{name}{extras}{specifiers}")
        if len(self.recommends) >= MOST_PACKAGES:
            self.too_many += 1
            return
        self.recommends.append(
            Recommendation(component=name, says=specifiers or "any", by=req.location.partition(":")[0])
        )


def _family_request(step: InstallCommand, req: InstallTarget, name: str, version: str) -> FamilyRequest:
    """A request for torch or a companion, with the channel that its tool takes it from."""
    origin = step.origin(req)
    version = _release_text(version) if name == "torch" else version
    is_unlisted = origin.channel == "pypi" and bool(version) and facts.release(version) is None
    links = _links_channel(step) if origin.channel == "pypi" and version else ""
    specifier = req.requirement.specifier if req.requirement and not version else SpecifierSet()
    return FamilyRequest(
        name=name,
        location=req.location,
        text=req.text,
        version=version if req.reference is None else req.reference.version.partition("+")[0],
        specifier=specifier,
        channel=links or ("" if name == "torch" and is_unlisted else origin.channel),
        channel_location=origin.location,
        channels=_channels(step) if origin.unknown else (),
        reason="from its find-links" if links else origin.reason,
    )


def _unread_requests(step: InstallCommand) -> list[FamilyRequest]:
    """The request for torch of a requirement file outside the project, where its only index is a channel of torch."""
    channel = index_channel(step.index)
    if not step.missing or not channel or step.extra_index:
        return []
    text = f"-r {step.missing[0]}"
    return [
        FamilyRequest(
            name="torch", location=step.location, text=text, channel=channel, channel_location=step.location,
            reason="from its index",
        )
    ]  # fmt: skip


def _release_text(version: str) -> str:
    """A version as the releases of torch are written: 1.10 is 1.10.0."""
    if not is_version(version) or facts.release(version):
        return version
    return next((str(row) for row in facts.release_versions() if row == Version(version)), version)


def _links_channel(step: InstallCommand) -> str:
    """The channel whose builds a step's find-links list, which pip takes before PyPI's of the same release; "" for none."""
    urls = (index.url for index in step.indexes.indexes if index.kind == "links")
    matches = (re.search(r"/whl/(cu\d{2,3}|cpu)/", url) for url in urls)
    return next((match[1] for match in matches if match), "")


def package_request(step: InstallCommand, req: InstallTarget, torch: str) -> FamilyRequest:
    """The request for torch that a package makes by what it requires, from the indexes of the step that installs it."""
    required = parse_target(torch, req.location, origin=req.origin)
    exact = exact_version(required)
    return replace(
        _family_request(step, required, "torch", exact), text=f"{req.text}, which requires {torch}"
    )


def _channels(step: InstallCommand) -> tuple[str, ...]:
    """The channels of a step's indexes, () where one is neither a channel nor PyPI."""
    urls = [index.url for index in step.indexes.implicit]
    names = ["pypi" if is_pypi(url) else index_channel(url) for url in urls]
    return tuple(names) if all(names) and step.indexes.tool != "uv" else ()
