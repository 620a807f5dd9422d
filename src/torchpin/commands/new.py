"""`new`: the description and the smoke test of a new service, ready to be locked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt.draft_values import DraftAnswers
from torchpin.commands.adopt import adopt, require_answers
from torchpin.commands.new_service import require_new_name, write_service
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import open_repository
from torchpin.description import read, write
from torchpin.description.placeholders import summary_placeholder
from torchpin.errors import InputError
from torchpin.queries.starting_pins import PinRequest, choose_pins
from torchpin.tools.buildx import image_digest
from torchpin.tools.uv import installable_pythons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Base, Service
    from torchpin.queries.starting_pins import StartingPins

_SERVICE = """\
name: {name_value}
summary: {summary}
python: "{python}"

base:
  image: {image}
{digest}
  rationale: {rationale}

torch:
  version: "{torch}"
  companions: {companions}

gpus: {gpus}

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


@dataclass(frozen=True, kw_only=True, slots=True)
class NewOptions:
    """`project`: the folder of a project whose Dockerfiles and requirement files are adopted; none when empty."""

    service: str
    pins: PinRequest
    project: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _ReviewedDraft:
    """The service that a project's files describe, the comment on what is to be reviewed, and the files not read."""

    service: Service
    review: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def header(self) -> str:
        return "".join(f"{line}\n" for line in self.review)

    @property
    def summary(self) -> str:
        """What was not read, and where the rest is to be reviewed."""
        file = paths.description_path(self.service.name)
        return "\n".join([*self.skipped, f"see the comments at the top of {file} for what to review"])


def create_service(options: NewOptions) -> CommandReport:
    """Writes a new service into the repository of the current folder, and says why its pins were chosen."""
    repo = open_repository(only=())
    require_new_name(repo, options.service)
    draft = _adopted_service(options) if options.project else None
    if draft and options.pins == PinRequest():
        outcomes = write_service(repo, options.service, draft.header + write.to_yaml(draft.service))
        return replace(report_outcomes(outcomes), summary=f"{draft.summary}\n{_next_step(options.service)}")
    request = _with_pins_of(draft.service, options.pins) if draft else options.pins
    pins = choose_pins(request, installable_pythons())
    if not pins.base.digest:
        pins = replace(pins, base=replace(pins.base, digest=image_digest(pins.base.image)))
    text = (
        draft.header + _drafted_text(draft.service, request.gpus, pins)
        if draft
        else service_text(options.service, request.gpus, pins)
    )
    outcomes = write_service(repo, options.service, text)
    lines = [*pins.reasons, *([draft.summary] if draft else []), _next_step(options.service)]
    return replace(report_outcomes(outcomes), summary="\n".join(lines))


def _next_step(service: str) -> str:
    return f"next: `invoke lock --service {service}`"


def _adopted_service(options: NewOptions) -> _ReviewedDraft:
    """What a project's files describe. Raises InputError where they do not say enough."""
    answers = DraftAnswers(python=options.pins.python)
    adopted = adopt(Path(options.project), name=options.service, answers=answers)
    text = adopted.adoption.text
    if not text:
        raise InputError(f"{options.project}: no description was drafted: {adopted.adoption.missing}")
    require_answers(adopted.adoption)
    (service,) = read.read_services({paths.description_path(options.service): text})
    review = tuple(takewhile(lambda line: line.startswith("#"), text.splitlines()))
    return _ReviewedDraft(service=service, review=review, skipped=adopted.skipped)


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
        summary=summary_placeholder(name),
        name_value=write.flow_list([name])[1:-1],
        python=pins.python,
        image=pins.base.image,
        digest=_digest_line(pins.base),
        rationale=pins.base.rationale,
        torch=pins.torch.version,
        companions="{"
        + ", ".join(f'{package}: "{version}"' for package, version in companions.items())
        + "}",
        gpus=write.flow_list(gpus),
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
