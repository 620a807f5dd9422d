"""uv's settings of another project: `[tool.uv]` of pyproject.toml, or uv.toml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.project.toml_file import TomlFile, table_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.model import Position

_LISTS = ("no-build-package", "no-binary-package", "default-groups")


@dataclass(frozen=True, kw_only=True, slots=True)
class UvIndex:
    """An index by uv's settings. `explicit`: only for packages whose source names it. `position`: of its address."""

    url: str
    position: Position
    name: str = ""
    default: bool = False
    explicit: bool = False
    flat: bool = False  # a page of files, as with --find-links


@dataclass(frozen=True, kw_only=True, slots=True)
class UvSource:
    """Where a package comes from, by `[tool.uv.sources]`: an index, a repository, an address, a path, or the workspace.

    `marker`, `extra`, `group`: when it counts, "" for always.
    """

    position: Position
    index: str = ""
    git: str = ""
    url: str = ""
    path: str = ""
    workspace: bool = False
    revision: str = ""  # a commit, tag or branch
    subdirectory: str = ""
    editable: bool = False
    marker: str = ""
    extra: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UvSettings:
    """`indexes`: in uv's order; `texts`: constraints, overrides and the like, each with its place, by uv's name."""

    file: str = ""
    indexes: tuple[UvIndex, ...] = ()
    sources: Mapping[str, tuple[UvSource, ...]] = field(default_factory=dict)  # by normalized name
    constraints: tuple[tuple[str, Position], ...] = ()
    overrides: tuple[tuple[str, Position], ...] = ()
    find_links: tuple[str, ...] = ()
    index_strategy: str = ""
    torch_backend: str = ""
    no_index: bool = False
    no_build: bool = False
    no_binary: bool = False
    package: bool | None = None  # whether the project itself is installed; None: it has a build system
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    all_default_groups: bool = False

    @property
    def default_groups(self) -> tuple[str, ...]:
        """The groups that are installed unless one says otherwise."""
        return tuple(canonicalize_name(group) for group in self.lists.get("default-groups", ("dev",)))


def read_uv_settings(toml: TomlFile, *prefix: str) -> UvSettings:
    """The settings below a path of tables (`tool`, `uv`), or those of a whole uv.toml."""
    table, name = toml.table(*prefix), ".".join(prefix)
    pip = table_of(table, "pip")
    constraints, overrides = (
        tuple((text, toml.position(text, name)) for text in toml.texts(table, key, name))
        for key in ("constraint-dependencies", "override-dependencies")
    )
    return UvSettings(
        file=toml.file,
        indexes=tuple(_indexes(toml, table, name)),
        sources=_sources(toml, table_of(table, "sources"), f"{name}.sources".lstrip(".")),
        constraints=constraints,
        overrides=overrides,
        find_links=_link_list(table) + _link_list(pip),
        index_strategy=text_of(table, "index-strategy") or text_of(pip, "index-strategy"),
        torch_backend=text_of(pip, "torch-backend") or text_of(table, "torch-backend"),
        no_index=table.get("no-index") is True or pip.get("no-index") is True,
        no_build=table.get("no-build") is True,
        no_binary=table.get("no-binary") is True,
        package=table["package"] if isinstance(table.get("package"), bool) else None,
        lists={key: toml.texts(table, key, name) for key in _LISTS if key in table and table[key] != "all"},
        all_default_groups=table.get("default-groups") == "all",
    )


def _link_list(table: Mapping[str, Any]) -> tuple[str, ...]:
    links = table.get("find-links")
    return tuple(link for link in links if isinstance(link, str)) if isinstance(links, list) else ()


def _indexes(toml: TomlFile, table: Mapping[str, Any], name: str) -> Iterator[UvIndex]:
    for row in toml.rows(table, "index", name):
        url = text_of(row, "url")
        if url:
            yield UvIndex(
                url=url,
                name=text_of(row, "name"),
                default=row.get("default") is True,
                explicit=row.get("explicit") is True,
                flat=row.get("format") == "flat",
                position=toml.position(url, f"{name}.index".lstrip(".")),
            )
    # the older names; those of `pip` are for `uv pip` alone, and are the same there
    for settings, place in ((table, name), (table_of(table, "pip"), f"{name}.pip".lstrip("."))):
        extra = settings.get("extra-index-url")
        for address in extra if isinstance(extra, list) else [extra]:
            if isinstance(address, str):
                yield UvIndex(url=address, position=toml.position(address, place))
        url = text_of(settings, "index-url")
        if url:
            yield UvIndex(url=url, default=True, position=toml.position(url, place))


def _sources(toml: TomlFile, table: Mapping[str, Any], name: str) -> dict[str, tuple[UvSource, ...]]:
    sources: dict[str, tuple[UvSource, ...]] = {}
    for package, value in table.items():
        rows = value if isinstance(value, list) else [value]
        if not all(isinstance(row, dict) for row in rows):
            toml.wrong_type(f"{name}.{package}", "a table, or a list of tables")
            continue
        position = toml.key_position(package, name)
        sources[canonicalize_name(package)] = tuple(_source(row, position) for row in rows)
    return sources


def _source(row: Mapping[str, Any], position: Position) -> UvSource:
    return UvSource(
        index=text_of(row, "index"),
        git=text_of(row, "git"),
        url=text_of(row, "url"),
        path=text_of(row, "path"),
        workspace=row.get("workspace") is True,
        revision=next((text_of(row, key) for key in ("rev", "tag", "branch") if text_of(row, key)), ""),
        subdirectory=text_of(row, "subdirectory"),
        editable=row.get("editable") is True,
        marker=text_of(row, "marker"),
        extra=canonicalize_name(text_of(row, "extra")) if text_of(row, "extra") else "",
        group=canonicalize_name(text_of(row, "group")) if text_of(row, "group") else "",
        position=position,
    )
