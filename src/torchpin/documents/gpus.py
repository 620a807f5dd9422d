"""Which GPU runs which build: the verdict, and the bodies of docs/GPUS.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, paragraphs, prose, table, wrap_section
from torchpin.documents.sections import environments
from torchpin.model import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Lock, Service

import re
from functools import cache
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.compat import undeclared_requirements
from torchpin.compat.gpus import judge_gpu
from torchpin.description.environments import cuda_version, torch_build
from torchpin.documents.markdown import anchor, link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock, Service

UNKNOWN = "not known"
FAILURES = "Known failures"
_ABOUT_GPUS = re.compile(r"\b(card|driver|GPU)s?\b", re.IGNORECASE)


# --- the verdict -----------------------------------------------------------------------------------------------------


def verdict_text(env: Environment, gpu: facts.Gpu | None) -> str:
    """Whether an environment's torch has code for a card: yes, no, or unknown, with the reason."""
    verdict = judge_gpu(env, gpu)
    return {"ok": "yes", "refused": f"no: {verdict.reason}", "unknown": f"unknown: {verdict.reason}"}[
        verdict.answer
    ]


def _capability(text: str) -> tuple[int, int]:
    """`10.0` and `sm_100` alike; the last digit is the minor."""
    digits = re.sub(r"\D", "", text)
    return int(digits[:-1]), int(digits[-1])


def waivers_text(service: Service, name: str) -> str:
    """The waivers of a service about a card, by whichever of its names."""
    gpu = facts.gpu(name)
    return "; ".join(
        f"{code(waiver.check)}, review by {waiver.review_by.isoformat()}: {prose(waiver.reason)}"
        for waiver in service.waivers
        if waiver.about == name or (gpu is not None and facts.gpu(waiver.about) == gpu)
    )


@cache
def build_ranges(gpu: facts.Gpu) -> Mapping[str, tuple[str, str]]:
    """The first and the last known release with code for a card, by channel, the earliest release first."""
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
        return True  # what PyPI's build is, only its own releases tell
    return ".".join(release.split(".")[:2]) in channel.series


# --- docs/GPUS.md ----------------------------------------------------------------------------------------------------


def required_gpus(environments: Sequence[Environment], locks: Mapping[str, Lock]) -> str:
    """Every GPU that a service wants, each once however it is written, with every environment's verdict."""
    gpus: dict[str, facts.Gpu | None] = {}
    for env in environments:
        for name in env.service.gpus:
            gpu = facts.gpu(name)
            gpus.setdefault(gpu.name if gpu else name, gpu)
    contents = [f"- {link(prose(name), f'#{anchor(name)}')}" for name in gpus]
    bodies = (_gpu_section(name, gpu, environments, locks) for name, gpu in gpus.items())
    return paragraphs(
        "## GPUs that a service wants",
        "\n".join(contents) or "No service wants a GPU.",
        *bodies,
    )


def _gpu_section(
    name: str, gpu: facts.Gpu | None, environments: Sequence[Environment], locks: Mapping[str, Lock]
) -> str:
    rows = [
        (
            code(env.name),
            code(f"{env.service.torch.version} on {env.variant.channel}"),
            _required_text(env.service, name, gpu),
            verdict_text(env, gpu),
            _environment_driver(env),
            _base_driver(env, gpu),
            _package_limits(env, gpu, locks.get(env.name)),
        )
        for env in environments
    ]
    headers = (
        "Environment", "torch", "Wanted", "Code for it", "Driver for its CUDA", "What its base asks", "Watch",
    )  # fmt: skip
    lines = _gpu_lines(gpu) if gpu else ["- No fact knows this GPU: correct its name in the descriptions, or add it to `src/torchpin/facts/data/gpus.yaml`."]  # fmt: skip
    failing = [code(env.name) for env in environments if verdict_text(env, gpu).startswith("no: compiled")]
    warning = (
        f"In {', '.join(failing)} torch starts and sees the card, and the first kernel fails: see {link(FAILURES, f'#{anchor(FAILURES)}')}."
        if failing
        else ""
    )
    return paragraphs(f"### {prose(name)}", "\n".join(lines), table(headers, rows), warning)


def _gpu_lines(gpu: facts.Gpu) -> list[str]:
    lines = {
        "Architecture": gpu.architecture,
        "Capability": gpu.capability or "not known: no fact tells it.",
        "Host": "" if gpu.machine == "x86_64" else f"{gpu.machine}; images for linux/amd64 do not run there.",
        "Minimum toolkit": f"CUDA {gpu.min_toolkit}" if gpu.min_toolkit else UNKNOWN,
        "Driver floor": _minimum_driver(gpu),
        "Builds with code for it": _builds_text(gpu),
        "Note": prose(gpu.note),
        "Source": prose(gpu.source),
    }
    return [f"- **{name}**: {value}" for name, value in lines.items() if value]


def _minimum_driver(gpu: facts.Gpu) -> str:
    if gpu.min_driver:
        return f"{gpu.min_driver}, which is documented for this GPU itself."
    driver = facts.driver(gpu.min_toolkit) if gpu.min_toolkit else None
    if driver is None:
        return UNKNOWN
    return f"{driver.toolkit}, which the first toolkit that knows it came with; none is documented for the GPU itself."


def _builds_text(gpu: facts.Gpu) -> str:
    builds_by_channel = build_ranges(gpu)
    if not builds_by_channel:
        return "no fact tells one."
    channel, (release, _) = next(iter(builds_by_channel.items()))
    ranges = ", ".join(
        f"{code(name)} {first}" + (f" to {last}" if last != first else "")
        for name, (first, last) in builds_by_channel.items()
    )
    return f"torch {release} on {code(channel)} is the first; as far as the facts tell, {ranges}."


def _required_text(service: Service, name: str, gpu: facts.Gpu | None) -> str:
    described_names = [
        described_name
        for described_name in service.gpus
        if described_name == name or (gpu is not None and facts.gpu(described_name) == gpu)
    ]
    waivers = [waivers_text(service, described_name) for described_name in described_names]
    return ("yes" + "".join(f"; waived: {text}" for text in waivers if text)) if described_names else "-"


def _environment_driver(env: Environment) -> str:
    cuda = cuda_version(env)
    driver = facts.driver(cuda) if cuda else None
    if driver is None:
        return "none: a CPU build" if torch_build(env) == "cpu" else UNKNOWN
    floor = f"{driver.family} at least; " if driver.family else ""
    return f"{floor}CUDA {cuda} came with {driver.toolkit}"


def _base_driver(env: Environment, gpu: facts.Gpu | None) -> str:
    """What the container runtime checks before it starts this base, which nvidia/cuda's images alone ask."""
    base = facts.base_image(env.base.image)
    gate = facts.gate(base.cuda) if base and base.cuda and base.image.startswith("nvidia/cuda:") else None
    if gate is None:
        return "nothing: a CPU build" if torch_build(env) == "cpu" else UNKNOWN
    if gpu and gpu.geforce and not gate.geforce:
        return f"a driver of CUDA {gate.needs}; on GeForce no older branch is let through"
    return f"a driver of CUDA {gate.needs}, or of branch {', '.join(map(str, gate.older_branches))}"


def _package_limits(env: Environment, gpu: facts.Gpu | None, lock: Lock | None) -> str:
    """What of the locked packages does not serve this card: floors that it raises, wheels without code for it."""
    if lock is None:
        return "not locked yet"
    files = {package.filename for package in lock.packages.values()}
    low = [
        f"{wheel.package} {wheel.version} takes cards of {wheel.min_capability} or more only"
        for wheel in facts.wheels()
        if wheel.filename in files and gpu and gpu.capability
        if _capability(gpu.capability) < _capability(wheel.min_capability)
    ]
    raised = [
        f"{evaluation.undeclared.needs} is needed, there is {evaluation.installed}: {prose(evaluation.undeclared.because)}"
        for evaluation in undeclared_requirements.evaluate(env, lock)
        if evaluation.undeclared.capability
        and undeclared_requirements.applies_to(evaluation.undeclared, gpu)
        and not evaluation.satisfied
    ]
    return "; ".join([*low, *raised]) or "-"


def failure_table() -> str:
    """What a start says where GPU, driver and build do not fit."""
    rows = [
        (code(failure.example), prose(failure.means), prose(failure.remedy))
        for failure in facts.failures()
        if failure.stage == "run"
        and _ABOUT_GPUS.search(f"{failure.example} {failure.means} {failure.remedy}")
    ]
    return paragraphs(f"## {FAILURES}", table(("It says", "It means", "Remedy"), rows))


def all_gpus(environments: Sequence[Environment]) -> str:
    """One line for each GPU of the facts."""
    rows = []
    for gpu in facts.gpus():
        first = next(iter(build_ranges(gpu).items()), None)
        served = [code(env.name) for env in environments if verdict_text(env, gpu) == "yes"]
        rows.append(
            (
                gpu.name,
                gpu.architecture,
                gpu.capability or UNKNOWN,
                f"CUDA {gpu.min_toolkit}" if gpu.min_toolkit else UNKNOWN,
                _minimum_driver(gpu).partition(",")[0],
                f"{first[1][0]} on {code(first[0])}" if first else UNKNOWN,
                ", ".join(served) or "none",
            )
        )
    headers = ("GPU", "Architecture", "Capability", "Minimum toolkit", "Driver floor", "First build", "torch has code for it in")  # fmt: skip
    return paragraphs("## Every known GPU", table(headers, rows))


GPUS_OPENING = """\
# GPUs

This page says for each GPU which of our images run on it, what would, and what a wrong pair looks like.
It is computed from the descriptions and from the facts in `src/torchpin/facts`; nothing here was run on these GPUs for this page.
Write outside the generated sections as you like.
"""


def gpu_sections(services: Sequence[Service], locks: Mapping[str, Lock]) -> dict[str, str]:
    """The sections of docs/GPUS.md: the GPUs that services want, known failures, and every GPU that the facts know."""
    envs = [env for service in services for env in environments(service)]
    origins = {
        "wanted": "services/*/service.yaml, their locks and src/torchpin/facts",
        "failures": "src/torchpin/facts/data/failures.yaml",
        "known": "src/torchpin/facts/data/gpus.yaml",
    }
    bodies = {
        "wanted": required_gpus(envs, locks),
        "failures": failure_table(),
        "known": all_gpus(envs),
    }
    return {name: wrap_section(name, body, source=origins[name]) for name, body in bodies.items()}
