"""Where the files of a lock are, as far as the lock itself tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.description.environments import index_url
from torchpin.lock.export import wheel_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact, LayerLock, Lock


def file_urls(lock: Lock, mirrors: Mapping[str, str]) -> dict[str, str]:
    """The addresses that follow from a lock, by package: of files in a channel of PyTorch or on a release page.

    `mirrors` are addresses by origin. A file of PyPI is left out, since its address holds another hash than the lock;
    so is one of a mirrored channel, whose mirror may lay its files out otherwise.
    """
    return {
        package.name: f"{base_url}/{file_name_in_url(package)}"
        for layer in lock.layers
        for base_url in [_base_url(layer, mirrors)]
        if base_url
        for package in layer.packages
    }


def file_name_in_url(package: Artifact) -> str:
    """The name of a package's file as the last part of an address."""
    return package.filename.replace("+", "%2B")


def _base_url(layer: LayerLock, mirrors: Mapping[str, str]) -> str:
    """The folder of a layer's files, without a slash at its end; "" where it is not known."""
    release = wheel_release(layer)
    if release:
        return mirrors.get(layer.origin, release).rstrip("/")
    return "" if layer.origin in mirrors else (index_url(layer.origin) or "").rstrip("/")
