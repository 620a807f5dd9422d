"""DEVIATIONS.md: what is not as recommended, why, and what is waived."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from support.descriptions import lora_service
from support.documents import CPU, GPU, SMALL, declared_lock, declared_locks, page_section, service_text
from torchpin.documents import deviations
from torchpin.model import Lock, Reason, Recommendation, Service, Source, Waiver


def deviation_log(service: Service, locked: dict[str, Lock] | None = None) -> str:
    return deviations.deviation_sections([service], declared_locks(service) if locked is None else locked)[
        service.name
    ]


SOURCE = Source(
    name="scripts",
    url="https://host/scripts",
    tag="v1",
    commit="a" * 40,
    path="third_party/scripts",
    requirements=("requirements.txt",),
)


def test_every_adviser_that_is_not_met_is_named_the_upstream_too() -> None:
    service = replace(
        SMALL,
        sources=(SOURCE,),
        recommends=(
            Recommendation(component="tqdm", says=">=5,<6"),
            Recommendation(component="tqdm", says="4.*", by="page"),
        ),
        reasons=(Reason(component="tqdm", because="It | works", evidence="tried"),),
    )
    text = deviation_log(
        service, {"small-gpu": declared_lock(service, GPU, upstream=("tqdm==3.*", "absent"))}
    )
    assert "| tqdm | report: >=5,<6; scripts v1: ==3.\\* | 4.66.5 | It \\| works | tried |" in text
    assert "| absent | scripts v1: any | not installed | **no reason given** | - |" in text


def test_a_choice_inside_the_range_is_marked() -> None:
    service = replace(
        SMALL,
        recommends=(Recommendation(component="tqdm", says=">=4"),),
        reasons=(Reason(component="tqdm", because="The newest", evidence="PyPI"),),
    )
    assert "| tqdm | report: >=4 | 4.66.5 (a choice inside the range) | The newest | PyPI |" in deviation_log(
        service
    )


def test_the_same_row_of_several_environments_stands_once_and_others_name_theirs() -> None:
    service = replace(
        SMALL,
        variants=(GPU, CPU),
        recommends=(
            Recommendation(component="tqdm", says="5"),
            Recommendation(component="torch", says="2.6.0"),
            Recommendation(component="CUDA", says="11.8"),
        ),
    )
    rows = [line for line in deviation_log(service).splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | **no")[0] for row in rows] == [
        "| tqdm | report: 5 | 4.66.5",
        "| torch | report: 2.6.0 | 2.5.1+cu121 in `small-gpu`",
        "| torch | report: 2.6.0 | 2.5.1+cpu in `small-cpu`",
        "| CUDA | report: 11.8 | 12.1 in `small-gpu`",
        "| CUDA | report: 11.8 | not installed in `small-cpu`",
    ]


def test_waivers_are_listed_where_there_are_any() -> None:
    waiver = Waiver(check="GPU001", about="B200", reason="not yet", review_by=date(2027, 1, 31))
    text = deviation_log(replace(SMALL, waivers=(waiver,)))
    assert "| Check | About | Reason | Review by |" in text
    assert "| `GPU001` | B200 | not yet | 2027-01-31 |" in text
    assert "Review by" not in deviation_log(SMALL)


def test_the_two_pages_hold_the_same_deviations() -> None:
    service = lora_service()
    table = next(block for block in deviation_log(service).split("\n\n") if block.startswith("| Component"))
    assert table in page_section(service_text(service), "Deviation log")
