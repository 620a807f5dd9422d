"""What is known of the contents of pinned packages: read out of the locked wheels, or from the facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Artifact, Lock, WheelContents


def locked_contents(lock: Lock) -> Mapping[str, WheelContents]:
    """What a lock has of the contents of its files, by package; a file that is not the one that was read is left out."""
    locked = lock.all_packages
    return {
        wheel.name: wheel
        for wheel in lock.wheels
        if wheel.name in locked
        and (locked[wheel.name].version, locked[wheel.name].sha256) == (wheel.version, wheel.sha256)
    }


def recorded_installs(package: Artifact) -> tuple[str, ...]:
    """What the facts have of the folders and modules that a file installs; empty where they have nothing."""
    return next((wheel.installs for wheel in facts.wheels() if wheel.filename == package.filename), ())
