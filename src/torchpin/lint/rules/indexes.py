"""ADO011, ADO016, ADO019: which index a package comes from, and what is installed without its requirements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.installs import commands
from torchpin.lint.matches import parse_place
from torchpin.lint.registry import (
    TORCH_FAMILY,
    build_finding,
    exact_version,
    package_name,
    project_runs,
    register_rule,
    replacement,
)
from torchpin.project.channels import index_channel
from torchpin.project.dockerfile import parse_instructions
from torchpin.project.stages import assignments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import InstallCommand, Project
    from torchpin.lint.matches import Edit
    from torchpin.model import Finding
    from torchpin.project.runs import RunCommand

_UNSAFE = re.compile(r"unsafe-(?:best|any)-match|unsafe-first-match")


@register_rule("ADO011", "pip merges two indexes", "warning")
def merged_indexes(project: Project) -> Iterator[Finding]:
    """Use `--index-url` for torch's channel in a step of its own.

    With `--extra-index-url` pip chooses the newest version of both indexes: PyPI's torch where it is newer, and any other
    package from either. Of a pin without local version it takes the channel's build, which counts as the newer one; uv
    takes the first index that has the name, and asks the extra ones first.

    Example: `pip install torch --extra-index-url https://download.pytorch.org/whl/cu126`.

    Wrong:
        FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04
        RUN pip install 'torch>=2.6' --extra-index-url https://download.pytorch.org/whl/cu126

    Right:
        FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu126

    Sources: pip's documentation of --extra-index-url; WeClone issue 198 (triton from the other index); tried with two indexes.
    """
    for file in project.dockerfiles:
        for run in commands.run_commands(project, file):
            step = commands.parse_install(project, run)
            if step is None or not index_channel(step.extra_index) or _is_uv(run):
                continue
            ranges = [
                target
                for target in step.targets
                if package_name(target) in TORCH_FAMILY and not exact_version(target)
            ]
            if not ranges:
                continue
            is_alone = all(package_name(target) in TORCH_FAMILY for target in step.targets)
            yield build_finding(
                "ADO011",
                step.location,
                f"{step.extra_index} is merged with PyPI, and `{ranges[0].text}` comes from the one that has the newer version",
                help=f"use `--index-url {step.extra_index}` for torch and its companions only",
                about="torch",
                edits=_one_index(run, step),
                is_safe=is_alone,
            )


def _is_uv(run: RunCommand) -> bool:
    return any(text == "uv" or text.endswith("/uv") for text in run.command.texts[:3])


def _one_index(run: RunCommand, step: InstallCommand) -> tuple[Edit, ...]:
    """`--index-url` in the place of `--extra-index-url`, where the command has no other index."""
    if step.index:
        return ()
    for word in run.command.argv:
        if word.text == "--extra-index-url" or word.text.startswith("--extra-index-url="):
            location = f"{run.text_file}:{word.line}:{word.column}"
            return replacement(location, "--extra-index-url", "--index-url")
    return ()


@register_rule("ADO016", "uv takes the newest version of all indexes", "warning")
def unsafe_index_strategy(project: Project) -> Iterator[Finding]:
    """Remove it, and give torch's packages their index by `[tool.uv.sources]`, or a step of their own.

    uv takes a package from the first index that has its name. With `unsafe-best-match` it merges the indexes as pip does:
    whoever publishes a newer version under the name of a package, on any of them, is installed.

    Example: `uv pip install --index-strategy unsafe-best-match …`, or `UV_INDEX_STRATEGY`.

    Wrong:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN uv pip install --index-strategy unsafe-best-match torch==2.7.1 --extra-index-url https://download.pytorch.org/whl/cu128

    Right:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN uv pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128

    Sources: uv's documentation of --index-strategy, which names dependency confusion.
    """
    for run in project_runs(project):
        texts = run.command.texts
        for number, word in enumerate(run.command.argv):
            value = texts[number + 1] if number + 1 < len(texts) else ""
            strategy = (
                value if word.text == "--index-strategy" else word.text.partition("--index-strategy=")[2]
            )
            if _UNSAFE.fullmatch(strategy):
                location = f"{run.text_file}:{word.line}:{word.column}"
                yield build_finding("ADO016", location, f"the index strategy is {strategy}", about=strategy)
    for file in project.dockerfiles:
        for instruction in parse_instructions(project.texts[file]):
            strategy = (
                assignments(instruction).get("UV_INDEX_STRATEGY", "")
                if instruction.keyword in {"ARG", "ENV"}
                else ""
            )
            if _UNSAFE.fullmatch(strategy):
                location = f"{file}:{instruction.line}:{instruction.column}"
                yield build_finding("ADO016", location, f"the index strategy is {strategy}", about=strategy)
    yield from _strategy_of_pyproject(project)


def _strategy_of_pyproject(project: Project) -> Iterator[Finding]:
    tool = project.pyproject.get("tool")
    settings = tool.get("uv") if isinstance(tool, dict) else None
    strategy = settings.get("index-strategy") if isinstance(settings, dict) else None
    if isinstance(strategy, str) and _UNSAFE.fullmatch(strategy):
        lines = project.texts[project.pyproject_file].split("\n")
        line = next(
            (number for number, text in enumerate(lines, 1) if text.lstrip().startswith("index-strategy")), 1
        )
        location = f"{project.pyproject_file}:{line}:1"
        yield build_finding("ADO016", location, f"the index strategy is {strategy}", about=strategy)


@register_rule("ADO019", "packages are installed without what they require", "notice")
def without_requirements(project: Project) -> Iterator[Finding]:
    """See that another step installs what they require, in versions that fit, and that `pip check` ends the build.

    With `--no-deps` nothing but the named packages is installed. It keeps torch as it is, and leaves to the reader whether
    something is missing.

    Example: `pip install --no-deps xformers==0.0.30`.

    Wrong:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install --no-deps xformers==0.0.30

    Right:
        FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
        RUN pip install torch==2.7.0 xformers==0.0.30 --index-url https://download.pytorch.org/whl/cu128

    Sources: pip's documentation of --no-deps.
    """
    for run in project_runs(project):
        step = commands.parse_install(project, run)
        if step is None or step.tool != "pip" or not step.no_deps:
            continue
        # the lines of a compiled file are complete, and of a project its own requirements are left out on purpose
        names = [target.text for target in step.targets if parse_place(target.location)[0] == step.file]
        local = [name for name in names if name.startswith((".", "/"))]
        if len(local) < len(names):
            shown = f"`{names[0]}`" if len(names) == 1 else f"`{names[0]}` and {len(names) - 1} more"
            yield build_finding(
                "ADO019", step.location, f"{shown} without requirements (`--no-deps`)", about=names[0]
            )
