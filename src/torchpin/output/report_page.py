"""A report as one HTML page: nothing is loaded from anywhere, and it is complete without its script."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from torchpin import __version__
from torchpin.controls import show_controls
from torchpin.output.program import name_program, program_name
from torchpin.quantities import count, format_bytes, noun
from torchpin.queries.report import cell_state, cell_words
from torchpin.queries.support import explain_cells
from torchpin.records.bump_log import STEPS
from torchpin.redaction import redact_credentials
from torchpin.tools.resources import read_resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jinja2
    from markupsafe import Markup

    from torchpin.queries.forecast import LayerBytes
    from torchpin.queries.report import PackageSizes, RecordState, Report, ServiceState
    from torchpin.records.bump_log import BumpEntry

SECTIONS = (
    ("services", "Services"),
    ("gpus", "GPUs"),
    ("findings", "Findings"),
    ("deviations", "Deviations"),
    ("bumps", "Updates"),
    ("records", "Records"),
    ("sizes", "Sizes"),
)
_STATES = {
    "error": "no",
    "incompatible": "no",
    "failed": "no",
    "warning": "warn",
    "unknown": "unknown",
    "notice": "note",
    "waived": "accepted",
}
_BREAKS = re.compile(r"(?<=[/:@=_,-])(?=\w)")  # where a long word may end a line
_LONGEST_WORD = 20  # characters that fit beside others on a phone's line


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A service on the page; `service`: None for one that cannot be read. `rank`: how much attention it needs.

    `state`: its colour and sign; `group`: what it is filtered by; `bytes` and `age`: what it is sorted by, -1 for unknown;
    `words`: what is searched in.
    """

    name: str
    state: str
    label: str
    group: str
    rank: int
    service: ServiceState | None = None
    problems: tuple[str, ...] = ()
    bytes: int = -1
    age: int = -1
    words: str = ""


def render_report(report: Report) -> str:
    """The page of a report."""
    cards = sorted(
        [*map(_service_card, report.services), *_unreadable_cards(report)],
        key=lambda card: (-card.rank, card.name),
    )
    service_names = {env.name: service.name for service in report.services for env in service.environments}
    template = _environment().get_template("page.html.j2")
    sizes = [env.sizes for service in report.services for env in service.environments if env.sizes]
    return template.render(
        report=report,
        cards=cards,
        concerned_first=[card.service for card in cards if card.service],
        headline=headline(report),
        tiles=_tiles(report),
        sections=SECTIONS,
        reasons=explain_cells(report.matrix),
        unrecorded=[
            env.name for service in report.services for env in service.environments if not env.record
        ],
        largest=max((entry.unpacked.count for entry in sizes), default=0),
        version=__version__,
        program=program_name(),
        service_names=service_names,
        **_inline_parts(),
    )


def headline(report: Report) -> str:
    """How many services need attention, as a sentence."""
    total, number = len(report.services) + len(report.unreadable), len(report.attention)
    if number:
        return f"{number} of {count(total, 'service')} need{'s' if number == 1 else ''} attention"
    if not total:
        return "No services"
    return "The service is in order" if total == 1 else f"All {total} services are in order"


def summary_lines(report: Report) -> list[str]:
    """The report in a few lines for a terminal: the headline, why services need attention, and the counts."""
    reasons = [
        f"{service.name}: {'; '.join(service.concerns)}" for service in report.services if service.concerns
    ]
    reasons += [f"{name}: its description cannot be read" for name in report.unreadable]
    return [headline(report), *reasons, ", ".join(f"{number} {label}" for label, number in _tiles(report))]


def _tiles(report: Report) -> list[tuple[str, int | str]]:
    findings = [reported.entry.kind for service in report.services for reported in service.findings]
    environments = [env for service in report.services for env in service.environments]
    deviations = [deviation for service in report.services for deviation in service.deviations]
    recorded = sum(env.record is not None for env in environments)
    cards = [*report.services, *report.unreadable]
    problems = findings.count("error") + findings.count("warning")
    unexplained = sum(deviation.reason is None for deviation in deviations)
    return [
        (noun(len(cards), "service"), len(cards)),
        (noun(len(environments), "environment"), len(environments)),
        (noun(problems, "error or warning", "errors and warnings"), problems),
        (noun(findings.count("unknown"), "open question"), findings.count("unknown")),
        (f"unexplained {noun(unexplained, 'deviation')}", unexplained),
        ("images recorded", f"{recorded} of {len(environments)}"),
    ]


def _service_card(service: ServiceState) -> Card:
    state = _STATES.get(service.verdict, "ok")
    if service.concerns and state not in {"no", "warn"}:
        state = "warn"
    label = (
        "needs attention" if service.concerns and service.verdict in {"ok", "unknown"} else service.verdict
    )
    environments = service.environments
    ages = [env.record.age for env in environments if env.record and env.record.age is not None]
    words = [service.name, service.summary, f"torch {service.torch}", f"python {service.python}"]
    words += [
        *service.gpus,
        *(f"{env.variant} {env.platform} {env.build} {env.base}" for env in environments),
    ]
    return Card(
        name=service.name,
        state=state,
        label=label,
        group="attention" if service.concerns else "unknown" if state == "unknown" else "ok",
        rank={"no": 3, "warn": 2, "unknown": 1}.get(state, 0),
        service=service,
        bytes=max((env.sizes.unpacked.count for env in environments if env.sizes), default=-1),
        age=max(ages, default=-1),
        words=" ".join(words).lower(),
    )


def _unreadable_cards(report: Report) -> Iterator[Card]:
    for name, problems in report.unreadable.items():
        yield Card(
            name=name, state="no", label="not read", group="attention", rank=4, problems=problems, words=name
        )


@cache
def _inline_parts() -> dict[str, Any]:
    """Style and script, and the policy that allows these two alone, by their digests."""
    from markupsafe import Markup

    style, script = (read_resource(f"report/{name}") for name in ("style.css", "script.js"))
    digests = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (style, script)]
    policy = (
        f"default-src 'none'; style-src {digests[0]}; script-src {digests[1]}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return {"style": Markup(style), "script": Markup(script), "policy": Markup(policy)}  # noqa: S704 - ours


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: read_resource(f"report/{name}")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=_safe_text,
    )
    environment.filters |= {
        "anchor": _anchor,
        "breakable": _breakable,
        "bytes": format_bytes,
        "cell_state": cell_state,
        "cell_words": cell_words,
        "count": count,
        "pending_steps": _pending_steps,
        "prose": _prose,
        "record": record_text,
        "segments": _segments,
        "share": _share,
        "state": _STATES.__getitem__,
    }
    return environment


def _safe_text(value: Any) -> Any:
    """A value as text, not yet escaped: without credentials, with visible controls, naming the program that was called."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return show_controls(name_program(redact_credentials(value)))
    return value


def _prose(text: str) -> Markup:
    """A sentence: what stands between backticks is code, and long words may be broken behind their punctuation."""
    from markupsafe import Markup

    parts = re.split("`([^`]+)`", _safe_text(text))
    code = Markup("<code>{}</code>")
    return Markup().join(
        code.format(_breakable(part)) if number % 2 else _breakable(part) for number, part in enumerate(parts)
    )


def _breakable(text: str) -> Markup:
    """A text whose long words (paths, references, file names) may be broken behind their punctuation."""
    from markupsafe import Markup, escape

    return Markup().join(
        Markup("<wbr>").join(map(escape, _BREAKS.split(word))) if len(word) > _LONGEST_WORD else escape(word)
        for word in re.split(r"(\s+)", _safe_text(text).replace(" -> ", " \N{RIGHTWARDS ARROW} "))
    )


def _anchor(name: str) -> str:
    """The id of a service's card: not that of a section."""
    return f"service-{re.sub('[^0-9A-Za-z-]', '_', _safe_text(name))}"


def record_text(record: RecordState | None) -> str:
    """How old a record is, and whether it matches its lock."""
    if record is None:
        return "not recorded yet"
    if record.day is None:
        age = "not committed"
    else:
        age = f"{record.day.isoformat()}, " + (f"{count(record.age, 'day')} old" if record.age else "today")
    if record.differences is None:
        return f"{age}; not compared, without a current lock"
    if record.differences:
        return f"{age}; differs from its lock in {count(len(record.differences), 'package')}"
    return f"{age}; matches its lock"


def _pending_steps(entry: BumpEntry) -> str:
    return "; ".join(STEPS[number - 1] for number in entry.pending)


def _share(number: int, whole: int) -> str:
    """A part of a whole in hundredths, as SVG has it."""
    return f"{100 * number / whole:.2f}" if whole else "0"


def _segments(sizes: PackageSizes) -> list[tuple[LayerBytes, str, str]]:
    """Each layer with its start and its width in hundredths."""
    counts = [layer.unpacked.count for layer in sizes.layers]
    starts = accumulate(counts, initial=0)
    return [
        (layer, _share(start, sizes.unpacked.count), _share(layer.unpacked.count, sizes.unpacked.count))
        for layer, start in zip(sizes.layers, starts, strict=False)
    ]
