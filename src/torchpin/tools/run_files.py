"""The files of the host that a container reads when it starts: files of variables, and secrets."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import InputError, TorchpinError, os_error_reason
from torchpin.model import Problem
from torchpin.tools.docker import RunFiles
from torchpin.tools.files import read_bytes
from torchpin.tools.scratch import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.model import Service

_MOST_SECRET = 1_000_000  # bytes, as many as Docker takes for one
_NOT_READ = Path("SECRETS")  # in place of the folder where a command is shown and not run


@contextmanager
def run_files(
    root: Path, service: Service, environment: Mapping[str, str], *, dry_run: bool = False
) -> Iterator[RunFiles]:
    """The files of a service while its container runs; secrets are in a folder that this user alone can enter.

    A secret is the variable of its name, else the content of the file that <NAME>_FILE names. With `dry_run` no secret is read.
    Raises InputError, with all that is missing.
    """
    problems: list[Problem] = []
    env_files = tuple(
        _env_file(root, service, number, path, problems) for number, path in enumerate(service.run.env_files)
    )
    if dry_run:
        yield RunFiles(env_files=env_files, secrets={name: _NOT_READ / name for name in service.run.secrets})
        return
    values = {
        name: value
        for number, name in enumerate(service.run.secrets)
        if (value := _secret(service, number, name, environment, problems)) is not None
    }
    if problems:
        raise InputError("give these first; nothing was started", problems)
    with temporary_folder() as folder:
        folder.chmod(0o700)
        for name, value in values.items():
            file = folder / name
            file.touch(mode=0o600)
            file.write_bytes(value)
            file.chmod(
                0o444
            )  # the container's user is another one than the host's; the folder keeps others out
        yield RunFiles(env_files=env_files, secrets={name: folder / name for name in values})


def _env_file(root: Path, service: Service, number: int, path: str, problems: list[Problem]) -> Path:
    file = root / Path(path).expanduser()
    if not file.is_file():
        problems.append(
            _problem(service, f"run.env_file[{number}]", f"{file} does not exist; add it, or leave it out")
        )
    return file


def _secret(
    service: Service, number: int, name: str, environment: Mapping[str, str], problems: list[Problem]
) -> bytes | None:
    """The value of a secret; None, and a problem, without one."""
    path = f"run.secrets[{number}]"
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if value:
        return os.fsencode(value)
    if not file:
        message = f"no value for the secret {name}; set the variable {name}, or {name}_FILE to the path of a file with it"
        problems.append(_problem(service, path, message))
        return None
    try:
        content = read_bytes(Path(file).expanduser(), most_bytes=_MOST_SECRET)
    except TorchpinError as error:
        problems.append(_problem(service, path, str(error)))
        return None
    except OSError as error:
        problems.append(_problem(service, path, os_error_reason(error)))
        return None
    if content is None:
        problems.append(
            _problem(service, path, f"{file}, which {name}_FILE names, does not exist; correct the path")
        )
    return content


def _problem(service: Service, path: str, message: str) -> Problem:
    return Problem(position=service.position(path), path=path, message=message)
