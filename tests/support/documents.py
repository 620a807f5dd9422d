"""Services and locks of which the generated pages tell, and sections of those pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.documents import service_page
from torchpin.lock.layers import layer_lock, layer_names, source_layers, split_layers
from torchpin.model import Artifact, Base, Environment, Layer, Lock, Service, Torch, Upstream, Variant

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Services

GPU = Variant(name="gpu", channel="cu121", platform="linux/amd64")
CPU = Variant(name="cpu", channel="cpu", platform="linux/amd64")
ARM = Variant(name="arm64", channel="pypi", platform="linux/arm64")
PYPI = Variant(name="gpu", channel="pypi", platform="linux/amd64")
SMALL = Service(
    name="small",
    summary="A small service",
    python=Version("3.10.14"),
    base=Base(image="debian:12"),
    torch=Torch(version=Version("2.5.1"), companions={}),
    variants=(GPU,),
    layers=(Layer(name="tools", packages=(Requirement("tqdm==4.66.5"), Requirement("Rich[jupyter]>=14"))),),
)


def declared_artifact(name: str, version: str, *, size: int | None = 1000, source: bool = False) -> Artifact:
    ending = ".tar.gz" if source else "-py3-none-any.whl"
    return Artifact(
        name=name, version=version, filename=f"{name}-{version}{ending}", sha256="0" * 64, size=size
    )


def declared_lock(
    service: Service, variant: Variant, *, extra: tuple[Artifact, ...] = (), upstream: tuple[str, ...] = ()
) -> Lock:
    """A lock of exactly the declared packages; `extra` joins the last layer, or torch's own for nvidia's."""
    env = Environment(service=service, variant=variant)
    local = "" if variant.channel == "pypi" else f"+{variant.channel}"
    torch = [
        declared_artifact(name, f"{release}{local}", size=None)
        for name, release in sorted(service.torch.family.items())
    ]
    torch_deps = [package for package in extra if package.name.startswith("nvidia-")]
    declared = [
        [
            declared_artifact(
                canonicalize_name(requirement.name),
                next(iter(requirement.specifier)).version,
                source=requirement.name == "dadaptation",
            )
            for requirement in layer.packages
        ]
        for layer in service.layers
    ]
    declared[-1] += [package for package in extra if package not in torch_deps]
    of_sources: list[list[Artifact]] = [[] for _ in source_layers(env)]
    contents = zip(layer_names(env), [torch, torch_deps, *declared, *of_sources], strict=True)
    upstreams = tuple(
        Upstream(
            source=source.name,
            tag=source.tag,
            commit=source.commit,
            file="requirements.txt",
            requirements=upstream,
        )
        for source in service.sources
    )
    return Lock(
        layers=tuple(layer_lock(env, name, packages, uv="0.13.9") for name, packages in contents),
        upstreams=upstreams,
    )


def declared_locks(service: Service, **extra: Artifact) -> dict[str, Lock]:
    return {
        f"{service.name}-{variant.name}": declared_lock(
            service, variant, extra=tuple(package for name, package in extra.items() if name == variant.name)
        )
        for variant in service.variants
    }


def service_text(service: Service, locked: dict[str, Lock] | None = None, **records: str) -> str:
    """The generated section of a service's page; `records` are by variant."""
    env_locks = declared_locks(service) if locked is None else locked
    env_records = {f"{service.name}-{variant}": text for variant, text in records.items()}
    return service_page.page_section(service, env_locks, env_records, ())


def page_section(text: str, title: str) -> str:
    """What stands below a heading of the second level."""
    _, _, section = text.partition(f"\n## {title}\n")
    return section.removeprefix("\n").partition("\n## ")[0].partition("\n<!--")[0]


SEEDVR_GPU = Variant(name="gpu", channel="cu126", platform="linux/amd64")
FLASH = Layer(name="flash", packages=(Requirement("flash-attn==2.8.3"),))
TOOLS = Layer(name="tools", packages=(Requirement("tqdm==4.66.5"),))
EXTRA = Layer(name="extra", packages=(Requirement("pandas==2.2.3"),), optional=True)


def seedvr_service(
    service: Services, *layers: Layer, origin: Any = "base", python: str = "3.11.13"
) -> Service:
    torch = Torch(version=Version("2.7.1"), companions={"torchvision": Version("0.22.1")}, origin=origin)
    base = Base(image="pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel")
    return service(
        name="seedvr", python=Version(python), base=base, torch=torch, variants=(SEEDVR_GPU,), layers=layers
    )


def seedvr_locks(service: Service, *packages: Artifact) -> dict[str, Lock]:
    env = Environment(service=service, variant=service.variants[0])
    layers, provided = split_layers(env, packages, uv="0.13.9")
    return {env.name: Lock(layers=layers, provided=provided)}


def seedvr_artifacts(artifact: Artifacts) -> tuple[Artifact, ...]:
    wheel = facts.find_wheel(
        "flash-attn", "2.8.3", python="3.11", torch="2.7.1", channel="cu126", machine="x86_64"
    )
    assert isinstance(wheel, facts.Wheel)
    return (
        artifact("torch", "2.7.1+cu126"),
        artifact("torchvision", "0.22.1+cu126"),
        artifact("flash-attn", "2.8.3", filename=wheel.filename, sha256=wheel.sha256),
        artifact("tqdm", "4.66.5"),
        artifact("pandas", "2.2.3"),
        artifact("pytz", "2026.1", by=("pandas",)),
    )
