"""The matrix of environments and GPUs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.results import environments, results
from torchpin import facts
from torchpin.checks.registry import Result
from torchpin.model import Finding
from torchpin.queries import support
from torchpin.queries.support import Cell


def test_the_matrix_has_a_cell_for_each_environment_and_gpu() -> None:
    gpus = support.select_gpus(environments())
    support_matrix = support.build_matrix(environments(), gpus, results())
    assert all(len(cells) == len(gpus) for cells in support_matrix.cells)
    cells = {(cell.environment, cell.gpu): cell for row_cells in support_matrix.cells for cell in row_cells}
    b200 = cells["lora-gpu", "B200"]
    assert (b200.verdict, b200.described, bool(b200.waived)) == ("ok", True, False)
    assert support_matrix.cpu == ("coaxial-cpu", "coaxial-arm64")
    assert not {*support_matrix.cpu} & {*support_matrix.environments}


def test_a_row_groups_its_gpus_by_verdict_with_marks() -> None:
    def cell(gpu: str, verdict: Any, **changes: Any) -> Cell:
        return Cell(environment="lora-gpu", gpu=gpu, verdict=verdict, reason="", evidence="", **changes)

    cells = [
        cell("B200", "incompatible", waived="Known."),
        cell("H100", "ok", described=True),
        cell("L40", "ok"),
        cell("A40", "ok", described=True, notes=("GPU002: the driver is too old",)),
    ]
    assert support.gpus_by_verdict(cells) == {
        "ok": ["H100*", "L40", "A40* !"],
        "incompatible": ["B200 (waived)"],
    }
    assert support.gpus_by_verdict([]) == {}


def test_cells_with_the_same_reason_share_a_sentence() -> None:
    envs = [env for env in environments() if env.name == "seedvr-gpu"]
    matrix = support.build_matrix(envs, ["B200", "H100", "RTX 5090"], [])
    (seedvr,) = support.explain_cells(matrix)
    assert seedvr.startswith("seedvr-gpu on B200, RTX 5090: torch 2.7.1+cu126 is compiled for sm_50, ")
    image = "pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel"
    assert seedvr.endswith(f", without PTX; {image} has a torch with code for it")


def test_a_reason_names_the_torch_and_the_nearest_one_with_code() -> None:
    envs = [env for env in environments() if env.name == "zopilot-gpu"]
    b200, grace, amd = support.explain_cells(support.build_matrix(envs, ["B200", "GB200", "MI300X"], []))
    assert b200.startswith("zopilot-gpu on B200: torch 2.5.1+cu124 is compiled for sm_50, ")
    assert b200.endswith("; torch 2.7.1 on cu128 has code for it")
    assert grace.startswith("zopilot-gpu on GB200: torch 2.5.1+cu124: its hosts are aarch64")
    assert "has code for it" not in amd


def test_gpus_are_in_the_order_of_the_facts() -> None:
    assert support.select_gpus(environments(), ["B200", "Voodoo 2", "V100"]) == ("V100", "B200", "Voodoo 2")


def test_a_notice_of_another_check_marks_no_gpu() -> None:
    env = next(env for env in environments() if env.name == "lora-gpu")
    finding = Finding(location="", message="m", help="h", about="B200")
    notice = replace(finding, level="notice")
    result = Result(check="GPU002", title="t", environment=env.name, status="ok")
    for row, notes in (
        (replace(result, notices=(notice,)), ()),
        (replace(result, findings=(finding,)), ("GPU002: m",)),
    ):
        ((cell,),) = support.build_matrix([env], ["NVIDIA B200"], [row]).cells
        assert cell.notes == notes


def test_gpus_are_once_by_their_own_name_and_unknown_ones_stay() -> None:
    assert support.select_gpus(environments(), ["GeForce RTX 5090", "rtx 5090", "Voodoo 2"]) == (
        "RTX 5090",
        "Voodoo 2",
    )
    assert len(support.select_gpus(environments(), every=True)) == len(facts.gpus())
    support_matrix = support.build_matrix(environments()[:1], ["Voodoo 2"], [])
    assert support_matrix.cells[0][0].verdict == "unknown"
