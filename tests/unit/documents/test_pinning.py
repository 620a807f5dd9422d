"""docs/PINNING.md: a line an environment, between lines of its service that pins do not change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.bumps import ENTRY, STEP
from support.descriptions import lora_service
from support.documents import CPU, GPU, SMALL, declared_locks
from torchpin.documents import markdown, pinning

if TYPE_CHECKING:
    from torchpin.model import Lock, Service

LOCKED = "torch==2.5.1+cu121\ntqdm==4.66.5\nrich==14\n"


def services_table(services: list[Service], locks: dict[str, Lock] | None = None, **options: object) -> str:
    if locks is None:
        locks = {name: lock for service in services for name, lock in declared_locks(service).items()}
    records = {"small-gpu": options["freeze"]} if "freeze" in options else {}
    return pinning.pinning_sections(services, locks, records, options.get("log", ()))["services"]  # type: ignore[arg-type]


def cells(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_an_environment_has_a_row_with_what_it_is_pinned_to() -> None:
    row = cells(services_table([lora_service()]), "`lora-gpu`")
    assert row == [
        "`lora-gpu`", "`2.7.1+cu128`", "`12.8`", "`3.10.14`", "`nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04`",
        "RTX A6000, H100, B200", "locked; no image recorded",
    ]  # fmt: skip


def test_a_service_begins_and_ends_with_a_row_that_no_pin_changes() -> None:
    tools = replace(SMALL, name="tools", variants=(GPU, CPU))
    lines = services_table([SMALL, tools]).splitlines()
    first_cells = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")][2:]
    assert first_cells == [
        *("**[small](services/small.md)**", "`small-gpu`", "[deviations of small](../DEVIATIONS.md#small)"),
        *("**[tools](services/tools.md)**", "`tools-gpu`", "`tools-cpu`"),
        "[deviations of tools](../DEVIATIONS.md#tools)",
    ]
    changed = replace(tools, base=replace(tools.base, image="debian:13"))
    assert [line for line in services_table([SMALL, changed]).splitlines() if line not in lines] == [
        line.replace("debian:12", "debian:13") for line in lines if line.startswith("| `tools-")
    ]


@pytest.mark.parametrize(
    ("freeze", "state"),
    [
        (LOCKED, "locked; built and recorded"),
        (f"{LOCKED}extra==1\n", "locked; the recorded image differs in 1 package"),
    ],
)
def test_the_state_tells_whether_an_image_is_recorded(freeze: str, state: str) -> None:
    assert cells(services_table([SMALL], freeze=freeze), "`small-gpu`")[-1] == state


def test_the_state_tells_what_is_pending() -> None:
    text = services_table([lora_service()], log=[ENTRY])
    assert cells(text, "`lora-gpu`")[-1].endswith("; `torch==2.7.1` pending at step 3")
    done = replace(ENTRY, steps=(STEP,) * 5)
    assert "pending" not in services_table([lora_service()], log=[ENTRY, done])


def test_what_is_not_locked_yet_is_told() -> None:
    row = cells(services_table([SMALL], {}), "`small-gpu`")
    assert (row[1], row[-1]) == ("`2.5.1`", "not locked yet")


def test_gpus_without_code_are_told() -> None:
    service = replace(SMALL, gpus=("H100", "B200", "Voodoo 2"), variants=(GPU, CPU))
    text = services_table([service])
    assert cells(text, "`small-gpu`")[5] == "H100, B200 (no code), Voodoo 2 (unknown)"
    assert cells(text, "`small-cpu`")[5] == "none: a CPU build"
    assert cells(services_table([SMALL]), "`small-gpu`")[5] == "none listed"


def test_the_page_has_the_policy_and_how_to_verify_and_is_one_screen() -> None:
    sections = pinning.pinning_sections([], {}, {})
    assert "There is no service yet." in sections["services"]
    assert [*sections] == ["services", "policy", "verification"]
    assert all(f"\n{number}. " in sections["policy"] for number in range(1, 6))
    assert "git revert COMMIT  # description and lock together" in sections["policy"]
    assert "git log --oneline -- services/<service> lockfiles/<environment>\n" in sections["policy"]
    assert "docker image ls '*torchpin/<environment>'" in sections["policy"]
    assert "invoke verify" in sections["verification"]
    assert len(markdown.splice_sections("p", pinning.PINNING_OPENING, sections).splitlines()) < 75
