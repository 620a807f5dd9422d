"""The draft of a description for another project: what can be read is in it, what cannot is in its opening comment."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.adopt.accelerators import other_accelerator, own_torch
from torchpin.adopt.conda_torch import conda_torch
from torchpin.adopt.draft_sources import draft_sources
from torchpin.adopt.image_installs import has_installs, image_installs, install_steps
from torchpin.adopt.python_version import choose_python
from torchpin.adopt.run_settings import run_settings
from torchpin.compat import partners
from torchpin.compat.pins import extras_text
from torchpin.description import patterns, read, write
from torchpin.errors import InputError
from torchpin.facts.versions import is_version
from torchpin.installs.commands import (
    InstallCommand,
    InstallTarget,
    marker_target,
)
from torchpin.installs.compiled_gpus import compiled_gpus
from torchpin.installs.project import parse_project
from torchpin.lint import scan
from torchpin.lint.registry import TORCH_FAMILY, exact_version
from torchpin.model import Base, Layer, Recommendation, Run, Service, Torch, Variant
from torchpin.project.build_steps import image_environment
from torchpin.project.image_builds import built_texts
from torchpin.project.markers import MarkerTarget, holds
from torchpin.project.secret_values import without_secrets
from torchpin.project.stages import final_stage
from torchpin.project.variables import unresolved_variable
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.installs.commands import Project
    from torchpin.lint.matches import Match
    from torchpin.project.stages import Stage

_MOST_LAYERS = 100  # an image has at most 127 layers, and torchpin's own are among them
_MOST_PACKAGES = 2_000  # of a draft; real projects install some hundred
_MOST_OMITTED = 500  # lines of the opening comment: people read them


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """`text`: the drafted description; `missing`: why there is none; `matches`: the lines that rules match.

    `unpinned`: the requirements without an exact version, which no layer of the draft has.
    """

    name: str
    text: str
    missing: str
    matches: tuple[Match, ...]
    files: tuple[str, ...]
    unpinned: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class _Draft:
    """The parts of a description while they are collected. `omitted`: what is left out, for the opening comment."""

    environment: MarkerTarget
    layers: list[Layer] = field(default_factory=list)
    recommends: list[Recommendation] = field(default_factory=list)
    apt: dict[str, None] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    omitted: list[str] = field(default_factory=list)
    unpinned: dict[str, str] = field(default_factory=dict)  # requirements by normalized name
    declared: set[str] = field(default_factory=set)  # normalized names of the packages in layers
    too_many: int = 0  # packages that are left out since a bound was reached
    missing: str = ""
    channel: str = ""


def draft_adoption(
    texts: Mapping[str, str],
    name: str,
    unreadable: Iterable[tuple[str, str]] = (),
    *,
    resolved_later: bool = False,
) -> Adoption:
    """The draft of a project, `{path: text}`, from its main Dockerfile, with the matches of the rules in all files.

    `unreadable`: places, as `file:line:column`, that are no text, and why. `resolved_later`: the draft does not say which
    packages have no version, since they get one after it is written.
    """
    project = parse_project(built_texts(texts)[0], unreadable)  # of several builds the first one
    file = _main_dockerfile(project)
    draft = _Draft(environment=_environment(project, file))
    for step in install_steps(project, file, draft.environment):
        _add_step(project, draft, step)
    draft.too_many += len([*draft.apt][_MOST_PACKAGES:])
    if not resolved_later:
        draft.omitted += [f"{requirement} (no version)" for requirement in draft.unpinned.values()]
    service = _draft_service(project, draft, file, name)
    text = _render_draft(service, draft, file) if service else ""
    return Adoption(
        name=name,
        text=text,
        missing=draft.missing,
        matches=scan.find_matches(project),
        files=tuple(sorted(texts)),
        unpinned=tuple(
            requirement for package, requirement in draft.unpinned.items() if package not in draft.declared
        ),
    )


def _environment(project: Project, file: str) -> MarkerTarget:
    """The environment that is drafted, for markers."""
    stage = final_stage(project.texts[file]) if file else None
    base = facts.base_image(stage.image.partition("@")[0]) if stage else None
    has_torch = bool(base and base.index_torch)
    python, source = choose_python(project, file, stage, base, torch_from_base=has_torch)
    return MarkerTarget(
        python=source.version if python is None or has_torch else str(python),
        machine=marker_target(project, file).machine,
    )


def _main_dockerfile(project: Project) -> str:
    """The Dockerfile with a usual name, else any other; of several the least nested one; "" for none."""
    preferred = ("Dockerfile.gpu", "Dockerfile.cuda", "Dockerfile")
    ranked = sorted(
        project.dockerfiles,
        key=lambda path: (posixpath.basename(path) not in preferred, path.count("/"), path),
    )
    return next(iter(ranked), "")


def _add_step(project: Project, draft: _Draft, step: InstallCommand) -> None:
    if step.tool == "apt":
        for req in step.targets:
            if patterns.APT.pattern.fullmatch(req.text):
                draft.apt[req.text] = None
        return
    if step.tool == "conda":
        torch = conda_torch(step)
        draft.versions = {**torch.versions, **draft.versions}
        draft.channel = draft.channel or torch.channel
        draft.omitted += [f"{req.text} (conda)" for req in step.targets]
        return
    constrained_versions: dict[str, str] = {
        canonicalize_name(constraint.requirement.name): exact_version(constraint)
        for constraint in step.constraints
        if constraint.requirement
    }
    pins = [pin for req in step.targets if (pin := _to_pin(project, draft, step, req, constrained_versions))]
    # of a package that is named twice the first pin counts
    unique_pins = {canonicalize_name(pin.name): pin for pin in reversed(pins)}
    new_pins = [unique_pins[name] for name in reversed(unique_pins) if name not in draft.declared]
    room = _MOST_PACKAGES - len(draft.declared) if len(draft.layers) < _MOST_LAYERS else 0
    draft.too_many += len(new_pins[room:])
    new_pins = new_pins[:room]
    draft.declared |= {canonicalize_name(pin.name) for pin in new_pins}
    for pin in [pin for pin in new_pins if canonicalize_name(pin.name) in facts.abi_packages()]:
        draft.layers.append(Layer(name=f"step-{len(draft.layers) + 1}", packages=(pin,)))
    plain_pins = tuple(pin for pin in new_pins if canonicalize_name(pin.name) not in facts.abi_packages())
    if plain_pins:
        draft.layers.append(Layer(name=f"step-{len(draft.layers) + 1}", packages=plain_pins))


def _to_pin(
    project: Project,
    draft: _Draft,
    step: InstallCommand,
    req: InstallTarget,
    constrained_versions: Mapping[str, str],
) -> Requirement | None:
    """A requirement as an exact pin, None where the draft holds it elsewhere: torch, companions, omitted ones."""
    if req.requirement is None or req.requirement.url:
        return _address_pin(draft, step, req)
    name = canonicalize_name(req.requirement.name)
    applies = holds(req.requirement.marker, draft.environment)
    if applies is False:
        return None
    locked = project.locked.get(name)
    version = exact_version(req) or constrained_versions.get(name) or (locked.version if locked else "")
    if name in TORCH_FAMILY:
        draft.versions.setdefault(name, version)
        if name == "torch" and not draft.channel:
            draft.channel = _torch_channel(draft, step, req, version)
        return None
    if applies is None:
        draft.omitted.append(f"{req.text} (its marker cannot be evaluated)")
    elif applies and not version:
        _add_unpinned(draft, req, name)
    elif applies and not is_version(version):  # `===` takes any text, as a uv.lock does
        draft.omitted.append(f"{req.text} ({version} is not a version)")
    elif applies:
        return Requirement(f"{req.requirement.name}{extras_text(req.requirement.extras)}=={version}")
    return None


def _address_pin(draft: _Draft, step: InstallCommand, req: InstallTarget) -> Requirement | None:
    """A package by its address as a pin, where facts know its wheels; torch's family goes into the draft, all else is omitted."""
    version = req.reference.version.partition("+")[0] if req.reference else ""
    if req.name in facts.abi_packages() and is_version(version):
        return Requirement(f"{req.name}=={version}")
    if req.name in TORCH_FAMILY and is_version(version):
        draft.versions.setdefault(req.name, version)
        if req.name == "torch":
            draft.channel = draft.channel or step.origin(req).channel
    else:
        draft.omitted.append(req.text)
    return None


def _torch_channel(draft: _Draft, step: InstallCommand, req: InstallTarget, version: str) -> str:
    """The channel that torch comes from; "" where nothing shows it, which the draft says, and for a release not known of PyPI."""
    origin = step.origin(req)
    if origin.unknown:
        draft.omitted.append(f"the channel of torch, which cannot be told: {origin.reason}")
    return "" if origin.channel == "pypi" and version and facts.release(version) is None else origin.channel


def _add_unpinned(draft: _Draft, req: InstallTarget, name: str) -> None:
    specifiers = str(req.requirement.specifier) if req.requirement else ""
    extras = extras_text(req.requirement.extras) if req.requirement else ""
    draft.unpinned.setdefault(name, f"{name}{extras}{specifiers}")
    if len(draft.recommends) >= _MOST_PACKAGES:
        draft.too_many += 1
        return
    draft.recommends.append(
        Recommendation(component=name, says=specifiers or "any", by=req.location.partition(":")[0])
    )


def _draft_service(project: Project, draft: _Draft, file: str, name: str) -> Service | None:
    stage = final_stage(project.texts[file]) if file else None
    image, _, digest = stage.image.partition("@") if stage else ("", "", "")
    base = facts.base_image(image)
    base_torch = base.index_torch if base else ""
    version = (base_torch or draft.versions.get("torch", "")).partition("+")[0]
    channel = (
        (base.torch_channel if base and base_torch else "") or draft.channel or _release_channel(version)
    )
    python, _ = choose_python(project, file, stage, base, torch_from_base=bool(base_torch))
    draft.missing = (
        _other_hardware(project, draft, file, image)
        or own_torch(base, version)
        or _missing_message(image, version, channel, python, installs=has_installs(project, file))
    )
    if draft.missing or python is None:
        return None
    return Service(
        name=name,
        summary=f"Describe {name} in one line",
        python=python,
        base=Base(image=image, digest=digest or None, rationale="Explain why this base image."),
        torch=Torch(
            version=Version(version),
            companions=_companions(draft, version),
            origin="base" if base_torch else "index",
        ),
        variants=(_variant(channel, stage),),
        layers=tuple(draft.layers) or (Layer(name="app", packages=()),),
        gpus=compiled_gpus(project, file),
        apt=tuple(sorted([*draft.apt][:_MOST_PACKAGES])),
        sources=tuple(draft_sources(project, draft.omitted, file)),
        run=without_secrets(
            run_settings(stage, image_environment(project.texts[file]), draft.omitted), draft.omitted
        )
        if stage
        else Run(),
        recommends=tuple(draft.recommends),
    )


def _other_hardware(project: Project, draft: _Draft, file: str, image: str) -> str:
    """Why the image is none for NVIDIA's GPUs or CPUs, "" where it is."""
    steps = image_installs(project, file) if file else ()
    packages = {
        str(canonicalize_name(target.requirement.name)): target.location
        for step in steps
        for target in step.targets
        if target.requirement
    }
    reason = other_accelerator(image, draft.channel, packages)
    return (
        f"no description is made for other hardware than NVIDIA's GPUs and CPUs: {reason}" if reason else ""
    )


def _missing_message(image: str, torch: str, channel: str, python: Version | None, *, installs: bool) -> str:
    """Why no description can be drafted, "" where it can."""
    missing = []
    if ":" not in image.rpartition("/")[2] or unresolved_variable(image):
        missing.append("a base image with a tag")
    if not is_version(torch):
        missing.append("the version of torch")
        missing += [] if installs else ["what installs Python packages in the image"]
    elif not channel:
        missing.append(f"the channel of torch {torch}")
    if python is None:
        missing.append("the Python that the image has")
    text = ", ".join(missing[:-1]) + (" and " if missing[:-1] else "") + "".join(missing[-1:])
    return f"cannot determine {text} from the files" if missing else ""


def _release_channel(version: str) -> str:
    """The channel of a torch without an index: PyPI's default build, where facts know the release; "" where they do not."""
    return "pypi" if facts.release(version) else ""


def _companions(draft: _Draft, version: str) -> Mapping[str, Version]:
    """The companions that are installed; one without a version gets that of the torch release."""
    companions = {}
    for name in TORCH_FAMILY[1:]:
        best = partners.best_choice(name, Version(version))
        companion_version = draft.versions.get(name, "").partition("+")[0] or str(
            best.version if best else ""
        )
        if name in draft.versions and is_version(companion_version):
            companions[name] = Version(companion_version)
    return MappingProxyType(companions)


def _variant(channel: str, stage: Stage | None) -> Variant:
    arm = bool(stage) and "arm64" in (stage.start.flags.get("platform", "") if stage else "")
    name = "cpu" if channel == "cpu" else "gpu"
    return Variant(name=name, channel=channel, platform="linux/arm64" if arm else "linux/amd64")


def _render_draft(service: Service, draft: _Draft, file: str) -> str:
    """The draft below a comment about what is omitted; parts that do not validate are dropped, one after another."""
    header = [
        f"# Drafted from {_printable(file) or 'the requirement files'}. To review:",
        "# - gpus: list the GPUs that it must run on.",
    ]
    omitted = [_printable(redact_credentials(omission)) for omission in dict.fromkeys(draft.omitted)]
    header += [f"# - left out: {omission}" for omission in omitted[:_MOST_OMITTED]]
    if omitted[_MOST_OMITTED:]:
        header.append(f"# - left out, and not listed: {len(omitted) - _MOST_OMITTED} more")
    if draft.too_many:
        header.append(
            f"# - left out: {draft.too_many} packages beyond the first {_MOST_PACKAGES} packages or {_MOST_LAYERS} installs"
        )
    for candidate in (
        service,
        replace(service, run=Run()),
        replace(service, run=Run(), apt=()),
        replace(service, run=Run(), apt=(), sources=(), recommends=()),
    ):
        text = "\n".join(header) + "\n" + write.to_yaml(candidate)
        try:
            read.read_services({candidate.file: text})
        except InputError as error:
            draft.missing = str(error)
        else:
            draft.missing = ""
            return text
    return ""


def _printable(text: str) -> str:
    """A text on one line of a comment: a line break would end it, and other controls end the description."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
