"""The inventory of an environment, which every format of its SBOM is written from: components, and what depends on what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from packageurl import PackageURL

from torchpin.compat.compiled import compiled_versions, wheel_name
from torchpin.compat.pins import file_packages, pinned_version
from torchpin.description.environments import DOCKER_HUB, origin_url, split_image_name
from torchpin.lock.export import wheel_release
from torchpin.redaction import redact_credentials
from torchpin.sbom.licenses import UNKNOWN, License, interpret_statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torchpin.model import Artifact, Base, Environment, LayerLock, LicenseStatement, Lock, Source

Kind = Literal["package", "build requirement", "source", "base image"]
PACKAGE_REF, BUILD_REF, SOURCE_REF, BASE_REF = "package:", "build:", "source:", "base"
_STAGE_REF = "build-stage:"  # of what compiles wheels, at versions of its own
_GITHUB = re.compile(r"https://github\.com/(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?")


@dataclass(frozen=True, kw_only=True, slots=True)
class BomComponent:
    """A part of an environment. `ref` is unique in it; `sha256` is that of a package's file, or of the base image.

    `address` is where it is downloaded from, "" where that depends on the machine's mirrors. `layer` is that of its lock.
    """

    ref: str
    kind: Kind
    name: str
    version: str
    purl: str
    sha256: str = ""
    license: License = UNKNOWN
    license_source: str = ""  # the file whose metadata state the license, where it is not this one
    address: str = ""
    filename: str = ""
    layer: str = ""
    optional: bool = False
    provided: bool = False  # by the base image


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """`dependencies` has the refs that a component, or the environment by its name, depends on, for all of them."""

    environment: Environment
    components: tuple[BomComponent, ...]
    dependencies: Mapping[str, tuple[str, ...]]


def environment_inventory(env: Environment, lock: Lock) -> Inventory:
    """What an environment is made of: the locked packages, what builds some of them, its sources, and the base image."""
    statements = {statement.sha256: statement for statement in lock.licenses}
    components = [
        _base_component(env.base),
        *map(_source_component, env.service.sources),
        *_compiled_components(env),
        *(
            _package_component(
                env,
                layer,
                package,
                prefix=_STAGE_REF
                if layer is lock.stage
                else BUILD_REF
                if layer is lock.build
                else PACKAGE_REF,
                is_provided=layer is lock.provided,
                statement=statements.get(package.sha256),
            )
            for layer in lock.all_layers
            for package in layer.packages
        ),
    ]
    # of a package in two layers the last is what is installed, as in all_packages
    unique_components = {component.ref: component for component in components}
    return Inventory(
        environment=env,
        components=tuple(component for _, component in sorted(unique_components.items())),
        dependencies=_dependencies(env, lock, components),
    )


def _package_component(
    env: Environment,
    layer: LayerLock,
    package: Artifact,
    *,
    prefix: str,
    is_provided: bool,
    statement: LicenseStatement | None,
) -> BomComponent:
    address, qualifiers = _package_address(env, layer, package)
    return BomComponent(
        ref=f"{prefix}{package.name}",
        kind="package" if prefix == PACKAGE_REF else "build requirement",
        name=package.name,
        version=package.version,
        purl=_package_purl(package.name, package.version, *qualifiers.items()),
        sha256=package.sha256,
        license=interpret_statement(statement),
        license_source=statement.metadata_of if statement else "",
        address=address,
        filename=package.filename,
        layer=layer.name,
        optional=layer.optional,
        provided=is_provided,
    )


@lru_cache(maxsize=20_000)  # variants and services have many packages in common
def _package_purl(name: str, version: str, *qualifiers: tuple[str, str]) -> str:
    return PackageURL("pypi", None, name, version, dict(qualifiers)).to_string()


def _package_address(env: Environment, layer: LayerLock, package: Artifact) -> tuple[str, dict[str, str]]:
    """Where a package is from, as an address and as the qualifiers of its purl; both are empty for PyPI and the repository."""
    described = file_packages(env).get(package.name)
    file = described.file if described and package.origin else None
    if file and file.git:
        address = f"git+{redact_credentials(file.git)}@{file.commit}"
        return address, {"vcs_url": address}
    if file:
        return file.url, {"download_url": file.url} if file.url else {}
    index, release = origin_url(env, layer.origin), wheel_release(layer)
    quoted = package.filename.replace("+", "%2B")
    address = f"{release or index}/{quoted}" if release or index else ""
    return address, {"download_url": address} if release else {"repository_url": index} if index else {}


def _source_component(source: Source) -> BomComponent:
    address = redact_credentials(source.url)
    github = _GITHUB.fullmatch(address)
    purl = (
        PackageURL("github", github["owner"].lower(), github["name"].lower(), source.commit)
        if github
        else PackageURL(
            "generic", None, source.name, source.commit, {"vcs_url": f"git+{address}@{source.commit}"}
        )
    )
    return BomComponent(
        ref=f"{SOURCE_REF}{source.name}",
        kind="source",
        name=source.name,
        version=source.version,
        purl=purl.to_string(),
        address=f"git+{address}@{source.commit}",
    )


def _compiled_components(env: Environment) -> Iterator[BomComponent]:
    """The packages that the image's build compiles. Their files are made there, so no hash of them is known before."""
    sources = {source.name: source for source in env.service.sources}
    for wheel in env.stage.wheels if env.stage else ():
        name, version = wheel_name(wheel), pinned_version(wheel.package)
        source = sources.get(wheel.source or "")
        qualifiers = {"vcs_url": f"git+{redact_credentials(source.url)}@{source.commit}"} if source else {}
        yield BomComponent(
            ref=f"{PACKAGE_REF}{name}",
            kind="package",
            name=name,
            version=version,
            # a folder of the repository is no package of PyPI
            purl=PackageURL(
                "generic" if source or wheel.folder else "pypi", None, name, version, qualifiers
            ).to_string(),
        )


def _base_component(base: Base) -> BomComponent:
    """The base image by its digest; by its tag alone where the description has no digest."""
    name, tag = image_reference(base)
    host, _, path = name.partition("/")
    namespace, _, image = path.rpartition("/")
    if base.digest:
        qualifiers = {"repository_url": name, "tag": tag}
        purl = PackageURL("oci", None, image, base.digest, qualifiers)
    else:
        elsewhere = {} if host == DOCKER_HUB else {"repository_url": host}
        purl = PackageURL("docker", namespace, image, tag, elsewhere)
    return BomComponent(
        ref=BASE_REF,
        kind="base image",
        name=name,
        version=tag,
        purl=purl.to_string(),
        sha256=(base.digest or "").removeprefix("sha256:"),
    )


def image_reference(base: Base) -> tuple[str, str]:
    """The full name of a base image, with its registry, and its tag."""
    host, path = split_image_name(base.image)
    path, _, tag = path.rpartition(":")
    return f"{host}/{path}", tag


def _dependencies(
    env: Environment, lock: Lock, components: Iterable[BomComponent]
) -> dict[str, tuple[str, ...]]:
    """By component, the refs that it requires, sorted; what nothing locked requires is the environment's own."""
    edges: dict[str, set[str]] = {
        ref: set() for ref in (env.name, *(component.ref for component in components))
    }
    for package in lock.all_packages.values():
        for parent in _parents(package, lock, env):
            edges[parent].add(f"{PACKAGE_REF}{package.name}")
    for requirement in lock.build.packages if lock.build else ():
        for parent in _parents(requirement, lock, env):
            edges[parent].add(f"{BUILD_REF}{requirement.name}")
    compiled = {f"{PACKAGE_REF}{name}" for name in compiled_versions(env)}
    edges[env.name] |= compiled
    for ref in compiled:
        edges[ref] |= {f"{_STAGE_REF}{tool.name}" for tool in (lock.stage.packages if lock.stage else ())}
    edges[env.name] |= {ref for ref in edges if ref == BASE_REF or ref.startswith(SOURCE_REF)}
    return {ref: tuple(sorted(targets)) for ref, targets in sorted(edges.items())}


def _parents(package: Artifact, lock: Lock, env: Environment) -> Iterator[str]:
    """The refs of what requires a package, the environment's name for the service or if nothing locked does."""
    locked = [f"{PACKAGE_REF}{name}" for name in package.required_by if name in lock.all_packages]
    if env.service.name in package.required_by or not locked:
        yield env.name
    yield from (ref for ref in locked if ref != f"{PACKAGE_REF}{package.name}")
