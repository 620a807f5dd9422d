"""`new`: the description and the smoke test of a new service, ready to be locked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.commands.adopt import adopt
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import open_repository
from torchpin.description import read, write
from torchpin.errors import InputError
from torchpin.queries.starting_pins import PinRequest, choose_pins
from torchpin.tools.buildx import image_digest
from torchpin.tools.uv import installable_pythons
from torchpin.workspace.writer import create_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Base, Outcome, Service
    from torchpin.queries.starting_pins import StartingPins
    from torchpin.workspace.workspace import Repository

_HEADER = """\
# yaml-language-server: $schema=../../{schema}
# What the {name} service is. `invoke lock --service {name}` follows from this file alone; docs/SERVICE.md lists every key.
"""
_SERVICE = """\
name: {name}
summary: Describe {name} in one line
python: "{python}"

base:
  image: {image}
{digest}
  rationale: {rationale}

torch:
  version: "{torch}"
  companions: {companions}

gpus: [{gpus}]

variants:
  {variant}: {{channel: {channel}, platform: {platform}}}

layers:
  - name: app
    packages:
      - tqdm==4.67.1

imports: [{imports}]

run:
  compiles: false               # true where triton or torch.compile compile kernels, with gcc and libc6-dev in `apt`
  env: {{PYTHONUNBUFFERED: "1"}}
  volumes: [/workspace]
  freeze: /workspace/logs/pip_freeze.txt
"""
_SMOKE = """\
\"\"\"What must run inside the {name} image, on a machine without a GPU.\"\"\"

import torch

assert float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) == 8.0
print("smoke: ok, torch", torch.__version__)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewOptions:
    """`project`: the folder of a project whose Dockerfiles and requirement files are adopted; none when empty."""

    service: str
    pins: PinRequest
    project: str = ""


def create_service(options: NewOptions) -> CommandReport:
    """Writes a new service into the repository of the current folder, and says why its pins were chosen."""
    repo = open_repository(only=())
    drafted = _adopted_service(options) if options.project else None
    if drafted and options.pins == PinRequest():
        return report_outcomes(write_service(repo, options.service, write.to_yaml(drafted)))
    request = _with_pins_of(drafted, options.pins) if drafted else options.pins
    pins = choose_pins(request, installable_pythons())
    if not pins.base.digest:
        pins = replace(pins, base=replace(pins.base, digest=image_digest(pins.base.image)))
    text = (
        _drafted_text(drafted, request.gpus, pins)
        if drafted
        else service_text(options.service, request.gpus, pins)
    )
    outcomes = write_service(repo, options.service, text)
    return replace(report_outcomes(outcomes), summary="\n".join(pins.reasons))


def write_service(repo: Repository, name: str, text: str) -> tuple[Outcome, ...]:
    """Writes a new service: its description from a text, and its smoke test. Raises InputError for a taken or invalid name."""
    folder = paths.service_folder(name)
    if (repo.root / folder).exists():
        raise InputError(f"{folder} already exists; choose another name")
    described = _HEADER.format(name=name, schema=paths.SCHEMA) + text
    read.read_services({**repo.descriptions, paths.description_path(name): described})
    files = {paths.description_path(name): described, paths.smoke_path(name): _SMOKE.format(name=name)}
    return create_files(repo, files)


def _adopted_service(options: NewOptions) -> Service:
    """The service that a project's files describe. Raises InputError where they do not say enough."""
    adoption = adopt(Path(options.project), name=options.service).adoption
    if not adoption.text:
        raise InputError(f"{options.project}: no description was drafted: {adoption.missing}")
    (drafted,) = read.read_services({paths.description_path(options.service): adoption.text})
    return drafted


def _with_pins_of(drafted: Service, request: PinRequest) -> PinRequest:
    """A request with the torch, the Python and the GPUs of a draft, where it names no others."""
    python = drafted.python
    return PinRequest(
        gpus=request.gpus or drafted.gpus,
        torch=request.torch or str(drafted.torch.version),
        python=request.python or f"{python.major}.{python.minor}",
    )


def _drafted_text(drafted: Service, gpus: Sequence[str], pins: StartingPins) -> str:
    service = replace(
        drafted,
        python=pins.python,
        base=pins.base,
        torch=pins.torch,
        variants=(pins.variant,),
        gpus=tuple(gpus),
    )
    return write.to_yaml(service)


def service_text(name: str, gpus: Sequence[str], pins: StartingPins) -> str:
    """The description of a new service without its header."""
    companions = pins.torch.companions
    return _SERVICE.format(
        name=name,
        python=pins.python,
        image=pins.base.image,
        digest=_digest_line(pins.base),
        rationale=pins.base.rationale,
        torch=pins.torch.version,
        companions="{"
        + ", ".join(f'{package}: "{version}"' for package, version in companions.items())
        + "}",
        gpus=", ".join(gpus),
        variant=pins.variant.name,
        channel=pins.variant.channel,
        platform=pins.variant.platform,
        imports=", ".join(["torch", *companions, "tqdm"]),
    )


def _digest_line(base: Base) -> str:
    if base.digest:
        return f"  digest: {base.digest}"
    return (
        "  # add the digest of the image, which `docker buildx imagetools inspect IMAGE` prints, as `digest:`"
    )
