"""Environment markers of requirements that others wrote, evaluated for an environment that is not this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

from torchpin.description.environments import MACHINES
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.markers import Marker

    from torchpin.model import Environment


def marker_environment(env: Environment) -> dict[str, str]:
    """The values of an environment's markers, by the names of PEP 508; those of its kernel are left out."""
    python = str(env.service.python)
    return {
        "python_version": major_minor(python),
        "python_full_version": python,
        "platform_machine": MACHINES[env.variant.platform],
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "implementation_version": python,
        "platform_python_implementation": "CPython",
    }


def marker_holds(marker: Marker | None, environment: Mapping[str, str]) -> bool | None:
    """Whether a marker holds in an environment, by the names of PEP 508; where there is none, it does.

    None where that cannot be said: a marker may be well formed and compare what has no order (`os_name ~= 'x'`), or two
    texts and no name (`'a' in 'b'`).
    """
    if marker is None:
        return True
    try:
        return marker.evaluate({**environment, "extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return None
