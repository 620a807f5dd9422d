"""The generated sections of docs/GPUS.md, and what the pages of services tell of their GPUs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts, paths
from torchpin.compat import undeclared_requirements
from torchpin.compat.gpus import judge_gpu
from torchpin.description.environments import cuda_version, torch_build
from torchpin.documents.markdown import code, link, paragraphs, prose, table, wrap_section
from torchpin.documents.sections import ROOT, environments
from torchpin.documents.troubleshooting import symptom_link
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock, Service

UNKNOWN = "unknown"
_EXAMPLES = 4  # of the GPUs of a capability, of which there are up to seventy
_NO_KERNEL = "no-kernel"  # the known failure of a torch without code for the GPU


def verdict_text(env: Environment, gpu: facts.Gpu | None) -> str:
    """Whether an environment's torch has code for a GPU: yes, no, or unknown, with the reason."""
    verdict = judge_gpu(env, gpu)
    return {"ok": "yes", "incompatible": f"no: {verdict.reason}", "unknown": f"unknown: {verdict.reason}"}[
        verdict.status
    ]


def waivers_text(service: Service, name: str) -> str:
    """The waivers of a service about a GPU, whichever of its names they have."""
    return "; ".join(
        f"{code(waiver.check)}, review by {waiver.review_by.isoformat()}: {prose(waiver.reason)}"
        for waiver in service.waivers
        if facts.is_same_gpu(waiver.about, name)
    )


@cache
def build_ranges(gpu: facts.Gpu) -> Mapping[str, tuple[str, str]]:
    """The first and the last known release with code for a GPU, by channel, the earliest release first."""
    releases_by_channel: dict[str, tuple[str, str]] = {}
    for release in sorted(facts.releases(), key=lambda row: Version(row.version)):
        for channel in facts.channels():
            archs = facts.compiled_archs(release.version, channel.name, gpu.machine)
            comparable = archs and gpu.capability and _is_published(channel, release.version)
            if archs and comparable and facts.runs_on(archs, gpu.capability or ""):
                first, _ = releases_by_channel.get(channel.name, (release.version, ""))
                releases_by_channel[channel.name] = (first, release.version)
    return releases_by_channel


def _is_published(channel: facts.Channel, release: str) -> bool:
    if channel.name == "pypi":
        return True  # PyPI has every release, and so no list of series
    return major_minor(release) in channel.series


def listed_gpus(service: Service, locks: Mapping[str, Lock]) -> str:
    """Every GPU that a service lists, once under its own name, with its facts and the verdict of each environment."""
    gpus = {name: facts.gpu(name) for name in facts.own_gpu_names(service.gpus)}
    envs = environments(service)
    return paragraphs(*(_gpu_section(name, gpu, envs, locks) for name, gpu in gpus.items()))


def _gpu_section(
    name: str, gpu: facts.Gpu | None, environments: Sequence[Environment], locks: Mapping[str, Lock]
) -> str:
    rows = [
        (
            code(env.name),
            verdict_text(env, gpu),
            _environment_driver(env),
            _base_driver(env, gpu),
            _package_limits(env, gpu, locks.get(env.name)),
        )
        for env in environments
    ]
    headers = (
        "Environment", "Code for it", "Driver for its CUDA", "Driver that its base requires", "Limits",
    )  # fmt: skip
    lines = _gpu_lines(gpu) if gpu else ["- This GPU is not in the facts: correct its name in the descriptions, or add it to `torchpin/facts/data/gpus.yaml`."]  # fmt: skip
    failure = next(failure for failure in facts.failures() if failure.id == _NO_KERNEL)
    page = f"{ROOT}{paths.TROUBLESHOOTING}"
    failing = [code(env.name) for env in environments if verdict_text(env, gpu).startswith("no: compiled")]
    warning = (
        f"In {', '.join(failing)} torch starts and sees the GPU, and the first kernel fails: {symptom_link(failure.title, page)}."
        if failing
        else ""
    )
    return paragraphs(f"### {prose(name)}", "\n".join(lines), table(headers, rows), warning)


def _gpu_lines(gpu: facts.Gpu) -> list[str]:
    lines = {
        "Vendor": "" if gpu.vendor == "NVIDIA" else gpu.vendor,
        "Architecture": gpu.architecture if gpu.vendor == "NVIDIA" else "",
        "Capability": gpu.capability or UNKNOWN,
        "Host": "" if gpu.machine == "x86_64" else f"{gpu.machine}; images for linux/amd64 do not run there.",
        "Minimum toolkit": f"CUDA {gpu.min_toolkit}" if gpu.min_toolkit else UNKNOWN,
        "Minimum driver": _minimum_driver(gpu),
        "Builds with code for it": _builds_text(gpu),
        "Note": prose(gpu.note),
        "Source": prose(gpu.source),
    }
    return [f"- **{name}**: {value}" for name, value in lines.items() if value]


def _minimum_driver(gpu: facts.Gpu) -> str:
    if gpu.min_driver:
        return f"{gpu.min_driver}, which is documented for this GPU."
    driver = facts.driver(gpu.min_toolkit) if gpu.min_toolkit else None
    if driver is None:
        return UNKNOWN
    return f"{driver.toolkit}, the driver of the first toolkit that supports it; none is documented for the GPU itself."


def _builds_text(gpu: facts.Gpu) -> str:
    builds_by_channel = build_ranges(gpu)
    if not builds_by_channel:
        return "none is known."
    channel, (release, _) = next(iter(builds_by_channel.items()))
    ranges = ", ".join(
        f"{code(name)} {first}" + (f" to {last}" if last != first else "")
        for name, (first, last) in builds_by_channel.items()
    )
    return f"torch {release} on {code(channel)} is the first; known builds: {ranges}."


def _environment_driver(env: Environment) -> str:
    cuda = cuda_version(env)
    driver = facts.driver(cuda) if cuda else None
    if driver is None:
        return "none: a CPU build" if torch_build(env) == "cpu" else UNKNOWN
    minimum = f"{driver.family} or later; " if driver.family else ""
    return f"{minimum}CUDA {cuda} came with {driver.toolkit}"


def _base_driver(env: Environment, gpu: facts.Gpu | None) -> str:
    """The drivers that the container runtime lets start this base; only nvidia/cuda's images require any."""
    base = facts.base_image(env.base.image)
    gate = facts.image_gate(base)
    if gate is None:
        return "none: a CPU build" if torch_build(env) == "cpu" else UNKNOWN
    if gpu and gpu.geforce and not gate.geforce:
        return f"a driver of CUDA {gate.needs}; on GeForce no older branch is accepted"
    return f"a driver of CUDA {gate.needs}, or of branch {', '.join(map(str, gate.older_branches))}"


def _package_limits(env: Environment, gpu: facts.Gpu | None, lock: Lock | None) -> str:
    """The locked packages that do not support a GPU: wheels without code for it, and unmet requirements for it."""
    if lock is None:
        return "not locked yet"
    files = {package.filename for package in lock.packages.values()}
    low = [
        f"{wheel.package} {wheel.version} requires compute capability {wheel.min_capability} or higher"
        for wheel in facts.wheels()
        if wheel.filename in files and gpu and gpu.capability
        if facts.parse_capability(gpu.capability) < facts.parse_capability(wheel.min_capability)
    ]
    raised = [
        f"{evaluation.undeclared.needs} is required ({evaluation.installed}): {prose(evaluation.undeclared.because)}"
        for evaluation in undeclared_requirements.evaluate(env, lock)
        if evaluation.undeclared.capability
        and undeclared_requirements.applies_to(evaluation.undeclared, gpu)
        and not evaluation.satisfied
    ]
    return "; ".join([*low, *raised]) or "-"


def common_gpus() -> str:
    """A table of the GPUs with facts of their own."""
    rows = [
        (
            gpu.name,
            gpu.architecture,
            gpu.capability or UNKNOWN,
            f"CUDA {gpu.min_toolkit}" if gpu.min_toolkit else UNKNOWN,
            _minimum_driver(gpu).partition(",")[0],
            _first_build(gpu),
        )
        for gpu in facts.gpus()
    ]
    headers = ("GPU", "Architecture", "Capability", "Minimum toolkit", "Minimum driver", "First build")
    return paragraphs(
        "## Common GPUs",
        "The GPUs that services list, those that clouds rent, and those that are most common. What runs on a GPU follows from its capability, so the next table covers all other GPUs, too.",
        table(headers, rows),
    )


def _first_build(gpu: facts.Gpu) -> str:
    first = next(iter(build_ranges(gpu).items()), None)
    return f"{first[1][0]} on {code(first[0])}" if first else UNKNOWN


def all_capabilities() -> str:
    """A table of all compute capabilities in the facts, with how many GPUs have each."""
    names_by_capability: dict[str, list[str]] = {}
    for gpu in facts.known_gpus():
        names_by_capability.setdefault(gpu.capability or "", []).append(gpu.name)
    rows = []
    for toolkits in facts.capabilities():
        capability_gpu, names = facts.gpu(toolkits.sm), names_by_capability.get(toolkits.capability, [])
        if capability_gpu is None or not names:
            continue
        examples = ", ".join(names[:_EXAMPLES])
        cuda = f"{toolkits.min_toolkit} to {toolkits.last_toolkit or 'now'}"
        rows.append(
            (
                toolkits.capability,
                toolkits.architecture,
                f"{len(names)}: {examples}, …" if len(names) > _EXAMPLES else examples,
                cuda,
                _first_build(capability_gpu),
            )
        )
    headers = (
        "Capability",
        "Architecture",
        "GPUs",
        "CUDA toolkits",
        "First build",
    )
    return paragraphs(
        "## Every compute capability",
        f"{len(facts.known_gpus())} GPUs are known by name; `invoke support --gpu NAME` shows which services run on a GPU, and `--gpu sm_61` on a capability.",
        table(headers, rows),
    )


GPUS_OPENING = """\
# GPUs

This page lists which GPUs each of our images runs on, and which torch builds would run on a GPU.
What fails where none does is in [Troubleshooting](TROUBLESHOOTING.md#gpu-and-driver).
It is computed from the descriptions and from the facts in `torchpin/facts`; nothing was run on these GPUs for this page.
<!-- Text outside the generated sections is kept. -->
"""


def _services(served: Sequence[str]) -> str:
    opening = "Of the common GPUs below, those that the torch of each environment has code for."
    return paragraphs("## Services", opening, *(served or ["There is no service yet."]))


def served_gpus(service: Service) -> str:
    """The common GPUs that a service's environments have code for, between two lines that its pins do not change."""
    lines = []
    for env in environments(service):
        served = [gpu.name for gpu in facts.gpus() if judge_gpu(env, gpu).status == "ok"]
        torch = f"torch {env.service.torch.version} on {code(env.variant.channel)}"
        lines.append(f"- {code(env.name)}, {torch}: {', '.join(served) or 'none'}")
    page = paths.page_path(service.name).removeprefix(f"{paths.GPUS.rpartition('/')[0]}/")
    listed = link(f"GPUs of {service.name}", f"{page}#gpus")
    return paragraphs(f"### {service.name}", "\n".join(lines), f"Drivers, and limits of packages: {listed}.")


def gpu_sections(services: Sequence[Service]) -> dict[str, str]:
    """The sections of docs/GPUS.md: what each service runs on, common GPUs, and every capability."""
    return sections_of([*map(served_gpus, services)])


def sections_of(served: Sequence[str]) -> dict[str, str]:
    """The sections of docs/GPUS.md, with what the services run on as `served_gpus` tells it."""
    origins = {
        "services": f"{paths.description_path('*')} and torchpin/facts",
        "known": "torchpin/facts/data/gpus.yaml",
    }
    bodies = {
        "services": _services(served),
        "known": paragraphs(common_gpus(), all_capabilities()),
    }
    return {name: wrap_section(name, body, source=origins[name]) for name, body in bodies.items()}
