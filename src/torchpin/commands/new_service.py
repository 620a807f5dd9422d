"""The files of a new service: its description and its smoke test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.description import patterns, read
from torchpin.errors import InputError
from torchpin.workspace.writer import create_files

if TYPE_CHECKING:
    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

_HEADER = """\
# yaml-language-server: $schema=../../{schema}
# What the {name} service is. `invoke lock --service {name}` follows from this file alone; docs/SERVICE.md lists every key.
"""
_SMOKE = """\
\"\"\"What must run inside the {name} image, on a machine without a GPU.\"\"\"

import torch

assert float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) == 8.0
print("smoke: ok, torch", torch.__version__)
"""


def write_service(repo: Repository, name: str, text: str) -> tuple[Outcome, ...]:
    """Writes a new service: its description from a text, and its smoke test. Raises InputError for a taken or invalid name."""
    require_new_name(repo, name)
    files = _service_files(name, text)
    described = {path: content for path, content in files.items() if path == paths.description_path(name)}
    read.read_services({**repo.descriptions, **described})
    return create_files(repo, files)


def is_written(repo: Repository, name: str, text: str) -> bool:
    """Whether the files of a service are as they would be written from a text."""
    return all(repo.text(path) == content for path, content in _service_files(name, text).items())


def described_text(name: str, text: str) -> str:
    """A description as it is written: below a comment about it."""
    return _HEADER.format(name=name, schema=paths.SCHEMA) + text


def _service_files(name: str, text: str) -> dict[str, str]:
    return {
        paths.description_path(name): described_text(name, text),
        paths.smoke_path(name): _SMOKE.format(name=name),
    }


def require_new_name(repo: Repository, name: str) -> None:
    """Raises InputError for a name that is taken or invalid."""
    if not patterns.NAME.pattern.fullmatch(name):
        raise InputError(f"--service {name!r} is not {patterns.NAME.expected}")
    folder = paths.service_folder(name)
    if (repo.root / folder).exists():
        raise InputError(f"{folder} already exists; choose another name")
