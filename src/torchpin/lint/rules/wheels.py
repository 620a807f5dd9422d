"""ADO005, ADO010, ADO013: CUDA of base and wheels, wheel tags, package forms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.facts.versions import major_minor
from torchpin.lint.registry import (
    build_finding,
    exact_version,
    package_name,
    project_installs,
    register_rule,
    torch_channel,
)
from torchpin.lint.resolutions import applies, stage_steps
from torchpin.lint.stage_python import other_pythons, stage_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import InstallCommand, Project
    from torchpin.lint.resolutions import StageSteps
    from torchpin.model import Finding

# The file names of flash-attn and its like: flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl
_ABI = re.compile(
    r"(?<![\w.])(?P<name>[\w.]+)-(?P<version>[\d.]+(?:post\d+)?)\+cu(?P<cuda>\d+)torch(?P<torch>\d+\.\d+)cxx11abi(?P<abi>TRUE|FALSE)"
    r"(?:-(?P<python>cp\d+))?(?:-cp\d+-(?P<machine>[\w.]+)\.whl)?"
)
_TAGS = re.compile(r"(?P<file>(?P<name>[\w.]+)-[\w.+!%]+-(?P<python>cp3\d+)-cp3\d+-[\w.]+\.whl)")


@register_rule("ADO005", "the base image and the wheels have different CUDA versions", "notice")
def cuda_mismatch(project: Project) -> Iterator[Finding]:
    """Use the channel of the base image's CUDA, or a base image with the channel's CUDA.

    torch's wheels contain their own CUDA; another one in the base image is of no use, and extensions compiled with its nvcc
    do not match (torch rejects another major version). Without an index pip installs PyPI's default build, whose CUDA
    matches the base image only by chance.

    Example: nvidia/cuda:12.1.1 with `pip install torch==2.5.1`, which is the CUDA 12.4 build.

    Wrong:
        FROM nvidia/cuda:11.8.0-devel-ubuntu22.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128

    Right:
        FROM nvidia/cuda:12.8.1-devel-ubuntu22.04
        RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cu128

    Sources: torch/version.py inside PyPI's wheels; runpod/containers pairs base 13.0.0 with cu126 wheels.
    """
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            base = facts.base_image(steps.image) if steps.image else None
            tag = re.search(r"(?:cuda|cu)[:-]?(\d+\.\d+)", steps.image)
            # of an image that facts do not know, the CUDA in its name
            cuda = base.cuda if base and base.cuda else tag[1] if tag else None
            for _, step in steps.steps if cuda else ():
                yield from _cuda_mismatches(step, major_minor(str(cuda)), steps.image)


def _cuda_mismatches(step: InstallCommand, cuda: str, image: str) -> Iterator[Finding]:
    for target in step.targets:
        if package_name(target) != "torch":
            continue
        channel, origin = torch_channel(step, target)
        if channel == "cpu" and origin == "from its index":
            message = f"`{target.text}` is built without CUDA, and the base image {image} has CUDA {cuda}"
            help_text = "use the channel of a CUDA build, or a base image without CUDA"
            yield build_finding(
                "ADO005", target.location, message, help=help_text, about="torch", level="warning"
            )
        row = facts.channel(channel) if channel else None
        if row and row.cuda and row.cuda != cuda:
            matching_channel = next(
                (candidate.name for candidate in facts.channels() if candidate.cuda == cuda), ""
            )
            message = f"`{target.text}` {origin} is built with CUDA {row.cuda}, and the base image {image} has CUDA {cuda}"
            help_text = (
                f"add `--index-url https://download.pytorch.org/whl/{matching_channel}`, or use a base image with CUDA {row.cuda}"
                if matching_channel
                else ""
            )
            yield build_finding(
                "ADO005",
                target.location,
                message,
                help=help_text,
                about="torch",
                evidence=row.citation,
                # another major version: what is compiled in the image is refused by torch
                level="warning" if row.cuda.partition(".")[0] != cuda.partition(".")[0] else None,
            )


@register_rule("ADO010", "a wheel does not match Python, torch, CUDA or the C++11 ABI", "error")
def incompatible_wheel(project: Project) -> Iterator[Finding]:
    """Use the file whose name has this Python, torch, CUDA major version and C++11 ABI; a description needs only `name==version`.

    Such a file installs where its Python matches, and fails at import where torch or the ABI does not.

    Example: flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310 in an image with Python 3.11 and torch 2.7, whose ABI is TRUE.

    Wrong:
        FROM pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel
        RUN pip install https://example.com/flash_attn-2.8.3+cu12torch2.6cxx11abiTRUE-cp311-cp311-linux_x86_64.whl

    Right:
        FROM pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel
        RUN pip install https://example.com/flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl

    Sources: Dao-AILab/flash-attention issues 457, 1644, 1717; TorchConfig.cmake inside torch's wheels.
    """
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            yield from _incompatible_wheels(steps, stage_python(project, steps))


def _incompatible_wheels(steps: StageSteps, python: str) -> Iterator[Finding]:
    platform = steps.stage.start.flags.get("platform", "") if steps.stage else ""
    base = facts.base_image(steps.image) if steps.image else None
    torch = base.index_torch if base else ""
    channel = torch.partition("+")[2]
    for _, step in steps.steps:
        for target in filter(applies, step.targets):
            if package_name(target) == "torch" and exact_version(target):
                torch, channel = exact_version(target), torch_channel(step, target)[0]
            text = target.text.replace("%2B", "+")
            match = _ABI.search(text)
            mismatches = _wheel_mismatches(match, python, torch, channel) if match else []
            if match and match["machine"] and "arm64" in platform and "x86_64" in match["machine"]:
                mismatches.append(f"built for {match['machine']}, but the platform is {platform}")
            tags = _TAGS.search(text) if not match else None
            if tags and python and tags["python"] != "cp" + python.replace(".", ""):
                yield build_finding(
                    "ADO010",
                    target.location,
                    f"{tags['file']} does not match: built for {tags['python']}, but Python is {python}",
                    about=tags["name"],
                )
            if match and mismatches:
                yield build_finding(
                    "ADO010",
                    target.location,
                    f"{match[0]} does not match: {'; '.join(mismatches)}",
                    help=_compatible_wheel_help(match, base, torch, channel),
                    about=match["name"],
                )


def _wheel_mismatches(match: re.Match[str], python: str, torch: str, channel: str) -> list[str]:
    mismatches = []
    if python and match["python"] and match["python"] != "cp" + "".join(python.split(".")[:2]):
        mismatches.append(f"built for {match['python']}, but Python is {python}")
    if torch and match["torch"] != major_minor(torch):
        mismatches.append(f"built for torch {match['torch']}, but torch is {torch}")
    abi = facts.cxx11_abi(torch, channel) if torch else None
    if abi is not None and abi != (match["abi"] == "TRUE"):
        mismatches.append(
            f"built with C++11 ABI {match['abi']}, but torch {torch} with {'TRUE' if abi else 'FALSE'}"
        )
    return mismatches


def _compatible_wheel_help(
    match: re.Match[str], base: facts.BaseImage | None, torch: str, channel: str
) -> str:
    if not (base and base.python and torch and channel):
        return ""
    wheel = facts.find_wheel(
        match["name"], match["version"], python=base.python, torch=torch, channel=channel, machine="x86_64"
    )
    return f"use {wheel.filename}" if isinstance(wheel, facts.Wheel) else ""


@register_rule("ADO013", "a package does not exist in the requested form", "error")
def nonexistent_package_form(project: Project) -> Iterator[Finding]:
    """Install the wheel: neither a source archive nor a system package exists.

    Some packages were published as wheels only, and no Linux distribution packages their libraries.

    Example: `pip install decord --no-binary decord` finds nothing, and libdecord-dev does not exist.

    Wrong:
        FROM python:3.11.9-slim
        RUN pip install decord==0.6.0 --no-binary decord

    Right:
        FROM python:3.11.9-slim
        RUN pip install decord==0.6.0

    Sources: PyPI's file list of decord 0.6.0; dmlc/decord issues 207 and 297.
    """
    for step in project_installs(project):
        for name in step.no_binary:
            row = facts.native_needs(name) if name not in {":all:", ":none:"} else None
            if row and not row.sdist:
                yield build_finding(
                    "ADO013",
                    step.location,
                    f"{name} has no source distribution, which `--no-binary` requires",
                    about=name,
                    evidence=row.citation,
                )
        for target in step.targets if step.tool == "apt" else ():
            match = re.fullmatch(r"lib([\w-]+?)\d*-dev", target.text)
            row = facts.native_needs(match[1]) if match else None
            if row and not row.sdist:
                yield build_finding(
                    "ADO013",
                    target.location,
                    f"the system package {target.text} does not exist",
                    about=target.text,
                    evidence=row.citation,
                )


@register_rule("ADO024", "packages are installed for another Python than the image's", "warning")
def another_python(project: Project) -> Iterator[Finding]:
    """Use a base image with that Python, or the Python of the image.

    The image's packages, torch among them, belong to its own Python. Another one that is compiled or fetched over it sees none
    of them, and the image carries both.

    Example: `uv venv --python 3.12` in an image of runpod with Python 3.11 and torch.

    Wrong:
        FROM python:3.11-bookworm
        RUN uv venv --python 3.12 /opt/venv

    Right:
        FROM python:3.12-bookworm
        RUN uv venv --python 3.12 /opt/venv

    Sources: the images of python, pytorch and runpod have one Python, whose packages lie below its own folder.
    """
    for file in project.dockerfiles:
        for steps in stage_steps(project, file):
            reported: set[str] = set()
            for run, version, image_python in other_pythons(project, steps):
                if version not in reported:
                    reported.add(version)
                    message = f"Python {version} is used, and {steps.image} has Python {image_python}"
                    yield build_finding("ADO024", run.location, message, about=version)
