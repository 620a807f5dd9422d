"""Where the files of a lock are, as far as the lock itself tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.compat.pins import file_packages
from torchpin.description.environments import index_url
from torchpin.lock.export import file_name_in_url, wheel_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Environment, LayerLock, Lock


def file_urls(env: Environment, lock: Lock, mirrors: Mapping[str, str]) -> dict[str, str]:
    """The addresses that are known without an index, by package: of files in a channel of PyTorch, on a release page, or at
    the address that the description has.

    `mirrors` are addresses by origin. A file of PyPI is left out, since its address holds another hash than the lock;
    so is one of a mirrored channel, whose mirror may lay its files out otherwise.
    """
    folders = address_folders(env)
    urls = {
        package.name: f"{base_url}/{file_name_in_url(package)}"
        for layer in lock.layers
        for base_url in [_base_url(layer, mirrors)]
        if base_url
        for package in layer.packages
    }
    return urls | {
        name: f"{mirrors.get(name, folders[name]).rstrip('/')}/{file_name_in_url(package)}"
        for name, package in lock.packages.items()
        if package.origin == "address" and name in folders
    }


def address_folders(env: Environment) -> dict[str, str]:
    """The folder of each wheel that the description takes from an address, by package, without a slash at its end."""
    return {
        name: package.file.url.rpartition("/")[0]
        for name, package in file_packages(env).items()
        if package.file and package.file.url
    }


def _base_url(layer: LayerLock, mirrors: Mapping[str, str]) -> str:
    """The folder of a layer's files, without a slash at its end; "" where it is not known."""
    release = wheel_release(layer)
    if release:
        return mirrors.get(layer.origin, release).rstrip("/")
    return "" if layer.origin in mirrors else (index_url(layer.origin) or "").rstrip("/")
