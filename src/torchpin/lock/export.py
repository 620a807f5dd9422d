"""A lock as requirement files that pip and uv install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description.environments import mirror_variable
from torchpin.lock import file_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact, Environment, LayerLock, Lock


def wheel_release(layer: LayerLock) -> str | None:
    """The address of the release that has the ABI wheel of a layer; None for any other layer."""
    if layer.origin not in facts.abi_packages():
        return None
    locked = {(package.name, package.version) for package in layer.packages}
    return next((wheel.release for wheel in facts.wheels() if (wheel.package, wheel.version) in locked), None)


def install_file(layer: LayerLock) -> str:
    """The requirements of a layer for an installer, without header and comments.

    A file that is in no index has the variable of its mirror in its address.
    """
    # The cache of an image build is keyed by this text, which a header would change without a change of packages.
    if not wheel_release(layer):
        return file_format.installer_requirements(layer)
    base_url = f"${{{mirror_variable(layer.origin)}}}"
    lines = (
        f"{package.name} @ {base_url}/{package.filename.replace('+', '%2B')} --hash=sha256:{package.sha256}\n"
        for package in layer.packages
    )
    return "".join(lines)


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
        parts += [f"# {layer.name}, from {_origin_text(layer)}"]
        parts += [_requirement_line(package, urls) for package in layer.packages]
    return "\n".join([*parts, ""])


def _origin_text(layer: LayerLock) -> str:
    if layer.origin in facts.abi_packages():
        return f"the releases of {layer.origin}"
    return "PyPI" if layer.origin == "pypi" else f"the {layer.origin} index"


def _requirement_line(package: Artifact, urls: Mapping[str, str]) -> str:
    url = urls.get(package.name)
    pin = f"{package.name} @ {url}" if url else f"{package.name}=={package.version}"
    return f"{pin} --hash=sha256:{package.sha256}"
