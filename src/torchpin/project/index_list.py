"""The indexes that an install looks at, in its tool's own order, each with what sets it and where.

pip: options, else variables, else `pip config` and pip.conf; further indexes of all but configuration add up. A requirement
file's `--index-url` replaces all that came before it. uv: options, else variables, then pyproject.toml or uv.toml, then
requirement files; the default index comes last, whatever comes first in a file.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from torchpin.project.secret_values import hide_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torchpin.project.pip_arguments import Argument, PipArguments
    from torchpin.project.requirement_file import FileOption
    from torchpin.project.text import PlacedText
    from torchpin.project.uv_settings import UvSettings

IndexKind = Literal["default", "extra", "links"]
_MOST_INDEXES = 200  # of an install; real ones have below ten


class Setting(NamedTuple):
    """The value of a variable or of a configuration, and where it is set, as `file:line:column`."""

    value: str
    location: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageIndex:
    """An index. `url`: "" for PyPI, which is the default index where nothing sets one; `origin`: what sets it."""

    url: str
    kind: IndexKind
    origin: str = ""
    location: str = ""
    name: str = ""
    explicit: bool = False  # only for packages whose source names it


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexList:
    """`indexes`: in the order in which the tool looks at them; `strategy`: uv's `--index-strategy`.

    `torch_backend`: uv's, which chooses the index of torch's family, with what sets it.
    """

    tool: Literal["pip", "uv", "poetry", "pipenv", "pdm"] = "pip"
    indexes: tuple[PackageIndex, ...] = (PackageIndex(url="", kind="default"),)
    strategy: str = ""
    torch_backend: Setting | None = None
    no_index: bool = False

    @property
    def default(self) -> PackageIndex | None:
        return next((index for index in self.indexes if index.kind == "default"), None)

    @property
    def implicit(self) -> tuple[PackageIndex, ...]:
        """Those that are looked at for every package."""
        return tuple(index for index in self.indexes if not index.explicit and index.kind != "links")

    def named(self, name: str) -> PackageIndex | None:
        return next((index for index in self.indexes if index.name and index.name == name), None)


def pip_indexes(
    arguments: PipArguments,
    variables: Mapping[str, Setting],
    config: Mapping[str, Setting],
    file_options: Iterable[FileOption] = (),
) -> IndexList:
    """The indexes of a `pip install`. `config`: by pip's key, such as `extra-index-url`."""
    default = _first(
        _last_option(arguments, "index-url", "--index-url"),
        _variable(variables, "PIP_INDEX_URL"),
        _configured(config, "index-url"),
    )
    # options add up with what is configured, and variables stand for configuration
    extras = [
        *(
            _variables(variables, "PIP_EXTRA_INDEX_URL", "extra")
            or _all_configured(config, "extra-index-url", "extra")
        ),
        *_options(arguments, "extra-index-url", "--extra-index-url", "extra"),
    ]
    links = [
        *(_variables(variables, "PIP_FIND_LINKS", "links") or _all_configured(config, "find-links", "links")),
        *_options(arguments, "find-links", "--find-links", "links"),
    ]
    no_index = (
        "--no-index" in arguments.flags
        or _is_set(variables, "PIP_NO_INDEX")
        or _is_on(config.get("no-index"))
    )
    indexes = [default or PackageIndex(url="", kind="default"), *extras]
    no_index = _follow_file(indexes, links, file_options) or no_index
    chosen = [] if no_index else indexes
    return IndexList(tool="pip", indexes=tuple([*chosen, *links][:_MOST_INDEXES]), no_index=no_index)


def _follow_file(
    indexes: list[PackageIndex], links: list[PackageIndex], options: Iterable[FileOption]
) -> bool:
    """Adds what a requirement file says to pip's indexes; its `--index-url` replaces them. Whether it says `--no-index`."""
    no_index = False
    for option in options:
        location = str(option.position)
        if option.name == "--no-index":
            no_index = True
        elif option.name == "--index-url":
            indexes[:] = [
                PackageIndex(url=option.value, kind="default", origin=option.name, location=location)
            ]
        elif option.name == "--extra-index-url":
            indexes.append(
                PackageIndex(url=option.value, kind="extra", origin=option.name, location=location)
            )
        elif option.name == "--find-links":
            links.append(PackageIndex(url=option.value, kind="links", origin=option.name, location=location))
    return no_index


def uv_indexes(
    arguments: PipArguments,
    variables: Mapping[str, Setting],
    settings: Iterable[UvSettings] = (),
    file_options: Iterable[FileOption] = (),
) -> IndexList:
    """The indexes of `uv pip install`, `uv sync` and their like. `settings`: those of uv.toml before those of pyproject.toml."""
    configured = [*settings]
    rows = [
        *(_options(arguments, "index", "--index", "extra") or _variables(variables, "UV_INDEX", "extra")),
        *(
            _options(arguments, "extra-index-url", "--extra-index-url", "extra")
            or _variables(variables, "UV_EXTRA_INDEX_URL", "extra")
        ),
        _first(
            _last_option(arguments, "default-index", "--default-index"),
            _variable(variables, "UV_DEFAULT_INDEX"),
            _last_option(arguments, "index-url", "--index-url"),
            _variable(variables, "UV_INDEX_URL"),
        ),
        *(row for table in configured for row in _settings_indexes(table)),
        *_file_indexes(file_options),
    ]
    links = _options(arguments, "find-links", "--find-links", "links") or _variables(
        variables, "UV_FIND_LINKS", "links"
    )
    no_index = (
        "--no-index" in arguments.flags
        or _is_set(variables, "UV_NO_INDEX")
        or any(table.no_index for table in configured)
        or any(option.name == "--no-index" for option in file_options)
    )
    indexes = [index for index in rows if index and index.kind == "extra"]
    links += [index for index in rows if index and index.kind == "links"]
    defaults = [index for index in rows if index and index.kind == "default"]
    indexes += defaults[:1] or [PackageIndex(url="", kind="default")]
    strategy = arguments.last("index-strategy")
    return IndexList(
        tool="uv",
        indexes=tuple([*([] if no_index else indexes), *links][:_MOST_INDEXES]),
        strategy=(strategy.text if strategy else "")
        or variables.get("UV_INDEX_STRATEGY", Setting("", "")).value
        or next((table.index_strategy for table in configured if table.index_strategy), ""),
        torch_backend=_torch_backend(arguments, variables, configured),
        no_index=no_index,
    )


def _torch_backend(
    arguments: PipArguments, variables: Mapping[str, Setting], settings: Iterable[UvSettings]
) -> Setting | None:
    option = arguments.last("torch-backend")
    if option:
        return Setting(option.text, option.location)
    table = next((table for table in settings if table.torch_backend), None)
    return variables.get("UV_TORCH_BACKEND") or (
        Setting(table.torch_backend, f"{table.file}:1:1") if table else None
    )


def _settings_indexes(settings: UvSettings) -> Iterator[PackageIndex]:
    origin = "[[tool.uv.index]]" if settings.file.endswith("pyproject.toml") else "[[index]]"
    for row in settings.indexes:
        kind: IndexKind = "links" if row.flat else "default" if row.default else "extra"
        yield PackageIndex(
            url=row.url,
            kind=kind,
            origin=origin,
            location=str(row.position),
            name=row.name,
            explicit=row.explicit,
        )
    for link in settings.find_links:
        yield PackageIndex(url=link, kind="links", origin="find-links", location=f"{settings.file}:1:1")


def _file_indexes(options: Iterable[FileOption]) -> Iterator[PackageIndex]:
    kinds: dict[str, IndexKind] = {
        "--index-url": "default",
        "--extra-index-url": "extra",
        "--find-links": "links",
    }
    for option in options:
        if option.name in kinds:
            yield PackageIndex(
                url=option.value, kind=kinds[option.name], origin=option.name, location=str(option.position)
            )


def _first(*indexes: PackageIndex | None) -> PackageIndex | None:
    return next((index for index in indexes if index), None)


def _index(value: str, kind: IndexKind, origin: str, location: str) -> PackageIndex:
    """An index of a value; uv lets one be written as `name=address`."""
    name, separator, url = value.partition("=")
    if separator and name.replace("-", "").replace("_", "").isalnum() and "://" in url and "/" not in name:
        return PackageIndex(url=url, kind=kind, origin=origin, location=location, name=name)
    return PackageIndex(url=value, kind=kind, origin=origin, location=location)


def _last_option(arguments: PipArguments, kind: str, origin: str) -> PackageIndex | None:
    option: Argument | None = arguments.last(kind)
    return _index(option.text, "default", origin, option.location) if option else None


def _options(arguments: PipArguments, kind: str, origin: str, index: IndexKind) -> list[PackageIndex]:
    return [_index(option.text, index, origin, option.location) for option in arguments.values(kind)]


def _variable(variables: Mapping[str, Setting], name: str) -> PackageIndex | None:
    setting = variables.get(name)
    return _index(setting.value, "default", name, setting.location) if setting and setting.value else None


def _variables(variables: Mapping[str, Setting], name: str, kind: IndexKind) -> list[PackageIndex]:
    """The addresses of a variable, which blanks separate (commas too, of links in uv)."""
    setting = variables.get(name)
    text = (
        setting.value.replace(",", " ")
        if setting and name == "UV_FIND_LINKS"
        else setting.value
        if setting
        else ""
    )
    return [_index(url, kind, name, setting.location) for url in text.split() if setting]


def _configured(config: Mapping[str, Setting], key: str) -> PackageIndex | None:
    setting = config.get(key)
    return _index(setting.value, "default", f"pip's {key}", setting.location) if setting else None


def _all_configured(config: Mapping[str, Setting], key: str, kind: IndexKind) -> list[PackageIndex]:
    setting = config.get(key)
    return (
        [_index(url, kind, f"pip's {key}", setting.location) for url in setting.value.split()]
        if setting
        else []
    )


def _is_set(variables: Mapping[str, Setting], name: str) -> bool:
    return _is_on(variables.get(name))


def _is_on(setting: Setting | None) -> bool:
    return setting is not None and setting.value.strip().lower() in {"1", "true", "yes", "on", "y", "t"}


def read_pip_config(file: str, text: PlacedText) -> dict[str, Setting]:
    """The keys of a pip.conf that concern `pip install`, with their places; a file that cannot be read has none."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text.text)
    except (configparser.Error, RecursionError):
        return {}
    lines = [(line.strip().replace("_", "-"), place.line) for line, place in text.lines()]
    settings: dict[str, Setting] = {}
    for section in ("global", "install"):
        for key, value in parser.items(section) if parser.has_section(section) else ():
            name = key.replace("_", "-")
            line = next((number for row, number in lines if row.startswith(name)), text.place(0).line)
            settings[name] = Setting(hide_secret(value), f"{file}:{line}:1")
    return settings
