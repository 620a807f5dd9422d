"""Every committed path, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchpin.model import Environment, Service


PINNING, DEVIATIONS, CHECKS, GPUS = "docs/PINNING.md", "DEVIATIONS.md", "docs/CHECKS.md", "docs/GPUS.md"


DOCUMENTS = (PINNING, DEVIATIONS, CHECKS, GPUS)


def lock_folder(env: Environment) -> str:
    return f"lockfiles/{env.name}"


def smoke_path(service: Service) -> str:
    return f"services/{service.name}/smoke.py"


def rendered_paths(env: Environment) -> tuple[str, str]:
    """An image's Dockerfile and the list of what its build sees."""
    return f"docker/{env.name}/Dockerfile", f"docker/{env.name}/context.txt"


def freeze_path(env: Environment) -> str:
    return f"records/{env.name}/pip_freeze.txt"


def build_path(env: Environment) -> str:
    return f"records/{env.name}/build.json"
