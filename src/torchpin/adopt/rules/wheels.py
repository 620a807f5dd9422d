"""ADO005, ADO006, ADO010, ADO011, ADO013: CUDA of base and wheels, pins, wheel tags, indexes, package forms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.adopt import installs
from torchpin.adopt.registry import (
    TORCH_FAMILY,
    build_finding,
    exact_version,
    package_name,
    project_installs,
    register_rule,
    torch_channel,
)
from torchpin.facts.versions import major_minor
from torchpin.project import dockerfile
from torchpin.project.secret_values import hide_secret
from torchpin.project.stages import final_stage, parse_stages
from torchpin.project.variables import unresolved_variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.adopt.installs import InstallCommand, Project, RunCommand
    from torchpin.model import Finding

# The file names of flash-attn and its like: flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl
_ABI = re.compile(
    r"(?<![\w.])(?P<name>[\w.]+)-(?P<version>[\d.]+(?:post\d+)?)\+cu(?P<cuda>\d+)torch(?P<torch>\d+\.\d+)cxx11abi(?P<abi>TRUE|FALSE)"
    r"(?:-(?P<python>cp\d+))?"
)


@register_rule("ADO005", "the base image and the wheels have different CUDA versions")
def cuda_mismatch(project: Project) -> Iterator[Finding]:
    """Use the channel of the base image's CUDA, or a base image with the channel's CUDA.

    torch's wheels contain their own CUDA; another one in the base image is of no use, and extensions compiled with its nvcc
    do not match (torch rejects another major version). Without an index pip installs PyPI's default build, whose CUDA
    matches the base image only by chance.

    Example: nvidia/cuda:12.1.1 with `pip install torch==2.5.1`, which is the CUDA 12.4 build.

    Sources: torch/version.py inside PyPI's wheels; runpod/containers pairs base 13.0.0 with cu126 wheels.
    """
    for file in project.dockerfiles:
        stage = final_stage(project.texts[file])
        base = facts.base_image(stage.image) if stage else None
        tag = re.search(r"(?:cuda|cu)[:-]?(\d+\.\d+)", stage.image) if stage else None
        # of an image that facts do not know, the CUDA in its name
        cuda = base.cuda if base and base.cuda else tag[1] if tag else None
        for step in installs.install_commands(project, file) if cuda else ():
            yield from _cuda_mismatches(step, major_minor(str(cuda)), stage.image if stage else "")


def _cuda_mismatches(step: InstallCommand, cuda: str, image: str) -> Iterator[Finding]:
    for target in step.targets:
        if package_name(target) != "torch":
            continue
        channel, how = torch_channel(step, target)
        row = facts.channel(channel) if channel else None
        if row and row.cuda and row.cuda != cuda:
            matching_channel = next(
                (candidate.name for candidate in facts.channels() if candidate.cuda == cuda), ""
            )
            message = f"`{target.text}` {how} is built with CUDA {row.cuda}, and the base image {image} has CUDA {cuda}"
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
            )


@register_rule("ADO006", "an image, a package or a repository is not pinned")
def unpinned(project: Project) -> Iterator[Finding]:
    """Pin it: a base image to its full tag and digest, a package to its version, a repository to its tag and commit.

    What the name stands for changes between two builds; flash-attn without a version is compiled for hours or does not match
    torch, and torch without one is another release each quarter.

    Example: `FROM nvidia/cuda:latest`, which does not exist; `pip install flash-attn`.

    Sources: NVIDIA/nvidia-docker issue 1454 (`latest` does not exist); Dao-AILab/flash-attention issues 1644, 2299.
    """
    for file in project.dockerfiles:
        stages = parse_stages(project.texts[file])
        images = {stage.start.line: stage.image for stage in stages}
        names = {stage.name for stage in stages}
        for instruction in dockerfile.parse_instructions(project.texts[file]):
            yield from _unpinned_image(file, instruction, images, names)
        for step in installs.install_commands(project, file):
            yield from _unpinned_packages(step)
        yield from _unpinned_clones(list(installs.run_commands(project, file)))


def _unpinned_image(
    file: str, instruction: dockerfile.Instruction, images: Mapping[int, str], names: set[str]
) -> Iterator[Finding]:
    """`images`: of the stages, by the line of their FROM; `names`: of the stages."""
    image = hide_secret(instruction.flags.get("from", "")) if instruction.keyword == "COPY" else ""
    if instruction.keyword == "FROM":
        image = images.get(instruction.line, "")
    name = image.partition("@")[0].rpartition("/")[2]
    if (
        not image
        or image == "scratch"
        or image in names
        or image.isdigit()  # COPY --from=0: a stage by its number
        or unresolved_variable(image)
        or "@" in image
    ):
        return
    if ":" not in name or name.endswith(":latest"):
        yield build_finding(
            "ADO006",
            f"{file}:{instruction.line}:{instruction.column}",
            f"{image} has no fixed tag",
            about=image,
        )


def _unpinned_packages(step: InstallCommand) -> Iterator[Finding]:
    for target in step.targets:
        from_git = target.text.startswith("git+") or " @ git+" in target.text
        if from_git and not re.search(r"\.git@|@[\w.-]+$", target.text.partition("://")[2].partition("/")[2]):
            yield build_finding(
                "ADO006", target.location, f"`{target.text}` has no tag or commit", about=target.text
            )
        elif (
            step.tool == "pip"
            and package_name(target) in {"torch", *facts.abi_packages()}
            and not (target.requirement and target.requirement.specifier)
            and not (target.requirement and target.requirement.url)
        ):
            yield build_finding(
                "ADO006",
                target.location,
                f"`{target.text}` has no version",
                help=f"pin it as `{target.text}==<version>`",
                about=package_name(target),
            )


def _unpinned_clones(runs: list[RunCommand]) -> Iterator[Finding]:
    """Clones of the newest commit: without a branch or tag, and no checkout later in the same RUN."""
    checked_out = {
        run.instruction.line
        for run in runs
        if run.command.texts[:1] == ("git",) and {"checkout", "switch", "reset"} & {*run.command.texts[:4]}
    }
    for run in runs:
        texts = run.command.texts
        fixed = {"-b", "--branch", "--revision"} & {*texts} or any(
            argument.startswith("--branch=") for argument in texts
        )
        if texts[:2] == ("git", "clone") and not fixed and run.instruction.line not in checked_out:
            url = next(
                (argument for argument in texts[2:] if not argument.startswith("-") and "/" in argument),
                "a repository",
            )
            yield build_finding("ADO006", run.location, f"{url} is cloned at its newest commit", about=url)


@register_rule("ADO010", "a wheel does not match Python, torch, CUDA or the C++11 ABI")
def incompatible_wheel(project: Project) -> Iterator[Finding]:
    """Use the file whose name has this Python, torch, CUDA major version and C++11 ABI; a description needs only `name==version`.

    Such a file installs where its Python matches, and fails at import where torch or the ABI does not.

    Example: flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310 in an image with Python 3.11 and torch 2.7, whose ABI is TRUE.

    Sources: Dao-AILab/flash-attention issues 457, 1644, 1717; TorchConfig.cmake inside torch's wheels.
    """
    for file in project.dockerfiles:
        stage = final_stage(project.texts[file])
        base = facts.base_image(stage.image) if stage else None
        torch = base.index_torch if base else ""
        channel = torch.partition("+")[2]
        for step in installs.install_commands(project, file):
            for target in step.targets:
                if package_name(target) == "torch" and exact_version(target):
                    torch, channel = exact_version(target), torch_channel(step, target)[0]
                match = _ABI.search(target.text.replace("%2B", "+"))
                mismatches = (
                    _wheel_mismatches(match, base.python if base else None, torch, channel) if match else []
                )
                if match and mismatches:
                    message = f"{match[0]} does not match: {'; '.join(mismatches)}"
                    yield build_finding(
                        "ADO010",
                        target.location,
                        message,
                        help=_compatible_wheel_help(match, base, torch, channel),
                        about=match["name"],
                    )


def _wheel_mismatches(match: re.Match[str], python: str | None, torch: str, channel: str) -> list[str]:
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


@register_rule("ADO011", "pip merges two indexes")
def merged_indexes(project: Project) -> Iterator[Finding]:
    """Use `--index-url` for torch's channel in a step of its own; with uv, an explicit index.

    With `--extra-index-url` pip chooses the newest version of both: PyPI's torch where it is newer, and any other package
    from either.

    Example: `pip install torch==2.5.1 --extra-index-url https://download.pytorch.org/whl/cu121`.

    Sources: pip's documentation of --extra-index-url; WeClone issue 198 (triton from the other index).
    """
    for step in project_installs(project):
        if "/whl/" in step.extra_index and any(
            package_name(target) in TORCH_FAMILY for target in step.targets
        ):
            local = any("+" in exact_version(target) for target in step.targets)
            consequence = "" if local else ", and PyPI's build satisfies a pin without +cuXYZ"
            message = f"{step.extra_index} is merged with PyPI{consequence}"
            yield build_finding(
                "ADO011",
                step.location,
                message,
                help=f"use `--index-url {step.extra_index}` for torch and its companions only",
                about="torch",
            )


@register_rule("ADO013", "a package does not exist in the requested form")
def nonexistent_package_form(project: Project) -> Iterator[Finding]:
    """Install the wheel: neither a source archive nor a system package exists.

    Some packages were published as wheels only, and no Linux distribution packages their libraries.

    Example: `pip install decord --no-binary decord` finds nothing, and libdecord-dev does not exist.

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
