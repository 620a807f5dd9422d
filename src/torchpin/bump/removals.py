"""Pins that are removed from a service: the edits of its description, and what stays that mentions them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin.description.suggestions import name_hint
from torchpin.errors import InputError
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.model import Lock, Service

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def parse_names(texts: Sequence[str]) -> tuple[str, ...]:
    """The normalized names of packages, each once. Raises InputError for anything more than a name."""
    wrong = [text for text in texts if not _NAME.fullmatch(text.strip())]
    if wrong:
        raise InputError(
            f"{', '.join(wrong)}: name the package alone, without version and extras; nothing was changed"
        )
    return tuple(dict.fromkeys(canonicalize_name(text.strip()) for text in texts))


def removal_changes(service: Service, names: Sequence[str], locks: Mapping[str, Lock | None]) -> list[Change]:
    """The edits that remove every pin of these packages; a layer goes with its last one.

    Raises InputError with the reason for each package that has no pin in a layer or among torch's companions.
    """
    problems = [problem for name in names for problem in _refusals(service, name, locks)]
    if problems:
        raise InputError("\n".join([*problems, "nothing was changed"]))
    changes: list[Change] = []
    emptied = 0
    for number, layer in enumerate(service.layers):
        gone = [
            index for index, package in enumerate(layer.packages) if canonicalize_name(package.name) in names
        ]
        if gone and len(gone) == len(layer.packages):
            emptied += 1
            changes.append(Change(path=f"layers[{number}]", value=None))
        else:
            changes += [Change(path=f"layers[{number}].packages[{index}]", value=None) for index in gone]
    if emptied and emptied == len(service.layers):
        changes = [Change(path="layers", value=())]
    companions = [name for name in service.torch.companions if canonicalize_name(name) in names]
    if companions and len(companions) == len(service.torch.companions):
        return [*changes, Change(path="torch.companions", value=None)]
    return [*changes, *(Change(path=f"torch.companions.{name}", value=None) for name in companions)]


def _refusals(service: Service, name: str, locks: Mapping[str, Lock | None]) -> Iterator[str]:
    if name == "torch":
        yield f"{service.location('torch.version')}: torch is what the service is built on; it cannot be removed"
        return
    pinned = [canonicalize_name(package.name) for layer in service.layers for package in layer.packages]
    if name in {*pinned, *service.torch.companions}:
        return
    for number, override in enumerate(service.overrides):
        if canonicalize_name(override.package.name) == name:
            yield f"{service.location(f'overrides[{number}].package')}: {override.package} is an override; remove it there"
            return
    if any(
        canonicalize_name(wheel.package.name) == name
        for wheel in (service.build.wheels if service.build else ())
    ):
        yield f"{service.file}: {name} is compiled for the image by `build.wheels`; remove it there"
        return
    requirers = sorted(
        {
            requirer
            for lock in locks.values()
            if lock and name in lock.packages
            for requirer in lock.packages[name].required_by
        }
    )
    if requirers:
        yield f"{name} is not pinned: {_require(requirers)} it; it goes with what requires it"
    else:
        yield f"{service.file}: nothing pins {name} ({name_hint(name, sorted({*pinned, *service.torch.companions}))})"


def _require(requirers: Sequence[str]) -> str:
    return f"{', '.join(requirers)} {'require' if len(requirers) > 1 else 'requires'}"


def remaining_words(
    service: Service, names: Sequence[str], locks: Mapping[str, Lock | None], new_locks: Mapping[str, Lock]
) -> tuple[str, ...]:
    """What stays of removed packages, a sentence each: as a dependency, and what people wrote about them."""
    sentences = []
    for name in names:
        holders: dict[str, list[str]] = {}
        for environment, lock in new_locks.items():
            package = lock.packages.get(name)
            if package:
                text = f"{package.version}, which {_require(package.required_by)}"
                holders.setdefault(text, []).append(environment)
        sentences += [
            f"{name} stays as a dependency in {', '.join(environments)}: {text}"
            for text, environments in holders.items()
        ]
        if not holders:
            sentences += _words_about(service, name)
            sentences += _imports_of(service, name, locks)
    return tuple(sentences)


def _words_about(service: Service, name: str) -> Iterator[str]:
    advice = "it was kept; remove it if it is no longer needed"
    for reason in service.reasons:
        if canonicalize_name(reason.component) == name:
            yield f"{service.location(f'reasons.{reason.component}')}: a reason mentions {name}; {advice}"
    for number, recommendation in enumerate(service.recommends):
        if canonicalize_name(recommendation.component) == name:
            yield f"{service.location(f'recommends[{number}]')}: a recommendation mentions {name}; {advice}"
    for number, waiver in enumerate(service.waivers):
        if canonicalize_name(waiver.about) == name:
            yield f"{service.location(f'waivers[{number}]')}: a waiver mentions {name}; {advice}"


def _imports_of(service: Service, name: str, locks: Mapping[str, Lock | None]) -> Iterator[str]:
    """The modules of a package that the verification of the image imports, as its locked wheel has them."""
    installed = {
        path.split("/")[0].split(".")[0]
        for lock in locks.values()
        for wheel in (lock.wheels if lock else ())
        if wheel.name == name
        for path in wheel.installs
    }
    for number, module in enumerate(service.imports):
        if module.split(".")[0] in installed:
            yield (
                f"{service.location(f'imports[{number}]')}: the verification of the image imports {module}, which is of {name}; "
                "remove it too"
            )
