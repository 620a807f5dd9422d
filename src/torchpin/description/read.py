"""Descriptions and settings to values: every problem at once, each with file:line:column, key path and remedy."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.description import environments
from torchpin.description.patterns import (
    ABSOLUTE,
    APT,
    BASE_PYTHON,
    CHANNEL,
    CHECK,
    COMMIT,
    CREDENTIALS,
    DIGEST,
    DRIVER,
    IMAGE,
    INSIDE,
    KEY,
    MODULE,
    NAME,
    ORIGIN,
    OWN_VARIABLES,
    PLATFORM,
    PROSE,
    PYTHON,
    RESERVED,
    SIZE,
    SYSTEM,
    TAG,
    TAKEN_HOMES,
    TAKEN_USERS,
    URL,
    USER,
    VALUE,
)
from torchpin.description.settings import mirror_names
from torchpin.description.yaml_reader import Reader, Rule, found
from torchpin.errors import InputError
from torchpin.model import (
    Base,
    Health,
    Layer,
    Problem,
    Reason,
    Recommendation,
    Run,
    Service,
    Source,
    Torch,
    Variant,
    Waiver,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SERVICE = ("name", "summary", "python", "base", "torch", "variants", "layers", "gpus", "driver", "apt", "imports", "sources",
            "run", "budget", "recommends", "reasons", "waivers")  # fmt: skip


def services(texts: Mapping[str, str]) -> tuple[Service, ...]:
    """All services of a repository, from `{path: text}` of every services/<name>/service.yaml.

    Raises InputError with every problem of every file; then nothing of any file may be used.
    """
    readers = [(Reader(path), text) for path, text in sorted(texts.items())]
    described = [(reader, _service(reader, text)) for reader, text in readers]
    _one_name_each(described)
    _one_mirror_each(described)
    problems = sorted(
        (problem for reader, _ in readers for problem in reader.problems),
        key=lambda one: (one.where.file, one.where.line, one.where.column),
    )
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise InputError(f"{count} in the descriptions; nothing was written.", problems)
    return tuple(service for _, service in described if service)


def _one_name_each(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """`a` with `b-c` and `a-b` with `c` would be the same environment: one lock, one folder, one image."""
    taken: dict[str, str] = {}
    for reader, service in described:
        for variant in service.variants if service else ():
            name = f"{service.name}-{variant.name}" if service else ""
            if name in taken:
                path = f"variants.{variant.name}"
                message = f"its environment would be {name!r}, as one of {taken[name]}; choose another name"
                reader.problems.append(Problem(where=reader.marks[path], path=path, message=message))
            taken[name] = reader.file


def _one_mirror_each(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """A source has its mirror's variable to itself: `pypi`, a channel or a registry (`docker-io`) is none's name."""
    bare = [replace(service, sources=()) for _, service in described if service]
    taken = {environments.mirror_variable(name): name for name in mirror_names(bare)}
    for reader, service in described:
        for number, source in enumerate(service.sources if service else ()):
            name = taken.get(environments.mirror_variable(source.name))
            if name:
                path = f"sources[{number}].name"
                message = (
                    f"{source.name!r} would share its mirror's variable with {name}; choose another name"
                )
                reader.problems.append(Problem(where=reader.marks[path], path=path, message=message))


def _service(reader: Reader, text: str) -> Service | None:
    root = reader.compose(text)
    if root is None:
        return None
    keys = reader.keys(root, "", _SERVICE)
    reader.required(root, "", keys, ("name", "summary", "python", "base", "torch", "variants", "layers"))
    name = reader.text(keys["name"], "name", NAME) if "name" in keys else ""
    folder = reader.file.split("/")[-2] if "/" in reader.file else name
    if name and name != folder:
        reader.wrong(keys["name"], "name", f"expected {folder!r}, the name of its folder, found {name!r}")
    if name in TAKEN_HOMES:
        reader.wrong(keys["name"], "name", f"/opt/{name} is torchpin's own in an image; choose another name")
    torch = _torch(reader, keys["torch"]) if "torch" in keys else Torch(version=Version("0"), companions={})
    exact = PYTHON if torch.origin == "index" else BASE_PYTHON
    python = reader.text(keys["python"], "python", exact) if "python" in keys else ""
    service = Service(
        name=name,
        summary=reader.text(keys["summary"], "summary", PROSE) if "summary" in keys else "",
        python=Version(python or "3.0.0"),
        base=_base(reader, keys["base"]) if "base" in keys else Base(image=""),
        torch=torch,
        variants=tuple(_variants(reader, keys["variants"])) if "variants" in keys else (),
        layers=tuple(_layers(reader, keys.get("layers"), torch)),
        gpus=_texts(reader, keys, "gpus", PROSE),
        driver=reader.text(keys["driver"], "driver", DRIVER) if "driver" in keys else None,
        apt=_texts(reader, keys, "apt", APT),
        imports=_texts(reader, keys, "imports", MODULE),
        sources=tuple(_sources(reader, keys)),
        run=_run(reader, keys["run"], f"/opt/{name}") if "run" in keys else Run(),
        budget_bytes=_budget(reader, keys),
        recommends=tuple(_recommends(reader, keys)),
        reasons=tuple(_reasons(reader, keys)),
        waivers=tuple(_waivers(reader, keys)),
        marks=MappingProxyType(reader.marks),
    )
    return None if reader.problems else service


def _texts(
    reader: Reader, keys: Mapping[str, yaml.Node], name: str, must: Rule, path: str = ""
) -> tuple[str, ...]:
    here = f"{path}.{name}" if path else name
    found: list[str] = []
    for where, node in reader.items(keys.get(name), here):
        value = reader.text(node, where, must)
        if value and value in found:
            reader.wrong(node, where, f"{value!r} is given twice; keep one")
        found.append(value)
    return tuple(found)


def _base(reader: Reader, node: yaml.Node, path: str = "base") -> Base:
    keys = reader.keys(node, path, ("image", "digest", "rationale"))
    if not reader.required(node, path, keys, ("image",)):
        return Base(image="")
    return Base(
        image=reader.text(keys["image"], f"{path}.image", IMAGE),
        digest=reader.text(keys["digest"], f"{path}.digest", DIGEST) if "digest" in keys else None,
        rationale=reader.text(keys["rationale"], f"{path}.rationale", PROSE) if "rationale" in keys else "",
    )


def _release(text: str) -> Version:
    version = Version(text)
    if version.local:
        message = f"leave out +{version.local}, the channel decides the build"
        raise ValueError(message)
    return version


def _version(reader: Reader, node: yaml.Node, path: str) -> Version:
    return reader.parsed(node, path, _release, "a release version") or Version("0")


def _torch(reader: Reader, node: yaml.Node) -> Torch:
    keys = reader.keys(node, "torch", ("version", "companions", "from"))
    if not reader.required(node, "torch", keys, ("version",)):
        return Torch(version=Version("0"), companions={})
    companions: dict[str, Version] = {}
    for name, value in (
        reader.keys(keys["companions"], "torch.companions") if "companions" in keys else {}
    ).items():
        if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", name) or name == "torch":
            reader.wrong(value, f"torch.companions.{name}", f"{name!r} is not a companion's package name")
        companions[name] = _version(reader, value, f"torch.companions.{name}")
    return Torch(
        version=_version(reader, keys["version"], "torch.version"),
        companions=MappingProxyType(companions),
        origin="base"
        if "from" in keys and reader.text(keys["from"], "torch.from", ORIGIN) == "base"
        else "index",
    )


def _variants(reader: Reader, node: yaml.Node) -> Iterable[Variant]:
    named = reader.keys(node, "variants")
    if not named and isinstance(node, yaml.MappingNode):
        reader.wrong(
            node,
            "variants",
            "expected at least one variant, such as gpu: {channel: cu121, platform: linux/amd64}",
        )
    for name, value in named.items():
        path = f"variants.{name}"
        keys = reader.keys(value, path, ("channel", "platform", "base"))
        if not NAME.pattern.fullmatch(name):
            reader.wrong(value, path, f"{name!r} is not {NAME.expected}")
        if reader.required(value, path, keys, ("channel", "platform")):
            channel = reader.text(keys["channel"], f"{path}.channel", CHANNEL)
            yield Variant(
                name=name,
                channel=channel,
                platform=reader.text(keys["platform"], f"{path}.platform", PLATFORM),
                base=_base(reader, keys["base"], f"{path}.base") if "base" in keys else None,
            )


def pin(text: str) -> Requirement:
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


def _layers(reader: Reader, node: yaml.Node | None, torch: Torch) -> Iterable[Layer]:
    names: set[str] = set()
    seen: dict[str, str] = {}
    for path, value in reader.items(node, "layers"):
        keys = reader.keys(value, path, ("name", "packages", "optional"))
        if not reader.required(value, path, keys, ("name", "packages")):
            continue
        name = reader.text(keys["name"], f"{path}.name", NAME)
        if name in names or name in RESERVED:
            taken = (
                "is another layer's name"
                if name in names
                else "is the name of a layer that torchpin makes itself"
            )
            reader.wrong(keys["name"], f"{path}.name", f"{name!r} {taken}; choose another")
        names.add(name)
        packages = []
        for where, item in reader.items(keys["packages"], f"{path}.packages"):
            requirement = reader.parsed(item, where, pin, "an exact pin such as tqdm==4.66.5")
            if requirement is None:
                continue
            key = canonicalize_name(requirement.name)
            if key in torch.family:
                reader.wrong(
                    item, where, f"{key} belongs under torch, with its companions; no layer may bring another"
                )
            elif key in seen:
                reader.wrong(item, where, f"{key} is pinned twice, first at {seen[key]}; keep one")
            seen[key] = where
            packages.append(requirement)
        yield Layer(
            name=name,
            packages=tuple(packages),
            optional=reader.flag(keys.get("optional"), f"{path}.optional"),
        )


def _sources(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Source]:
    names: set[str] = set()
    places: set[str] = set()
    for path, value in reader.items(root.get("sources"), "sources"):
        keys = reader.keys(value, path, ("name", "url", "tag", "commit", "path", "requirements"))
        if not reader.required(value, path, keys, ("name", "url", "tag", "commit", "path")):
            continue
        name = reader.text(keys["name"], f"{path}.name", NAME)
        place = reader.text(keys["path"], f"{path}.path", INSIDE)
        if place and not place.startswith("third_party/"):
            reader.wrong(
                keys["path"], f"{path}.path", f"{place!r} is not below third_party/, where clones lie"
            )
        if name in names or any(f"{place}/".startswith(f"{x}/") or x.startswith(f"{place}/") for x in places):
            reader.wrong(value, path, "another source has this name or this path; choose another")
        names.add(name)
        places |= {place} - {""}
        yield Source(
            name=name,
            url=_url(reader, keys["url"], f"{path}.url"),
            tag=reader.text(keys["tag"], f"{path}.tag", TAG),
            commit=reader.text(keys["commit"], f"{path}.commit", COMMIT),
            path=place,
            requirements=reader.text(keys["requirements"], f"{path}.requirements", INSIDE)
            if "requirements" in keys
            else None,
        )


def _url(reader: Reader, node: yaml.Node, path: str) -> str:
    """A source's address; what it must not hold is not repeated in the message."""
    if isinstance(node, yaml.ScalarNode) and CREDENTIALS.match(node.value):
        reader.wrong(
            node,
            path,
            "the address holds a user or a token; leave it out: it belongs into git's own credentials",
        )
        return ""
    return reader.text(node, path, URL)


def _run(reader: Reader, node: yaml.Node, home: str) -> Run:
    keys = reader.keys(node, "run", ("command", "env", "ports", "volumes", "freeze", "user", "health"))
    env = reader.keys(keys["env"], "run.env") if "env" in keys else {}
    for name, value in env.items():
        if not KEY.pattern.fullmatch(name):
            reader.wrong(value, f"run.env.{name}", f"{name!r} is not {KEY.expected}")
        elif name in OWN_VARIABLES or name.startswith(("TORCHPIN_", "UV_")):
            reader.wrong(value, f"run.env.{name}", f"{name} is torchpin's own in an image; leave it out")
    for where, volume in reader.items(keys.get("volumes"), "run.volumes"):
        place = f"{volume.value.rstrip('/')}/" if isinstance(volume, yaml.ScalarNode) else ""
        if SYSTEM.match(place) or place.startswith(f"{home}/"):
            reader.wrong(volume, where, f"{volume.value} holds what the image needs to run; mount elsewhere")
    freeze = reader.text(keys["freeze"], "run.freeze", ABSOLUTE) if "freeze" in keys else None
    if freeze and SYSTEM.match(f"{freeze}/"):
        reader.wrong(keys["freeze"], "run.freeze", f"{freeze} is a place of the system; write elsewhere")
    user = reader.text(keys["user"], "run.user", USER) if "user" in keys else None
    if user in TAKEN_USERS or (user or "").startswith("systemd-"):
        reader.wrong(
            keys["user"], "run.user", f"{user!r} is a name that systems have already; choose another"
        )
    return Run(
        command=tuple(
            reader.text(value, path) for path, value in reader.items(keys.get("command"), "run.command")
        ),
        env=MappingProxyType(
            {name: reader.text(value, f"run.env.{name}", VALUE) for name, value in env.items()}
        ),
        ports=tuple(
            reader.number(v, p, low=1, high=65535) for p, v in reader.items(keys.get("ports"), "run.ports")
        ),
        volumes=_texts(reader, keys, "volumes", ABSOLUTE, "run"),
        freeze=freeze,
        user=None if user in {None, "root"} else user,
        health=_health(reader, keys["health"]) if "health" in keys else None,
    )


def _health(reader: Reader, node: yaml.Node) -> Health | None:
    times = ("interval", "timeout", "start_period", "retries")
    keys = reader.keys(node, "run.health", ("command", *times))
    if not reader.required(node, "run.health", keys, ("command",)):
        return None
    given = {
        name: reader.number(keys[name], f"run.health.{name}", low=1, high=86400)
        for name in times
        if name in keys
    }
    items = list(reader.items(keys["command"], "run.health.command"))
    if not items and isinstance(keys["command"], yaml.SequenceNode):
        reader.wrong(keys["command"], "run.health.command", "expected at least one word")
    return Health(command=tuple(reader.text(value, path) for path, value in items), **given)


def _budget(reader: Reader, root: Mapping[str, yaml.Node]) -> int | None:
    keys = reader.keys(root["budget"], "budget", ("image",)) if "budget" in root else {}
    text = reader.text(keys["image"], "budget.image", SIZE) if "image" in keys else ""
    return int(Decimal(text[:-2]) * {"MB": 10**6, "GB": 10**9, "TB": 10**12}[text[-2:]]) if text else None


def _recommends(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Recommendation]:
    for path, value in reader.items(root.get("recommends"), "recommends"):
        keys = reader.keys(value, path, ("component", "says", "by"))
        if reader.required(value, path, keys, ("component", "says")):
            given = {name: reader.text(node, f"{path}.{name}", PROSE) for name, node in keys.items()}
            yield Recommendation(**given)


def _reasons(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Reason]:
    named = reader.keys(root["reasons"], "reasons") if "reasons" in root else {}
    for component, value in named.items():
        path = f"reasons.{component}"
        keys = reader.keys(value, path, ("because", "evidence"))
        if reader.required(value, path, keys, ("because", "evidence")):
            given = {name: reader.text(node, f"{path}.{name}", PROSE) for name, node in keys.items()}
            yield Reason(component=component, **given)


def _waivers(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Waiver]:
    for path, value in reader.items(root.get("waivers"), "waivers"):
        keys = reader.keys(value, path, ("check", "about", "reason", "review_by"))
        if not reader.required(value, path, keys, ("check", "about", "reason", "review_by")):
            continue
        yield Waiver(
            check=reader.text(keys["check"], f"{path}.check", CHECK),
            about=reader.text(keys["about"], f"{path}.about", PROSE),
            reason=reader.text(keys["reason"], f"{path}.reason", PROSE),
            review_by=_date(reader, keys["review_by"], f"{path}.review_by"),
        )


def _date(reader: Reader, node: yaml.Node, path: str) -> date:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    try:  # from 3.11 on, Python reads 20270131 too
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    reader.wrong(node, path, f"expected a date such as 2027-01-31, found {found(node)}")
    return date.max
