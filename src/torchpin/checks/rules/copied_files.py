"""FIL: the files of the repository that a description names for its image are there and can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks.registry import Ok, check, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


@check("FIL001", "a file that the image gets a copy of is missing or cannot be copied", judge=True)
def files_can_be_copied(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Add the file, correct its path in `files:`, or leave out with `ignore` what is not for the image.

    Paths are from the root of the repository. A link out of its folder, a pointer of Git LFS, a file that holds secrets by its
    name, and models too large for a layer are no files to copy either. A lock needs none of them, so this stops a build alone;
    `verify` looks at each file of a folder, `judge` at the folder.

    Example: `files:` has services/whisper/serve.py, and the file is services/whisper/server.py.

    Sources: Docker documentation, COPY and .dockerignore; Git LFS specification.
    """
    for number, problem in enumerate(context.file_problems.get(env.name, ())):
        origin = env.copied_files[number].origin
        if problem:
            message, _, help_text = problem.partition("; ")
            is_listed = number < len(env.service.files)
            location = env.service.location(f"files[{number}].from" if is_listed else "build.wheels")
            yield finding(env, location, message, about=origin, help=help_text, level="warning")
        else:
            yield Ok(about=origin, evidence=f"{origin} can be copied to {_target(env, number)}")


def _target(env: Environment, number: int) -> str:
    files = env.service.files
    return env.service.path_in_image(files[number].target) if number < len(files) else "the build stage"


@check("FIL002", "the key of a repository of system packages is missing", judge=True)
def keys_are_there(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Save the key that the repository's owner publishes, ASCII-armored, at the path that `key` names, and commit it.

    The image trusts the packages of a repository under `apt_repositories:` by this key alone. The path is from the root of
    the checkout. The key goes into the build context, so nothing can be locked or rendered without it.

    Example: `key: keys/nodesource.asc` has a binary key, as `gpg --export` writes it without `--armor`.

    Sources: apt-secure(8); sources.list(5), Signed-By.
    """
    for number, problem in enumerate(context.key_problems.get(env.name, ())):
        repository = env.service.apt_repositories[number]
        if problem:
            message, _, help_text = problem.partition("; ")
            location = env.service.location(f"apt_repositories[{number}].key")
            yield finding(env, location, message, about=repository.key, help=help_text, level="warning")
        else:
            yield Ok(about=repository.key, evidence=f"{repository.key} signs {repository.url}")
