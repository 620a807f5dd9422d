"""The page of a service, docs/services/NAME.md, from its description, locks, records and updates."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts, paths
from torchpin.compat.compiled import compiled_versions
from torchpin.compat.pins import declared_names
from torchpin.compat.recommendations import ABSENT, list_recommendations, used_components
from torchpin.description.environments import torch_build
from torchpin.documents import bumps, gpus, service_build, service_layers, service_risks
from torchpin.documents.deviations import deviation_table
from torchpin.documents.environment_rows import HEADERS, cuda_cell, environment_rows, torch_cell
from torchpin.documents.markdown import anchor, block, code, link, paragraphs, prose, table, wrap_section
from torchpin.documents.sections import (
    NOTHING,
    ROOT,
    environments,
    generated_from,
    group_by_text,
    locked_environments,
    missing_locks_text,
    pluralize,
    recommendations_text,
)
from torchpin.records.freeze import freeze_differences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torchpin.model import Environment, Lock, Service, Source
    from torchpin.records.bump_log import BumpEntry


def page_opening(name: str) -> str:
    """What a new page has above its generated section."""
    return (
        f"# {name}\n\nA version is changed in `{paths.description_path(name)}`, never here.\n"
        "<!-- Text outside the generated section is kept. -->\n"
    )


def page_section(
    service: Service,
    locks: Mapping[str, Lock],
    records: Mapping[str, str | None],
    log: Sequence[BumpEntry],
) -> str:
    """The generated section of a service's page.

    `locks` and `records` (freeze records) are by environment name; `log`: all updates, the oldest first.
    """
    parts: dict[str, Callable[[Service], str]] = {
        "Base image": _base_section,
        "Core versions": lambda service: _core_section(service, locks),
        "Python packages": lambda service: service_layers.packages_section(service, locks, records),
        "Risks": lambda service: service_risks.risk_table(service, locks),
        "Sources": _sources_section,
        "Build order": lambda service: service_build.build_order(service, locks),
        "Compatibility matrix": lambda service: service_build.matrix(service, locks, records),
        "Runtime outputs": lambda service: _outputs_section(service, locks, records),
        "Verification commands": _verification_section,
        "Verification checklist": lambda service: service_build.checklist(service, locks),
        "GPUs": lambda service: _gpus_section(service, locks),
        "Deviation log": lambda service: _deviations_section(service, locks),
        "Bumps": lambda service: bumps.bump_table(service, log),
    }
    rows = environment_rows(service, locks, records, log)
    body = [
        prose(service.summary),
        table(HEADERS, rows),
        _links_text(service),
        *(f"## {title}\n\n{make(service)}" for title, make in parts.items()),
    ]
    return wrap_section(service.name, paragraphs(*body), source=generated_from(service))


def _links_text(service: Service) -> str:
    description = link("description", f"{ROOT}{service.file}")
    policy = link("update policy and rollback", f"{ROOT}{paths.PINNING}#update-policy")
    return f"See also its {description}, and the {policy} of all services."


def _base_section(service: Service) -> str:
    return group_by_text((env, _base_text(env)) for env in environments(service))


def _base_text(env: Environment) -> str:
    base = env.base
    digest = code(base.digest) if base.digest else "not recorded: the tag alone decides what is pulled"
    family = ", ".join(code(f"{name} {version}") for name, version in env.service.torch.family.items())
    return paragraphs(
        block([base.reference]),
        f"**Digest**: {digest}",
        f"**Rationale**: {prose(base.rationale) or 'not given'}",
        f"**Provides**: {family}, {service_layers.PROVIDED_NOTE}"
        if env.service.torch.origin == "base"
        else "",
    )


def _core_section(service: Service, locks: Mapping[str, Lock]) -> str:
    parts = []
    for env, lock in locked_environments(service, locks):
        folder, variant = paths.lock_folder(env.name), env.variant
        built = f"channel {code(variant.channel)}, platform {code(variant.platform)}"
        parts += [
            f"Environment {code(env.name)}: {built}, lock {link(code(folder), f'{ROOT}{folder}')}.",
            table(("Component", "Pinned version", "Report says"), _core_rows(env, lock)),
        ]
    return paragraphs(*parts, missing_locks_text(service, locks))


def _core_rows(env: Environment, lock: Lock) -> list[tuple[str, str, str]]:
    values = used_components(env, lock)
    advice = {
        canonicalize_name(name): recommendations
        for name, recommendations in list_recommendations(env, lock).items()
    }
    companions = [name for name in env.service.torch.family if name != "torch"]
    provided_note = f", {service_layers.PROVIDED_NOTE}" if env.service.torch.origin == "base" else ""
    pinned = {
        "Python": code(values["python"]),
        "PyTorch": torch_cell(env, values) + (provided_note if "torch" in values else ""),
        **{name: code(values[name]) if name in values else ABSENT for name in companions},
        "CUDA": cuda_cell(env),
        "cuDNN": _cudnn_cell(env, values),
    }
    keys = {"PyTorch": "torch"}
    return [
        (name, value, recommendations_text(advice.get(canonicalize_name(keys.get(name, name)), ())))
        for name, value in pinned.items()
    ]


def _cudnn_cell(env: Environment, values: Mapping[str, str]) -> str:
    if "cudnn" in values:
        return code(values["cudnn"])
    base = facts.base_image(env.base.image) if env.service.torch.origin == "base" else None
    if base and base.cudnn:
        return f"{code(base.cudnn)}, from the base image"
    cpu = torch_build(env) == "cpu"
    return "none: a CPU build" if cpu else f"{gpus.UNKNOWN}: no package contains it"


def _sources_section(service: Service) -> str:
    return paragraphs(*(_source_text(service, source) for source in service.sources)) or "Nothing is cloned."


def _source_text(service: Service, source: Source) -> str:
    component = canonicalize_name(source.name)
    note = [
        "The tag must point to this commit, or nothing is cloned."
        if source.tag
        else "No tag is pinned: the commit is fetched by its id."
    ]
    note += _source_notes(source)
    note += [
        prose(reason.because)
        for reason in service.reasons
        if canonicalize_name(reason.component) == component
    ]
    path = shlex.quote(source.path)
    commands = [
        f"invoke clone --service {service.name}",
        "",
        "# or with git alone",
        f"git clone {shlex.quote(source.url)} {path}",
        f"cd {path}",
        f"git checkout {source.commit}{f'  # {source.tag}' if source.tag else ''}",
        *(["git submodule update --init --recursive"] if source.submodules else []),
    ]
    return paragraphs(
        f"### Source {source.name}",
        "**Repository**:",
        block([source.url]),
        f"**Pinned tag**: {code(source.tag)}" if source.tag else "",
        f"**Pinned commit**: {code(source.commit)}",
        f"**Note**: {' '.join(note)}",
        "**Clone command**:",
        block(commands, "bash"),
    )


def _source_notes(source: Source) -> list[str]:
    """What is done with the requirements, the submodules and the LFS files of a source, a sentence each."""
    files = " and ".join(map(code, source.requirements))
    notes = []
    if source.install:
        notes.append(f"What {files or 'its pyproject.toml'} asks for is resolved into the lock.")
    elif files:
        notes.append(
            f"Its {files} {'is' if len(source.requirements) == 1 else 'are'} compared with the lock, never installed."
        )
    if source.is_package:
        notes.append(f"The source itself is installed ({source.install}), without dependencies.")
    if source.submodules:
        names = source.submodules if isinstance(source.submodules, tuple) else ()
        notes.append(
            f"It comes with {'its submodules' if not names else ', '.join(map(code, names))}, at the commits that it names."
        )
    if source.lfs:
        notes.append("Its files in Git LFS are fetched, each by its hash.")
    return notes


def _outputs_section(service: Service, locks: Mapping[str, Lock], records: Mapping[str, str | None]) -> str:
    freeze = service.run.freeze
    lines = [
        f"- {code(env.name)}: {_record_text(env, locks.get(env.name), records.get(env.name))}"
        for env in environments(service)
    ]
    return paragraphs(
        "**pip freeze location**:" + ("" if freeze else " none, the description has no `run.freeze`."),
        block([freeze]) if freeze else "",
        "`start.sh` writes it at every start of a container." if freeze else "",
        "**Committed records**:",
        "\n".join(lines),
    )


def _record_text(env: Environment, lock: Lock | None, freeze: str | None) -> str:
    if freeze is None:
        return "not recorded yet: no image of this environment was built where this page was generated"
    path = paths.freeze_path(env.name)
    differences = freeze_differences(freeze, lock, compiled_versions(env)) if lock else ()
    note_on_lock = (
        f", which differs from the lock in {pluralize(len(differences), 'package')}" if differences else ""
    )
    return link(code(path), f"{ROOT}{path}") + note_on_lock


def _verification_section(service: Service) -> str:
    names = declared_names(service.layers[:1])
    modules = {
        module: canonicalize_name(module) for module in service.imports if canonicalize_name(module) in names
    }
    statements = [
        "import torch; print('PyTorch:', torch.__version__)",
        "import torch; print('CUDA available:', torch.cuda.is_available())",
        *(
            f"import importlib.metadata, {module}; print('{name}:', importlib.metadata.version('{name}'))"
            for module, name in modules.items()
        ),
    ]
    lines = ["# Check versions, inside the image", *(f'python -c "{statement}"' for statement in statements)]
    for source in service.sources:
        home = shlex.quote(f"{service.home}/{source.folder}")
        lines += [
            "",
            f"# Check the commit of {source.name}, inside the image: {source.commit}",
            f"git -C {home} rev-parse HEAD",
        ]
    lines += ["", "# Check everything, in this repository", f"invoke verify --service {service.name}"]
    return block(lines, "bash")


def _gpus_section(service: Service, locks: Mapping[str, Lock]) -> str:
    if not service.gpus:
        return "The description lists no GPU."
    headers = ["GPU", "Capability", *(f"Code in {code(env.name)}" for env in environments(service))]
    names = facts.own_gpu_names(service.gpus)
    waived = {name: gpus.waivers_text(service, name) for name in names}
    rows = []
    for name in names:
        gpu = facts.gpu(name)
        cells = [prose(name), (gpu and gpu.capability) or gpus.UNKNOWN]
        rows.append([*cells, *(gpus.verdict_text(env, gpu) for env in environments(service))])
    if any(waived.values()):
        headers.append("Waiver")
        rows = [[*cells, waived[name] or NOTHING] for name, cells in zip(names, rows, strict=True)]
    return paragraphs(table(headers, rows), gpus.listed_gpus(service, locks))


def _deviations_section(service: Service, locks: Mapping[str, Lock]) -> str:
    page = link(paths.DEVIATIONS, f"{ROOT}{paths.DEVIATIONS}#{anchor(service.name)}")
    return f"Every deviation from what was recommended, as in {page}:\n\n{deviation_table(service, locks)}"
