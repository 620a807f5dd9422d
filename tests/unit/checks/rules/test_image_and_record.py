"""IMG and REC: the probe report of an image, and its freeze record."""

from __future__ import annotations

from typing import Any

from support.check_cases import Case, assert_finds, assert_passes, parametrize_cases
from support.checks import BUMPED, PROBE_OUTPUT, Builders, environment_with_source

IMAGE = "image of lora-gpu"
H100 = {"name": "NVIDIA H100", "capability": "9.0"}
B200 = {"name": "NVIDIA B200", "capability": "10.0"}


def probe_output(**torch: Any) -> dict[str, Any]:
    return {**PROBE_OUTPUT, "torch": {**PROBE_OUTPUT["torch"], **torch}}  # type: ignore[dict-item]


PASSES = [
    Case(
        "REC001",
        "the lock's versions",
        lambda kit: kit.check_lock(
            "REC001",
            records="torch==2.5.1+cu121\ntorchvision==0.20.1+cu121\nnvidia_cudnn_cu12==9.1.0.70\ntqdm==4.66.5\n",
        ),
    ),
    Case("REC002", "an update with its record", lambda kit: kit.check_lock("REC002", bumps=BUMPED, records="torch==2.5.1\n")),
    Case("IMG001", "an image whose probe runs", lambda kit: kit.check_image("IMG001")),
    Case("IMG002", "the lock's versions", lambda kit: kit.check_image("IMG002")),
    Case("IMG003", "torch as planned", lambda kit: kit.check_image("IMG003")),
    Case("IMG003", "more architectures than planned", lambda kit: kit.check_image(
        "IMG003", probe_reports=probe_output(archs=[*PROBE_OUTPUT["torch"]["archs"], "compute_90"]),  # type: ignore[index]
    )),
    Case("IMG004", "the recorded commit", lambda kit: kit.check_image("IMG004", environment_with_source(kit))),
    Case("IMG005", "no budget", lambda kit: kit.check_image("IMG005")),
    Case("IMG005", "exactly the budget", lambda kit: kit.check_image("IMG005", kit.environment(budget_bytes=10**9))),
    Case(
        "IMG006",
        "a GPU that it has code for",
        lambda kit: kit.check_lock("IMG006", gpu_reports={**PROBE_OUTPUT, "gpu": {"devices": [H100]}}),
    ),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    assert_passes(case, kit)


FAILS = [
    Case(
        "REC001", "a record of another lock",
        lambda kit: kit.check_lock(
            "REC001", records="torch==2.5.1+cu121\ntorchvision==0.20.1+cu121\nnvidia-cudnn-cu12==9.1.0.70\n"
        ),
        "records/lora-gpu/pip_freeze.txt", "tqdm: 4.66.5 is locked, but it is not installed",
    ),
    Case(
        "REC002", "an update whose record is missing",
        lambda kit: kit.check_lock("REC002", bumps=BUMPED),
        "records/lora-gpu/pip_freeze.txt",
        "records/lora-gpu/pip_freeze.txt is missing, but all steps of the update torch==2.7.1 are done",
    ),
    Case(
        "IMG001", "an image whose probe fails",
        lambda kit: kit.check_image("IMG001", probe_reports={}),
        "lora-gpu", "the image exists, but its probe failed",
    ),
    Case(
        "IMG002", "an image with another package",
        lambda kit: kit.check_image(
            "IMG002",
            probe_reports={**PROBE_OUTPUT, "distributions": {**PROBE_OUTPUT["distributions"], "pip": "25.0"}},  # type: ignore[dict-item]
        ),
        IMAGE, "pip: 25.0 is installed, but not locked",
    ),
    Case(
        "IMG003", "another torch",
        lambda kit: kit.check_image("IMG003", probe_reports=probe_output(version="2.5.1+cu124")),
        IMAGE, "torch is 2.5.1+cu124, expected 2.5.1+cu121",
    ),
    Case(
        "IMG003", "another CUDA",
        lambda kit: kit.check_image("IMG003", probe_reports=probe_output(cuda="12.4")),
        IMAGE, "the CUDA of torch is 12.4, expected 12.1",
    ),
    Case(
        "IMG003", "missing architectures",
        lambda kit: kit.check_image("IMG003", probe_reports=probe_output(archs=["sm_50", "sm_60", "sm_70", "sm_75", "sm_80"])),
        IMAGE, "torch has no code for sm_86 sm_90",
    ),
    Case(
        "IMG003", "no torch",
        lambda kit: kit.check_image("IMG003", probe_reports={**PROBE_OUTPUT, "torch": None}),
        IMAGE, "torch is not installed, expected 2.5.1+cu121", 3,
    ),
    Case(
        "IMG004", "another commit",
        lambda kit: kit.check_image(
            "IMG004", environment_with_source(kit), probe_reports={**PROBE_OUTPUT, "sources": {"/opt/lora/third_party/sd-scripts": "8" * 40}}
        ),
        IMAGE, f"/opt/lora/third_party/sd-scripts is at {'8' * 40}, expected {'9' * 40}",
    ),
    Case(
        "IMG005", "too large an image",
        lambda kit: kit.check_image("IMG005", kit.environment(budget_bytes=5 * 10**8)),
        IMAGE, "the image is 1.00 GB, over its budget of 0.50 GB",
    ),
    Case(
        "IMG006", "no GPU found",
        lambda kit: kit.check_lock("IMG006", gpu_reports={**PROBE_OUTPUT, "gpu": None}),
        IMAGE, "torch finds no GPU, but this machine has one",
    ),
    Case(
        "IMG006", "a GPU without code",
        lambda kit: kit.check_lock("IMG006", gpu_reports={**PROBE_OUTPUT, "gpu": {"devices": [H100, B200]}}),
        IMAGE, "torch has no code for NVIDIA B200 (compute capability 10.0)",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    assert_finds(case, kit)


def test_a_local_part_where_none_is_planned_is_no_finding(kit: Builders) -> None:
    """As in the probe itself; the architectures of this platform are unknown."""
    env = kit.environment(platform="linux/arm64")
    check_result = kit.check_image("IMG003", env, probe_reports=probe_output(archs=["sm_90"]))
    assert (check_result.status, check_result.findings) == ("unknown", ())
