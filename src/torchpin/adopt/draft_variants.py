"""Which images of a project are drafted: the main one and its variants; the others are only named."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.adopt.accelerators import image_accelerator
from torchpin.model import Base, Layer, Package, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.adopt.draft_build import DraftBuild

_PREFERRED = ("Dockerfile.gpu", "Dockerfile.cuda", "Dockerfile")
_SIDE_FOLDERS = re.compile(
    r"(?:^|/)(?:tests?|ci|docs?|examples?|\.devcontainer|dev|benchmarks?)(?:/|$)|doc-builder"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenBuilds:
    """`variants`: the builds by the name of their variant, the main one first; `further`: others that can be drafted."""

    main: DraftBuild
    variants: Mapping[str, DraftBuild]
    further: tuple[DraftBuild, ...] = ()


def choose_builds(builds: Sequence[DraftBuild]) -> ChosenBuilds:
    """The builds of a project, of which there is at least one; a Dockerfile with several builds is there several times.

    The main one is drafted, is for GPUs, and has the usual name, in this order.
    """
    ranked = sorted(builds, key=_rank)
    main = ranked[0]
    variants: dict[str, DraftBuild] = {variant_name(main.torch.channel.value): main}
    further = []
    for build in ranked[1:]:
        channel = build.torch.channel.value
        name = next((name for name in (variant_name(channel), channel) if name not in variants), "")
        channels = {chosen.torch.channel.value for chosen in variants.values()}
        if name and _is_variant(main, build) and channel not in channels:
            variants[name] = build
        elif not build.missing and build.file != main.file:
            further.append(build)
    return ChosenBuilds(main=main, variants=variants, further=tuple(further))


def file_rank(path: str) -> tuple[bool, bool, int, str]:
    """A sort key for Dockerfiles: usual names first, then the least nested ones; those of tests and other hardware last."""
    is_usual = posixpath.basename(path) in _PREFERRED
    is_aside = bool(_SIDE_FOLDERS.search(path) or image_accelerator(f"/{path}"))
    return is_aside, not is_usual, path.count("/"), path


def _rank(build: DraftBuild) -> tuple[bool, bool, bool, bool, int, bool, int, str]:
    is_aside, is_unusual, depth, path = file_rank(build.file)
    is_cpu = build.torch.channel.value == "cpu"
    image = facts.base_image(build.image.value) if build.image.value else None
    has_cuda = bool(image and image.cuda)
    questions = len(build.questions)
    return bool(build.missing), is_aside, is_cpu, is_unusual, depth, not has_cuda, questions, path


def variant_name(channel: str) -> str:
    return "cpu" if channel == "cpu" else "gpu"


def _is_variant(main: DraftBuild, build: DraftBuild) -> bool:
    """Whether a build is the main one for other hardware: the same Python and torch, of another channel."""
    if main.missing or build.missing or main.questions or build.questions:
        return False
    if (main.python.value, main.torch.version.value) != (build.python.value, build.torch.version.value):
        return False
    channels = [main.torch.channel.value, build.torch.channel.value]
    is_pair = channels.count("cpu") == 1 and main.torch.from_base == build.torch.from_base
    return main.file == build.file or (is_pair and _are_beside(main.file, build.file))


def _are_beside(first: str, second: str) -> bool:
    """Whether two Dockerfiles are in one folder, or in two folders of one that only differ in `cpu` and the like."""
    folders = [posixpath.dirname(path) for path in (first, second)]
    plain = {re.sub(r"[._-]?(?:cpu|gpu|cuda(?:[\d.]*))", "", folder) for folder in folders}
    return folders[0] == folders[1] or len(plain) == 1


def variant_rows(chosen: ChosenBuilds, base: Base, bases: Mapping[str, Base]) -> tuple[Variant, ...]:
    """The variants of a description; one with another base image than the service has it itself."""
    return tuple(
        Variant(
            name=name,
            channel=build.torch.channel.value or "pypi",
            platform=build.platform,
            base=bases[name] if bases[name].reference != base.reference else None,
        )
        for name, build in chosen.variants.items()
    )


def merged_layers(variants: Mapping[str, DraftBuild]) -> tuple[Layer, ...]:
    """The layers of the main build, then those that only other variants have; a pin says which variants have it."""
    pins = {
        name: {str(pin) for pin, *_ in build.packages.pinned.values()} if build.packages else set()
        for name, build in variants.items()
    }
    main = next(iter(variants.values()))
    layers = list(main.packages.layers) if main.packages else []
    taken = {str(package) for layer in layers for package in layer.packages}
    for name, build in [*variants.items()][1:]:
        pins_of_build = [*_further(build, taken)]
        taken |= {str(pin) for pin in pins_of_build}
        layers += [Layer(name=f"{name}-packages", packages=tuple(pins_of_build))] if pins_of_build else []
    merged = (
        Layer(name=layer.name, packages=tuple(_of_variants(pin, pins) for pin in layer.packages))
        for layer in layers
    )
    return tuple(merged) or (Layer(name="app", packages=()),)


def _further(build: DraftBuild, taken: set[str]) -> Iterable[Requirement]:
    layers = build.packages.layers if build.packages else ()
    return (pin for layer in layers for pin in layer.packages if str(pin) not in taken)


def _of_variants(pin: Requirement, pins: Mapping[str, set[str]]) -> Requirement:
    """A pin with the variants that have it, without them where all do."""
    names = tuple(name for name, texts in pins.items() if str(pin) in texts)
    return pin if len(names) == len(pins) else Package(str(pin), variants=names)


def merged_unpinned(variants: Mapping[str, DraftBuild]) -> tuple[str, ...]:
    """The requirements without a version that no variant pins."""
    rows: dict[str, str] = {}
    for build in variants.values():
        for text in build.packages.left_open if build.packages else ():
            rows.setdefault(canonicalize_name(Requirement(text).name), text)
    pinned = {name for build in variants.values() if build.packages for name in build.packages.pinned}
    return tuple(text for name, text in rows.items() if name not in pinned)
