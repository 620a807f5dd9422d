"""Base, index and wheels: other CUDA, nothing pinned, files that do not fit, indexes that are merged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.adopt import dockerfile, installs
from torchpin.adopt.registry import FAMILY, all_installs, caught_at, channel_of, exact, name_of, trap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.installs import Install, Project, Run
    from torchpin.model import Finding

_ABI = re.compile(
    r"(?P<name>[\w.]+)-(?P<version>[\d.]+(?:post\d+)?)\+cu(?P<cuda>\d+)torch(?P<torch>\d+\.\d+)cxx11abi(?P<abi>TRUE|FALSE)"
    r"(?:-(?P<python>cp\d+))?"
)


@trap("ADO005", "A base and wheels of different CUDA")
def other_cuda(project: Project) -> Iterator[Finding]:
    """Take the channel of the base's CUDA, or a base of the channel's.

    torch's wheels bring their own CUDA; a base of another is pulled for nothing, and extensions compiled with its nvcc do
    not fit (another major stops them). Without an index PyPI's default build comes, whose CUDA is not the base's by chance.

    Example: nvidia/cuda:12.1.1 with `pip install torch==2.5.1`, which is the CUDA 12.4 build.

    Sources: torch/version.py inside PyPI's wheels; runpod/containers pairs base 13.0.0 with cu126 wheels.
    """
    for file in project.dockerfiles:
        stage = dockerfile.final(project.texts[file])
        base = facts.base(stage.image) if stage else None
        tag = re.search(r"(?:cuda|cu)[:-]?(\d+\.\d+)", stage.image) if stage else None
        cuda = base.cuda if base and base.cuda else tag[1] if tag else None
        for step in installs.installs(project, file) if cuda else ():
            yield from _of_other_cuda(step, ".".join(str(cuda).split(".")[:2]), stage.image if stage else "")


def _of_other_cuda(step: Install, cuda: str, image: str) -> Iterator[Finding]:
    for want in step.wants:
        if name_of(want) != "torch":
            continue
        channel, how = channel_of(step, want)
        row = facts.channel(channel) if channel else None
        if row and row.cuda and row.cuda != cuda:
            right = next((one.name for one in facts.channels() if one.cuda == cuda), "")
            message = (
                f"`{want.text}` {how} is the CUDA {row.cuda} build, and the base {image} has CUDA {cuda}"
            )
            remedy = (
                f"Add `--index-url https://download.pytorch.org/whl/{right}`, or take a base of CUDA {row.cuda}."
                if right
                else ""
            )
            yield caught_at(
                "ADO005",
                want.where,
                message,
                remedy=remedy,
                about="torch",
                evidence=f"{row.source} ({row.date})",
            )


@trap("ADO006", "What is not pinned")
def unpinned(project: Project) -> Iterator[Finding]:
    """Pin it: a base to its full tag and digest, a package to its version, a repository to its tag and commit.

    What the name means changes between two builds; flash-attn without a version is compiled for hours or does not fit, and
    torch without one is another torch each quarter.

    Example: `FROM nvidia/cuda:latest`, which does not exist; `pip install flash-attn`.

    Sources: NVIDIA/nvidia-docker issue 1454 (there is no latest); Dao-AILab/flash-attention issues 1644, 2299.
    """
    for file in project.dockerfiles:
        for one in dockerfile.instructions(project.texts[file]):
            yield from _loose_image(project, file, one)
        for step in installs.installs(project, file):
            yield from _loose_packages(step)
        yield from _loose_clones(list(installs.runs(project, file)))


def _loose_image(project: Project, file: str, one: dockerfile.Instruction) -> Iterator[Finding]:
    image = one.flags.get("from", "") if one.keyword == "COPY" else ""
    if one.keyword == "FROM":
        stages = dockerfile.stages(project.texts[file])
        image = next((stage.image for stage in stages if stage.start == one), "")
    bare = image.partition("@")[0].rpartition("/")[2]
    names = {stage.name for stage in dockerfile.stages(project.texts[file])}
    if (
        not image
        or image == "scratch"
        or image in names
        or image.isdigit()
        or dockerfile.unresolved(image)
        or "@" in image
    ):
        return
    if ":" not in bare or bare.endswith(":latest"):
        yield caught_at("ADO006", f"{file}:{one.line}:{one.column}", f"{image} has no fixed tag", about=image)


def _loose_packages(step: Install) -> Iterator[Finding]:
    for want in step.wants:
        git = want.text.startswith("git+") or " @ git+" in want.text
        if git and not re.search(r"\.git@|@[\w.-]+$", want.text.partition("://")[2].partition("/")[2]):
            yield caught_at("ADO006", want.where, f"`{want.text}` names no tag or commit", about=want.text)
        elif (
            step.tool == "pip"
            and name_of(want) in {"torch", *facts.abi_packages()}
            and not (want.requirement and want.requirement.specifier)
            and not (want.requirement and want.requirement.url)
        ):
            yield caught_at(
                "ADO006",
                want.where,
                f"`{want.text}` has no version",
                remedy=f"Write `{want.text}==<version>`.",
                about=name_of(want),
            )


def _loose_clones(runs: list[Run]) -> Iterator[Finding]:
    """Clones of whatever is newest: without a branch or tag, and no checkout later in the same RUN."""
    for run in runs:
        texts = run.command.texts
        fixed = {"-b", "--branch", "--revision"} & {*texts} or any(
            one.startswith("--branch=") for one in texts
        )
        later = [other.command.texts for other in runs if other.instruction == run.instruction]
        checkout = any({"checkout", "switch", "reset"} & {*one[:4]} for one in later if one[:1] == ("git",))
        if texts[:2] == ("git", "clone") and not fixed and not checkout:
            url = next((one for one in texts[2:] if not one.startswith("-") and "/" in one), "a repository")
            yield caught_at("ADO006", run.where, f"{url} is cloned at whatever is newest", about=url)


@trap("ADO010", "A wheel for another Python, torch, CUDA or ABI")
def unfitting_wheel(project: Project) -> Iterator[Finding]:
    """Take the file whose name says this Python, torch, CUDA major and C++11 ABI; a description needs `name==version` only.

    Such a file installs where its Python fits, and fails at import where torch or the ABI does not.

    Example: flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310 in an image with Python 3.11 and torch 2.7, whose ABI is TRUE.

    Sources: Dao-AILab/flash-attention issues 457, 1644, 1717; TorchConfig.cmake inside torch's wheels.
    """
    for file in project.dockerfiles:
        stage = dockerfile.final(project.texts[file])
        base = facts.base(stage.image) if stage else None
        torch = base.torch if base and base.torch else ""
        channel = torch.partition("+")[2]
        for step in installs.installs(project, file):
            for want in step.wants:
                if name_of(want) == "torch" and exact(want):
                    torch, channel = exact(want), channel_of(step, want)[0]
                found = _ABI.search(want.text.replace("%2B", "+"))
                wrong = _wrong(found, base.python if base else None, torch, channel) if found else []
                if found and wrong:
                    message = f"{found[0]} does not fit: {'; '.join(wrong)}"
                    yield caught_at(
                        "ADO010",
                        want.where,
                        message,
                        remedy=_right(found, base, torch, channel),
                        about=found["name"],
                    )


def _wrong(found: re.Match[str], python: str | None, torch: str, channel: str) -> list[str]:
    wrong = []
    if python and found["python"] and found["python"] != "cp" + "".join(python.split(".")[:2]):
        wrong.append(f"it is for {found['python']}, and Python is {python}")
    if torch and found["torch"] != ".".join(torch.split(".")[:2]):
        wrong.append(f"it is for torch {found['torch']}, and torch is {torch}")
    abi = facts.cxx11_abi(torch, channel) if torch else None
    if abi is not None and abi != (found["abi"] == "TRUE"):
        wrong.append(
            f"its C++11 ABI is {found['abi']}, and that of torch {torch} is {'TRUE' if abi else 'FALSE'}"
        )
    return wrong


def _right(found: re.Match[str], base: facts.Base | None, torch: str, channel: str) -> str:
    if not (base and base.python and torch and channel):
        return ""
    right = facts.wheel(
        found["name"], found["version"], python=base.python, torch=torch, channel=channel, machine="x86_64"
    )
    return f"The file that fits is {right.filename}." if isinstance(right, facts.Wheel) else ""


@trap("ADO011", "Two indexes that are one to pip")
def merged(project: Project) -> Iterator[Finding]:
    """Use `--index-url` for torch's channel in a step of its own; with uv, an explicit index.

    With `--extra-index-url` pip takes the best version of both: PyPI's torch wins where it is newer, and every other
    package may come from either.

    Example: `pip install torch==2.5.1 --extra-index-url https://download.pytorch.org/whl/cu121`.

    Sources: pip's documentation of --extra-index-url; WeClone issue 198 (triton from the other index).
    """
    for step in all_installs(project):
        if "/whl/" in step.extra and any(name_of(want) in FAMILY for want in step.wants):
            local = any("+" in exact(want) for want in step.wants)
            why = "" if local else ", and a pin without +cuXYZ is satisfied by PyPI's build"
            message = f"{step.extra} is merged with PyPI{why}"
            yield caught_at(
                "ADO011",
                step.where,
                message,
                remedy=f"Write `--index-url {step.extra}` for torch and its companions alone.",
                about="torch",
            )


@trap("ADO013", "A package that does not exist in that form")
def nowhere(project: Project) -> Iterator[Finding]:
    """Install the wheel as it is; there is nothing to compile it from.

    Some packages were published as wheels only, and no distribution packages their libraries.

    Example: `pip install decord --no-binary decord` finds nothing, and there is no libdecord-dev.

    Sources: PyPI's file list of decord 0.6.0; dmlc/decord issues 207 and 297.
    """
    for step in all_installs(project):
        for name in step.no_binary:
            known = facts.needs(name) if name not in {":all:", ":none:"} else None
            if known and not known.sdist:
                yield caught_at(
                    "ADO013",
                    step.where,
                    f"{name} has no source archive for --no-binary",
                    about=name,
                    evidence=f"{known.source} ({known.date})",
                )
        for want in step.wants if step.tool == "apt" else ():
            named = re.fullmatch(r"lib([\w-]+?)\d*-dev", want.text)
            known = facts.needs(named[1]) if named else None
            if known and not known.sdist:
                yield caught_at(
                    "ADO013",
                    want.where,
                    f"there is no system package {want.text}",
                    about=want.text,
                    evidence=f"{known.source} ({known.date})",
                )
