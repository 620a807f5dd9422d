"""ADO006: images, packages and repositories whose name stands for something else at the next build."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.installs import commands
from torchpin.lint.registry import build_finding, exact_version, package_name, register_rule, replacement
from torchpin.lint.resolutions import applies, stage_steps
from torchpin.project.dockerfile import parse_instructions
from torchpin.project.secret_values import hide_secret
from torchpin.project.stages import parse_stages
from torchpin.project.variables import unresolved_variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.installs.commands import InstallCommand, Project
    from torchpin.model import Finding
    from torchpin.project.dockerfile import Instruction
    from torchpin.project.runs import RunCommand

# Names that are moved on purpose. `stable`, `release` and `devel` are not among them: images have fixed tags with these words.
_MOVING = {
    "latest",
    "nightly",
    "main",
    "master",
    "edge",
    "rolling",
    "head",
    "canary",
    "trunk",
    "develop",
    "dev",
    "next",
}
_ALWAYS_MOVING = {"latest"}
_FIXED = re.compile(r"\d{6,}|(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}")  # a day or a commit
# A branch as an archive of GitHub, GitLab or Codeberg.
_ARCHIVE = re.compile(
    r"://[^\s#]+/(?:archive|zipball|tarball)/(?P<heads>refs/heads/)?(?P<ref>[^\s#/]+?)(?:\.zip|\.tar\.gz|\.tgz)?(?:[#/]|$)"
)
_GIT = re.compile(r"(?:.*?@\s*)?git\+(?P<url>[a-z+]+://(?:[^/@]*@)?[^@#]+)(?:@(?P<ref>[^#]*))?")


def _floats(ref: str) -> bool:
    """Whether a branch, a tag or an image's tag is moved on purpose: `main`, `latest-gpu`, `nightly`."""
    words = {*re.split(r"[-_./]", ref.lower())}
    if words & _ALWAYS_MOVING:
        return True
    is_release = re.search(r"\d", ref) is not None
    return bool(words & _MOVING) and not _FIXED.search(ref) and not (is_release and words & {"dev", "next"})


@register_rule("ADO006", "an image, a package or a repository is not pinned", "warning")
def unpinned(project: Project) -> Iterator[Finding]:
    """Pin it: a base image to its full tag and digest, a package to its version, a repository to its tag and commit.

    What the name stands for changes between two builds: no tag, `latest-gpu`, `nightly`, the branch main. flash-attn without
    a version is compiled for hours or does not match torch, and torch without one is another release each quarter.

    Example: `FROM nvidia/cuda:latest`, which does not exist; `pip install flash-attn`; `git clone --branch main`.

    Wrong:
        FROM example/serve:latest-gpu
        RUN git clone --branch main https://example.com/some/tool.git

    Right:
        FROM example/serve:1.4.2-gpu
        RUN git clone --branch v1.2.0 https://example.com/some/tool.git

    Sources: NVIDIA/nvidia-docker issue 1454 (`latest` does not exist); Dao-AILab/flash-attention issues 1644, 2299.
    """
    for file in project.dockerfiles:
        stages = parse_stages(project.texts[file])
        images = {stage.start.line: stage.image for stage in stages}
        names = {stage.name for stage in stages}
        for instruction in parse_instructions(project.texts[file]):
            yield from _unpinned_image(file, instruction, images, names)
        for steps in stage_steps(project, file):
            base = facts.base_image(steps.image) if steps.image else None
            has_torch = bool(base and base.torch)
            for _, step in steps.steps:
                yield from _unpinned_packages(step, has_torch=has_torch)
                has_torch = has_torch or any(package_name(target) == "torch" for target in step.targets)
        yield from _unpinned_clones(project, file)


def _unpinned_image(
    file: str, instruction: Instruction, images: Mapping[int, str], names: set[str]
) -> Iterator[Finding]:
    """`images`: of the stages, by the line of their FROM; `names`: of the stages."""
    image = hide_secret(instruction.flags.get("from", "")) if instruction.keyword == "COPY" else ""
    if instruction.keyword == "FROM":
        image = images.get(instruction.line, "")
    if (
        not image
        or image == "scratch"
        or image in names
        or image.isdigit()  # COPY --from=0: a stage by its number
        or unresolved_variable(image)
        or "@" in image
    ):
        return
    _, separator, tag = image.rpartition("/")[2].partition(":")
    location = f"{file}:{instruction.line}:{instruction.column}"
    if not separator or tag == "latest":
        yield build_finding("ADO006", location, f"{image} has no fixed tag", about=image)
    elif _floats(tag):
        message = f"the tag {tag} of {image} is moved from one image to the next"
        yield build_finding("ADO006", location, message, about=image)


def _unpinned_packages(step: InstallCommand, *, has_torch: bool) -> Iterator[Finding]:
    """`has_torch`: an earlier step, or the base image, has brought one, which satisfies what has no version."""
    constrained = {package_name(target) for target in step.constraints if exact_version(target)}
    for target in step.targets:
        git, archive = _GIT.match(target.text), _ARCHIVE.search(target.text)
        name, requirement = package_name(target), target.requirement
        if git and not git["ref"]:
            message = f"`{target.text}` has no tag or commit"
            yield build_finding("ADO006", target.location, message, about=target.text)
        elif git and _floats(git["ref"]):
            message = f"`{target.text}` names the branch {git['ref']}, which moves"
            yield build_finding("ADO006", target.location, message, about=target.text)
        elif archive and (archive["heads"] or _floats(archive["ref"])):
            message = f"{target.text} is the archive of the branch {archive['ref']}, which moves"
            yield build_finding("ADO006", target.location, message, about=target.text)
        elif (
            step.tool == "pip"
            and name in {"torch", *facts.abi_packages()}
            and not (name == "torch" and has_torch)
            and name not in constrained
            and requirement
            and not requirement.url
            and not exact_version(target)
            and applies(target)
        ):
            missing = "is a range" if requirement.specifier else "has no version"
            yield build_finding(
                "ADO006",
                target.location,
                f"`{target.text}` {missing}",
                help=f"pin it as `{requirement.name}==<version>`",
                about=name,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """A command of git with the last part of the folder that it runs in, "" where that is not known, and of its stage."""

    run: RunCommand
    folder: str
    stage: int


def _unpinned_clones(project: Project, file: str) -> Iterator[Finding]:
    """Clones of the newest commit, or of a branch that moves, without a checkout of something fixed later on."""
    places = list(_git_places(project, file))
    last_fixed = _last_fixed_checkouts(places)
    for number, place in enumerate(places):
        texts = place.run.command.texts
        if texts[:2] != ("git", "clone"):
            continue
        url = next((word for word in texts[2:] if not word.startswith("-") and "/" in word), "a repository")
        ref = _option_value(texts, ("-b", "--branch", "--revision"))
        homes = (_clone_folder(texts, url), place.run.instruction.line)
        if (ref and not _floats(ref)) or any(
            last_fixed.get((place.stage, home), -1) > number for home in homes
        ):
            continue
        message = (
            f"{url} is cloned at its branch {ref}, which moves"
            if ref
            else f"{url} is cloned at its newest commit"
        )
        tag = _recorded_tag(url)
        word = next((word for word in place.run.command.argv if tag and ref and word.text == ref), None)
        yield build_finding(
            "ADO006",
            place.run.location,
            message,
            help=f"clone it at a tag: `--branch {tag}`" if tag else "",
            about=url,
            edits=replacement(f"{file}:{word.line}:{word.column}", ref, tag) if word else (),
        )


def _recorded_tag(url: str) -> str:
    """The newest tag of a repository whose commit the facts have, "" for none."""
    repository = re.sub(r"(?:\.git)?/?$", "", url).partition("://")[2].partition("/")[2]
    rows = [row for row in facts.source_tags(repository) if row.commit and row.tagged]
    return max(rows, key=lambda row: row.tagged or "").tag if rows else ""


def _git_places(project: Project, file: str) -> Iterator[_Place]:
    """The commands of git in their order, each with its folder: by `-C`, by a `cd` before it in the RUN, by WORKDIR."""
    instructions = parse_instructions(project.texts[file])
    folders: dict[int, tuple[str, int]] = {}
    folder, stage = "", 0
    for instruction in instructions:
        if instruction.keyword == "FROM":
            folder, stage = "", stage + 1
        elif instruction.keyword == "WORKDIR":
            folder = instruction.text.strip("\"'").rstrip("/")
        folders[instruction.line] = (folder, stage)
    current, line = "", 0
    for run in commands.run_commands(project, file):
        texts = run.command.texts
        if run.instruction.line != line:
            line = run.instruction.line
            current = folders.get(line, ("", 0))[0]
        if texts[:1] in {("cd",), ("pushd",)} and len(texts) > 1:
            current = texts[1].rstrip("/")
        elif texts[:1] == ("git",):
            inner = texts[2] if texts[1:2] == ("-C",) and len(texts) > 2 else current  # noqa: PLR2004 - git -C FOLDER
            yield _Place(
                run=run, folder=posixpath.basename(inner.rstrip("/")), stage=folders.get(line, ("", 0))[1]
            )


def _clone_folder(texts: tuple[str, ...], url: str) -> str:
    """The last part of the folder that a clone makes: the word after the address, else the address's own last part."""
    after = texts[texts.index(url) + 1 :] if url in texts else ()
    named = next((word for word in after if not word.startswith("-")), "")
    return posixpath.basename((named or url).rstrip("/")).removesuffix(".git")


def _last_fixed_checkouts(places: Sequence[_Place]) -> dict[tuple[int, str | int], int]:
    """The number of the last place that checks out something that does not move, by its stage and folder or line of its RUN."""
    last: dict[tuple[int, str | int], int] = {}
    for number, place in enumerate(places):
        words = [word for word in place.run.command.texts[1:] if word != "-C"]
        verb = next((word for word in words if word in {"checkout", "switch", "reset"}), "")
        refs = [word for word in words[words.index(verb) + 1 :] if not word.startswith("-")] if verb else []
        if refs and not _floats(refs[-1]):
            last[place.stage, place.folder] = last[place.stage, place.run.instruction.line] = number
    return last


def _option_value(texts: tuple[str, ...], names: tuple[str, ...]) -> str:
    """The value of an option, `--name value` or `--name=value`; "" where it is not given."""
    for number, text in enumerate(texts):
        name, separator, value = text.partition("=")
        if text in names and number + 1 < len(texts):
            return texts[number + 1]
        if separator and name in names:
            return value
    return ""
