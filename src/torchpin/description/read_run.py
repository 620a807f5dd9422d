"""Reads the `run` section of a description: how a container runs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import yaml

from torchpin.description.patterns import ABSOLUTE, KEY, OWN_VARIABLES, SYSTEM, TAKEN_USERS, USER, VALUE
from torchpin.model import Health, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.description.yaml_reader import Reader


_KEYS = ("command", "env", "ports", "volumes", "freeze", "user", "health", "compiles")


def read_run(reader: Reader, node: yaml.Node, home: str) -> Run:
    """How a container runs; `home` is the service's folder in the image, which no volume may hide."""
    keys = reader.mapping(node, "run", _KEYS)
    freeze = reader.text(keys["freeze"], "run.freeze", ABSOLUTE) if "freeze" in keys else None
    if freeze and SYSTEM.match(f"{freeze}/"):
        message = f"{freeze!r} is in a system directory; choose another path"
        reader.add_problem(keys["freeze"], "run.freeze", message)
    user = reader.text(keys["user"], "run.user", USER) if "user" in keys else None
    if user in TAKEN_USERS or (user or "").startswith("systemd-"):
        message = f"{user!r} is a system user or group; choose another name"
        reader.add_problem(keys["user"], "run.user", message)
    return Run(
        command=tuple(
            reader.text(value, path) for path, value in reader.items(keys.get("command"), "run.command")
        ),
        env=_read_variables(reader, keys["env"]) if "env" in keys else MappingProxyType({}),
        ports=tuple(
            reader.number(value, path, low=1, high=65535)
            for path, value in reader.items(keys.get("ports"), "run.ports")
        ),
        volumes=_read_volumes(reader, keys.get("volumes"), home),
        freeze=freeze,
        user=None if user in {None, "root"} else user,
        health=_read_health(reader, keys["health"]) if "health" in keys else None,
        compiles=reader.flag(keys["compiles"], "run.compiles") if "compiles" in keys else None,
    )


def _read_variables(reader: Reader, node: yaml.Node) -> Mapping[str, str]:
    variables = reader.mapping(node, "run.env")
    for name, value in variables.items():
        if not KEY.pattern.fullmatch(name):
            reader.add_problem(value, f"run.env.{name}", f"{name!r} is not {KEY.expected}")
        elif name in OWN_VARIABLES or name.startswith(("TORCHPIN_", "UV_")):
            reader.add_problem(value, f"run.env.{name}", f"{name!r} is set by torchpin; leave it out")
    return MappingProxyType(
        {name: reader.text(value, f"run.env.{name}", VALUE) for name, value in variables.items()}
    )


def _read_volumes(reader: Reader, node: yaml.Node | None, home: str) -> tuple[str, ...]:
    for path, volume in reader.items(node, "run.volumes"):
        mount_point = f"{volume.value.rstrip('/')}/" if isinstance(volume, yaml.ScalarNode) else ""
        if SYSTEM.match(mount_point) or mount_point.startswith(f"{home}/"):
            message = (
                f"a volume at {volume.value!r} would hide files that the image needs; mount it elsewhere"
            )
            reader.add_problem(volume, path, message)
    return reader.texts(node, "run.volumes", ABSOLUTE)


def _read_health(reader: Reader, node: yaml.Node) -> Health | None:
    times = ("interval", "timeout", "start_period", "retries")
    keys = reader.mapping(node, "run.health", ("command", *times))
    if not reader.require_keys(node, "run.health", keys, ("command",)):
        return None
    numbers = {
        name: reader.number(keys[name], f"run.health.{name}", low=1, high=86400)
        for name in times
        if name in keys
    }
    items = list(reader.items(keys["command"], "run.health.command"))
    if not items and isinstance(keys["command"], yaml.SequenceNode):
        reader.add_problem(keys["command"], "run.health.command", "expected at least one argument")
    return Health(command=tuple(reader.text(value, path) for path, value in items), **numbers)
