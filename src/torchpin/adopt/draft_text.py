"""A draft as text: the description below a comment with the lines that its values come from, and what is left for a person."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torchpin.adopt.draft_packages import MOST_LAYERS, MOST_PACKAGES
from torchpin.adopt.draft_values import UNKNOWN
from torchpin.description import read, write
from torchpin.errors import InputError
from torchpin.model import Run
from torchpin.quantities import count
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torchpin.adopt.draft_build import DraftBuild
    from torchpin.adopt.draft_values import DrawnValue
    from torchpin.adopt.draft_variants import ChosenBuilds
    from torchpin.model import Service

_MOST_OMITTED = 500  # lines of the opening comment: people read them
_MOST_ADDED = 40  # packages that a command names; it is read, and copied
_MOST_PARTS = 10  # of a project that are named; of more, all of it is copied
_MOST_FURTHER = 10  # further Dockerfiles that are named
_RUN_KEY = re.compile(r"\brun\.(command|env|ports|volumes|user)\b")
_PLACE = re.compile(r"^\S+?:\d+:\d+: ")
# What is left out of a draft that cannot be read back, one after another.
_PARTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("how the image runs", {"run": Run()}),
    ("its files", {"files": ()}),
    ("its system packages", {"apt": ()}),
    ("its sources and recommendations", {"sources": (), "recommends": ()}),
)
NO_VERSION = " (no version)"  # behind a requirement that is left out for it
_PATHS = {"python": "python", "base": "base.image", "torch": "torch.version"}


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftText:
    """`text`: "" where no part of the draft can be read back, and then `missing` says why; `dropped`: the parts that cannot."""

    text: str = ""
    missing: str = ""
    dropped: tuple[str, ...] = ()


def render_draft(service: Service, chosen: ChosenBuilds, omitted: Sequence[str]) -> DraftText:
    """The draft below a comment about it; parts that do not validate are dropped, one after another, which the comment says."""
    unknown = _unknown_paths(chosen)
    missing = ""
    dropped: list[str] = []
    parts = iter(_PARTS)
    while True:
        try:
            read.read_services({service.file: write.to_yaml(service)})
        except InputError as error:
            reason = _PLACE.sub("", str(error).splitlines()[0])  # of a text that nobody sees
            missing = missing or reason
            part, values = _refused_setting(reason, service.run) or next(parts, ("", {}))
        else:
            header = "\n".join(_header(service, chosen, [*omitted, *dropped]))
            text = write.to_yaml(service, unknown=dict.fromkeys(unknown, UNKNOWN))
            return DraftText(text=f"{header}\n{text}", dropped=tuple(dropped))
        if not part:
            return DraftText(missing=missing)
        if any(getattr(service, key) != value for key, value in values.items()):
            dropped.append(f"{part}, since a description cannot hold it: {reason}")
        service = replace(service, **values)


def _refused_setting(reason: str, run: Run) -> tuple[str, Mapping[str, Any]] | None:
    """The setting of `run` that an error names, and the settings without it."""
    match = _RUN_KEY.search(reason)
    if not match or getattr(run, match[1]) == getattr(Run(), match[1]):
        return None
    without: Mapping[str, Any] = {match[1]: getattr(Run(), match[1])}
    return f"run.{match[1]}", {"run": replace(run, **without)}


def _unknown_paths(chosen: ChosenBuilds) -> list[str]:
    """The key paths of the open values."""
    unknown = [key for key, value in _values(chosen.main).items() if not value.value]
    channels = [f"variants.{name}.channel" for name in chosen.variants] if "channel" in unknown else []
    return [_PATHS[key] for key in unknown if key in _PATHS] + channels


def _header(service: Service, chosen: ChosenBuilds, omitted: Sequence[str]) -> list[str]:
    main = chosen.main
    names = dict.fromkeys(build.file for build in chosen.variants.values())
    lines = [f"Drafted from {' and '.join(names) if main.file else 'the requirement files'}. To review:"]
    lines += [f"- {question}" for question in main.questions]
    for name, build in chosen.variants.items():
        lines += _sources(name if len(chosen.variants) > 1 else "", build, is_main=build is main)
    unique = [
        redact_credentials(omission)
        for omission in dict.fromkeys(omitted)
        if not _is_recommended(service, omission)
    ]
    lines += [f"- left out: {omission}" for omission in unique[:_MOST_OMITTED]]
    if unique[_MOST_OMITTED:]:
        lines.append(f"- left out, and not listed: {len(unique) - _MOST_OMITTED} more")
    too_many = main.packages.too_many + len([*main.packages.apt][MOST_PACKAGES:]) if main.packages else 0
    if too_many:
        bounds = f"the first {MOST_PACKAGES} packages or {MOST_LAYERS} installs"
        lines.append(f"- left out: {too_many} packages beyond {bounds}")
    return [f"# {printable(line)}" for line in lines]


def _is_recommended(service: Service, omission: str) -> bool:
    """Whether an omission is a package without a version that `recommends:` has, where it is checked; it has no extras there."""
    package, separator, _ = omission.partition(NO_VERSION)
    says = {f"{row.component}{'' if row.says == 'any' else row.says}" for row in service.recommends}
    return bool(separator) and package in says


def _sources(variant: str, build: DraftBuild, *, is_main: bool) -> Iterable[str]:
    """The values of a build with the lines that they come from; for a further variant only those that differ."""
    for key, value in _values(build).items():
        if value.value and (is_main or key in {"base", "channel"}):
            yield f"- {key}{f' of {variant}' if variant else ''}: {value_text(value)}"


def _values(build: DraftBuild) -> dict[str, DrawnValue]:
    """The values that decide what an image is, in the order of a description."""
    torch = build.torch
    return {"python": build.python, "base": build.image, "torch": torch.version, "channel": torch.channel}


def value_text(value: DrawnValue) -> str:
    """A value, the line that it comes from, and what of it was chosen: `2.6.0 (Dockerfile:3:18, torch), chosen: the newest …`."""
    source = ", ".join(part for part in (value.location, value.reason) if part)
    text = f"{value.value} ({source})" if source else value.value
    return f"{text}, chosen: {value.choice}" if value.choice else text


def next_steps(
    service: Service,
    chosen: ChosenBuilds,
    omitted: Sequence[str],
    unpinned: Sequence[str],
    *,
    root: str,
    copy_to: str,
    is_locked: bool,
) -> tuple[str, ...]:
    """What is left for a person, in order.

    `root`: the project's folder in the repository; `copy_to`: where the project's files have to be copied to, "" where they are; `is_locked`: the draft is locked at once.
    """
    steps = [str(question) for question in chosen.main.questions]
    steps += _about_values(service, chosen.main)
    steps += _about_files(service, posixpath.join(root, chosen.main.file), copy_to)
    if unpinned:
        advice = f"`--write services/{service.name} --resolve` pins them"
        if len(unpinned) <= _MOST_ADDED:
            advice += f", or, once it is written, `invoke add {service.name} {shlex.join(unpinned)}`"
        steps.append(f"layers: {count(len(unpinned), 'package')} left out, without a version; {advice}")
    left_out = len({*omitted}) - len(unpinned)
    if left_out:
        text = "which the comment above the description names; decide what of it is needed"
        steps.append(f"left out: {left_out} more, {text}")
    if chosen.further:
        names = ", ".join(build.file for build in chosen.further[:_MOST_FURTHER])
        hidden = len(chosen.further[_MOST_FURTHER:])
        remainder = f" and {hidden} more" if hidden else ""
        steps.append(f"not drafted: {names}{remainder}; `--dockerfile PATH` drafts another one")
    steps.append("summary and base.rationale: say what the service is, and why this base image")
    if not is_locked:
        steps.append(f"lock: `invoke lock --service {service.name}`, once it is written")
    steps.append(f"build: `invoke build --service {service.name}`, with `--lab` on small stubs first")
    return tuple(printable(redact_credentials(step)) for step in steps)


def _about_files(service: Service, dockerfile: str, copy_to: str) -> Iterator[str]:
    """What has to be copied into the repository first, and which entries of `files:` are a whole project."""
    whole = [row for row in service.files if dockerfile.startswith(f"{row.origin}/")]
    if copy_to and service.files:
        parts = sorted({posixpath.relpath(row.origin, copy_to) for row in service.files})
        named = "the project" if whole or len(parts) > _MOST_PARTS else f"{', '.join(parts)} of the project"
        yield f"files: copy {named} to {copy_to}, which `files:` takes from"
    for row in whole:
        if not row.ignore:
            text = f"files: all of {row.origin} is copied to {row.target}, as {dockerfile} says"
            yield f"{text}; list under its `ignore:` what the image does not need, such as {posixpath.basename(dockerfile)}"


def _about_values(service: Service, main: DraftBuild) -> Iterator[str]:
    """The drafted values that a person has to check."""
    for key, value in _values(main).items():
        if value.choice:
            yield f"{key} {value.value} is a guess: {value.choice}; set what you run today"
    version = service.torch.version
    if main.torch.from_base and version.is_prerelease:
        text = f"torch {version} is on no index, so nothing can be locked against it"
        yield f"{text}: write `version: {version.base_version}` under `torch:`, whose metadata stand for it"
    if not service.gpus and main.torch.channel.value != "cpu":
        yield "gpus: list the GPUs that the service must run on"
    bases = [service.base if main.image.value else None, *(variant.base for variant in service.variants)]
    images = dict.fromkeys(base.image for base in bases if base and not base.digest)
    for image in images:
        yield f"base.digest: add the digest that `docker buildx imagetools inspect {image}` prints"


def printable(text: str) -> str:
    """A text on one line of a comment: a line break would end it, and other controls end the description."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
