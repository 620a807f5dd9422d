"""The cases of the benchmark: rows of the YAML files beside this one, as environments and locks that the judge reads.

A row states pins that somebody used, whether they worked, and where that is written:

    id        unique; its first word says where the pins are from
    expect    good | bad
    kind      what the case asks: a key of KINDS
    source    an address, `owner/repository#number` of an issue, or `owner/repository@commit file`
    date      of the source
    python, torch, channel, platform, companions, packages, base, digest, gpus, driver, apt, from
              the pins, as in service.yaml; python and packages as short as the source states them
    locked    packages that the lock has besides: with it the case is judged by a lock, which is complete
    about     of a bad row: words, one of which a finding has to name

`defaults` of a file are the values of rows that state none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.lock.layers import split_layers
from torchpin.model import Artifact, Lock
from torchpin.tools.uv import UV_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Environment

FOLDER = Path(__file__).parent
# Asks for the files of wheels, which no row states: what it cannot decide counts where that is the question alone.
FILES = "DEP004"
# What a case asks: the checks whose answer counts, by the first letters of their ids.
KINDS: Mapping[str, tuple[str, ...]] = {
    "release": ("TOR001",),
    "python": ("TOR003", "ABI"),
    "platform": ("TOR", "GPU001"),
    "partner": ("TOR", "DEP001", "ABI"),
    "gpu": ("GPU001", "GPU003"),
    "driver": ("GPU002",),
    "image": ("BAS001",),
    "libc": ("TOR003", "ABI", "BAS"),
    "cuda": ("BAS003", "ABI", "DEP", "LCK", "TOR002"),
    "package": ("DEP", "ABI", "TOR002"),
    "files": (FILES,),
    "lock": ("TOR", "DEP", "ABI", "LCK"),
}
# A source that says 3.10 means some 3.10: a patch that uv has.
PYTHON_PATCHES = {
    "3.8": "3.8.20", "3.9": "3.9.23", "3.10": "3.10.18", "3.11": "3.11.13", "3.12": "3.12.11", "3.13": "3.13.7",
    "3.14": "3.14.0",
}  # fmt: skip
# The tags of a locked file are not known from a list of pins: one that any Python on any platform takes.
_ANY_WHEEL = "{name}-{version}-py3-none-any.whl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A row with its defaults; the fields that are no pins are apart."""

    id: str
    expect: str
    kind: str
    source: str
    date: str
    file: str
    about: tuple[str, ...] = ()
    pins: Mapping[str, Any] = field(default_factory=dict)


@cache
def load_cases() -> tuple[Case, ...]:
    """Every row of the YAML files, in the order of file names and rows."""
    return tuple(
        case
        for path in sorted(FOLDER.glob("*.yaml"))
        for case in cases_of(path.name, yaml.safe_load(path.read_text()))
    )


def cases_of(file: str, content: Mapping[str, Any]) -> Iterable[Case]:
    """The cases of a file's content."""
    defaults = content.get("defaults", {})
    for row in content["cases"]:
        values = {**defaults, **row}
        about = values.pop("about", ())
        named = {name: str(values.pop(name)) for name in ("id", "expect", "kind", "source", "date")}
        yield Case(file=file, about=tuple(map(str, about)), pins=values, **named)


def description(case: Case) -> str:
    """The service.yaml of a case."""
    pins = case.pins
    torch: dict[str, Any] = {"version": str(pins["torch"])}
    if pins.get("companions"):
        torch["companions"] = {name: str(version) for name, version in pins["companions"].items()}
    if "from" in pins:
        torch["from"] = pins["from"]
    values: dict[str, Any] = {
        "name": "case",
        "summary": case.id,
        "python": PYTHON_PATCHES.get(str(pins["python"]), str(pins["python"])),
        "base": {key: pins[name] for key, name in (("image", "base"), ("digest", "digest")) if name in pins},
        "torch": torch,
        "variants": {"gpu": {"channel": pins["channel"], "platform": pins.get("platform", "linux/amd64")}},
        "layers": _layers(_words(pins.get("packages", ()))),
    }
    values |= {name: pins[name] for name in ("gpus", "apt") if pins.get(name)}
    values |= {"driver": str(pins["driver"])} if "driver" in pins else {}
    return yaml.safe_dump(values, sort_keys=False, width=10_000)


def _words(value: str | Iterable[str]) -> list[str]:
    return value.split() if isinstance(value, str) else [*value]


def _layers(packages: Iterable[str]) -> list[dict[str, Any]]:
    """One layer of all packages, and one for each that is installed from a release page."""
    plain: list[str] = []
    layers: list[dict[str, Any]] = []
    for package in packages:
        name = canonicalize_name(Requirement(package).name)
        if name in facts.abi_packages():
            layers.append({"name": name, "packages": [package]})
        else:
            plain.append(package)
    # a layer is never empty, and every service has one
    return [{"name": "packages", "packages": plain or ["tqdm==4.67.1"]}, *layers]


def environment(case: Case) -> Environment:
    """The environment that a case describes. Raises InputError where the description cannot be read."""
    services = read.read_services({"services/case/service.yaml": description(case)})
    (env,) = select_environments(services)
    return env


def lock(case: Case, env: Environment) -> Lock | None:
    """The lock of a case that has one: its family in the channel's builds, its pins, and what else was locked."""
    if "locked" not in case.pins:
        return None
    declared = {
        canonicalize_name(package.name): package for layer in env.service.layers for package in layer.packages
    }
    pins = dict(word.split("==") for word in _words(case.pins["locked"]))
    pins |= {name: next(iter(package.specifier)).version for name, package in declared.items()}
    suffix = "" if env.variant.channel == "pypi" else f"+{env.variant.channel}"
    pins |= {name: f"{version}{suffix}" for name, version in env.service.torch.family.items()}
    artifacts = [
        _artifact(name, version, declared=name in declared) for name, version in sorted(pins.items())
    ]
    layers, provided = split_layers(env, artifacts, uv=UV_VERSION)
    return Lock(layers=layers, provided=provided)


def _artifact(name: str, version: str, *, declared: bool) -> Artifact:
    return Artifact(
        name=name,
        version=version,
        filename=_ANY_WHEEL.format(name=name.replace("-", "_"), version=version),
        sha256="0" * 64,
        required_by=("case",) if declared else (),
    )
