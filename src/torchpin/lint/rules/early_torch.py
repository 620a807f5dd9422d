"""ADO023: what brings torch before the step that chooses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.lint.registry import (
    build_finding,
    exact_version,
    others_text,
    package_name,
    register_rule,
)
from torchpin.lint.resolutions import stage_steps
from torchpin.lint.rules.torch_steps import family_targets
from torchpin.lint.torch_requirers import bringing_torch
from torchpin.project.install import FORCING, UPGRADING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import InstallTarget, Project
    from torchpin.lint.resolutions import StageSteps
    from torchpin.model import Finding


@register_rule("ADO023", "a package brings PyPI's torch before the step that chooses torch", "warning")
def torch_before_its_step(project: Project) -> Iterator[Finding]:
    """Install torch from its channel first, and what requires it afterwards.

    The first package that requires torch brings PyPI's newest one. A later step with an index leaves it where it satisfies
    the requirement, so that the index is of no use; else it is replaced, and both are in the image's layers.

    Example: `pip install accelerate` in the first step, `pip install torch --index-url …/cu126` in the second.

    Wrong:
        FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04
        RUN pip install accelerate==1.10.1
        RUN pip install torch --index-url https://download.pytorch.org/whl/cu126

    Right:
        FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu126
        RUN pip install accelerate==1.10.1

    Sources: METADATA of the packages' releases on PyPI; pip's documentation of how installed packages are treated.
    """
    for file in project.dockerfiles:
        early: dict[str, _EarlyTorch] = {}  # by the place of the torch that is too late
        for steps in stage_steps(project, file):
            _add_early_torch(steps, early)
        for torch in early.values():
            yield _too_early(torch)


@dataclass(kw_only=True, slots=True)
class _EarlyTorch:
    """What brings torch before the step that chooses it, by places; `is_left`: whether that step leaves it alone."""

    torch: InstallTarget
    is_left: bool
    targets: dict[str, InstallTarget] = field(default_factory=dict)


def _too_early(early: _EarlyTorch) -> Finding:
    target, *others = early.targets.values()
    consequence = (
        "which the later step leaves alone"
        if early.is_left
        else "and the later step replaces it in another layer"
    )
    return build_finding(
        "ADO023",
        target.location,
        f"`{target.text}` brings PyPI's torch before `{early.torch.text}` ({early.torch.location}), {consequence}"
        + others_text(target.location, others),
        about=package_name(target),
        level="error" if early.is_left else None,
    )


def _add_early_torch(steps: StageSteps, early_by_torch: dict[str, _EarlyTorch]) -> None:
    base = facts.base_image(steps.image) if steps.image else None
    early: list[InstallTarget] = []
    for run, step in steps.steps if not (base and base.torch) else ():
        if step.tool != "pip":
            continue
        torch = next((target for target in family_targets(step) if package_name(target) == "torch"), None)
        if torch is None:
            early += bringing_torch(step)
            continue
        if not step.index or not early:
            return
        is_left = not exact_version(torch) and not (UPGRADING | FORCING) & {*run.command.texts}
        early_torch = early_by_torch.setdefault(torch.location, _EarlyTorch(torch=torch, is_left=is_left))
        for target in early:
            early_torch.targets.setdefault(target.location, target)
        return
