"""The arguments of `pip install`, `uv pip install`, `uv pip sync` and `uv add`: what is installed, and the options about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Options that take a value, by what the value is for; "" is read past. By `pip install --help` and `uv pip install --help`,
# `uv add --help` and `uv sync --help`: pip 25 and uv 0.13.
_KINDS = {
    "requirement": ("-r", "--requirement", "--requirements"),
    "constraint": ("-c", "--constraint", "--constraints"),
    "override": ("--override", "--overrides"),
    "index-url": ("-i", "--index-url", "--pypi-url"),
    "extra-index-url": ("--extra-index-url",),
    "index": ("--index",),
    "default-index": ("--default-index",),
    "find-links": ("-f", "--find-links"),
    "no-binary": ("--no-binary", "--no-binary-package"),
    "only-binary": ("--only-binary",),
    "torch-backend": ("--torch-backend",),
    "index-strategy": ("--index-strategy",),
    "editable": ("-e", "--editable"),
    "group": ("--group", "--only-group"),
    "no-group": ("--no-group",),
    "extra": ("--extra",),
    "no-extra": ("--no-extra",),
    "python": ("-p", "--python"),
    "python-version": ("--python-version",),
    "project": ("--project",),
    "directory": ("--directory",),
    "target": ("-t", "--target"),
    "package": ("--package",),
    "no-install-package": ("--no-install-package",),
    "config-file": ("--config-file",),
    "branch": ("--branch", "--tag", "--rev"),
    "": (
        "-C", "-P", "-b", "--abi", "--allow-insecure-host", "--bounds", "--build-constraints", "--build-constraint", "--cache-dir",
        "--cert", "--client-cert", "--color", "--config-setting", "--config-settings", "--config-settings-package",
        "--default-timeout", "--exclude-newer", "--exclude-newer-package", "--excludes", "--exists-action", "--fork-strategy",
        "--global-option", "--implementation", "--keyring-provider", "--link-mode", "--log", "--marker",
        "--no-build-isolation-package", "--no-build-package", "--no-editable-package", "--no-sources-package", "--optional",
        "--output-format", "--platform", "--prefix", "--prerelease", "--prerelease-package", "--progress-bar", "--proxy",
        "--python-platform", "--refresh-package", "--reinstall-package", "--report", "--resolution", "--resume-retries",
        "--retries", "--root", "--root-user-action", "--script", "--source-directory", "--src", "--timeout", "--trusted-host",
        "--upgrade-group", "--upgrade-package", "--upgrade-strategy", "--use-deprecated", "--use-feature",
    ),
}  # fmt: skip
_WITH_VALUE = {option: kind for kind, options in _KINDS.items() for option in options}


class Argument(NamedTuple):
    """A word of a command and its place, as `file:line:column`."""

    text: str
    location: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PipArguments:
    """`targets`: the words that are no options; `options`: values by kind, in their order; `flags`: the options as they are written, without values."""

    targets: tuple[Argument, ...] = ()
    options: Mapping[str, tuple[Argument, ...]] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def values(self, kind: str) -> tuple[Argument, ...]:
        return self.options.get(kind, ())

    def last(self, kind: str) -> Argument | None:
        """The value that counts of an option that is given once."""
        return next(reversed(self.values(kind)), None)


def parse_arguments(words: Sequence[Argument], *, hidden: str = "") -> PipArguments:
    """The arguments behind `install`. `hidden`: the word that stands for a secret, which is no target behind an option."""
    options: dict[str, list[Argument]] = {}
    targets: list[Argument] = []
    flags: set[str] = set()
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        name, separator, value = word.text.partition("=")
        if word.text in _WITH_VALUE:
            flags.add(word.text)
            if index < len(words):
                options.setdefault(_WITH_VALUE[word.text], []).append(words[index])
                index += 1
        elif separator and name.startswith("--"):
            kind = _WITH_VALUE.get(name)
            if kind is not None:
                options.setdefault(kind, []).append(Argument(value, word.location))
            flags.add(name)
        elif word.text[:2] in _WITH_VALUE and word.text[:2] != "--" and len(word.text) > 2:  # noqa: PLR2004 - `-rFILE`
            options.setdefault(_WITH_VALUE[word.text[:2]], []).append(Argument(word.text[2:], word.location))
        elif word.text.startswith("-") and word.text != "-":
            flags.add(word.text)
        elif word.text and not (
            hidden and word.text == hidden and index > 1 and words[index - 2].text[:1] == "-"
        ):
            targets.append(word)
    return PipArguments(
        targets=tuple(targets),
        options={kind: tuple(rows) for kind, rows in options.items()},
        flags=frozenset(flags),
    )
