"""Which GPU runs which build: the verdict, and the bodies of docs/GPUS.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.documents.markdown import code, marked, paragraphs, prose, table
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
from torchpin.compat import gpus, hidden_requirements
from torchpin.description import environments as description_environments
from torchpin.documents.markdown import anchor, link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock, Service

UNKNOWN = "not known"
FAILURES = "Known failures"
_ABOUT_GPUS = re.compile(r"\b(card|driver|GPU)s?\b", re.IGNORECASE)


# --- the verdict -----------------------------------------------------------------------------------------------------


def runs(env: Environment, gpu: facts.Gpu | None) -> str:
    """Whether an environment's torch has code for a card: yes, no, or unknown, with the reason."""
    found = gpus.verdict(env, gpu)
    return {"ok": "yes", "refused": f"no: {found.reason}", "unknown": f"unknown: {found.reason}"}[
        found.answer
    ]


def _capability(text: str) -> tuple[int, int]:
    """`10.0` and `sm_100` alike; the last digit is the minor."""
    digits = re.sub(r"\D", "", text)
    return int(digits[:-1]), int(digits[-1])


def waived(service: Service, name: str) -> str:
    """The waivers of a service about a card, by whichever of its names."""
    known = facts.gpu(name)
    return "; ".join(
        f"{code(waiver.check)}, review by {waiver.review_by.isoformat()}: {prose(waiver.reason)}"
        for waiver in service.waivers
        if waiver.about == name or (known is not None and facts.gpu(waiver.about) == known)
    )


@cache
def builds(gpu: facts.Gpu) -> Mapping[str, tuple[str, str]]:
    """The first and the last known release with code for a card, by channel, the earliest release first."""
    found: dict[str, tuple[str, str]] = {}
    for release in sorted(facts.releases(), key=lambda one: Version(one.version)):
        for channel in facts.channels():
            archs = facts.compiled(release.version, channel.name, gpu.machine)
            known = archs and gpu.capability and _published(channel, release.version)
            if archs and known and facts.runs_on(archs, gpu.capability or ""):
                first, _ = found.get(channel.name, (release.version, ""))
                found[channel.name] = (first, release.version)
    return found


def _published(channel: facts.Channel, release: str) -> bool:
    if channel.name == "pypi":
        return True  # what PyPI's build is, only its own releases tell
    return ".".join(release.split(".")[:2]) in channel.series


# --- docs/GPUS.md ----------------------------------------------------------------------------------------------------


def wanted(environments: Sequence[Environment], locks: Mapping[str, Lock]) -> str:
    """Every GPU that a service wants, each once however it is written, with every environment's verdict."""
    cards: dict[str, facts.Gpu | None] = {}
    for env in environments:
        for name in env.service.gpus:
            gpu = facts.gpu(name)
            cards.setdefault(gpu.name if gpu else name, gpu)
    contents = [f"- {link(prose(name), f'#{anchor(name)}')}" for name in cards]
    bodies = (_card(name, gpu, environments, locks) for name, gpu in cards.items())
    return paragraphs(
        "## GPUs that a service wants",
        "\n".join(contents) or "No service wants a GPU.",
        *bodies,
    )


def _card(
    name: str, gpu: facts.Gpu | None, environments: Sequence[Environment], locks: Mapping[str, Lock]
) -> str:
    rows = [
        (
            code(env.name),
            code(f"{env.service.torch.version} on {env.variant.channel}"),
            _wants(env.service, name, gpu),
            runs(env, gpu),
            _driver_of(env),
            _gate(env, gpu),
            _watch(env, gpu, locks.get(env.name)),
        )
        for env in environments
    ]
    headers = (
        "Environment", "torch", "Wanted", "Code for it", "Driver for its CUDA", "What its base asks", "Watch",
    )  # fmt: skip
    lines = _facts(gpu) if gpu else ["- No fact knows this GPU: correct its name in the descriptions, or add it to `src/torchpin/facts/data/gpus.yaml`."]  # fmt: skip
    failing = [code(env.name) for env in environments if runs(env, gpu).startswith("no: compiled")]
    told = (
        f"In {', '.join(failing)} torch starts and sees the card, and the first kernel fails: see {link(FAILURES, f'#{anchor(FAILURES)}')}."
        if failing
        else ""
    )
    return paragraphs(f"### {prose(name)}", "\n".join(lines), table(headers, rows), told)


def _facts(gpu: facts.Gpu) -> list[str]:
    lines = {
        "Architecture": gpu.architecture,
        "Capability": gpu.capability or "not known: no fact tells it.",
        "Host": "" if gpu.machine == "x86_64" else f"{gpu.machine}; images for linux/amd64 do not run there.",
        "Minimum toolkit": f"CUDA {gpu.min_toolkit}" if gpu.min_toolkit else UNKNOWN,
        "Driver floor": _driver(gpu),
        "Builds with code for it": _served(gpu),
        "Note": prose(gpu.note),
        "Source": prose(gpu.source),
    }
    return [f"- **{name}**: {value}" for name, value in lines.items() if value]


def _driver(gpu: facts.Gpu) -> str:
    if gpu.min_driver:
        return f"{gpu.min_driver}, which is documented for this GPU itself."
    came = facts.driver(gpu.min_toolkit) if gpu.min_toolkit else None
    if came is None:
        return UNKNOWN
    return f"{came.toolkit}, which the first toolkit that knows it came with; none is documented for the GPU itself."


def _served(gpu: facts.Gpu) -> str:
    found = builds(gpu)
    if not found:
        return "no fact tells one."
    channel, (release, _) = next(iter(found.items()))
    ranges = ", ".join(
        f"{code(name)} {first}" + (f" to {last}" if last != first else "")
        for name, (first, last) in found.items()
    )
    return f"torch {release} on {code(channel)} is the first; as far as the facts tell, {ranges}."


def _wants(service: Service, name: str, gpu: facts.Gpu | None) -> str:
    own = [one for one in service.gpus if one == name or (gpu is not None and facts.gpu(one) == gpu)]
    waivers = [waived(service, one) for one in own]
    return ("yes" + "".join(f"; waived: {one}" for one in waivers if one)) if own else "-"


def _driver_of(env: Environment) -> str:
    cuda = description_environments.cuda(env)
    driver = facts.driver(cuda) if cuda else None
    if driver is None:
        return "none: a CPU build" if description_environments.torch_build(env) == "cpu" else UNKNOWN
    floor = f"{driver.family} at least; " if driver.family else ""
    return f"{floor}CUDA {cuda} came with {driver.toolkit}"


def _gate(env: Environment, gpu: facts.Gpu | None) -> str:
    """What the container runtime checks before it starts this base, which nvidia/cuda's images alone ask."""
    base = facts.base(env.base.image)
    gate = facts.gate(base.cuda) if base and base.cuda and base.image.startswith("nvidia/cuda:") else None
    if gate is None:
        return "nothing: a CPU build" if description_environments.torch_build(env) == "cpu" else UNKNOWN
    if gpu and gpu.geforce and not gate.geforce:
        return f"a driver of CUDA {gate.needs}; on GeForce no older branch is let through"
    return f"a driver of CUDA {gate.needs}, or of branch {', '.join(map(str, gate.older_branches))}"


def _watch(env: Environment, gpu: facts.Gpu | None, lock: Lock | None) -> str:
    """What of the locked packages does not serve this card: floors that it raises, wheels without code for it."""
    if lock is None:
        return "not locked yet"
    files = {package.filename for package in lock.packages.values()}
    low = [
        f"{one.package} {one.version} takes cards of {one.min_capability} or more only"
        for one in facts.wheels()
        if one.filename in files and gpu and gpu.capability
        if _capability(gpu.capability) < _capability(one.min_capability)
    ]
    raised = [
        f"{one.floor.needs} is needed, there is {one.found}: {prose(one.floor.because)}"
        for one in hidden_requirements.standings(env, lock)
        if one.floor.capability and hidden_requirements.concerns(one.floor, gpu) and not one.holds
    ]
    return "; ".join([*low, *raised]) or "-"


def failures() -> str:
    """What a start says where GPU, driver and build do not fit."""
    rows = [
        (code(one.example), prose(one.means), prose(one.remedy))
        for one in facts.failures()
        if one.stage == "run" and _ABOUT_GPUS.search(f"{one.example} {one.means} {one.remedy}")
    ]
    return paragraphs(f"## {FAILURES}", table(("It says", "It means", "Remedy"), rows))


def known(environments: Sequence[Environment]) -> str:
    """One line for each GPU of the facts."""
    rows = []
    for gpu in facts.gpus():
        first = next(iter(builds(gpu).items()), None)
        served = [code(env.name) for env in environments if runs(env, gpu) == "yes"]
        rows.append(
            (
                gpu.name,
                gpu.architecture,
                gpu.capability or UNKNOWN,
                f"CUDA {gpu.min_toolkit}" if gpu.min_toolkit else UNKNOWN,
                _driver(gpu).partition(",")[0],
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
    here = [env for service in services for env in environments(service)]
    origins = {
        "wanted": "services/*/service.yaml, their locks and src/torchpin/facts",
        "failures": "src/torchpin/facts/data/failures.yaml",
        "known": "src/torchpin/facts/data/gpus.yaml",
    }
    bodies = {
        "wanted": wanted(here, locks),
        "failures": failures(),
        "known": known(here),
    }
    return {name: marked(name, body, source=origins[name]) for name, body in bodies.items()}
