"""What requirements do to each other: a torch that is replaced, bounds that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.adopt import dockerfile, installs
from torchpin.adopt.registry import FAMILY, caught_at, exact, name_of, trap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.installs import Install, Project, Want
    from torchpin.model import Finding


@trap("ADO003", "A torch that a later step replaces")
def replaced(project: Project) -> Iterator[Finding]:
    """Install torch and everything that needs it in one resolution, or pin torch in a constraints file for every later step.

    pip resolves each step by itself. A later step that names torch without the index, or a package that pins another torch,
    puts PyPI's default build in place of the one that was chosen.

    Example: torch 2.7.1 is there, `pip install xformers` brings torch 2.8.0.

    Sources: facebookresearch/xformers issues 752, 802, 1096; METADATA of xformers.
    """
    for file in project.dockerfiles:
        yield from _replaced(project, file)


def _replaced(project: Project, file: str) -> Iterator[Finding]:
    stage = dockerfile.final(project.texts[file])
    base = facts.base(stage.image) if stage else None
    have, index = (
        (base.torch if base and base.torch else ""),
        ("the base image" if base and base.torch else ""),
    )
    versions = {"torch": have}
    for step in installs.installs(project, file):
        if step.tool != "pip":
            continue
        named = [want for want in step.wants if name_of(want) in FAMILY]
        for want in named:
            if index and not step.index and not _is_there(step, want, versions.get(name_of(want), "")):
                message = f"`{want.text}` names no index, so PyPI's build may replace torch from {index}"
                yield caught_at(
                    "ADO003",
                    want.where,
                    message,
                    remedy=f"Add `--index-url` of that channel, or drop `{want.text}`.",
                    about=name_of(want),
                )
        yield from _pinning(step, have)
        if named:
            have = next((exact(want) for want in named if name_of(want) == "torch"), have) or have
            index = step.index or step.extra or index
            versions |= {name_of(want): exact(want) for want in named if exact(want)}


def _is_there(step: Install, want: Want, version: str) -> bool:
    """Whether a want is met by what was installed before: then pip leaves it alone."""
    if not version or step.upgrade or want.requirement is None:
        return False
    return want.requirement.specifier.contains(version, prereleases=True)


def _pinning(step: Install, have: str) -> Iterator[Finding]:
    """Packages that pin a torch of their own, beside one that is there."""
    held = {name_of(want): exact(want) for want in step.bounds}
    rows = [
        Requirement(one.when)
        for one in facts.floors()
        if Requirement(one.needs).name == "torch" and one.needs.startswith("torch==")
    ]
    pinning = {canonicalize_name(one.name) for one in rows}
    for want in step.wants:
        if have and name_of(want) in pinning and not exact(want) and "torch" not in held:
            message = f"`{want.text}` is not pinned, and each of its releases pins one torch: the newest replaces torch {have}"
            fits = next(
                (
                    str(_when(f))
                    for f in reversed(facts.floors())
                    if f.needs == f"torch=={have.partition('+')[0]}"
                ),
                "",
            )
            yield caught_at(
                "ADO003", want.where, message, remedy=f"Write `{fits}`." if fits else "", about=name_of(want)
            )


def _when(floor: facts.Floor) -> Requirement:
    return Requirement(floor.when)


@trap("ADO004", "Requirements that contradict each other")
def contradicting(project: Project) -> Iterator[Finding]:
    """Say each bound once, in a file that every step is given (`-c constraints.txt`).

    A bound holds within its own step only: a later step that needs more raises the package, without a word.

    Example: `numpy<2` in the first step, opencv-python-headless without a bound in the fourth: it needs numpy>=2.

    Sources: opencv/opencv-python issues 1122, 1134, 1135; own resolver runs.
    """
    for file in [*project.dockerfiles, ""]:
        yield from _against(list(_wants(project, file)))


def _wants(project: Project, file: str) -> Iterator[Want]:
    """All wants of a Dockerfile; without one, of the requirement files and of pyproject."""
    if file:
        for step in installs.installs(project, file):
            if step.tool == "pip":
                yield from (*step.bounds, *step.wants)
        return
    if not project.dockerfiles:
        for path in project.lists:
            yield from (row for row in installs.listed(project, path) if not isinstance(row, tuple))
    yield from installs.declared(project)


def _against(wants: list[Want]) -> Iterator[Finding]:
    told: set[tuple[str, str]] = set()
    for number, later in enumerate(wants):
        for earlier in wants[:number]:
            why = _clash(earlier, later)
            if why and (earlier.where, later.where) not in told:
                told.add((earlier.where, later.where))
                yield caught_at(
                    "ADO004",
                    later.where,
                    f"`{later.text}` contradicts `{earlier.text}` ({earlier.where}): {why[0]}",
                    about=name_of(later),
                    evidence=why[1],
                )


def _clash(one: Want, other: Want) -> tuple[str, str] | None:
    if one.requirement is None or other.requirement is None:
        return None
    if name_of(one) == name_of(other):
        pins = [exact(one), exact(other)]
        for pin, want in zip(pins, (other, one), strict=True):
            if pin and want.requirement and not want.requirement.specifier.contains(pin, prereleases=True):
                return "no version satisfies both", ""
        return ("no version satisfies both", "") if _apart(one.requirement, other.requirement) else None
    for want, held in ((other, one), (one, other)):
        floor = _raised(want)
        needs = Requirement(floor.needs) if floor else None
        if floor is None or needs is None or canonicalize_name(needs.name) != name_of(held):
            continue
        if held.requirement and _apart(needs, held.requirement):
            newest = "" if exact(want) else "at its newest "
            return f"{name_of(want)} {newest}needs {floor.needs}", f"{floor.source} ({floor.date})"
    return None


def _apart(one: Requirement, other: Requirement) -> bool:
    """Whether two specifiers have a bound of the one above a bound of the other: `<2` and `>=2`."""
    for left, right in ((one, other), (other, one)):
        for low in left.specifier:
            for high in right.specifier:
                if (
                    low.operator in {">=", ">", "=="}
                    and high.operator in {"<", "<="}
                    and "*" not in low.version + high.version
                ):
                    least, most = Version(low.version), Version(high.version)
                    if least > most or (least == most and (high.operator == "<" or low.operator == ">")):
                        return True
    return False


def _raised(want: Want) -> facts.Floor | None:
    """The floor that a want brings with it: of its pin, or of its newest release where it has none."""
    for floor in facts.floors():
        when = _when(floor)
        if canonicalize_name(when.name) != name_of(want) or not floor.seen:
            continue
        pin = exact(want)
        newest = any(one.operator in {">=", ">"} for one in when.specifier)
        if (pin and when.specifier.contains(pin, prereleases=True)) or (
            not pin and newest and not _capped(want, when)
        ):
            return floor
    return None


def _capped(want: Want, when: Requirement) -> bool:
    return bool(want.requirement) and _apart(when, want.requirement) if want.requirement else False


@trap("ADO012", "A package without a version")
def unversioned(project: Project) -> Iterator[Finding]:
    """Write `name==<version>`, or give the project a lock file that says it.

    Such a package is another one in each build, and brings other packages along. It cannot be adopted until a version is
    chosen; the draft keeps its range as a recommendation.

    Example: `transformers`, or `accelerate>=0.28,<1.0`.

    Sources: the five documents that torchpin began with, none of which gives the same image twice.
    """
    for file in [*project.dockerfiles, ""]:
        held = {name_of(want) for want in _bounds(project, file) if exact(want)}
        for want in _wants(project, file):
            name = name_of(want)
            plain = want.requirement is not None and not want.requirement.url
            if (
                plain
                and not exact(want)
                and name not in {*FAMILY, *facts.abi_packages(), *held, *project.locked}
            ):
                yield caught_at("ADO012", want.where, f"`{want.text}` is not pinned", about=name)


def _bounds(project: Project, file: str) -> Iterator[Want]:
    for step in installs.installs(project, file) if file else ():
        yield from step.bounds
