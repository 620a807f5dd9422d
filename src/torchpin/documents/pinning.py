"""Descriptions, locks and records to the generated sections of docs/PINNING.md."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat import recommendations
from torchpin.description.environments import cuda, torch_build
from torchpin.documents import gpus, pinning_build, pinning_layers, pinning_risks
from torchpin.documents.deviations import deviation_table
from torchpin.documents.markdown import anchor, block, code, link, marked, paragraphs, prose, table
from torchpin.documents.sections import (
    NOTHING,
    count,
    environments,
    heading,
    locked,
    missing,
    once,
    origin,
    says,
)
from torchpin.errors import InputError
from torchpin.records.freeze import freeze_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torchpin.model import Environment, Lock, Service, Source

PINNING_OPENING = """\
# Environment pinning

This page says what every image is made of, so that it can be made again.
Write outside the generated sections as you like: `invoke document` replaces what stands between their markers and nothing else.
A version is changed in `services/<service>/service.yaml`, never here.
"""
CONTENTS = "contents"


def pinning(
    services: Sequence[Service], locks: Mapping[str, Lock], records: Mapping[str, str | None]
) -> dict[str, str]:
    """The sections of docs/PINNING.md: a table of contents, and one a service. Locks and records by environment."""
    parts: dict[str, Callable[[Service], str]] = {
        "Base image": _base,
        "Core versions": lambda one: _core(one, locks),
        "Python packages": lambda one: pinning_layers.packages(one, locks, records),
        "Risks": lambda one: pinning_risks.risks(one, locks),
        "Sources": _sources,
        "Build order": lambda one: pinning_build.order(one, locks),
        "Compatibility matrix": lambda one: pinning_build.matrix(one, locks, records),
        "Runtime outputs": lambda one: _outputs(one, locks, records),
        "Verification commands": _verification,
        "Verification checklist": lambda one: pinning_build.checklist(one, locks),
        "GPUs": _gpus,
        "Deviation log": lambda one: _log(one, locks),
        "Update policy": _policy,
        "Rollback": pinning_build.rollback,
    }
    lines = []
    sections = {CONTENTS: ""}
    for service in services:
        if service.name == CONTENTS:
            raise InputError(
                f"{service.file}: docs/PINNING.md has a section 'contents'; choose another name."
            )
        titles = {f"{part} of {service.name}": make for part, make in parts.items()}
        links = (link(part, f"#{anchor(title)}") for part, title in zip(parts, titles, strict=True))
        lines.append(f"- {link(service.name, f'#{anchor(service.name)}')}: {', '.join(links)}")
        body = [heading(service), *(f"### {title}\n\n{make(service)}" for title, make in titles.items())]
        sections[service.name] = marked(service.name, paragraphs(*body), source=origin(service))
    contents = "\n".join(["## Contents", "", *(lines or ["There is no service yet."])])
    sections[CONTENTS] = marked(CONTENTS, contents, source="services/*/service.yaml")
    return sections


def _base(service: Service) -> str:
    return once((env, _base_of(env)) for env in environments(service))


def _base_of(env: Environment) -> str:
    base = env.base
    digest = code(base.digest) if base.digest else "not recorded: the tag alone decides what is pulled"
    family = ", ".join(code(f"{name} {version}") for name, version in env.service.torch.family.items())
    return paragraphs(
        block([base.reference]),
        f"**Digest**: {digest}",
        f"**Rationale**: {prose(base.rationale) or 'not given'}",
        f"**Brings**: {family}, {pinning_layers.GIVEN}" if env.service.torch.origin == "base" else "",
    )


def _core(service: Service, locks: Mapping[str, Lock]) -> str:
    parts = []
    for env, lock in locked(service, locks):
        folder, variant = f"lockfiles/{env.name}", env.variant
        built = f"channel {code(variant.channel)}, platform {code(variant.platform)}"
        parts += [
            f"Environment {code(env.name)}: {built}, lock {link(code(folder), f'../{folder}')}.",
            table(("Component", "Pinned version", "Report says"), _core_rows(env, lock)),
        ]
    return paragraphs(*parts, missing(service, locks))


def _core_rows(env: Environment, lock: Lock) -> list[tuple[str, str, str]]:
    values = recommendations.used(env, lock)
    advice = {canonicalize_name(name): said for name, said in recommendations.advice(env, lock).items()}
    companions = [name for name in env.service.torch.family if name != "torch"]
    pinned = {
        "Python": code(values["python"]),
        "PyTorch": _torch(env, values),
        **{name: code(values[name]) if name in values else recommendations.ABSENT for name in companions},
        "CUDA": _cuda(env),
        "cuDNN": _cudnn(env, values),
    }
    keys = {"PyTorch": "torch"}
    return [
        (name, value, says(advice.get(canonicalize_name(keys.get(name, name)), ())))
        for name, value in pinned.items()
    ]


def _torch(env: Environment, values: Mapping[str, str]) -> str:
    """What torch calls itself: PyPI's file name lacks the local part that its `__version__` has."""
    version, build = values.get("torch"), torch_build(env)
    if version is None:
        return recommendations.ABSENT
    given = f", {pinning_layers.GIVEN}" if env.service.torch.origin == "base" else ""
    if "+" in version or not build or env.variant.platform != "linux/amd64":
        return code(version) + given
    return f"{code(f'{version}+{build}')} (its file says {code(version)}){given}"


def _cuda(env: Environment) -> str:
    known = cuda(env)
    return code(known) if known else "none: a CPU build" if torch_build(env) == "cpu" else "not known"


def _cudnn(env: Environment, values: Mapping[str, str]) -> str:
    if "cudnn" in values:
        return code(values["cudnn"])
    base = facts.base(env.base.image) if env.service.torch.origin == "base" else None
    if base and base.cudnn:
        return f"{code(base.cudnn)}, from the base image"
    cpu = torch_build(env) == "cpu"
    return "none: a CPU build" if cpu else "not known: no package of its own brings it"


def _sources(service: Service) -> str:
    return paragraphs(*(_source(service, source) for source in service.sources)) or "Nothing is cloned."


def _source(service: Service, source: Source) -> str:
    own = canonicalize_name(source.name)
    note = ["The tag must give this commit, or nothing is cloned."]
    if source.requirements:
        note.append(f"What its `{source.requirements}` asks for is compared with the lock, never installed.")
    note += [prose(r.because) for r in service.reasons if canonicalize_name(r.component) == own]
    place = shlex.quote(source.path)
    commands = [
        f"invoke clone --service {service.name}",
        "",
        "# or with git alone",
        f"git clone {shlex.quote(source.url)} {place}",
        f"cd {place}",
        f"git checkout {source.commit}  # {source.tag}",
    ]
    return paragraphs(
        f"#### Source {source.name}",
        "**Repository**:",
        block([source.url]),
        f"**Pinned tag**: {code(source.tag)}",
        f"**Pinned commit**: {code(source.commit)}",
        f"**Note**: {' '.join(note)}",
        "**Clone command**:",
        block(commands, "bash"),
    )


# --- how it is proven ------------------------------------------------------------------------------------------------


def _outputs(service: Service, locks: Mapping[str, Lock], records: Mapping[str, str | None]) -> str:
    freeze = service.run.freeze
    names = [env.name for env in environments(service)]
    lines = [f"- {code(name)}: {_record(name, locks.get(name), records.get(name))}" for name in names]
    return paragraphs(
        "**pip freeze location**:" + ("" if freeze else " none, the description names no `run.freeze`."),
        block([freeze]) if freeze else "",
        "`docker/runtime/start.sh` writes it at every start of a container." if freeze else "",
        "**Committed records**:",
        "\n".join(lines),
    )


def _record(name: str, lock: Lock | None, freeze: str | None) -> str:
    if freeze is None:
        return "not recorded yet: no image of this environment was built where these documents were made"
    place = f"records/{name}/pip_freeze.txt"
    differences = freeze_differences(freeze, lock) if lock else ()
    state = f", which differs from the lock in {count(len(differences), 'package')}" if differences else ""
    return link(code(place), f"../{place}") + state


def _verification(service: Service) -> str:
    names = {canonicalize_name(package.name) for layer in service.layers[:1] for package in layer.packages}
    modules = {one: canonicalize_name(one) for one in service.imports if canonicalize_name(one) in names}
    prints = [
        "import torch; print('PyTorch:', torch.__version__)",
        "import torch; print('CUDA available:', torch.cuda.is_available())",
        *(
            f"import importlib.metadata, {module}; print('{name}:', importlib.metadata.version('{name}'))"
            for module, name in modules.items()
        ),
    ]
    lines = ["# Check versions, inside the image", *(f'python -c "{one}"' for one in prints)]
    for source in service.sources:
        home = shlex.quote(f"{service.home}/{source.path}")
        lines += [
            "",
            f"# Check the commit of {source.name}, inside the image: {source.commit}",
            f"git -C {home} rev-parse HEAD",
        ]
    lines += ["", "# Check everything, in this repository", f"invoke verify --service {service.name}"]
    return block(lines, "bash")


def _gpus(service: Service) -> str:
    if not service.gpus:
        return "The description wants no GPU."
    here = environments(service)
    waived = {name: gpus.waived(service, name) for name in service.gpus}
    headers = ["GPU", "Capability", *(f"Code in {code(env.name)}" for env in here)]
    rows = []
    for name in service.gpus:
        gpu = facts.gpu(name)
        cells = [prose(name), (gpu and gpu.capability) or gpus.UNKNOWN]
        rows.append([*cells, *(gpus.runs(env, gpu) for env in here)])
    if any(waived.values()):
        headers.append("Waiver")
        rows = [[*cells, waived[name] or NOTHING] for name, cells in zip(service.gpus, rows, strict=True)]
    return paragraphs(table(headers, rows), f"What would run on each: {link('GPUS.md', 'GPUS.md')}.")


def _log(service: Service, locks: Mapping[str, Lock]) -> str:
    page = link("DEVIATIONS.md", f"../DEVIATIONS.md#{anchor(service.name)}")
    return f"Every deviation from what was recommended, as in {page}:\n\n{deviation_table(service, locks)}"


# --- the policy ------------------------------------------------------------------------------------------------------


def _policy(service: Service) -> str:
    name = service.name
    records = ", ".join(code(f"records/{env.name}/pip_freeze.txt") for env in environments(service))
    return "\n".join(
        [
            f"1. Test new versions locally first: try them in `{service.file}`, then `invoke lock --service {name}` and `invoke install --service {name}`.",
            f"2. Update the description and these documents: keep what worked in `{service.file}`, say why where it deviates, then `invoke document`.",
            f"3. Rebuild the Docker image: `invoke render`, then `invoke build --service {name}`.",
            f"4. Run the validation suite: `invoke verify --service {name}`.",
            f"5. Record the new `pip_freeze.txt`: commit {records} with the rest.",
            "",
            f"`invoke bump PIN --service {name}` carries these steps out, and records them in `records/log.yaml`.",
        ]
    )
