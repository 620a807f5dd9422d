"""Wheels with an ABI in their name follow torch: the version that has a wheel for its new build, or why none has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.bump.model import Edit, HeldError
from torchpin.compat.pins import declared_pins
from torchpin.compat.wheels import installed_python
from torchpin.description.environments import MACHINES, select_environments
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Collection

    from torchpin.compat.pins import Pin
    from torchpin.facts import NoWheel, Wheel
    from torchpin.model import Environment, Service


def abi_edits(before: Service, after: Service, fixed: Collection[str]) -> list[Edit]:
    """The edits of the pins whose wheels torch's build decides; `after` has the new torch. `fixed`: pins that stay.

    Raises HeldError where a pin that has a wheel for the present torch has none for the new one, in any version.
    """
    envs = select_environments([after])
    pins = declared_pins(envs[0])
    edits: list[Edit] = []
    for name in sorted(facts.abi_packages() & {*pins} - {*fixed}):
        pin = pins[name]
        no_wheel = _first_lack(envs, pin, str(pin.version))
        if no_wheel is None or _first_lack(select_environments([before]), pin, str(pin.version)):
            continue  # it has one, or had none before the update either, which the judge reports
        version = next((text for text in _versions(pin) if not _first_lack(envs, pin, text)), None)
        torch = f"torch {after.torch.version}"
        if version is None:
            raise HeldError(f"{no_wheel}", _help(pin, no_wheel), is_conflict=True)
        edits.append(
            (
                Change(path=pin.path, value=f"{name}=={version}"),
                f"the nearest version with a wheel for {torch}",
            )
        )
    return edits


def _versions(pin: Pin) -> list[str]:
    """The recorded versions of a pin's package, those above the present one first, the nearest before the others."""
    recorded = sorted(
        {Version(wheel.version) for wheel in facts.wheels() if canonicalize_name(wheel.package) == pin.name}
    )
    later = [version for version in recorded if version > pin.version]
    earlier = [version for version in reversed(recorded) if version < pin.version]
    return [str(version) for version in (*later, *earlier)]


def _first_lack(envs: Collection[Environment], pin: Pin, version: str) -> NoWheel | None:
    """Why the first environment without a wheel of this version has none."""
    wheels = (_find(env, pin, version) for env in envs)
    return next((wheel for wheel in wheels if isinstance(wheel, facts.NoWheel)), None)


def _find(env: Environment, pin: Pin, version: str) -> Wheel | NoWheel:
    return facts.find_wheel(
        pin.name,
        version,
        python=installed_python(env),
        torch=str(env.service.torch.version),
        channel=env.variant.channel,
        machine=MACHINES[env.variant.platform],
    )


def _help(pin: Pin, no_wheel: NoWheel) -> str:
    if not no_wheel.nearest:
        return f"remove {pin.name} from its layer"
    near = ", ".join(no_wheel.nearest)
    pythons = ", ".join(re.sub(r"^cp(\d)", r"\1.", tag) for tag in no_wheel.nearest)
    choices = {"python": f"Python {pythons}", "torch": f"torch {near}", "cuda": f"a channel with CUDA {near}"}
    return f"choose {choices.get(no_wheel.column, near)}; or remove {pin.name} from its layer"
