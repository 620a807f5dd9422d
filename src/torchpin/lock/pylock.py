"""A lock as `pylock.toml` (PEP 751): one file a package, for one Python and platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli_w
from packaging.markers import Marker
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockValidationError,
)
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from torchpin.description.environments import MACHINES, origin_url
from torchpin.errors import InputError
from torchpin.lock.export import file_name_in_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from torchpin.model import Artifact, Environment, Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Where a package's file is; the size is in bytes, and None where it is not published."""

    url: str
    size: int | None = None
    upload_time: datetime | None = None


def build_pylock(env: Environment, lock: Lock, locations: Mapping[str, Location]) -> Pylock:
    """The installed packages of a lock, sorted by name; `locations` has a row for each.

    Raises InputError for a file that PEP 751 does not allow, such as one whose name is not its package's.
    """
    python = f"{env.service.python.major}.{env.service.python.minor}"
    marker = (
        f'python_version == "{python}" and implementation_name == "cpython" and sys_platform == "linux" '
        f'and platform_machine == "{MACHINES[env.variant.platform]}"'
    )
    indexes = {
        package.name: origin_url(env, layer.origin) for layer in lock.layers for package in layer.packages
    }
    indexes = {
        name: index
        for name, index in indexes.items()
        if index and locations[name].url.startswith(f"{index}/")
    }
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(marker)],
        requires_python=SpecifierSet(f"=={python}.*"),
        created_by="torchpin",
        packages=[
            _package(package, locations[name], indexes.get(name))
            for name, package in sorted(lock.packages.items())
        ],
    )
    try:
        pylock.validate()
    except PylockValidationError as error:
        raise InputError(f"{env.name} cannot be written as pylock.toml: {error}") from None
    return pylock


def _package(package: Artifact, location: Location, index: str | None) -> Package:
    name, version = canonicalize_name(package.name), Version(package.version)
    file_name = package.filename if file_name_in_url(package) != location.url.rsplit("/", 1)[-1] else None
    file: dict[str, Any] = {
        "url": location.url,
        "upload_time": location.upload_time,
        "size": location.size or package.size,
        "hashes": {"sha256": package.sha256},
    }
    if package.is_source:
        return Package(
            name=name,
            version=version,
            index=index,
            sdist=PackageSdist(name=file_name, **file),
        )
    if parse_wheel_filename(package.filename)[1] != version:
        # An ABI as local version is in the file's name alone, and installers refuse a wheel or a version that differ.
        # An archive has neither, and is checked by its hash as well.
        tool = {"torchpin": {"version": package.version}}
        return Package(name=name, archive=PackageArchive(**file), tool=tool)
    return Package(name=name, version=version, index=index, wheels=[PackageWheel(name=file_name, **file)])


def pylock_text(env: Environment, lock: Lock, pylock: Pylock) -> str:
    """The file of a pylock, with a heading."""
    heading = [f"# {env.name}, exported from its lock by `invoke export`."]
    if lock.provided:
        heading.append("# torch and its companions are provided by the base image and are not in this file.")
    return "\n".join([*heading, tomli_w.dumps(pylock.to_dict())])
