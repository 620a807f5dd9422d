"""A lock as requirement files that pip and uv install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description.environments import mirror_variable, service_index
from torchpin.lock import file_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact, Environment, LayerLock, Lock

_FILE_NOTES: Mapping[str, str] = {
    "repository": "# {} is a file of the repository: pass its folder to the installer with --find-links",
    "git": "# {} is built by `invoke lock` from git: pass the folder of the archive with --find-links",
}
# Where a file is from that is in no index, for sentences.
FILE_ORIGINS: Mapping[str, str] = {
    "address": "its own address",
    "repository": "this repository",
    "git": "a git commit",
}
FILES_VARIABLE = "TORCHPIN_PACKAGES"  # the folder, as an address, of the files that a build context has


def wheel_release(layer: LayerLock) -> str | None:
    """The address of the release that has the ABI wheel of a layer; None for any other layer."""
    if layer.origin not in facts.abi_packages():
        return None
    locked = {(package.name, package.version) for package in layer.packages}
    return next((wheel.release for wheel in facts.wheels() if (wheel.package, wheel.version) in locked), None)


def install_file(layer: LayerLock) -> str:
    """The requirements of a layer for an installer, without header and comments.

    A file that is in no index has a variable in its address: that of its mirror, or that of the folder of such files.
    """
    # The cache of an image build is keyed by this text, which a header would change without a change of packages.
    if not wheel_release(layer):
        return file_format.installer_requirements(
            layer, {p.name: _file_address(p) for p in layer.packages if p.origin}
        )
    base_url = f"${{{mirror_variable(layer.origin)}}}"
    return file_format.installer_requirements(
        layer, {package.name: f"{base_url}/{file_name_in_url(package)}" for package in layer.packages}
    )


def _file_address(package: Artifact) -> str:
    """The address of a file that is in no index, with the variable that its step of the installation sets."""
    variable = mirror_variable(package.name) if package.origin == "address" else FILES_VARIABLE
    return f"${{{variable}}}/{file_name_in_url(package)}"


def file_name_in_url(package: Artifact) -> str:
    """The name of a package's file as the last part of an address."""
    return package.filename.replace("+", "%2B")


def render_requirements(env: Environment, lock: Lock, urls: Mapping[str, str]) -> str:
    """The whole lock as one hashed requirements file, layers in install order.

    `urls` has the addresses, by package, of files that PyPI does not have.
    """
    parts = [
        f"# {env.name}: Python {env.service.python}, {env.variant.platform}. Install with --no-deps --require-hashes."
    ]
    if lock.provided:
        parts.append("# torch and its companions are provided by the base image and are not in this file")
    for layer in lock.layers:
        parts += [f"# {layer.name}, from {_origin_text(env, layer)}"]
        for package in layer.packages:
            note = (
                [_FILE_NOTES[package.origin].format(package.filename)]
                if package.origin in _FILE_NOTES
                else []
            )
            parts += [*note, _requirement_line(package, urls)]
    return "\n".join([*parts, ""])


def _origin_text(env: Environment, layer: LayerLock) -> str:
    index = service_index(env, layer.origin)
    if index:
        return f"the index {index.name}, {index.url}"
    if layer.origin in facts.abi_packages():
        return f"the releases of {layer.origin}"
    return "PyPI" if layer.origin == "pypi" else f"the {layer.origin} index"


def _requirement_line(package: Artifact, urls: Mapping[str, str]) -> str:
    url = urls.get(package.name)
    pin = f"{package.name} @ {url}" if url else f"{package.name}=={package.version}"
    return f"{pin} --hash=sha256:{package.sha256}"
