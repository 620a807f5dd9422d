"""From which index a package comes, by the rules of the tool that installs it; or why that cannot be determined.

pip takes the highest version of all its indexes, and 2.7.1+cu128 is higher than 2.7.1. uv takes the first index that has the
package at all, and looks at PyPI, its default, last; `--index-strategy unsafe-best-match` makes it do what pip does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.compat.publication import publication
from torchpin.facts.versions import is_version
from torchpin.project.channels import LOCAL, index_channel, is_pypi, version_channel

if TYPE_CHECKING:
    from torchpin.project.index_list import IndexList, PackageIndex, Setting
    from torchpin.project.requirement import InstallTarget

_FAMILY = frozenset({"torch", "torchvision", "torchaudio"})


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageOrigin:
    """Where a package comes from. `channel`: cu128, cpu, rocm6.3, nightly/cu128, `pypi`; "" where it is none, or unknown.

    `reason`: a clause for messages, such as `from its index`; `location`: what decides it.
    """

    channel: str
    reason: str
    url: str = ""
    location: str = ""
    unknown: bool = False


def package_origin(indexes: IndexList, target: InstallTarget) -> PackageOrigin:
    """Where a target of an install comes from."""
    reference, pin = target.reference, exact_pin(target)
    if reference:
        channel = version_channel(reference.version) or _address_channel(reference.address)
        origin = PackageOrigin(channel=channel, reason="by its address", url=reference.address)
    elif target.index or target.origin == "lock":
        origin = _from_index(target.index, pin, "by the lock" if target.origin == "lock" else "by its source")
    elif indexes.torch_backend and indexes.tool == "uv" and target.name in _FAMILY:
        origin = _from_backend(indexes.torch_backend)
    elif version_channel(pin):
        origin = PackageOrigin(channel=version_channel(pin), reason="with that local version")
    elif indexes.no_index:
        origin = PackageOrigin(channel="", reason="without an index", unknown=True)
    elif indexes.tool != "uv" or indexes.strategy == "unsafe-best-match":
        origin = _highest(indexes, target, pin)
    else:
        origin = _first_with_name(indexes, target, pin)
    return replace(origin, location=origin.location or target.location)


def exact_pin(target: InstallTarget) -> str:
    """The version of an exact pin, "" for a range."""
    specifiers = list(target.requirement.specifier) if target.requirement else []
    exact = (
        len(specifiers) == 1 and specifiers[0].operator in {"==", "==="} and "*" not in specifiers[0].version
    )
    return specifiers[0].version if exact else ""


def _address_channel(address: str) -> str:
    match = re.search(r"/whl/((?:nightly/|test/)?(?:cpu|cu\d+|rocm[\d.]+|xpu))/", address)
    return match[1] if match else index_channel(address.rpartition("/")[0])


def _from_index(url: str, pin: str, reason: str, location: str = "") -> PackageOrigin:
    channel = index_channel(url) or version_channel(pin) or ("pypi" if is_pypi(url) else "")
    return PackageOrigin(channel=channel, reason=reason, url=url, location=location, unknown=not channel)


def _from_backend(backend: Setting) -> PackageOrigin:
    value, location = backend
    if LOCAL.fullmatch(value):
        return PackageOrigin(channel=value, reason="by its torch backend", location=location)
    reason = f"by the torch backend {value!r}, which depends on the machine that builds the image"
    return PackageOrigin(channel="", reason=reason, location=location, unknown=True)


def _reason(index: PackageIndex) -> str:
    if not index.url:
        return "from PyPI"
    return "from its index" if index.kind == "default" else "from its extra index"


def _index_origin(index: PackageIndex) -> PackageOrigin:
    return _from_index(index.url, "", _reason(index), index.location)


def _highest(indexes: IndexList, target: InstallTarget, pin: str) -> PackageOrigin:
    """The index of the highest version, as pip chooses: a local part makes a version higher."""
    candidates = indexes.implicit
    if len(candidates) == 1:
        return _index_origin(candidates[0])
    if target.name not in _FAMILY:
        return _unknown(candidates, "the highest version of all indexes is taken")
    channels = {index: index_channel(index.url) for index in candidates}
    unclear = [index for index, channel in channels.items() if not channel and not is_pypi(index.url)]
    if not pin or not is_version(pin):
        return _unknown(
            candidates, f"`{target.text}` has no exact version, and the highest of all indexes is taken"
        )
    if unclear:
        return _unknown(candidates, f"it is not known what {unclear[0].url} has")
    having = {
        index: channel
        for index, channel in channels.items()
        if channel and _may_have(channel, target.name, pin)
    }
    # equal releases differ in their local part, which is compared as PEP 440 says
    best = max(having, key=lambda index: _local_key(having[index]), default=None)
    return (
        _index_origin(best)
        if best
        else _index_origin(next(index for index in candidates if is_pypi(index.url)))
    )


def _may_have(channel: str, name: str, pin: str) -> bool:
    """Whether a channel has a release; only for torch, and only what its snapshot or the matrix denies, is it told that it has not."""
    if name != "torch" or facts.channel(channel) is None:
        return True
    return publication(channel, Version(pin.partition("+")[0]), "linux/amd64").status != "absent"


def _local_key(channel: str) -> Version:
    return Version(f"0+{re.sub(r'[^a-z0-9.]+', '.', channel.lower())}")


def _first_with_name(indexes: IndexList, target: InstallTarget, pin: str) -> PackageOrigin:
    """The first index that has the package, as uv chooses; the default index comes last."""
    candidates = indexes.implicit
    for index in candidates:
        channel = index_channel(index.url)
        if index is candidates[-1] or is_pypi(index.url):
            return _index_origin(index)
        if not channel or target.name not in _FAMILY:
            return _unknown(
                candidates, f"it is not known whether {index.url} has {target.name or target.text}"
            )
        if (
            indexes.strategy != "unsafe-first-match"
            or not is_version(pin)
            or _may_have(channel, target.name, pin)
        ):
            return _index_origin(index)
    return PackageOrigin(channel="", reason="without an index", unknown=True)


def _unknown(candidates: tuple[PackageIndex, ...], reason: str) -> PackageOrigin:
    location = next((index.location for index in candidates if index.location), "")
    return PackageOrigin(channel="", reason=reason, location=location, unknown=True)
