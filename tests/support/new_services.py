"""New services, as `new` writes them, without asking uv or a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.commands.new import service_text
from torchpin.commands.new_service import write_service
from torchpin.queries.starting_pins import PinRequest, choose_pins

if TYPE_CHECKING:
    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

PYTHONS = tuple(
    map(Version, ("3.8.20", "3.10.14", "3.11.12", "3.11.13", "3.12.9", "3.12.10", "3.13.1", "3.14.0"))
)
REQUEST = PinRequest(gpus=("RTX 4090",), torch="2.8", python="3.11")


def write_new_service(repo: Repository, name: str) -> tuple[Outcome, ...]:
    """A new service with the pins of REQUEST."""
    text = service_text(name, REQUEST.gpus, choose_pins(REQUEST, PYTHONS))
    return write_service(repo, name, text)
