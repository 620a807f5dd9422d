"""torch as conda installs it: its release and its companions, the channel of PyTorch that has the same build, and the Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from torchpin.facts.versions import is_version
from torchpin.model import Position
from torchpin.project.conda_file import parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.project.conda_file import CondaSpec
    from torchpin.project.install import InstallCommand

_NAMES = {
    "pytorch": "torch",
    "pytorch-gpu": "torch",
    "pytorch-cpu": "torch",
    "torchvision": "torchvision",
    "torchaudio": "torchaudio",
}
_CUDA = ("pytorch-cuda", "cuda-version", "cudatoolkit")  # the first one that has a version says the build
_BUILD = re.compile(r"cuda_?(\d{2})\.?(\d)|(?P<cpu>(?:^|_)cpu)")
_COMPATIBLE = re.compile(r"~=\s*(3\.\d{1,2})\.\d+$")  # of python: `~=3.10.12` is any 3.10 from there on
_NOWHERE = Position(file="", line=0, column=0)


class CondaTorch(NamedTuple):
    """`versions`: of torch's family, "" where none is fixed; `channel`: cu121 or cpu, "" where nothing says it."""

    versions: Mapping[str, str]
    channel: str


def conda_torch(step: InstallCommand) -> CondaTorch:
    """What of torch's family a step of conda installs."""
    specs = [parse_spec(target.text, _NOWHERE) for target in step.targets]
    versions = {_NAMES[spec.name]: spec.version for spec in specs if spec.name in _NAMES}
    return CondaTorch(versions, _channel(specs) if "torch" in versions else "")


def _channel(specs: list[CondaSpec]) -> str:
    by_name = {spec.name: spec for spec in specs}
    if {"cpuonly", "pytorch-cpu"} & {*by_name}:
        return "cpu"
    for name in _CUDA:
        major, _, minor = by_name[name].version.partition(".") if name in by_name else ("", "", "")
        if major.isdigit() and minor[:1].isdigit():
            return f"cu{major}{minor[0]}"
    build = _BUILD.search(by_name["pytorch"].build) if "pytorch" in by_name else None
    return "" if build is None else "cpu" if build["cpu"] else f"cu{build[1]}{build[2]}"


def conda_python(steps: Iterable[InstallCommand]) -> tuple[str, str]:
    """The Python that conda puts into the image last, as 3.11 or 3.11.9, and the place that says it; ("", "") for none."""
    python = ("", "")
    for step in steps:
        for target in step.targets if step.tool == "conda" else ():
            spec = parse_spec(target.text, _NOWHERE)
            if spec.name == "python" and spec.version.count(".") >= 1 and is_version(spec.version):
                python = spec.version, target.location
            elif spec.name == "python" and (compatible := _COMPATIBLE.search(target.text)):
                python = compatible[1], target.location
    return python
