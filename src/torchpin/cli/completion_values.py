"""Which values the arguments of the tasks take, for completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.cli.completion import SHELLS
from torchpin.commands import known_values
from torchpin.errors import TorchpinError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torchpin.cli.completion import ParsedWords

# By argument, or by task and argument where it means something else there.
_VALUES: Mapping[str, Callable[[ParsedWords], Iterable[str]]] = {
    "service": lambda _: known_values.services(),
    "variant": lambda words: known_values.variants(words.value("service")),
    "layer": lambda words: known_values.layers(words.value("service")),
    "component": lambda words: known_values.components(words.value("service")),
    "remove package": lambda words: known_values.packages(words.value("service")),
    "what": lambda words: known_values.update_targets(words.value("service")),
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


def values_of(words: ParsedWords, argument: str) -> Iterable[str]:
    """The known values of an argument; none where the repository cannot be read, which the task itself says."""
    name = f"{words.task} {argument}"
    values = _VALUES.get(name) or _VALUES.get(argument)
    if values is None or name in _WITHOUT:
        return ()
    try:
        return tuple(values(words))
    except TorchpinError:
        return ()
