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
    for number, problem in enumerate(key_problems(repo, env)):
        if problem:
            raise _input_error(env, f"apt_repositories[{number}].key", problem)
    keys = (repository.key for repository in env.service.apt_repositories)
    return {key: repo.text(key) or "" for key in keys}


def key_problems(repo: Repository, env: Environment) -> tuple[str, ...]:
    """Why the key of each Debian repository cannot be used and, after `; `, what to do; "" where it can."""
    return tuple(
        _key_problem(repository.key, repo.text(repository.key)) for repository in env.service.apt_repositories
    )


def _key_problem(path: str, text: str | None) -> str:
    if text is not None and text.lstrip().startswith(_ARMOR):
        return ""
    state = "is missing" if text is None else f"does not begin with {_ARMOR}"
    return f"{path} {state}; save the repository's key there, ASCII-armored"


def _input_error(env: Environment, path: str, message: str) -> InputError:
    position = env.service.positions[path]
    problem = Problem(position=position, path=path, message=message)
    return InputError("correct this first; nothing was written", (problem,))
