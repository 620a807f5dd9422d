"""ADO003, ADO017, ADO018: what one install step does to the torch of another one."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.compat import partners
from torchpin.compat.torch_pins import build_pins, is_torch_pinned, pinned_exactly
from torchpin.facts.versions import is_version
from torchpin.lint.matches import parse_place
from torchpin.lint.registry import (
    TORCH_FAMILY,
    build_finding,
    exact_version,
    others_text,
    package_name,
    register_rule,
    replacement,
    torch_channel,
)
from torchpin.lint.resolutions import applies, edited_files, stage_steps
from torchpin.lint.stage_python import makes_environment
from torchpin.lint.torch_requirers import bringing_torch, renewing_option
from torchpin.project.install import FORCING, UPGRADING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.compat.torch_pins import TorchPins
    from torchpin.installs.commands import InstallCommand, InstallTarget, Project
    from torchpin.lint.resolutions import StageSteps
    from torchpin.model import Finding
    from torchpin.project.runs import RunCommand

_CONDA = re.compile(
    r"(?:[\w-]+::)?(?P<name>pytorch|torchvision|torchaudio)(?:=+(?P<version>[\d.]+))?(?:=.*)?"
)


@dataclass(kw_only=True, slots=True)
class _Installed:
    """What is installed of torch's family: versions by name, with their local part, "" for one that is not known."""

    versions: dict[str, str] = field(default_factory=dict)
    origin: str = ""  # the index, or "the base image"; "" while there is no torch that was chosen
    channel: str = ""

    @property
    def torch(self) -> Version | None:
        version = self.versions.get("torch", "")
        return Version(version) if is_version(version) else None


def _of_base(image: str) -> _Installed:
    base = facts.base_image(image) if image else None
    if not base or not base.torch:
        return _Installed()
    versions = {"torch": base.torch, "torchvision": ""}
    if not base.own_build:
        for name in TORCH_FAMILY[1:]:
            best = partners.best_choice(name, Version(base.torch))
            versions[name] = str(best.version) if best else ""
    return _Installed(versions=versions, origin="the base image", channel=base.torch_channel or "")


def _add_step(installed: _Installed, step: InstallCommand) -> None:
    for target in family_targets(step):
        pin, channel = exact_version(target), torch_channel(step, target)[0]
        local = (
            f"+{channel}" if pin and channel and "+" not in pin and (step.index or step.extra_index) else ""
        )
        installed.versions[package_name(target)] = f"{pin}{local}"
        if package_name(target) == "torch":
            installed.channel = channel
    if family_targets(step):
        installed.origin = step.index or step.extra_index or installed.origin


def _add_conda_step(installed: _Installed, step: InstallCommand) -> None:
    """What conda installs of the family; pip takes its packages for installed ones."""
    for target in step.targets if step.tool == "conda" else ():
        match = _CONDA.fullmatch(target.text)
        if match:
            installed.versions[match["name"].replace("pytorch", "torch")] = match["version"] or ""
            installed.origin = "conda"


def family_targets(step: InstallCommand) -> list[InstallTarget]:
    """What a step installs of torch's family."""
    return [target for target in step.targets if package_name(target) in TORCH_FAMILY and applies(target)]


@register_rule("ADO003", "a later step replaces torch", "error")
def torch_replacement(project: Project) -> Iterator[Finding]:
    """Install torch and everything that needs it in one resolution, or pin torch in a constraints file for every later step.

    pip resolves each step on its own. A later step that names torch without the index, or a package that pins another torch,
    replaces the chosen build with PyPI's default one. What is installed and satisfies the requirement is left alone.

    Example: torch 2.7.1 is installed, `pip install xformers` replaces it with torch 2.8.0.

    Wrong:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128
        RUN pip install vllm

    Right:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128
        RUN pip install 'torch>=2.6' einops==0.8.1

    Sources: facebookresearch/xformers issues 752, 802, 1096; METADATA of xformers.
    """
    for file in project.dockerfiles:
        without_index: dict[str, dict[str, InstallTarget]] = {}  # by where torch is from, and by their places
        for steps in stage_steps(project, file):
            hides_base = makes_environment(project, steps)
            yield from _replacements(steps, edited_files(project, file), without_index, hides_base=hides_base)
            if not hides_base:
                yield from _replaced_builds(steps)
        for origin, targets in without_index.items():
            yield _without_index(origin, [*targets.values()])


def _without_index(origin: str, targets: list[InstallTarget]) -> Finding:
    target, *others = targets
    return build_finding(
        "ADO003",
        target.location,
        f"`{target.text}` has no index, so PyPI's build may replace torch from {origin}"
        + others_text(target.location, others),
        help=f"add the `--index-url` of that channel, or remove `{target.text}`",
        about=package_name(target),
    )


def _replacements(
    steps: StageSteps,
    edited: frozenset[str],
    without_index: dict[str, dict[str, InstallTarget]],
    *,
    hides_base: bool,
) -> Iterator[Finding]:
    """Packages that replace torch; the family without an index is added to `without_index`.

    Follows the steps in their order: what was installed before decides whether a requirement is already satisfied.
    """
    installed = _Installed() if hides_base else _of_base(steps.image)
    for run, step in steps.steps:
        if step.tool != "pip":
            _add_conda_step(installed, step)
            continue
        options = {*run.command.texts}
        for target in family_targets(step):
            if posixpath.basename(parse_place(target.location)[0]) in edited:
                continue  # whether the line is still there is not known
            is_from_channel = step.index or step.origin(target).channel not in {"", "pypi"}
            if installed.origin and not is_from_channel and not _is_satisfied(target, installed, options):
                without_index.setdefault(installed.origin, {}).setdefault(target.location, target)
        if not step.no_deps and not _names_torch(step):
            pinning = [*_packages_pinning_torch(step, installed)]
            yield from pinning or _renewed_torch(run, step, installed)
        _add_step(installed, step)


def _replaced_builds(steps: StageSteps) -> Iterator[Finding]:
    """A torch that is the same release in the build of another channel, which a later step names: `torch==2.7.1+cpu`.

    Only of steps that certainly run, by one program in one environment.
    """
    earlier: dict[tuple[str, ...], tuple[Version, str]] = {}  # the build, and its place
    for run, step in steps.steps:
        if step.tool != "pip" or not run.command.runs or run.command.branch or _may_activate(run):
            continue
        environment = (run.command.texts[0], step.environment, *_environment_settings(run))
        for target in (row for row in family_targets(step) if package_name(row) == "torch"):
            pin, channel = exact_version(target), torch_channel(step, target)[0]
            is_build = is_version(pin) and re.fullmatch(r"cu\d+|cpu", channel)
            build = Version(pin if "+" in pin else f"{pin}+{channel}") if is_build else None
            if build is None:
                earlier.pop(environment, None)
                continue
            earlier_build, place = earlier.get(environment, (build, ""))
            forced = (UPGRADING | FORCING) & {*run.command.texts}
            if earlier_build.public == build.public and earlier_build != build and ("+" in pin or forced):
                yield build_finding(
                    "ADO003",
                    target.location,
                    f"`{target.text}` replaces torch {earlier_build} of {place} with the build of {channel}",
                    help="install torch once, from the channel that the image is for",
                    about="torch",
                )
            earlier[environment] = (build, target.location)


def _may_activate(run: RunCommand) -> bool:
    """Whether a RUN makes or enters an environment that its commands do not name."""
    return any(word in run.instruction.script.text for word in ("activate", "venv"))


def _environment_settings(run: RunCommand) -> tuple[str, ...]:
    """The variables that tell in which environment a program is."""
    settings = (run.settings.get(name) for name in ("PATH", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV"))
    return tuple(setting.value if setting else "" for setting in settings)


def _names_torch(step: InstallCommand) -> bool:
    """Whether a step resolves torch together with its other packages, within bounds of its own."""
    return any(package_name(target) == "torch" for target in (*step.targets, *step.constraints))


def _is_satisfied(target: InstallTarget, installed: _Installed, options: set[str]) -> bool:
    """Whether what is installed satisfies a requirement: pip then leaves it alone."""
    if package_name(target) not in installed.versions or target.requirement is None:
        return False
    version, specifier = installed.versions[package_name(target)], target.requirement.specifier
    if FORCING & options or (UPGRADING & options and not exact_version(target)):
        return False
    if version:
        return specifier.contains(version, prereleases=True)
    newest = facts.release_versions()[-1]
    is_torch = (
        package_name(target) == "torch"
    )  # an index has had the newest release when it was installed without version
    return all(
        clause.operator in {">=", ">", "!="} and not (is_torch and Version(clause.version) > newest)
        for clause in specifier
    )


def _renewed_torch(run: RunCommand, step: InstallCommand, installed: _Installed) -> Iterator[Finding]:
    """A package whose torch is chosen anew, though the one that is there satisfies."""
    option = renewing_option(step, run.command.texts)
    is_chosen = installed.torch is not None or (installed.origin and installed.channel not in {"", "pypi"})
    target = next(iter(bringing_torch(step) if option and is_chosen else ()), None)
    if target:
        yield build_finding(
            "ADO003",
            target.location,
            f"`{target.text}` requires torch, which `{option}` chooses anew: PyPI's newest replaces torch "
            f"{installed.versions.get('torch', '')}".rstrip(),
            help=f"leave out `{option}`, or pin torch in a constraints file (`-c`) for this step",
            about=package_name(target),
        )


def _packages_pinning_torch(step: InstallCommand, installed: _Installed) -> Iterator[Finding]:
    """Packages that require another torch than the installed one: in their pinned version, or in the newest that is allowed."""
    torch = installed.torch
    for target in step.targets if torch else ():
        name, pin = package_name(target), exact_version(target)
        if name in TORCH_FAMILY or not target.requirement or target.requirement.url or not applies(target):
            continue
        row = partners.partner_row(name, Version(pin)) if is_version(pin) else None
        newest = None if pin else partners.newest_declared(name, target.requirement.specifier)
        version, row = newest or (pin, row)
        if torch is None or row is None or not row.declared or partners.goes_with(row, torch) is not False:
            continue
        subject = f"`{target.text}`" if pin else f"`{target.text}` is not pinned, and {name} {version}"
        best = partners.best_choice(name, torch)
        pinned = f"{target.requirement.name}=={best.version}" if best else ""
        plain = target.text == f"{target.requirement.name}{target.requirement.specifier}"
        yield build_finding(
            "ADO003",
            target.location,
            f"{subject} requires torch{row.torch}, so it replaces torch {torch}",
            help=f"use `{pinned}`" if best else "",
            about=name,
            edits=replacement(target.location, target.text, pinned) if best and plain else (),
            is_safe=not pin,
        )


@register_rule("ADO017", "torch and its companions come from different channels", "error")
def family_from_two_channels(project: Project) -> Iterator[Finding]:
    """Install torch, torchvision and torchaudio in one step, from one channel.

    A companion is compiled for the CUDA of its channel and linked with the libraries of that torch: beside another build its
    operators are not registered, or it cannot be loaded.

    Example: torch of cu128, and torchvision of cu126 in the next step.

    Wrong:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128
        RUN pip install torchvision==0.22.1 --index-url https://download.pytorch.org/whl/cu126

    Right:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install torch==2.7.1 torchvision==0.22.1 --index-url https://download.pytorch.org/whl/cu128

    Sources: the libraries that torchvision's wheels are linked with, by channel.
    """
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            yield from _mixed_channels(steps)


def _mixed_channels(steps: StageSteps) -> Iterator[Finding]:
    installed = _of_base(steps.image)
    for _, step in steps.steps:
        if step.tool != "pip":
            continue
        _add_step(installed, step)
        for target in family_targets(step):
            channel = torch_channel(step, target)[0] if step.index or step.extra_index else ""
            name = package_name(target)
            if name != "torch" and channel and installed.channel and channel != installed.channel:
                yield build_finding(
                    "ADO017",
                    target.location,
                    f"`{target.text}` comes from {channel}, and torch from {installed.channel}",
                    help=f"install {name} from {installed.channel} too, in one step with torch",
                    about=name,
                )


@register_rule("ADO018", "a version that torch pins is replaced", "error")
def undone_torch_pin(project: Project) -> Iterator[Finding]:
    """Leave triton and NVIDIA's libraries to torch: remove the line, or give it the version that torch requires.

    A CUDA build of torch requires triton, cuDNN, NCCL and the like in one version each. pip prints that another one does not
    fit, installs it, and ends with success; `torch.compile` or the load of a library then fails at run time.

    Example: torch 2.7.1 requires triton 3.3.1, and the next step installs triton 3.0.0.

    Wrong:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128
        RUN pip install triton==3.0.0

    Right:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128
        RUN pip install triton==3.3.1

    Sources: METADATA of torch's wheels by channel.
    """
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            yield from _undone_pins(steps)


def _undone_pins(steps: StageSteps) -> Iterator[Finding]:
    installed = _of_base(steps.image)
    for run, step in steps.steps:
        if step.tool != "pip":
            continue
        _add_step(installed, step)
        names = [
            target for target in step.targets if is_torch_pinned(package_name(target)) and applies(target)
        ]
        torch = installed.torch
        pins = build_pins(torch.public, installed.channel) if names and torch else None
        for target in names if pins else ():
            yield from _undone_pin(target, pins, str(torch), {*run.command.texts})


def _undone_pin(
    target: InstallTarget, pins: TorchPins | None, torch: str, options: set[str]
) -> Iterator[Finding]:
    name, requirement = package_name(target), target.requirement
    pinned = pins.requirements.get(name) if pins else None
    if pinned is None or requirement is None or requirement.url or pins is None:
        return
    required = pinned_exactly(pinned)
    is_upgrade = bool((UPGRADING | FORCING) & options) and not exact_version(target)
    if not required or (requirement.specifier.contains(required, prereleases=True) and not is_upgrade):
        return
    plain = target.text == f"{requirement.name}{requirement.specifier}"
    yield build_finding(
        "ADO018",
        target.location,
        f"`{target.text}` replaces {name} {required}, which torch {torch} requires",
        help=f"remove it, or use `{requirement.name}=={required}`",
        about=name,
        evidence=pins.source,
        edits=replacement(target.location, target.text, f"{requirement.name}=={required}") if plain else (),
    )
