"""The configuration of an assembled image: what its container is started with, and its labels, as the template sets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.image.plan import Image
    from torchpin.model import Source
    from torchpin.model.service import Health

_START = ("/bin/sh", "/opt/torchpin/start.sh")
_NANOSECONDS = 1_000_000_000


def container_settings(image: Image, base: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an image on top of those of its base, by their names in an image configuration."""
    run = image.service.run
    ports = {**(base.get("ExposedPorts") or {}), **{f"{port}/tcp": {} for port in run.ports}}
    settings = {
        **base,
        "Env": _variables(base.get("Env") or (), image.env),
        "WorkingDir": image.service.home,
        "ExposedPorts": ports,
        "Entrypoint": [*(run.entrypoint or _START)],
        "Cmd": [*run.command],  # that of the base goes with its entrypoint
    }
    if run.health:
        settings["Healthcheck"] = _health_check(run.health)
    return {name: value for name, value in settings.items() if value}


def _variables(base: object, added: Mapping[str, str]) -> list[str]:
    """The variables as NAME=VALUE: one that is set again keeps its place."""
    values = dict(str(line).partition("=")[::2] for line in base)  # type: ignore[attr-defined]
    return [f"{name}={value}" for name, value in {**values, **added}.items()]


def _health_check(health: Health) -> dict[str, Any]:
    return {
        "Test": ["CMD", *health.command],
        "Interval": health.interval * _NANOSECONDS,
        "Timeout": health.timeout * _NANOSECONDS,
        "StartPeriod": health.start_period * _NANOSECONDS,
        "Retries": health.retries,
    }


def described_labels(image: Image) -> dict[str, str]:
    """The labels that a description gives its image."""
    service = image.service
    return {
        "org.opencontainers.image.title": image.environment,
        "org.opencontainers.image.description": service.summary,
        "org.opencontainers.image.version": image.torch,
        **{f"io.torchpin.source.{source.name}": _source_label(source) for source in service.sources},
        "io.torchpin.description": service.file,
        **service.run.labels,
    }


def _source_label(source: Source) -> str:
    tag = f"@{source.tag}" if source.tag else ""
    return f"{source.url}{tag}#{source.commit}"
