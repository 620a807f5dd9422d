"""Which values the arguments of the tasks take, for completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.cli.completion import SHELLS
from torchpin.commands import known_values
from torchpin.errors import TorchpinError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torchpin.cli.completion import TypedLine

# By argument, or by task and argument where it means something else there.
_VALUES: Mapping[str, Callable[[TypedLine], Iterable[str]]] = {
    "service": lambda _: known_values.services(),
    "variant": lambda line: known_values.variants(line.value("service")),
    "layer": lambda line: known_values.layers(line.value("service")),
    "component": lambda line: known_values.components(line.value("service")),
    "remove package": lambda line: known_values.packages(line.value("service")),
    "what": lambda line: known_values.update_targets(line.value("service")),
    "gpu": lambda _: known_values.gpus(),
    "channel": lambda _: known_values.channels(),
    "torch": lambda _: known_values.torch_releases(),
    "id": lambda _: known_values.checks_and_rules(),
    "select": lambda _: known_values.rules(),
    "ignore": lambda _: known_values.rules(),
    "fail_on": lambda _: ("error", "warning"),
    "format": lambda _: ("requirements", "pylock", "cyclonedx", "spdx"),
    "part": lambda _: ("template", "runtime"),
    "progress": lambda _: ("auto", "plain", "json"),
    "provenance": lambda _: ("min", "max"),
    "require": lambda _: ("docker", "gpu", "network"),
    "shell": lambda _: SHELLS,
}
_WITHOUT = frozenset({"new service"})  # a new name


def values_of(line: TypedLine, argument: str) -> Iterable[str]:
    """The known values of an argument; none where the repository cannot be read, which the task itself reports."""
    name = f"{line.task} {argument}"
    values = _VALUES.get(name) or _VALUES.get(argument)
    if values is None or name in _WITHOUT:
        return ()
    try:
        return tuple(values(line))
    except TorchpinError:
        return ()
