"""A stage as the environment that it becomes, for the judge: what is certain of its torch and its pins, at their places.

What is not certain is left out, and so is every check that rests on it: a judge of guesses would find what is not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts
from torchpin.checks.registry import REGISTRY
from torchpin.compat.pins import extras_text
from torchpin.description import patterns
from torchpin.facts.versions import is_version
from torchpin.installs.compiled_gpus import compiled_gpus
from torchpin.lint.matches import FixableFinding, Match, parse_place
from torchpin.lint.registry import TORCH_FAMILY, exact_version, package_name, torch_channel
from torchpin.lint.resolutions import applies, stage_steps
from torchpin.lint.stage_help import dockerfile_words, stage_edits, stage_help
from torchpin.lint.stage_python import stage_python
from torchpin.model import Base, Environment, Layer, Position, Service, Torch, Variant
from torchpin.project.stages import final_stage
from torchpin.project.variables import unresolved_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Result
    from torchpin.installs.commands import InstallCommand, InstallTarget, Project
    from torchpin.lint.resolutions import StageSteps
    from torchpin.model import Finding

    _Key = tuple[str, str, str]  # a check, a location and a message

# The judge's checks of what a Dockerfile says too; others are about keys that it does not have.
CHECKS = (
    "BAS001", "GPU001", "TOR001", "TOR002", "TOR003", "TOR005", "DEP001", "DEP002", "DEP003", "DEP005", "DEP006", "DEP007", "ABI001",
)  # fmt: skip
_OF_IMAGE = ("BAS001",)
_OF_PYTHON = {"TOR003", "ABI001"}
_WITH_WARNINGS = {"DEP001", "DEP005", "DEP006"}
_GPU_IMAGE = re.compile(r"cuda|torch|nvidia|runpod|vllm")  # whose tags have a grammar that facts know
_IN_LOCK = re.compile(r"(?:^|/)(?:(?:uv|poetry|pdm)\.lock|Pipfile\.lock|pylock[^/:]*\.toml):")
_NAME, _UNKNOWN_IMAGE = "checked", "unknown:unknown"
# Where no line tells the Python: those of Ubuntu 22.04 and 24.04. What holds for one of them only is not said.
_GUESSED_PYTHONS = (Version("3.10.12"), Version("3.12.3"))


def judged_matches(
    project: Project, context: Callable[[Sequence[Environment]], CheckContext]
) -> Iterator[Match]:
    """What the judge says of each stage with a torch, at the places of the Dockerfile. `context`: what its checks get."""
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            python = stage_python(project, steps)
            stage = _judged_stage(steps, _newest_gpu(project, steps))
            if stage or _GPU_IMAGE.search(steps.image):
                pythons = (Version(python),) if python else _GUESSED_PYTHONS
                judged = [
                    _stage_findings(stage or _image_stage(steps), version, context, knows_python=bool(python))
                    for version in pythons
                ]
                yield from _common_matches(judged)


def _judge(
    service: Service, context: Callable[[Sequence[Environment]], CheckContext], checks: tuple[str, ...]
) -> tuple[Result, ...]:
    from torchpin.checks.rules import (  # noqa: F401 - importing them registers them; a Dockerfile without torch needs none
        abi,
        base_image,
        conflicts,
        dependencies,
        gpus,
        measured,
        metadata,
        partners,
        torch,
    )
    from torchpin.checks.run import run_checks

    environment = Environment(service=service, variant=service.variants[0])
    return run_checks(context([environment]), [REGISTRY[id_] for id_ in sorted(checks)])


def _common_matches(judged: Sequence[Mapping[_Key, Finding]]) -> Iterator[Match]:
    """The findings for each of the Pythons; where their help differs, it is that of the check."""
    first, *others = judged
    for key, finding in first.items():
        if all(key in other for other in others):
            is_same = all(other[key].help == finding.help for other in others)
            shown = (
                finding if is_same else replace(finding, help=dockerfile_words(REGISTRY[key[0]].help_line))
            )
            yield Match(id=key[0], finding=shown if is_same else _without_edits(shown))


def _without_edits(finding: Finding) -> Finding:
    return replace(finding, edits=(), fix_is_safe=False) if isinstance(finding, FixableFinding) else finding


def _stage_findings(
    stage: _JudgedStage,
    python: Version,
    context: Callable[[Sequence[Environment]], CheckContext],
    *,
    knows_python: bool,
) -> dict[_Key, Finding]:
    """The findings with a place, one a place: several checks may say the same of a pin."""
    service = replace(stage.service, python=python)
    places: set[str] = set()
    findings: dict[_Key, Finding] = {}
    for result in _judge(service, context, stage.checks):
        for finding in result.findings:
            if (
                result.check == "TOR003"
            ):  # of the image, the Python or the platform: torch is what has no wheel for it
                finding = replace(finding, location=service.location("torch.version"))  # noqa: PLW2901
            is_told = finding.level == "error" or result.check in _WITH_WARNINGS
            is_certain = knows_python or result.check not in _OF_PYTHON
            has_place = not finding.location.startswith(service.file)
            if result.check == "DEP007" and _IN_LOCK.search(finding.location):
                continue  # the resolver has held METADATA, but for what the project overrides
            if is_told and is_certain and has_place and finding.location not in places:
                places.add(finding.location)
                key = (result.check, finding.location, finding.message)
                findings[key] = _in_dockerfile_words(finding, service, stage.texts)
    return findings


def _in_dockerfile_words(finding: Finding, service: Service, texts: Mapping[str, str]) -> Finding:
    edits = stage_edits(finding, service, texts)
    return FixableFinding(
        location=finding.location,
        message=finding.message,
        help=stage_help(finding, service),
        about=finding.about,
        evidence=finding.evidence,
        level=finding.level,
        edits=edits,
        fix_is_safe=bool(edits) and finding.fix_is_safe,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _JudgedStage:
    """The service that a stage would be, the checks that are asked of it, and its pins as they are written, by key path."""

    service: Service
    checks: tuple[str, ...]
    texts: Mapping[str, str] = field(default_factory=dict)


def _image_stage(steps: StageSteps) -> _JudgedStage:
    """A stage by its image alone, for the check that the image exists."""
    start = _start(steps)
    service = Service(
        name=_NAME,
        summary="",
        python=_GUESSED_PYTHONS[0],
        base=Base(image=_image(steps)),
        torch=Torch(version=facts.release_versions()[-1], companions=MappingProxyType({})),
        variants=(Variant(name="gpu", channel="pypi", platform=_platform(steps)),),
        layers=(),
        positions={"base.image": start} if start else {},
    )
    return _JudgedStage(service=service, checks=_OF_IMAGE)


def _start(steps: StageSteps) -> Position | None:
    start = steps.stage.start if steps.stage else None
    return Position(file=steps.file, line=start.line, column=start.column) if start else None


def _image(steps: StageSteps) -> str:
    image = steps.image.partition("@")[0]
    return image if ":" in image and not unresolved_variable(image) else _UNKNOWN_IMAGE


def _platform(steps: StageSteps) -> str:
    platform = steps.stage.start.flags.get("platform", "") if steps.stage else ""
    return "linux/arm64" if "arm64" in platform else "linux/amd64"


def _newest_gpu(project: Project, steps: StageSteps) -> tuple[str, ...]:
    """The newest GPU that the image compiles for: torch must have code for it; lists often name older ones that nobody has."""
    final = final_stage(project.texts[steps.file])
    is_final = steps.stage and final and steps.stage.start == final.start
    return compiled_gpus(project, steps.file)[-1:] if is_final else ()


def _judged_stage(steps: StageSteps, gpus: tuple[str, ...]) -> _JudgedStage | None:
    """A stage with its pins; None where its torch, or where that comes from, is not known."""
    base = facts.base_image(steps.image) if steps.image else None
    pins = _final_pins(steps)
    torch = pins.pop("torch", None)
    if torch:
        version, channel, torch_place = torch.version.partition("+")[0], torch.channel, torch.place
    elif base and base.index_torch and not base.own_build:
        version, channel, torch_place = (
            base.index_torch.partition("+")[0],
            base.torch_channel or "",
            _start(steps),
        )
    else:
        return None
    if not is_version(version) or (channel != "pypi" and not facts.channel(channel)):
        return None
    companions = {name: pins.pop(name) for name in TORCH_FAMILY[1:] if name in pins}
    packages = tuple(Requirement(pin.requirement) for pin in pins.values())
    places, texts = _positions(_start(steps), torch_place, companions, pins)
    service = Service(
        name=_NAME,
        summary="",
        python=_GUESSED_PYTHONS[0],
        base=Base(image=_image(steps)),
        torch=Torch(
            version=Version(version),
            companions=MappingProxyType(
                {name: Version(pin.version.partition("+")[0]) for name, pin in companions.items()}
            ),
            origin="index" if torch else "base",
        ),
        variants=(Variant(name="gpu", channel=channel, platform=_platform(steps)),),
        layers=(Layer(name="all", packages=packages),),
        gpus=gpus,
        apt=_system_packages(steps),
        positions=places,
    )
    return _JudgedStage(service=service, checks=CHECKS, texts=texts)


def _positions(
    start: Position | None,
    torch: Position | None,
    companions: Mapping[str, _Pin],
    packages: Mapping[str, _Pin],
) -> tuple[dict[str, Position], dict[str, str]]:
    """Where in the Dockerfile or its lists the key paths of a stage's description are, those that have a place; and the pins there."""
    pins = {
        **{f"torch.companions.{name}": pin for name, pin in companions.items()},
        **{f"layers[0].packages[{number}]": pin for number, pin in enumerate(packages.values())},
    }
    places = {
        "base.image": start,
        **dict.fromkeys(("torch.version", "variants.gpu.channel", "python", "gpus[0]"), torch),
        **{path: pin.place for path, pin in pins.items()},
    }
    texts = {path: pin.text for path, pin in pins.items()}
    return {path: place for path, place in places.items() if place}, texts


class _Pin:
    """A package at its version: as a requirement, with its channel ("" for none) and its place."""

    def __init__(self, target: InstallTarget, version: str, channel: str) -> None:
        requirement = target.requirement
        name = requirement.name if requirement else ""
        self.version, self.channel = version, channel
        self.requirement = f"{name}{extras_text(requirement.extras) if requirement else ''}=={version}"
        self.place, self.text = _place(target.location), target.text


def _final_pins(steps: StageSteps) -> dict[str, _Pin]:
    """The exact pins by name, of several the last one; without packages that a later step names without a version."""
    pins: dict[str, _Pin] = {}
    for _, step in steps.steps:
        if step.tool != "pip":
            continue
        constrained = {package_name(target): exact_version(target) for target in step.constraints}
        installed: set[str] = set()
        for target in step.targets:
            name = package_name(target)
            version = exact_version(target) or constrained.get(name, "")
            if not target.requirement or not applies(target):
                continue
            if name in installed and name in pins and pins[name].version != version:
                del pins[name]  # markers decide which one it is
            elif is_version(version):
                pins[name] = _Pin(target, version, _channel(step, target) if name == "torch" else "")
            installed.add(name)
    return pins


def _channel(step: InstallCommand, target: InstallTarget) -> str:
    channel, origin = torch_channel(step, target)
    return "pypi" if origin == "from PyPI" else channel


def _system_packages(steps: StageSteps) -> tuple[str, ...]:
    names = {
        target.text
        for _, step in steps.steps
        if step.tool == "apt"
        for target in step.targets
        if patterns.APT.pattern.fullmatch(target.text)
    }
    return tuple(sorted(names))


def _place(location: str) -> Position | None:
    file, line, column = parse_place(location)
    return Position(file=file, line=line, column=column) if line else None


def without_repeats(matches: Sequence[Match], judged: Sequence[Match]) -> list[Match]:
    """What the judge says where no rule has an error at the same place."""
    taken = {match.place for match in matches if match.finding.level == "error"}
    return [match for match in judged if match.place not in taken]
