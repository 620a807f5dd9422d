"""The stage that compiles wheels, and the Debian repositories of system packages."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.description.patterns import (
    APT,
    ARMORED,
    HTTPS,
    INSIDE,
    KEY,
    NAME,
    OWN_VARIABLES,
    PIN,
    SUITE,
    VALUE,
    WORD,
    apt_name,
)
from torchpin.description.sections.addresses import refuse_credentials
from torchpin.description.sections.base import BASE, base_mapping, build_base
from torchpin.description.sections.packages import layer_pins, parse_pin
from torchpin.description.shapes import Items, Key, Record, Table, Text
from torchpin.model import AptRepository, BuildStage, BuiltWheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.requirements import Requirement

    from torchpin.description.yaml_reader import Reader

_COMPUTED = ("SOURCE_DATE_EPOCH",)


def _refuse_own_variable(name: str) -> str:
    if name in OWN_VARIABLES or name in _COMPUTED or name.startswith(("TORCHPIN_", "UV_")):
        return f"{name!r} is set by torchpin; leave it out"
    return ""


_refuse_credentials = refuse_credentials("")


_WHEEL = Record(
    keys=(
        Key(
            name="package",
            shape=Text(rule=PIN, parse=parse_pin),
            doc="The exact pin of the wheel that comes out. Without `source` and `folder` it is made from the package's own source archive on PyPI, which is locked by its hash. What the package requires at run time is pinned in a layer.",
            example="sageattention==2.2.0",
            required=True,
        ),
        Key(
            name="source",
            shape=Text(rule=NAME),
            doc="The name of the source that it is made from. Such a source is not copied into the image.",
            example="sageattention",
        ),
        Key(
            name="folder",
            shape=Text(rule=INSIDE),
            doc="The folder of the repository that it is made from, instead of a source.",
            example="services/whisper/ops",
        ),
        Key(
            name="command",
            shape=Items(of=Text(), expected="argument"),
            doc="What builds it, as a list of arguments, where the project's own build backend does not: it runs in the folder of the source and writes one wheel to /opt/wheels.",
            example='["python", "setup.py", "bdist_wheel", "--dist-dir", "/opt/wheels"]',
        ),
    )
)
STAGE = Record(
    keys=(
        Key(
            name="base",
            shape=BASE,
            doc="The image that compiles, with nvcc for a CUDA extension. Nothing of it but the wheels gets into the image.",
            example="{image: nvidia/cuda:12.8.1-devel-ubuntu22.04}",
            required=True,
        ),
        Key(
            name="wheels",
            shape=Items(
                of=_WHEEL, expected="wheel, such as {package: sageattention==2.2.0, source: sageattention}"
            ),
            doc="The wheels that are compiled, in this order, without network, and then installed behind the layers.",
            required=True,
        ),
        Key(
            name="requires",
            shape=Items(of=Text(rule=PIN, parse=parse_pin)),
            doc="Exact pins of what builds them, beside torch: build backends and tools. They are locked with what they require.",
            example='["setuptools==80.9.0", "ninja==1.13.0"]',
        ),
        Key(
            name="apt",
            shape=Items(of=Text(rule=APT), unique=True, name_of=apt_name),
            doc="System packages of this stage; with `ccache` the compilers use it, in a cache that stays between builds.",
            example="[ninja-build]",
        ),
        Key(
            name="env",
            shape=Table(name=KEY, of=Text(rule=VALUE), refuse_name=_refuse_own_variable),
            doc="Environment variables of this stage. TORCH_CUDA_ARCH_LIST and CUDAARCHS follow from `gpus` unless they are given here.",
            example='{MAX_JOBS: "4"}',
        ),
        Key(
            name="variants",
            shape=Items(of=Text(rule=NAME), unique=True),
            doc="The variants that need these wheels.",
            example="[gpu]",
            default="[]",
        ),
    )
)
REPOSITORIES = Items(
    of=Record(
        keys=(
            Key(
                name="name",
                shape=Text(rule=NAME),
                doc="The name of its file below /etc/apt/sources.list.d.",
                example="example",
                required=True,
            ),
            Key(
                name="url",
                shape=Text(rule=HTTPS, refuse=_refuse_credentials),
                doc="Its address, by https.",
                example="https://packages.example.org/debian",
                required=True,
            ),
            Key(
                name="suite",
                shape=Text(rule=SUITE),
                doc="The suite, as a line of sources.list names it; `/` for a repository without suites, such as NVIDIA's.",
                example="bookworm",
                required=True,
            ),
            Key(
                name="components",
                shape=Items(of=Text(rule=WORD), unique=True),
                doc="The components of the suite; a suite that ends with / has none.",
                example="[main]",
            ),
            Key(
                name="key",
                shape=Text(rule=ARMORED),
                doc="The file of the repository with the key that it is signed by; no other key is accepted for it.",
                example="services/whisper/example.asc",
                required=True,
            ),
        )
    )
)


def check_stage(reader: Reader, values: Mapping[str, Any]) -> None:
    """Adds a problem for each wheel whose source does not exist, or that is pinned a second time."""
    stage = values.get("build") or {}
    sources = {source.get("name"): source for source in values.get("sources") or () if source}
    family = {"torch", *((values.get("torch") or {}).get("companions") or {})}
    pinned: set[str] = {canonicalize_name(pin.name) for _, pin in layer_pins(values)}
    pinned |= _check_requires(reader, stage.get("requires") or (), family) | family
    for number, wheel in enumerate(stage.get("wheels") or ()):
        _check_wheel(reader, wheel or {}, f"build.wheels[{number}]", sources, pinned)
    described = values.get("variants") or {}
    for number, name in enumerate(stage.get("variants") or ()):
        if name and name not in described:
            message = f"{name!r} is not a variant of this service ({', '.join(described)})"
            reader.add_problem_at(f"build.variants[{number}]", message)


def _check_requires(
    reader: Reader, requires: Sequence[Requirement | None], family: AbstractSet[str]
) -> set[str]:
    """The names of what a stage requires; adds a problem for what is pinned twice, and for torch's family."""
    names: set[str] = set()
    for number, pin in enumerate(requires):
        name = canonicalize_name(pin.name) if pin else ""
        if name in names:
            reader.add_problem_at(f"build.requires[{number}]", f"{name} is pinned twice; keep one")
        if name in family:
            message = f"{name} is pinned under `torch`, and the stage has it; leave it out"
            reader.add_problem_at(f"build.requires[{number}]", message)
        names |= {name} if name else set()
    return names


def _check_wheel(
    reader: Reader,
    wheel: Mapping[str, Any],
    path: str,
    sources: Mapping[Any, Mapping[str, Any]],
    pinned: set[str],
) -> None:
    source, folder, package = wheel.get("source"), wheel.get("folder"), wheel.get("package")
    if source and folder:
        reader.add_problem_at(f"{path}.folder", "a wheel is made from `source` or from `folder`; keep one")
    if source and source not in sources:
        message = f"{source!r} is not a source of this service; add it under `sources`"
        reader.add_problem_at(f"{path}.source", message)
    elif source and sources[source].get("install") in {"editable", "wheel"}:
        message = f"{source} is installed by `install`; leave that out, or this wheel"
        reader.add_problem_at(f"{path}.source", message)
    name = canonicalize_name(package.name) if package else ""
    if package and package.extras:
        reader.add_problem_at(
            f"{path}.package", "a wheel is built without extras; pin their packages in a layer"
        )
    if name in pinned:
        message = f"{name} is pinned elsewhere in this description; keep one of the two"
        reader.add_problem_at(f"{path}.package", message)
    pinned |= {name} if name else set()


def check_repositories(reader: Reader, repositories: Sequence[Mapping[str, Any] | None]) -> None:
    """Adds a problem for each Debian repository with the name of another, and for a suite without its components."""
    names: set[str] = set()
    for number, repository in enumerate(repositories):
        name = (repository or {}).get("name")
        if name in names:
            message = f"{name!r} is the name of another repository; choose another name"
            reader.add_problem_at(f"apt_repositories[{number}].name", message)
        names |= {name} if name else set()
        suite, components = (repository or {}).get("suite"), (repository or {}).get("components")
        if suite and suite.endswith("/") == bool(components):
            message = (
                "a suite that ends with / has no components; leave them out"
                if components
                else f"the components of {suite!r} are missing; add them, such as [main]"
            )
            reader.add_problem_at(f"apt_repositories[{number}]", message)


def build_stage(values: Mapping[str, Any]) -> BuildStage:
    return BuildStage(
        base=build_base(values["base"]),
        wheels=tuple(BuiltWheel(**wheel) for wheel in values["wheels"]),
        requires=values.get("requires", ()),
        apt=values.get("apt", ()),
        env=values.get("env") or MappingProxyType({}),
        variants=values.get("variants", ()),
    )


def stage_mapping(stage: BuildStage) -> dict[str, object]:
    return {
        "base": base_mapping(stage.base),
        "wheels": [
            {
                "package": str(wheel.package),
                "source": wheel.source,
                "folder": wheel.folder,
                "command": list(wheel.command),
            }
            for wheel in stage.wheels
        ],
        "requires": [str(package) for package in stage.requires],
        "apt": list(stage.apt),
        "env": dict(stage.env),
        "variants": list(stage.variants),
    }


def build_repositories(values: Iterable[Mapping[str, Any]]) -> tuple[AptRepository, ...]:
    return tuple(AptRepository(**{"components": (), **repository}) for repository in values)


def repository_mapping(repository: AptRepository) -> dict[str, object]:
    return {
        "name": repository.name,
        "url": repository.url,
        "suite": repository.suite,
        "components": list(repository.components),
        "key": repository.key,
    }
