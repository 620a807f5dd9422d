"""Descriptions, locks and records to the generated sections of docs/PINNING.md."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import compare, facts, plan
from torchpin.documents import NOTHING, deviation_table, environments, heading, locked, missing, origin, says
from torchpin.errors import InputError
from torchpin.markdown import anchor, block, code, link, marked, paragraphs, prose, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torchpin.model import Environment, Layer, Lock, Service, Source

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
        "Python packages": lambda one: _packages(one, locks),
        "Sources": _sources,
        "Runtime outputs": lambda one: _outputs(one, locks, records),
        "Verification commands": _verification,
        "GPUs": _gpus,
        "Deviation log": lambda one: _log(one, locks),
        "Update policy": _policy,
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
    base = service.base
    digest = code(base.digest) if base.digest else "not recorded: the tag alone decides what is pulled"
    return paragraphs(
        block([base.reference]),
        f"**Digest**: {digest}",
        f"**Rationale**: {prose(base.rationale) or 'not given'}",
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
    values = compare.used(env, lock)
    advice = {canonicalize_name(name): said for name, said in compare.advice(env, lock).items()}
    companions = [name for name in env.service.torch.family if name != "torch"]
    pinned = {
        "Python": code(values["python"]),
        "PyTorch": _torch(env, values),
        **{name: code(values[name]) if name in values else compare.ABSENT for name in companions},
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
    version, build = values.get("torch"), plan.torch_build(env)
    if version is None:
        return compare.ABSENT
    if "+" in version or not build or env.variant.platform != "linux/amd64":
        return code(version)
    return f"{code(f'{version}+{build}')} (its file says {code(version)})"


def _cuda(env: Environment) -> str:
    known = plan.cuda(env)
    return code(known) if known else "none: a CPU build" if plan.torch_build(env) == "cpu" else "not known"


def _cudnn(env: Environment, values: Mapping[str, str]) -> str:
    if "cudnn" in values:
        return code(values["cudnn"])
    cpu = plan.torch_build(env) == "cpu"
    return "none: a CPU build" if cpu else "not known: no package of its own brings it"


def _packages(service: Service, locks: Mapping[str, Lock]) -> str:
    here = locked(service, locks)
    parts = []
    if here:
        parts = ["#### Layer torch", _once((env, _torch_layer(env, lock)) for env, lock in here)]
    for number, layer in enumerate(service.layers if here else ()):
        may_fail = "Optional: where it cannot be installed, the image goes without it." * layer.optional
        texts = ((env, _declared_layer(env, lock, number)) for env, lock in here)
        parts += [f"#### Layer {layer.name}", may_fail, _once(texts)]
    return paragraphs(*parts, missing(service, locks))


def _once(texts: Iterable[tuple[Environment, str]]) -> str:
    """Each text once, below the names of its environments where not all have the same."""
    grouped: dict[str, list[str]] = {}
    for env, text in texts:
        grouped.setdefault(text, []).append(code(env.name))
    if len(grouped) == 1:
        return next(iter(grouped))
    return paragraphs(
        *(part for text, names in grouped.items() for part in (f"In {', '.join(names)}:", text))
    )


def _torch_layer(env: Environment, lock: Lock) -> str:
    names = [name for name in env.service.torch.family if name in lock.packages]
    pins = [f"{name}=={lock.packages[name].version}" for name in names]
    told = [_brings(lock, plan.TORCH, names), _brings(lock, plan.TORCH_DEPS, ())]
    return paragraphs(block(pins), "\n".join(filter(None, told)))


def _declared_layer(env: Environment, lock: Lock, number: int) -> str:
    layer: Layer = env.service.layers[number]
    pins, names = [], []
    for package in layer.packages:
        locked = lock.packages.get(canonicalize_name(package.name))
        if locked:
            extras = f"[{','.join(sorted(package.extras))}]" if package.extras else ""
            pins.append(f"{package.name}{extras}=={locked.version}")
            names.append(locked.name)
    told = _brings(lock, plan.layer_names(env)[number + 2], names)
    return paragraphs(block(pins) if pins else "No package of its own.", told)


def _brings(lock: Lock, name: str, shown: Iterable[str]) -> str:
    """One line: what else a layer's file holds, how large it all is, and what exists as source only."""
    packages = next((layer.packages for layer in lock.layers if layer.name == name), ())
    if not packages:
        return ""
    further = len({package.name for package in packages} - {*shown})
    sizes = [package.size for package in packages if package.size is not None]
    hidden = len(packages) - len(sizes)
    sources = [package.name for package in packages if package.is_source]
    parts = [
        _count(further, "further package" if shown else "package"),
        f"{_count(len(sizes), 'file')} with {sum(sizes):,} bytes in all" if sizes else "",
        f"{_count(hidden, 'file')} of unpublished size" if hidden else "",
        f"as source only: {', '.join(sources)}" if sources else "",
    ]
    why = ", which torch and its companions bring" if name == plan.TORCH_DEPS else ""
    return f"{code(f'{name}.txt')}{why}: {'; '.join(filter(None, parts))}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else f"no {noun}"


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
    differences = compare.freeze_differences(freeze, lock) if lock else ()
    state = f", which differs from the lock in {_count(len(differences), 'package')}" if differences else ""
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
    waived = {name: _waived(service, name) for name in service.gpus}
    headers = ["GPU", "Capability", *(f"Code in {code(env.name)}" for env in here)]
    rows = []
    for name in service.gpus:
        gpu = facts.gpu(name)
        cells = [prose(name), (gpu and gpu.capability) or "not known"]
        rows.append([*cells, *(_runs(env, gpu) for env in here)])
    if any(waived.values()):
        headers.append("Waiver")
        rows = [[*cells, waived[name] or NOTHING] for name, cells in zip(service.gpus, rows, strict=True)]
    return table(headers, rows)


def _runs(env: Environment, gpu: facts.Gpu | None) -> str:
    """Whether an environment's torch has code for a card: yes, no, or unknown, with the reason."""
    build, platform = plan.torch_build(env), env.variant.platform
    if build == "cpu":
        return "no: a CPU build"
    if gpu is None or gpu.capability is None:
        return "unknown: no fact tells its capability"
    if gpu.machine == "aarch64" and platform == "linux/amd64":
        return f"no: its host is aarch64, this build is for {platform}"
    if build is None:
        return "unknown: no fact tells what this build is"
    return _compiled(str(env.service.torch.version), build, plan.MACHINES[platform], gpu.capability)


def _compiled(release: str, build: str, machine: str, capability: str) -> str:
    archs = facts.compiled(release, build, machine)
    if archs:
        listed = f"compiled for {', '.join((*archs.sm, *archs.ptx))}{'' if archs.ptx else ', without PTX'}"
        return "yes" if facts.runs_on(archs, capability) else f"no: {listed}"
    ceiling = facts.ceiling(release, build, machine)
    if ceiling and _capability(capability) > _capability(ceiling):
        return f"no: its CUDA makes machine code up to {ceiling} only"
    return "unknown: no fact tells what this build is compiled for"


def _capability(text: str) -> tuple[int, int]:
    """`10.0` and `sm_100` alike; the last digit is the minor."""
    digits = re.sub(r"\D", "", text)
    return int(digits[:-1]), int(digits[-1])


def _waived(service: Service, name: str) -> str:
    known = facts.gpu(name)
    return "; ".join(
        f"{code(waiver.check)}, review by {waiver.review_by.isoformat()}: {prose(waiver.reason)}"
        for waiver in service.waivers
        if waiver.about == name or (known is not None and facts.gpu(waiver.about) == known)
    )


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
        ]
    )
