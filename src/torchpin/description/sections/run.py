"""How a container runs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import (
    ABSOLUTE,
    KEY,
    OWN_VARIABLES,
    SYSTEM,
    TAKEN_USERS,
    USER,
    VALUE,
)
from torchpin.description.shapes import Flag, Items, Key, Number, Record, Table, Text
from torchpin.model import Health, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.description.yaml_reader import Reader


def _refuse_system_folder(path: str) -> str:
    return f"{path!r} is in a system directory; choose another path" if SYSTEM.match(f"{path}/") else ""


def _refuse_system_user(user: str) -> str:
    if user in TAKEN_USERS or user.startswith("systemd-"):
        return f"{user!r} is a system user or group; choose another name"
    return ""


def _refuse_hidden_files(volume: str) -> str:
    return _hides(volume) if SYSTEM.match(f"{volume.rstrip('/')}/") else ""


def _hides(volume: str) -> str:
    return f"a volume at {volume!r} would hide files that the image needs; mount it elsewhere"


def _refuse_own_variable(name: str) -> str:
    if name in OWN_VARIABLES or name.startswith(("TORCHPIN_", "UV_")):
        return f"{name!r} is set by torchpin; leave it out"
    return ""


def _seconds(name: str, doc: str, default: int) -> Key:
    return Key(
        name=name, shape=Number(low=1, high=86400), doc=doc, example=str(default), default=str(default)
    )


_HEALTH = Record(
    keys=(
        Key(
            name="command",
            shape=Items(of=Text(), expected="argument"),
            doc="The command, as a list of arguments; exit code 0 is healthy.",
            example='["curl", "--fail", "http://127.0.0.1:8000/health"]',
            required=True,
        ),
        _seconds("interval", "Seconds between two checks.", 30),
        _seconds("timeout", "Seconds after which a check has failed.", 10),
        _seconds("start_period", "Seconds after the start in which failures do not count.", 40),
        _seconds("retries", "How many failures in a row make the container unhealthy.", 3),
    )
)
RUN = Record(
    keys=(
        Key(
            name="command",
            shape=Items(of=Text()),
            doc="The command of the container, as a list of arguments.",
            example='["python", "server.py"]',
        ),
        Key(
            name="env",
            shape=Table(name=KEY, of=Text(rule=VALUE), refuse_name=_refuse_own_variable),
            doc="Environment variables of the image.",
            example='{PYTHONUNBUFFERED: "1"}',
        ),
        Key(
            name="ports",
            shape=Items(of=Number(low=1, high=65535)),
            doc="The ports that it listens on.",
            example="[8000]",
        ),
        Key(
            name="volumes",
            shape=Items(of=Text(rule=ABSOLUTE, refuse=_refuse_hidden_files), unique=True),
            doc="Folders of the container that data are mounted at.",
            example="[/workspace]",
        ),
        Key(
            name="freeze",
            shape=Text(rule=ABSOLUTE, refuse=_refuse_system_folder),
            doc="The file in the container that every start writes its `pip freeze` to.",
            example="/workspace/logs/pip_freeze.txt",
        ),
        Key(
            name="user",
            shape=Text(rule=USER, refuse=_refuse_system_user),
            doc="The user of the container.",
            example="worker",
            default="root",
        ),
        Key(name="health", shape=_HEALTH, doc="The health check of the container."),
        Key(
            name="compiles",
            shape=Flag(),
            doc="Whether kernels are compiled at run time (triton, torch.compile), which needs a C compiler in the image.",
            example="true",
        ),
    )
)


def check_run(reader: Reader, run: Mapping[str, Any], home: str) -> None:
    """Adds a problem for each volume that hides `home`, the service's folder in the image."""
    for number, volume in enumerate(run.get("volumes") or ()):
        if f"{volume or ''}/".startswith(f"{home}/"):
            reader.add_problem_at(f"run.volumes[{number}]", _hides(volume))


def build_run(values: Mapping[str, Any]) -> Run:
    user = values.get("user")
    return Run(
        command=values.get("command", ()),
        env=values.get("env") or MappingProxyType({}),
        ports=values.get("ports", ()),
        volumes=values.get("volumes", ()),
        freeze=values.get("freeze"),
        user=None if user == "root" else user,
        health=Health(**values["health"]) if "health" in values else None,
        compiles=values.get("compiles"),
    )


def run_mapping(run: Run) -> dict[str, object]:
    health = run.health
    return {
        "command": list(run.command),
        "env": dict(run.env),
        "ports": list(run.ports),
        "volumes": list(run.volumes),
        "freeze": run.freeze,
        "user": run.user,
        "health": health
        and {
            "command": list(health.command),
            "interval": health.interval,
            "timeout": health.timeout,
            "start_period": health.start_period,
            "retries": health.retries,
        },
        "compiles": run.compiles,
    }
