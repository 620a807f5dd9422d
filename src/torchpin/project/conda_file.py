"""Environments of conda and mamba: environment.yml, its channels, its Python and CUDA, and the part that pip installs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import yaml

from torchpin.description.yaml_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.model import Position, Problem

_SPEC = re.compile(
    r"\s*(?:(?P<channel>[^\s:]+)::)?(?P<name>[\w.-]+)\s*(?P<rest>[=<>!~\s\d*].*)?$", re.ASCII | re.DOTALL
)
_LONGEST_SPEC = 2_000  # characters
_MOST_LINES = 20_000  # of the parts for pip together: aliases of YAML let a small file have billions
_CUDA_PACKAGES = ("pytorch-cuda", "cuda-version", "cudatoolkit", "cuda-toolkit", "cuda")


@dataclass(frozen=True, kw_only=True, slots=True)
class CondaSpec:
    """A package of conda as it is written. `version`: an exact one or its beginning, "" for a range or any; `build` its build."""

    text: str
    position: Position
    name: str = ""
    version: str = ""
    build: str = ""
    channel: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CondaEnvironment:
    """An environment.yml. `pip`: lines of a requirement file, options included."""

    file: str
    name: str = ""
    channels: tuple[str, ...] = ()
    specs: tuple[CondaSpec, ...] = ()
    pip: tuple[tuple[str, Position], ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def python(self) -> str:
        """The version of Python, as 3.11 or 3.11.9, "" where none is fixed."""
        return next((spec.version for spec in self.specs if spec.name == "python"), "")

    @property
    def cuda(self) -> str:
        """The CUDA version that is chosen, as 12.4, "" for none."""
        versions = (spec.version for name in _CUDA_PACKAGES for spec in self.specs if spec.name == name)
        return next((version for version in versions if version), "")


def read_conda_environment(file: str, text: str) -> CondaEnvironment:
    """An environment.yml; what is wrong with it is in its problems."""
    reader = Reader(file)
    root = reader.compose(text)
    values = reader.mapping(root, "") if root else {}
    channels = tuple(node.value for _, node in _scalars(reader, values.get("channels"), "channels"))
    specs: list[CondaSpec] = []
    pip: list[tuple[str, Position]] = []
    dependencies = values.get("dependencies")
    for path, node in reader.items(dependencies, "dependencies") if dependencies else ():
        if isinstance(node, yaml.MappingNode):
            inner = reader.mapping(node, path)
            lines = islice(_scalars(reader, inner.get("pip"), f"{path}.pip"), _MOST_LINES + 1 - len(pip))
            pip += [(line.value, reader.position(line)) for _, line in lines]
            if len(pip) > _MOST_LINES:
                reader.add_problem(node, path, f"over {_MOST_LINES} lines for pip are not read")
                break
        elif isinstance(node, yaml.ScalarNode):
            specs.append(parse_spec(node.value, reader.position(node)))
    name = values.get("name")
    return CondaEnvironment(
        file=file,
        name=name.value if isinstance(name, yaml.ScalarNode) else "",
        channels=channels,
        specs=tuple(specs),
        pip=tuple(pip),
        problems=tuple(reader.problems),
    )


def _scalars(reader: Reader, node: yaml.Node | None, path: str) -> Iterator[tuple[str, yaml.ScalarNode]]:
    for place, item in reader.items(node, path) if node else ():
        if isinstance(item, yaml.ScalarNode):
            yield place, item
        else:
            reader.add_problem(item, place, "expected a text")


def parse_spec(text: str, position: Position) -> CondaSpec:
    """A package as conda writes it: `pytorch=2.5.1=py3.11_cuda12.4_cudnn9.1.0_0`, `conda-forge::numpy>=1.26`, `python 3.11.*`."""
    match = _SPEC.fullmatch(text) if len(text) <= _LONGEST_SPEC else None
    if not match:
        return CondaSpec(text=text[:80], position=position)
    clauses = (match["rest"] or "").strip()
    exact = re.fullmatch(
        r"={0,2}\s*(?P<version>\d[\w.!+]*?)(?:\.?\*)?(?:[=\s]+(?P<build>[\w.*+-]+))?", clauses
    )
    return CondaSpec(
        text=text,
        position=position,
        name=match["name"].lower(),
        version=exact["version"] if exact else "",
        build=(exact["build"] or "") if exact else "",
        channel=match["channel"] or "",
    )
