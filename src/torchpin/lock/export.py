"""A lock as requirements that pip and uv install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description.environments import mirror_variable
from torchpin.lock import file_format

if TYPE_CHECKING:
    from torchpin.model import Environment, LayerLock, Lock


def wheel_release(layer: LayerLock) -> str | None:
    """Where the file of a layer with an ABI wheel lies; None for every other layer."""
    if layer.origin not in facts.abi_packages():
        return None
    locked = {(package.name, package.version) for package in layer.packages}
    return next((wheel.release for wheel in facts.wheels() if (wheel.package, wheel.version) in locked), None)


def install_file(layer: LayerLock) -> str:
    """What an installer is given of a layer, and an image's cache keyed by: no header, no comment.

    A file that lies in no index is named by the variable that holds its place, so that a mirror can replace it.
    """
    if not wheel_release(layer):
        return file_format.installer_requirements(layer)
    base_url = f"${{{mirror_variable(layer.origin)}}}"
    lines = (
        f"{package.name} @ {base_url}/{package.filename.replace('+', '%2B')} --hash=sha256:{package.sha256}\n"
        for package in layer.packages
    )
    return "".join(lines)


def render_requirements(env: Environment, lock: Lock) -> str:
    """The whole lock as one hashed requirements file, layers in install order."""
    parts = [
        f"# {env.name}: Python {env.service.python}, {env.variant.platform}. Install with --no-deps --require-hashes."
    ]
    if lock.provided:
        parts.append("# torch and its companions are the base image's, and not in this file")
    for layer in lock.layers:
        origin = f"the {layer.origin} index" if layer.origin != "pypi" else "PyPI"
        if layer.origin in facts.abi_packages():
            variable = mirror_variable(layer.origin)
            origin = (
                f"the releases of {layer.origin}: set {variable} to where they (or a mirror's copies) lie"
            )
        parts += [f"# {layer.name}, from {origin}", install_file(layer).rstrip("\n")]
    return "\n".join([*(part for part in parts if part), ""])
