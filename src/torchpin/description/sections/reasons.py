"""What people say about the pins: recommendations, reasons of deviations, waivers of findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin.description.patterns import CHECK, COMPONENT, PROSE
from torchpin.description.shapes import Date, Items, Key, Record, Table, Text
from torchpin.model import Reason, Recommendation, Waiver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _sentence(name: str, doc: str, example: str, *, required: bool = True, default: str = "") -> Key:
    return Key(
        name=name, shape=Text(rule=PROSE), doc=doc, example=example, required=required, default=default
    )


RECOMMENDS = Items(
    of=Record(
        keys=(
            _sentence(
                "component", "A package, a source, `Python`, `torch`, `CUDA` or `cuDNN`.", "accelerate"
            ),
            _sentence("says", "A version, a range, `2.5.x` or a tag.", '">=0.21"'),
            _sentence(
                "by",
                "Who recommends it. The range of a file, such as `requirements.txt`, bounds what locks take of a package that only others bring; `constraint of FILE` asks for nothing.",
                "report",
                required=False,
                default="report",
            ),
        )
    )
)
REASONS = Table(
    name=COMPONENT,
    of=Record(
        keys=(
            _sentence(
                "because", "Why the deviation is right.", "sd-scripts pins 1.6.0 at the tag that is cloned"
            ),
            _sentence("evidence", "Where that can be read.", "requirements.txt of sd-scripts v0.10.0"),
        )
    ),
)
WAIVERS = Items(
    of=Record(
        keys=(
            Key(
                name="check",
                shape=Text(rule=CHECK),
                doc="The check whose finding is accepted.",
                example="BAS003",
                required=True,
            ),
            _sentence("about", "What the finding is about, as it is printed with it.", "H100"),
            _sentence(
                "reason", "Why it is accepted.", "the devel image is needed until the wheel is published"
            ),
            Key(
                name="review_by",
                shape=Date(),
                doc="The day after which the waiver no longer counts.",
                example="2027-01-31",
                required=True,
            ),
        )
    )
)


def build_recommendations(values: Iterable[Mapping[str, Any]]) -> tuple[Recommendation, ...]:
    return tuple(Recommendation(**recommendation) for recommendation in values)


def build_reasons(values: Mapping[str, Any]) -> tuple[Reason, ...]:
    return tuple(Reason(component=component, **reason) for component, reason in values.items())


def build_waivers(values: Iterable[Mapping[str, Any]]) -> tuple[Waiver, ...]:
    return tuple(Waiver(**waiver) for waiver in values)


def recommendation_mapping(recommendation: Recommendation) -> dict[str, object]:
    return {
        "component": recommendation.component,
        "says": recommendation.says,
        "by": recommendation.by,
    }


def reason_mapping(reason: Reason) -> dict[str, object]:
    return {"because": reason.because, "evidence": reason.evidence}


def waiver_mapping(waiver: Waiver) -> dict[str, object]:
    return {
        "check": waiver.check,
        "about": waiver.about,
        "reason": waiver.reason,
        "review_by": waiver.review_by,
    }
