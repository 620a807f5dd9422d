"""Values that options and arguments can have: from the repository of the current folder, and from facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.workspace import workspace
from torchpin.workspace.description_files import service_names
from torchpin.workspace.workspace import find_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.model import Environment, Service


def services() -> tuple[str, ...]:
    """The services, also those whose descriptions are broken."""
    return service_names(find_root(Path.cwd()))


def variants(service: str = "") -> tuple[str, ...]:
    """The variants of a service; of all without one."""
    return _unique(variant.name for entry in _services(service) for variant in entry.variants)


def layers(service: str = "") -> tuple[str, ...]:
    return _unique(layer.name for entry in _services(service) for layer in entry.layers)


def packages(service: str = "") -> tuple[str, ...]:
    """The packages that the layers of a service declare; of all services without one."""
    return _unique(
        package.name for entry in _services(service) for layer in entry.layers for package in layer.packages
    )


def components(service: str = "") -> tuple[str, ...]:
    """The names that `why` explains without a lock."""
    from torchpin.compat.recommendations import used_components

    return _unique(name for env in _environments(service) for name in sorted(used_components(env, None)))


def update_targets(service: str = "") -> tuple[str, ...]:
    """The targets of `bump`: torch with its releases, others with their operator and no value."""
    sources = _unique(f"{source.name}@" for entry in _services(service) for source in entry.sources)
    pins = (f"{name}==" for name in packages(service))
    return (
        "torch==",
        *(f"torch=={release}" for release in torch_releases()),
        "python==",
        "base=",
        *pins,
        *sources,
    )


def gpus() -> tuple[str, ...]:
    """The names of the GPUs with facts of their own."""
    return tuple(gpu.name for gpu in facts.gpus())


def channels() -> tuple[str, ...]:
    return tuple(channel.name for channel in facts.channels())


def torch_releases() -> tuple[str, ...]:
    """The known releases of torch, the newest first."""
    return tuple(str(version) for version in sorted(facts.release_versions(), reverse=True))


def rules() -> tuple[str, ...]:
    """The ids of the rules of `check`."""
    from torchpin.lint.scan import registered_rules

    return tuple(rule.id for rule in registered_rules())


def checks_and_rules() -> tuple[str, ...]:
    """The ids that `explain` explains."""
    from torchpin.checks.run import registered_checks

    return (*(check.id for check in registered_checks()), *rules())


def _services(name: str) -> tuple[Service, ...]:
    """The readable services of the repository, or the one of this name."""
    repo = workspace.open_repository(find_root(Path.cwd()), only=())
    return tuple(service for service in repo.services if name in {"", service.name})


def _environments(service: str) -> tuple[Environment, ...]:
    from torchpin.description.environments import select_environments

    return select_environments(_services(service), service="", variant="")


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
