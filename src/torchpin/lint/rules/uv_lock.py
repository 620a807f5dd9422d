"""ADO014: packages of torch's family that a uv.lock takes from different indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.installs.project_files import python_project
from torchpin.lint.registry import TORCH_FAMILY, build_finding, register_rule
from torchpin.redaction import redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import Project
    from torchpin.model import Finding
    from torchpin.project.lock_file import LockedPackage


@register_rule("ADO014", "uv.lock takes torch and its companions from different indexes", "error")
def family_from_several_indexes(project: Project) -> Iterator[Finding]:
    """Give the package the index of torch in `[tool.uv.sources]`, and declare it as a dependency of your own.

    torchvision and torchaudio are compiled against one build of torch. `[tool.uv.sources]` applies to the dependencies that a
    project declares itself, so what another package requires comes from the default index: PyPI's build is for the CUDA
    version of PyPI's torch, and beside another build its operators are not registered.

    Example: torch 2.9.1+cu126 of the index `pytorch-cu126`, and torchvision 0.24.1 of PyPI, which timm requires.

    Wrong: uv.lock
        version = 1
        [[package]]
        name = "torch"
        version = "2.9.1+cu126"
        source = { registry = "https://download.pytorch.org/whl/cu126" }
        [[package]]
        name = "torchvision"
        version = "0.24.1"
        source = { registry = "https://mirror.example.com/pypi/simple" }

    Right: uv.lock
        version = 1
        [[package]]
        name = "torch"
        version = "2.9.1+cu126"
        source = { registry = "https://download.pytorch.org/whl/cu126" }
        [[package]]
        name = "torchvision"
        version = "0.24.1+cu126"
        source = { registry = "https://download.pytorch.org/whl/cu126" }

    Sources: alan-turing-institute/autocast PR 416; NVIDIA-NeMo/Automodel PR 3279.
    """
    torch = project.locked.get("torch")
    if torch is None or not torch.registry:
        return
    for name in TORCH_FAMILY[1:]:
        package = project.locked.get(name)
        if package and package.registry and package.channel != torch.channel:
            yield _several_indexes(project, torch, package)


def _several_indexes(project: Project, torch: LockedPackage, package: LockedPackage) -> Finding:
    index = _index_name(project, torch.registry)
    entry = f'`{package.name} = {{ index = "{index or "NAME"}" }}`'
    unnamed = "" if index else f", where NAME is a `[[tool.uv.index]]` of {_origin(torch)}"
    return build_finding(
        "ADO014",
        f"{project.lock_file}:{package.line}:1",
        f"{package.name} {package.version} comes from {_origin(package)}, and torch {torch.version} from {_origin(torch)}",
        help=f"add {package.name} to `dependencies`, and {entry} to `[tool.uv.sources]`{unnamed}",
        about=package.name,
    )


def _index_name(project: Project, url: str) -> str:
    """The name of the `[[tool.uv.index]]` with an address, "" for none."""
    indexes = python_project(project, project.pyproject_file).uv.indexes if project.pyproject_file else ()
    return next((index.name for index in indexes if index.url.rstrip("/") == url.rstrip("/")), "")


def _origin(package: LockedPackage) -> str:
    """The channel of a package, else its index; PyPI and its mirrors by name."""
    if package.channel:
        return package.channel
    return "PyPI" if "pypi" in package.registry.lower() else redact_credentials(package.registry)
