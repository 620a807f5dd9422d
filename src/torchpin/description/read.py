"""Reads service.yaml to a Service, and reports every problem of every file at once."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.description.environments import mirror_variable
from torchpin.description.patterns import (
    APT,
    BASE_PYTHON,
    CHANNEL,
    COMMIT,
    CREDENTIALS,
    DIGEST,
    DRIVER,
    IMAGE,
    INSIDE,
    MODULE,
    NAME,
    ORIGIN,
    PLATFORM,
    PROSE,
    PYTHON,
    RESERVED,
    SIZE,
    TAG,
    TAKEN_HOMES,
    URL,
)
from torchpin.description.read_reasons import read_reasons, read_recommendations, read_waivers
from torchpin.description.read_run import read_run
from torchpin.description.settings import mirror_names
from torchpin.description.yaml_reader import Reader
from torchpin.errors import InputError
from torchpin.model import Base, Layer, Problem, Run, Service, Source, Torch, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SERVICE_KEYS = ("name", "summary", "python", "base", "torch", "variants", "layers", "gpus", "driver", "apt", "imports", "sources",
            "run", "budget", "recommends", "reasons", "waivers")  # fmt: skip


def read_services(texts: Mapping[str, str]) -> tuple[Service, ...]:
    """All services of a repository, from `{path: text}` of every services/<name>/service.yaml.

    Raises InputError with every problem of every file.
    """
    readers = [(Reader(path), text) for path, text in sorted(texts.items())]
    described = [(reader, _read_service(reader, text)) for reader, text in readers]
    _require_unique_environments(described)
    _require_unique_mirrors(described)
    problems = sorted(
        (problem for reader, _ in readers for problem in reader.problems),
        key=lambda problem: (problem.position.file, problem.position.line, problem.position.column),
    )
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise InputError(f"{count} in the descriptions; nothing was written", problems)
    return tuple(service for _, service in described if service)


def _require_unique_environments(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """Adds a problem for two variants with one environment name, as service `a` with `b-c` and `a-b` with `c` have."""
    taken: dict[str, str] = {}
    for reader, service in described:
        for variant in service.variants if service else ():
            name = f"{service.name}-{variant.name}" if service else ""
            if name in taken:
                path = f"variants.{variant.name}"
                message = f"environment {name!r} already exists, in {taken[name]}; choose another name"
                reader.problems.append(Problem(position=reader.positions[path], path=path, message=message))
            taken[name] = reader.file


def _require_unique_mirrors(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """Adds a problem for a source whose mirror variable is that of a channel, `pypi` or a registry (`docker-io`)."""
    bare = [replace(service, sources=()) for _, service in described if service]
    taken = {mirror_variable(name): name for name in mirror_names(bare)}
    for reader, service in described:
        for number, source in enumerate(service.sources if service else ()):
            name = taken.get(mirror_variable(source.name))
            if name:
                path = f"sources[{number}].name"
                message = f"{source.name!r} has the mirror variable of {name}; choose another name"
                reader.problems.append(Problem(position=reader.positions[path], path=path, message=message))


def _read_service(reader: Reader, text: str) -> Service | None:
    root = reader.compose(text)
    if root is None:
        return None
    keys = reader.mapping(root, "", _SERVICE_KEYS)
    reader.require_keys(root, "", keys, ("name", "summary", "python", "base", "torch", "variants", "layers"))
    name = _read_name(reader, keys["name"]) if "name" in keys else ""
    torch = (
        _read_torch(reader, keys["torch"]) if "torch" in keys else Torch(version=Version("0"), companions={})
    )
    exact = PYTHON if torch.origin == "index" else BASE_PYTHON
    python = reader.text(keys["python"], "python", exact) if "python" in keys else ""
    service = Service(
        name=name,
        summary=reader.text(keys["summary"], "summary", PROSE) if "summary" in keys else "",
        python=Version(python or "3.0.0"),
        base=_read_base(reader, keys["base"]) if "base" in keys else Base(image=""),
        torch=torch,
        variants=tuple(_read_variants(reader, keys["variants"])) if "variants" in keys else (),
        layers=tuple(_read_layers(reader, keys.get("layers"), torch)),
        gpus=reader.texts(keys.get("gpus"), "gpus", PROSE),
        driver=reader.text(keys["driver"], "driver", DRIVER) if "driver" in keys else None,
        apt=reader.texts(keys.get("apt"), "apt", APT),
        imports=reader.texts(keys.get("imports"), "imports", MODULE),
        sources=tuple(_read_sources(reader, keys)),
        run=read_run(reader, keys["run"], f"/opt/{name}") if "run" in keys else Run(),
        budget_bytes=_read_budget(reader, keys),
        recommends=tuple(read_recommendations(reader, keys)),
        reasons=tuple(read_reasons(reader, keys)),
        waivers=tuple(read_waivers(reader, keys)),
        positions=MappingProxyType(reader.positions),
    )
    return None if reader.problems else service


def _read_name(reader: Reader, node: yaml.Node) -> str:
    name = reader.text(node, "name", NAME)
    folder = reader.file.split("/")[-2] if "/" in reader.file else name
    if name and name != folder:
        reader.add_problem(node, "name", f"expected {folder!r}, the name of its folder, found {name!r}")
    if name in TAKEN_HOMES:
        reader.add_problem(node, "name", f"/opt/{name} is reserved for torchpin; choose another name")
    return name


def _read_base(reader: Reader, node: yaml.Node, path: str = "base") -> Base:
    keys = reader.mapping(node, path, ("image", "digest", "rationale"))
    if not reader.require_keys(node, path, keys, ("image",)):
        return Base(image="")
    return Base(
        image=reader.text(keys["image"], f"{path}.image", IMAGE),
        digest=reader.text(keys["digest"], f"{path}.digest", DIGEST) if "digest" in keys else None,
        rationale=reader.text(keys["rationale"], f"{path}.rationale", PROSE) if "rationale" in keys else "",
    )


def _parse_release(text: str) -> Version:
    version = Version(text)
    if version.local:
        message = f"leave out +{version.local}, the channel decides the build"
        raise ValueError(message)
    return version


def _read_version(reader: Reader, node: yaml.Node, path: str) -> Version:
    return reader.parse(node, path, _parse_release, "a release version") or Version("0")


def _read_torch(reader: Reader, node: yaml.Node) -> Torch:
    keys = reader.mapping(node, "torch", ("version", "companions", "from"))
    if not reader.require_keys(node, "torch", keys, ("version",)):
        return Torch(version=Version("0"), companions={})
    companions: dict[str, Version] = {}
    for name, value in (
        reader.mapping(keys["companions"], "torch.companions") if "companions" in keys else {}
    ).items():
        if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", name) or name == "torch":
            reader.add_problem(
                value, f"torch.companions.{name}", f"{name!r} is not the package name of a companion"
            )
        companions[name] = _read_version(reader, value, f"torch.companions.{name}")
    return Torch(
        version=_read_version(reader, keys["version"], "torch.version"),
        companions=MappingProxyType(companions),
        origin="base"
        if "from" in keys and reader.text(keys["from"], "torch.from", ORIGIN) == "base"
        else "index",
    )


def _read_variants(reader: Reader, node: yaml.Node) -> Iterable[Variant]:
    named = reader.mapping(node, "variants")
    if not named and isinstance(node, yaml.MappingNode):
        reader.add_problem(
            node,
            "variants",
            "expected at least one variant, such as gpu: {channel: cu121, platform: linux/amd64}",
        )
    for name, value in named.items():
        path = f"variants.{name}"
        keys = reader.mapping(value, path, ("channel", "platform", "base"))
        if not NAME.pattern.fullmatch(name):
            reader.add_problem(value, path, f"{name!r} is not {NAME.expected}")
        if reader.require_keys(value, path, keys, ("channel", "platform")):
            channel = reader.text(keys["channel"], f"{path}.channel", CHANNEL)
            yield Variant(
                name=name,
                channel=channel,
                platform=reader.text(keys["platform"], f"{path}.platform", PLATFORM),
                base=_read_base(reader, keys["base"], f"{path}.base") if "base" in keys else None,
            )


def parse_pin(text: str) -> Requirement:
    """An exact pin, `name==version` or `name[extra]==version`. Raises ValueError for everything looser."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from None
    exact = [s for s in requirement.specifier if s.operator == "==" and not s.version.endswith(".*")]
    if len(requirement.specifier) != 1 or not exact or requirement.url or requirement.marker:
        message = "pin one version with =="
        raise ValueError(message)
    return requirement


def _read_layers(reader: Reader, node: yaml.Node | None, torch: Torch) -> Iterable[Layer]:
    names: set[str] = set()
    pinned_at: dict[str, str] = {}
    for path, value in reader.items(node, "layers"):
        keys = reader.mapping(value, path, ("name", "packages", "optional"))
        if not reader.require_keys(value, path, keys, ("name", "packages")):
            continue
        name = reader.text(keys["name"], f"{path}.name", NAME)
        if name in names or name in RESERVED:
            owner = "another layer" if name in names else "a layer that torchpin adds"
            message = f"{name!r} is the name of {owner}; choose another name"
            reader.add_problem(keys["name"], f"{path}.name", message)
        names.add(name)
        yield Layer(
            name=name,
            packages=tuple(_read_packages(reader, keys["packages"], f"{path}.packages", torch, pinned_at)),
            optional=reader.flag(keys.get("optional"), f"{path}.optional"),
        )


def _read_packages(
    reader: Reader, node: yaml.Node, path: str, torch: Torch, pinned_at: dict[str, str]
) -> Iterable[Requirement]:
    """The pins of a layer. `pinned_at` has the key path of each package so far, and is updated."""
    for key_path, package_node in reader.items(node, path):
        requirement = reader.parse(package_node, key_path, parse_pin, "an exact pin such as tqdm==4.66.5")
        if requirement is None:
            continue
        name = canonicalize_name(requirement.name)
        if name in torch.family:
            message = f"{name} is pinned under `torch`; a layer cannot pin it again"
            reader.add_problem(package_node, key_path, message)
        elif name in pinned_at:
            message = f"{name} is pinned twice, first at {pinned_at[name]}; keep one"
            reader.add_problem(package_node, key_path, message)
        pinned_at[name] = key_path
        yield requirement


def _read_sources(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Source]:
    names: set[str] = set()
    checkout_paths: set[str] = set()
    outer_paths: set[str] = set()  # the folders that checkouts lie in
    for path, value in reader.items(root.get("sources"), "sources"):
        keys = reader.mapping(value, path, ("name", "url", "tag", "commit", "path", "requirements"))
        if not reader.require_keys(value, path, keys, ("name", "url", "tag", "commit", "path")):
            continue
        name = reader.text(keys["name"], f"{path}.name", NAME)
        checkout_path = reader.text(keys["path"], f"{path}.path", INSIDE)
        if checkout_path and not checkout_path.startswith("third_party/"):
            reader.add_problem(
                keys["path"],
                f"{path}.path",
                f"{checkout_path!r} is not in third_party/, the folder of clones",
            )
        outer = {checkout_path[: slash.start()] for slash in re.finditer("/", checkout_path)}
        if name in names or checkout_path in outer_paths or {checkout_path, *outer} & checkout_paths:
            reader.add_problem(value, path, "another source has this name or path; choose another")
        names.add(name)
        checkout_paths |= {checkout_path} - {""}
        outer_paths |= outer
        yield Source(
            name=name,
            url=_read_url(reader, keys["url"], f"{path}.url"),
            tag=reader.text(keys["tag"], f"{path}.tag", TAG),
            commit=reader.text(keys["commit"], f"{path}.commit", COMMIT),
            path=checkout_path,
            requirements=reader.text(keys["requirements"], f"{path}.requirements", INSIDE)
            if "requirements" in keys
            else None,
        )


def _read_url(reader: Reader, node: yaml.Node, path: str) -> str:
    """The address of a source. A message does not repeat one with credentials."""
    if isinstance(node, yaml.ScalarNode) and CREDENTIALS.match(node.value):
        reader.add_problem(
            node,
            path,
            "the address has a user or a token; leave it out, it belongs in git's credential store",
        )
        return ""
    return reader.text(node, path, URL)


def _read_budget(reader: Reader, root: Mapping[str, yaml.Node]) -> int | None:
    keys = reader.mapping(root["budget"], "budget", ("image",)) if "budget" in root else {}
    text = reader.text(keys["image"], "budget.image", SIZE) if "image" in keys else ""
    return int(Decimal(text[:-2]) * {"MB": 10**6, "GB": 10**9, "TB": 10**12}[text[-2:]]) if text else None
