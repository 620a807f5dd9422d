"""Build order, compatibility matrix and verification checklist: sections of a service's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin import facts, paths
from torchpin.compat.compiled import compiled_versions
from torchpin.compat.pins import declared_names
from torchpin.compat.recommendations import ABSENT, source_names
from torchpin.description.environments import cuda_version, service_index, torch_build
from torchpin.documents import service_layers
from torchpin.documents.markdown import block, code, paragraphs, prose, table
from torchpin.documents.sections import (
    NOTHING,
    group_by_text,
    locked_environments,
    missing_locks_text,
    pluralize,
)
from torchpin.image import plan
from torchpin.lock.export import FILE_ORIGINS
from torchpin.lock.file_format import BUILD, STAGE
from torchpin.lock.layers import TORCH, TORCH_DEPS
from torchpin.records.freeze import freeze_differences, parse_freeze

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Artifact, BuiltWheel, Environment, LayerLock, Lock, Service

VERIFIED_BY_RECORD, VERIFIED_BY_PROBE = "yes, by the record", "yes, by the build's probe"
NOT_VERIFIED = "not yet"


def build_order(service: Service, locks: Mapping[str, Lock]) -> str:
    """The numbered build steps of each environment, once where they are the same."""
    texts = (
        (env, _numbered_list(_build_steps(env, lock))) for env, lock in locked_environments(service, locks)
    )
    return paragraphs(group_by_text(texts), missing_locks_text(service, locks))


def _numbered_list(lines: Iterable[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))


def _build_steps(env: Environment, lock: Lock) -> list[str]:
    service = env.service
    apt_packages = ", ".join(map(code, service.apt)) or "none"
    layers = [layer for layer in lock.layers if layer.packages]
    below_apt = [layer for layer in layers if layer.name in {TORCH, TORCH_DEPS}]
    return [
        f"Base image: {code(env.base.reference)}.",
        f"Python {service.python}: {_python_source(env, lock)}.",
        *(
            [f"torch and its companions: {service_layers.PROVIDED_NOTE}; no later step may replace them."]
            if lock.provided
            else []
        ),
        *(_layer_step(env, layer, lock) for layer in below_apt),
        f"System packages, by apt: {apt_packages}.",
        *(_layer_step(env, layer, lock) for layer in layers if layer not in below_apt),
        *_stage_steps(env),
        *(
            f"Source {source.name}: {f'tag {code(source.tag)} at ' if source.tag else ''}commit {code(source.commit)}, to {code(f'{service.home}/{source.folder}')}."
            for source in env.shipped_sources
        ),
        f"The runtime's scripts to `/opt/torchpin`, and `smoke.py` to {code(service.home)}.",
        *(
            f"The repository's {code(entry.origin)}, as it is at the build, to {code(service.path_in_image(entry.target))}."
            for entry in service.files
        ),
        "Verification: `probe.py` compares the image with its lock, then `smoke.py` runs; only an image that passes both is tagged.",
    ]


def _stage_steps(env: Environment) -> list[str]:
    """The line about the wheels that a stage of its own compiles, if there are any."""
    if env.stage is None:
        return []
    wheels = ", ".join(
        f"{code(str(wheel.package))} from {_wheel_source(wheel)}" for wheel in env.stage.wheels
    )
    return [
        (
            f"Compiled wheels: {wheels}, in a stage on {code(env.stage.base.reference)} with "
            f"{code(paths.lock_file(STAGE))}, without network; nothing else of that stage gets into the image."
        )
    ]


def _wheel_source(wheel: BuiltWheel) -> str:
    if wheel.source:
        return f"the source {wheel.source}"
    return f"the folder {code(wheel.folder)}" if wheel.folder else "its source archive on PyPI"


def _python_source(env: Environment, lock: Lock) -> str:
    if env.service.torch.origin == "base":
        return "that of the base image, in a virtual environment that sees the base's packages"
    uv = next((layer.uv for layer in lock.layers), "")
    return f"that of the base image if it is exactly this, else the build that uv {uv} has by hash, in a virtual environment"


def _layer_step(env: Environment, layer: LayerLock, lock: Lock) -> str:
    sources = [package.name for package in layer.packages if package.is_source]
    parts = [
        f"{pluralize(len(layer.packages), 'package')} from {_origin_text(env, layer)}, each by its hash, without dependencies",
        *(
            f"{package.name} from {FILE_ORIGINS[package.origin]}"
            for package in layer.packages
            if package.origin
        ),
        f"{', '.join(sources)} built from source with {code(paths.lock_file(BUILD))}"
        if sources and lock.build
        else "",
        "optional: if it fails, the image goes without it" if layer.optional else "",
    ]
    return f"Layer {code(layer.file)}: {'; '.join(filter(None, parts))}."


def _origin_text(env: Environment, layer: LayerLock) -> str:
    index = service_index(env, layer.origin)
    if index:
        return f"the index {code(index.name)} at <{index.url}>"
    if layer.origin in facts.abi_packages():
        return f"{layer.origin}'s own release"
    return "PyPI" if layer.origin == "pypi" else f"the channel {code(layer.origin)}"


def matrix(service: Service, locks: Mapping[str, Lock], records: Mapping[str, str | None]) -> str:
    """The components of each environment with version, source, and whether a build has verified them."""
    headers = ("Component", "Version", "Source", "Verified")
    texts = (
        (env, table(headers, _matrix_rows(env, lock, records.get(env.name))))
        for env, lock in locked_environments(service, locks)
    )
    return paragraphs(group_by_text(texts), missing_locks_text(service, locks))


def _matrix_rows(env: Environment, lock: Lock, freeze: str | None) -> list[tuple[str, str, str, str]]:
    service = env.service
    probed = _probe_status(env, lock, freeze)
    python = "the base image" if service.torch.origin == "base" else "the base image or uv"
    cuda = cuda_version(env)
    tag, digest = env.base.image.rpartition(":")[2], env.base.digest
    rows = [
        ("Base image", f"{env.base.image.removesuffix(f':{tag}')} {code(tag)}", "its registry", "yes, by its digest" if digest else "not yet: no digest is recorded"),
        ("Python", code(str(service.python)), python, probed),
        *([("CUDA of torch", code(cuda), f"torch of {code(torch_build(env) or NOTHING)}", probed)] if cuda else []),
    ]  # fmt: skip
    optional = lock.optional_names
    origins = {
        package.name: FILE_ORIGINS.get(package.origin) or _origin_text(env, layer)
        for layer in lock.layers
        for package in layer.packages
    }
    declared = [*service.torch.family, *declared_names(env.layers), *source_names(env, lock)]
    for name in dict.fromkeys(declared):
        package = lock.all_packages.get(name)
        if package is None:
            rows.append((name, ABSENT, NOTHING, "no: it is not locked"))
        elif name in lock.packages:
            verified = _install_status(package, freeze, optional=name in optional)
            rows.append((name, code(package.version), origins[name], verified))
        else:
            rows.append((name, code(package.version), "the base image", probed))
    rows += [
        (
            source.name,
            f"{code(source.tag)} at {code(source.commit[:12])}" if source.tag else code(source.commit),
            prose(source.url),
            probed,
        )
        for source in service.sources
    ]
    return rows


def _probe_status(env: Environment, lock: Lock, freeze: str | None) -> str:
    """Whether the build's probe has verified a lock: an image is recorded only if its probe passed with that lock."""
    if freeze is None:
        return NOT_VERIFIED
    return (
        f"{NOT_VERIFIED}: the record is of another lock"
        if freeze_differences(freeze, lock, compiled_versions(env))
        else VERIFIED_BY_PROBE
    )


def _install_status(package: Artifact, freeze: str | None, *, optional: bool) -> str:
    if freeze is None:
        return NOT_VERIFIED
    recorded = parse_freeze(freeze).get(package.name)
    if recorded and recorded.version == package.version:
        return VERIFIED_BY_RECORD
    if recorded is None and optional:
        return "no: optional, and missing in the recorded image"
    return f"no: the record has {recorded.version if recorded else 'none'}"


def checklist(service: Service, locks: Mapping[str, Lock]) -> str:
    """What the probe and the build's log have to show, as checkboxes, and the commands that check it."""
    env_locks = locked_environments(service, locks)
    name = service.name
    commands = [
        f"invoke build --service {name}   # verifies each image before it is tagged",
        f"invoke freeze --service {name}  # reads it again, and compares it with lock and record",
        f"invoke verify --service {name}  # every check",
    ]
    return paragraphs(
        "**The probe checks, while the image is built**:" if env_locks else "",
        group_by_text((env, _checkboxes(_probe_checks(env, lock))) for env, lock in env_locks),
        f"**The build's log**, as `invoke build` keeps it in `{paths.LOGS}`:" if env_locks else "",
        group_by_text((env, _checkboxes(_log_checks(env, lock))) for env, lock in env_locks),
        "**Commands**:",
        block(commands, "bash"),
        missing_locks_text(service, locks),
    )


def _checkboxes(lines: Iterable[str]) -> str:
    return "\n".join(f"- [ ] {line}" for line in lines)


def _probe_checks(env: Environment, lock: Lock) -> list[str]:
    expected: dict[str, Any] = plan.probe_expectations(env, lock)
    torch = expected["torch"]
    required, optional = expected["distributions"], expected["optional"]
    inherited = expected.get("inherited", {})
    archs = f", compiled for {' '.join(torch['archs'])} at least" if torch["archs"] else ""
    lines = [
        f"Python is {expected['python']}.",
        f"torch reports version {code(torch['version'])}, with {_cuda_text(torch['cuda'])}{archs}.",
        f"The base image's packages are unchanged: {_pins(inherited)}." if inherited else "",
        f"{pluralize(len(required), 'package')} installed at the locked version, each once, and nothing else.",
        f"Of the {pluralize(len(optional), 'optional package')}, each at the locked version or absent."
        if optional
        else "",
        f"These import: {', '.join(map(code, expected['imports']))}." if expected["imports"] else "",
        *(f"{code(path)} is at {code(commit)}." for path, commit in expected["sources"].items()),
        "The libraries of the described packages can be loaded: what they need is there, and the system is new enough (IMG007, IMG008).",
        "The C compiler compiles a module (IMG010)." if expected["compiles"] else "",
        "`smoke.py` passes.",
    ]
    return [line for line in lines if line]


def _cuda_text(version: str | None) -> str:
    return f"CUDA {version}" if version else "no CUDA"


def _pins(versions: Mapping[str, str]) -> str:
    return ", ".join(code(f"{name}=={version}") for name, version in versions.items())


def _log_checks(env: Environment, lock: Lock) -> list[str]:
    expected: dict[str, Any] = plan.probe_expectations(env, lock)
    if env.service.torch.origin == "base":
        torch = "No line has `+ torch==`: torch is the base image's, and stays."
    else:
        torch = f"One line has {code(f'+ torch=={_torch_version(lock)}')}, in the step of {code(paths.lock_file(TORCH))}."
    optional = [layer.file for layer in lock.layers if layer.optional and layer.packages]
    return [
        f"It ends with `probe: ok` and torch {expected['torch']['version']}, {_cuda_text(expected['torch']['cuda'])}.",
        torch,
        "No package is installed twice, and no line has `- NAME==` or `~ NAME==`: nothing is removed or replaced.",
        *(
            f"The optional layer {code(file)} could not be installed only where you accept that."
            for file in optional
        ),
        "No line has `probe: FAIL`.",
    ]


def _torch_version(lock: Lock) -> str:
    return lock.all_packages["torch"].version if "torch" in lock.all_packages else ""
