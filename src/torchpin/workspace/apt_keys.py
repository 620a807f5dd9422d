"""The keys that Debian repositories of system packages are signed by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.model import Problem

if TYPE_CHECKING:
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

_ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


def read_keys(repo: Repository, env: Environment) -> dict[str, str]:
    """The texts of the keys that Debian repositories are signed by, by their paths. Raises InputError for one that is none."""
    texts: dict[str, str] = {}
    for number, repository in enumerate(env.service.apt_repositories):
        text = repo.text(repository.key)
        if text is None or not text.lstrip().startswith(_ARMOR):
            state = "is missing" if text is None else f"does not begin with {_ARMOR}"
            message = f"{repository.key} {state}; save the repository's key there, ASCII-armored"
            raise _input_error(env, f"apt_repositories[{number}].key", message)
        texts[repository.key] = text
    return texts


def _input_error(env: Environment, path: str, message: str) -> InputError:
    position = env.service.positions[path]
    problem = Problem(position=position, path=path, message=message)
    return InputError("correct this first; nothing was written", (problem,))
