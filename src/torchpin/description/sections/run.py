"""How a container runs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import (
    ABSOLUTE,
    HOST_FILE,
    IPC,
    KEY,
    LABEL,
    OWN_LABELS,
    OWN_VARIABLES,
    PROSE,
    RESERVED_LABELS,
    SHARED_MEMORY,
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


START_SCRIPT = "/opt/torchpin/start.sh"


def _refuse_system_folder(path: str) -> str:
    return f"{path!r} is in a system directory; choose another path" if SYSTEM.match(f"{path}/") else ""


def _refuse_system_user(user: str) -> str:
    if user.startswith("0:"):
        return f"{user!r} is root; write `user: root`, or the id of another user"
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


def _refuse_system_writable(path: str) -> str:
    if SYSTEM.match(f"{path}/"):
        return (
            f"{path!r} is in a system directory, which the service's user does not own; choose another path"
        )
    return ""


def _refuse_taken_label(name: str) -> str:
    if name in OWN_LABELS or name.startswith(RESERVED_LABELS):
        return f"{name!r} is set by torchpin or reserved; choose another name"
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
            name="entrypoint",
            shape=Items(of=Text(), expected="argument"),
            doc="In place of torchpin's start script (/opt/torchpin/start.sh), which writes the freeze record, prints the report "
            "and runs the command: a list of arguments, which may end with that script.",
            example='["tini", "--", "/bin/sh", "/opt/torchpin/start.sh"]',
        ),
        Key(
            name="env",
            shape=Table(name=KEY, of=Text(rule=VALUE), refuse_name=_refuse_own_variable),
            doc="Environment variables of the image.",
            example='{PYTHONUNBUFFERED: "1"}',
        ),
        Key(
            name="ports",
            shape=Items(of=Number(low=1, high=65535), unique=True),
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
            doc="The user of the container: a name, which gets the id 10001, or uid:gid.",
            example="worker",
            default="root",
        ),
        Key(
            name="writable",
            shape=Items(of=Text(rule=ABSOLUTE, refuse=_refuse_system_writable), unique=True),
            doc="Folders of the image that are made for the user and owned by it.",
            example="[/app/cache]",
        ),
        Key(name="health", shape=_HEALTH, doc="The health check of the container."),
        Key(
            name="shm_size",
            shape=Text(rule=SHARED_MEMORY),
            doc="The size of /dev/shm, as `docker run --shm-size` reads it; Docker's default of 64 MB is too small for the workers "
            "of a data loader.",
            example="8GB",
        ),
        Key(
            name="ipc",
            shape=Text(rule=IPC),
            doc="The IPC namespace of the container, as `docker run --ipc` names it.",
            example="private",
        ),
        Key(
            name="env_file",
            shape=Items(of=Text(rule=HOST_FILE), unique=True),
            doc="Files of variables on the host, read when the container starts and never copied into the image: relative ones are "
            "in the repository.",
            example="[services/whisper/.env]",
        ),
        Key(
            name="secrets",
            shape=Items(of=Text(rule=KEY), unique=True),
            doc="Names of secrets that the container finds as files below /run/secrets. `invoke run` takes each from the variable of "
            "its name, or from the file that <NAME>_FILE names.",
            example="[HF_TOKEN]",
        ),
        Key(
            name="labels",
            shape=Table(name=LABEL, of=Text(rule=PROSE), refuse_name=_refuse_taken_label),
            doc="Labels of the image beside those that torchpin sets.",
            example="{org.example.team: speech}",
        ),
        Key(
            name="compiles",
            shape=Flag(),
            doc="Whether kernels are compiled at run time (triton, torch.compile), which needs a C compiler in the image.",
            example="true",
        ),
        Key(
            name="bytecode",
            shape=Flag(),
            doc="Whether the image has the bytecode of what is installed, without the packages' own tests. Without bytecode each "
            "new container compiles what it imports, so that it starts later; with it the image is larger.",
            example="true",
        ),
    )
)


def check_run(reader: Reader, run: Mapping[str, Any], home: str) -> None:
    """Adds a problem for each volume that hides `home`, the service's folder in the image, and for what has no effect."""
    for number, volume in enumerate(run.get("volumes") or ()):
        if f"{volume or ''}/".startswith(f"{home}/"):
            reader.add_problem_at(f"run.volumes[{number}]", _hides(volume))
    if run.get("freeze") and run["freeze"] in (run.get("volumes") or ()):
        message = f"a volume is mounted at {run['freeze']!r}, and this is a file; name one in it, such as {run['freeze']}/pip_freeze.txt"
        reader.add_problem_at("run.freeze", message)
    if run.get("freeze") and run.get("entrypoint") and START_SCRIPT not in run["entrypoint"]:
        message = f"{START_SCRIPT} writes it, which `entrypoint` replaces; leave it out, or let the entrypoint run that script"
        reader.add_problem_at("run.freeze", message)
    if run.get("ipc") == "host" and run.get("shm_size"):
        message = "with `ipc: host` the host's /dev/shm is used; leave out one of them"
        reader.add_problem_at("run.shm_size", message)


def build_run(values: Mapping[str, Any]) -> Run:
    user = values.get("user")
    return Run(
        command=values.get("command", ()),
        entrypoint=values.get("entrypoint", ()),
        env=values.get("env") or MappingProxyType({}),
        ports=values.get("ports", ()),
        volumes=values.get("volumes", ()),
        freeze=values.get("freeze"),
        user=None if user == "root" else user,
        writable=values.get("writable", ()),
        health=Health(**values["health"]) if "health" in values else None,
        shm_size=values.get("shm_size"),
        ipc=values.get("ipc"),
        env_files=values.get("env_file", ()),
        secrets=values.get("secrets", ()),
        labels=values.get("labels") or MappingProxyType({}),
        compiles=values.get("compiles"),
        bytecode=values.get("bytecode", False),
    )


def run_mapping(run: Run) -> dict[str, object]:
    health = run.health
    return {
        "command": list(run.command),
        "entrypoint": list(run.entrypoint),
        "env": dict(run.env),
        "ports": list(run.ports),
        "volumes": list(run.volumes),
        "freeze": run.freeze,
        "user": run.user,
        "writable": list(run.writable),
        "health": health
        and {
            "command": list(health.command),
            "interval": health.interval,
            "timeout": health.timeout,
            "start_period": health.start_period,
            "retries": health.retries,
        },
        "shm_size": run.shm_size,
        "ipc": run.ipc,
        "env_file": list(run.env_files),
        "secrets": list(run.secrets),
        "labels": dict(run.labels),
        "compiles": run.compiles,
        "bytecode": run.bytecode or None,
    }
