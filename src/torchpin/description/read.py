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

from torchpin.description.environments import mirror_variable
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
from torchpin.description.yaml_reader import Reader, Rule, describe_node
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

_SERVICE_KEYS = ("name", "summary", "python", "base", "torch", "variants", "layers", "gpus", "driver", "apt", "imports", "sources",
            "run", "budget", "recommends", "reasons", "waivers")  # fmt: skip


def read_services(texts: Mapping[str, str]) -> tuple[Service, ...]:
    """All services of a repository, from `{path: text}` of every services/<name>/service.yaml.

    Raises InputError with every problem of every file; then nothing of any file may be used.
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
        raise InputError(f"{count} in the descriptions; nothing was written.", problems)
    return tuple(service for _, service in described if service)


def _require_unique_environments(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """`a` with `b-c` and `a-b` with `c` would be the same environment: one lock, one folder, one image."""
    taken: dict[str, str] = {}
    for reader, service in described:
        for variant in service.variants if service else ():
            name = f"{service.name}-{variant.name}" if service else ""
            if name in taken:
                path = f"variants.{variant.name}"
                message = f"its environment would be {name!r}, as one of {taken[name]}; choose another name"
                reader.problems.append(Problem(position=reader.positions[path], path=path, message=message))
            taken[name] = reader.file


def _require_unique_mirrors(described: Iterable[tuple[Reader, Service | None]]) -> None:
    """A source has its mirror's variable to itself: `pypi`, a channel or a registry (`docker-io`) is none's name."""
    bare = [replace(service, sources=()) for _, service in described if service]
    taken = {mirror_variable(name): name for name in mirror_names(bare)}
    for reader, service in described:
        for number, source in enumerate(service.sources if service else ()):
            name = taken.get(mirror_variable(source.name))
            if name:
                path = f"sources[{number}].name"
                message = (
                    f"{source.name!r} would share its mirror's variable with {name}; choose another name"
                )
                reader.problems.append(Problem(position=reader.positions[path], path=path, message=message))


def _read_service(reader: Reader, text: str) -> Service | None:
    root = reader.compose(text)
    if root is None:
        return None
    keys = reader.mapping(root, "", _SERVICE_KEYS)
    reader.require_keys(root, "", keys, ("name", "summary", "python", "base", "torch", "variants", "layers"))
    name = reader.text(keys["name"], "name", NAME) if "name" in keys else ""
    folder = reader.file.split("/")[-2] if "/" in reader.file else name
    if name and name != folder:
        reader.add_problem(
            keys["name"], "name", f"expected {folder!r}, the name of its folder, found {name!r}"
        )
    if name in TAKEN_HOMES:
        reader.add_problem(
            keys["name"], "name", f"/opt/{name} is torchpin's own in an image; choose another name"
        )
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
        gpus=_read_texts(reader, keys, "gpus", PROSE),
        driver=reader.text(keys["driver"], "driver", DRIVER) if "driver" in keys else None,
        apt=_read_texts(reader, keys, "apt", APT),
        imports=_read_texts(reader, keys, "imports", MODULE),
        sources=tuple(_read_sources(reader, keys)),
        run=_read_run(reader, keys["run"], f"/opt/{name}") if "run" in keys else Run(),
        budget_bytes=_read_budget(reader, keys),
        recommends=tuple(_read_recommendations(reader, keys)),
        reasons=tuple(_read_reasons(reader, keys)),
        waivers=tuple(_read_waivers(reader, keys)),
        positions=MappingProxyType(reader.positions),
    )
    return None if reader.problems else service


def _read_texts(
    reader: Reader, keys: Mapping[str, yaml.Node], name: str, rule: Rule, path: str = ""
) -> tuple[str, ...]:
    list_path = f"{path}.{name}" if path else name
    texts: list[str] = []
    for key_path, node in reader.items(keys.get(name), list_path):
        value = reader.text(node, key_path, rule)
        if value and value in texts:
            reader.add_problem(node, key_path, f"{value!r} is given twice; keep one")
        texts.append(value)
    return tuple(texts)


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
                value, f"torch.companions.{name}", f"{name!r} is not a companion's package name"
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
    seen: dict[str, str] = {}
    for path, value in reader.items(node, "layers"):
        keys = reader.mapping(value, path, ("name", "packages", "optional"))
        if not reader.require_keys(value, path, keys, ("name", "packages")):
            continue
        name = reader.text(keys["name"], f"{path}.name", NAME)
        if name in names or name in RESERVED:
            taken = (
                "is another layer's name"
                if name in names
                else "is the name of a layer that torchpin makes itself"
            )
            reader.add_problem(keys["name"], f"{path}.name", f"{name!r} {taken}; choose another")
        names.add(name)
        packages = []
        for key_path, package_node in reader.items(keys["packages"], f"{path}.packages"):
            requirement = reader.parse(package_node, key_path, parse_pin, "an exact pin such as tqdm==4.66.5")
            if requirement is None:
                continue
            key = canonicalize_name(requirement.name)
            if key in torch.family:
                reader.add_problem(
                    package_node,
                    key_path,
                    f"{key} belongs under torch, with its companions; no layer may bring another",
                )
            elif key in seen:
                reader.add_problem(
                    package_node, key_path, f"{key} is pinned twice, first at {seen[key]}; keep one"
                )
            seen[key] = key_path
            packages.append(requirement)
        yield Layer(
            name=name,
            packages=tuple(packages),
            optional=reader.flag(keys.get("optional"), f"{path}.optional"),
        )


def _read_sources(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Source]:
    names: set[str] = set()
    checkout_paths: set[str] = set()
    for path, value in reader.items(root.get("sources"), "sources"):
        keys = reader.mapping(value, path, ("name", "url", "tag", "commit", "path", "requirements"))
        if not reader.require_keys(value, path, keys, ("name", "url", "tag", "commit", "path")):
            continue
        name = reader.text(keys["name"], f"{path}.name", NAME)
        checkout_path = reader.text(keys["path"], f"{path}.path", INSIDE)
        if checkout_path and not checkout_path.startswith("third_party/"):
            reader.add_problem(
                keys["path"], f"{path}.path", f"{checkout_path!r} is not below third_party/, where clones lie"
            )
        if name in names or any(
            f"{checkout_path}/".startswith(f"{taken_path}/") or taken_path.startswith(f"{checkout_path}/")
            for taken_path in checkout_paths
        ):
            reader.add_problem(value, path, "another source has this name or this path; choose another")
        names.add(name)
        checkout_paths |= {checkout_path} - {""}
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
    """A source's address; what it must not hold is not repeated in the message."""
    if isinstance(node, yaml.ScalarNode) and CREDENTIALS.match(node.value):
        reader.add_problem(
            node,
            path,
            "the address holds a user or a token; leave it out: it belongs into git's own credentials",
        )
        return ""
    return reader.text(node, path, URL)


def _read_run(reader: Reader, node: yaml.Node, home: str) -> Run:
    keys = reader.mapping(node, "run", ("command", "env", "ports", "volumes", "freeze", "user", "health"))
    env = reader.mapping(keys["env"], "run.env") if "env" in keys else {}
    for name, value in env.items():
        if not KEY.pattern.fullmatch(name):
            reader.add_problem(value, f"run.env.{name}", f"{name!r} is not {KEY.expected}")
        elif name in OWN_VARIABLES or name.startswith(("TORCHPIN_", "UV_")):
            reader.add_problem(
                value, f"run.env.{name}", f"{name} is torchpin's own in an image; leave it out"
            )
    for key_path, volume in reader.items(keys.get("volumes"), "run.volumes"):
        mount_point = f"{volume.value.rstrip('/')}/" if isinstance(volume, yaml.ScalarNode) else ""
        if SYSTEM.match(mount_point) or mount_point.startswith(f"{home}/"):
            reader.add_problem(
                volume, key_path, f"{volume.value} holds what the image needs to run; mount elsewhere"
            )
    freeze = reader.text(keys["freeze"], "run.freeze", ABSOLUTE) if "freeze" in keys else None
    if freeze and SYSTEM.match(f"{freeze}/"):
        reader.add_problem(
            keys["freeze"], "run.freeze", f"{freeze} is a place of the system; write elsewhere"
        )
    user = reader.text(keys["user"], "run.user", USER) if "user" in keys else None
    if user in TAKEN_USERS or (user or "").startswith("systemd-"):
        reader.add_problem(
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
            reader.number(value, path, low=1, high=65535)
            for path, value in reader.items(keys.get("ports"), "run.ports")
        ),
        volumes=_read_texts(reader, keys, "volumes", ABSOLUTE, "run"),
        freeze=freeze,
        user=None if user in {None, "root"} else user,
        health=_read_health(reader, keys["health"]) if "health" in keys else None,
    )


def _read_health(reader: Reader, node: yaml.Node) -> Health | None:
    times = ("interval", "timeout", "start_period", "retries")
    keys = reader.mapping(node, "run.health", ("command", *times))
    if not reader.require_keys(node, "run.health", keys, ("command",)):
        return None
    numbers = {
        name: reader.number(keys[name], f"run.health.{name}", low=1, high=86400)
        for name in times
        if name in keys
    }
    items = list(reader.items(keys["command"], "run.health.command"))
    if not items and isinstance(keys["command"], yaml.SequenceNode):
        reader.add_problem(keys["command"], "run.health.command", "expected at least one word")
    return Health(command=tuple(reader.text(value, path) for path, value in items), **numbers)


def _read_budget(reader: Reader, root: Mapping[str, yaml.Node]) -> int | None:
    keys = reader.mapping(root["budget"], "budget", ("image",)) if "budget" in root else {}
    text = reader.text(keys["image"], "budget.image", SIZE) if "image" in keys else ""
    return int(Decimal(text[:-2]) * {"MB": 10**6, "GB": 10**9, "TB": 10**12}[text[-2:]]) if text else None


def _read_recommendations(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Recommendation]:
    for path, value in reader.items(root.get("recommends"), "recommends"):
        keys = reader.mapping(value, path, ("component", "says", "by"))
        if reader.require_keys(value, path, keys, ("component", "says")):
            fields = {name: reader.text(node, f"{path}.{name}", PROSE) for name, node in keys.items()}
            yield Recommendation(**fields)


def _read_reasons(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Reason]:
    named = reader.mapping(root["reasons"], "reasons") if "reasons" in root else {}
    for component, value in named.items():
        path = f"reasons.{component}"
        keys = reader.mapping(value, path, ("because", "evidence"))
        if reader.require_keys(value, path, keys, ("because", "evidence")):
            fields = {name: reader.text(node, f"{path}.{name}", PROSE) for name, node in keys.items()}
            yield Reason(component=component, **fields)


def _read_waivers(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Waiver]:
    for path, value in reader.items(root.get("waivers"), "waivers"):
        keys = reader.mapping(value, path, ("check", "about", "reason", "review_by"))
        if not reader.require_keys(value, path, keys, ("check", "about", "reason", "review_by")):
            continue
        yield Waiver(
            check=reader.text(keys["check"], f"{path}.check", CHECK),
            about=reader.text(keys["about"], f"{path}.about", PROSE),
            reason=reader.text(keys["reason"], f"{path}.reason", PROSE),
            review_by=_read_date(reader, keys["review_by"], f"{path}.review_by"),
        )


def _read_date(reader: Reader, node: yaml.Node, path: str) -> date:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    try:  # from 3.11 on, Python reads 20270131 too
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    reader.add_problem(node, path, f"expected a date such as 2027-01-31, found {describe_node(node)}")
    return date.max
