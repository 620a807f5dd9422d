"""Compiled architectures, GPUs and drivers, and which build runs on which GPU."""

from __future__ import annotations

import pytest

from support.facts import make_archs
from torchpin import facts


def runs(torch: str, channel: str, gpu_name: str) -> bool:
    archs, gpu = facts.compiled_archs(torch, channel), facts.gpu(gpu_name)
    assert archs is not None
    assert gpu is not None
    assert gpu.capability is not None
    return facts.runs_on(archs, gpu.capability)


def test_torch_2_5_1_on_cu121_runs_on_the_a6000_and_the_h100_and_not_on_the_b200() -> None:
    assert runs("2.5.1", "cu121", "A6000")
    assert runs("2.5.1+cu121", "cu121", "H100")
    assert not runs("2.5.1", "cu121", "B200")


def test_torch_2_7_1_on_cu128_runs_on_the_b200_and_no_longer_on_the_v100() -> None:
    assert runs("2.7.1", "cu128", "B200")
    assert not runs("2.7.1", "cu128", "V100")


def test_pypi_is_judged_as_the_build_that_it_serves() -> None:
    assert facts.compiled_archs("2.7.1", "pypi") == facts.compiled_archs("2.7.1", "cu126")
    assert facts.compiled_archs("2.7.1", "pypi", machine="aarch64") is None
    assert facts.compiled_archs("2.5.0", "pypi") is None  # this patch release was not measured
    assert facts.compiled_archs("9.9.9", "pypi") is None


def test_an_architecture_list_that_is_not_known_has_a_ceiling_only(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"series": "9.8", "channel": "cu118", "platform": "x86_64", "sm": None, "upper_bound": "sm_90"}
    with monkeypatch.context() as patch:
        patch.setattr("torchpin.facts.archs.load_table", lambda _: {"archs": [row]})
        assert facts.compiled_archs("9.8.1", "cu118") is None
        assert facts.highest_arch("9.8.1", "cu118") == "sm_90"
    assert facts.highest_arch("2.7.1", "cu126") is None
    assert facts.highest_arch("2.7.1", "cu121") is None


def test_a_list_without_known_ptx_is_read_as_one_without_ptx() -> None:
    compiled = facts.compiled_archs("2.15.0", "cu132")
    assert compiled is not None
    assert compiled.ptx == ()


@pytest.mark.parametrize(
    ("sm", "ptx", "capability", "expected"),
    [
        (("sm_80",), (), "8.0", True),
        (("sm_80",), (), "8.9", True),
        (("sm_86",), (), "8.0", False),
        (("sm_90",), (), "10.0", False),
        (("sm_100",), (), "10.3", True),
        (("sm_100",), (), "12.0", False),
        (("sm_90a",), (), "9.0", True),
        (("sm_100a",), (), "10.3", False),
        ((), ("compute_90",), "12.0", True),
        ((), ("compute_120",), "12.0", True),
        ((), ("compute_120",), "10.0", False),
        ((), ("compute_90a",), "10.0", False),
        ((), (), "9.0", False),
    ],
)
def test_a_cubin_stays_in_its_major_and_ptx_goes_up(
    *, sm: tuple[str, ...], ptx: tuple[str, ...], capability: str, expected: bool
) -> None:
    assert facts.runs_on(make_archs(sm=sm, ptx=ptx), capability) is expected


@pytest.mark.parametrize(
    ("text", "capability"),
    [
        ("10.0", (10, 0)),
        ("8.6", (8, 6)),
        ("sm_100", (10, 0)),
        ("sm_86", (8, 6)),
        ("compute_90", (9, 0)),
        ("compute_120a", (12, 0)),
        ("9.0a", (9, 0)),
    ],
)
def test_a_capability_is_parsed_in_each_of_its_spellings(text: str, capability: tuple[int, int]) -> None:
    assert facts.parse_capability(text) == capability


@pytest.mark.parametrize("text", ["", "9", "Hopper", "gfx_90", "sm_90 PTX"])
def test_any_other_text_is_not_a_capability(text: str) -> None:
    with pytest.raises(ValueError, match="is not a compute capability"):
        facts.parse_capability(text)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("A6000", "RTX A6000"),
        ("rtx-a6000", "RTX A6000"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA GeForce RTX 5060 Ti", "RTX 5060 Ti"),
        ("Tesla T4", "T4"),
        ("dgx spark", "GB10"),
    ],
)
def test_a_card_is_found_as_people_write_it(written: str, name: str) -> None:
    gpu = facts.gpu(written)
    assert gpu is not None
    assert gpu.name == name


def test_cards_have_one_name_each_and_unknown_ones_that_of_their_writer() -> None:
    written = ("A6000", "NVIDIA RTX A6000", "h100", "Voodoo 2", "H100")
    assert facts.own_gpu_names(written) == ("RTX A6000", "H100", "Voodoo 2")


def test_an_unknown_card_is_none() -> None:
    assert facts.gpu("RTX 9999") is None


def test_a_cuda_version_has_its_drivers() -> None:
    first, update = facts.driver("12.1"), facts.driver("12.8.1")
    assert first is not None
    assert (first.toolkit, first.family) == ("530.30.02", "525")
    assert update is not None
    assert update.toolkit == "570.124.06"
    assert facts.driver("99.0") is None


def test_an_image_gates_drivers() -> None:
    gate = facts.gate("12.8.1")
    assert gate is not None
    assert (gate.needs, gate.geforce) == (">=12.8", False)
    assert 570 not in gate.older_branches
    assert facts.gate("12.8.0") == gate
    assert facts.gate("12.7.0") is None


def test_a_patch_with_a_row_of_its_own_does_not_share_the_gate_of_its_minor() -> None:
    minor, patch = facts.gate("11.4.2"), facts.gate("11.4.3")
    assert minor is not None
    assert patch is not None
    assert (minor.older_branches, patch.older_branches) == ((418, 450), ())
