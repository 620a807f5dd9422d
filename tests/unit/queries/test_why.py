"""The chain of a pin: where it comes from, what allows it, what it pulls."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.results import lora, repo
from torchpin.checks import run
from torchpin.errors import InputError
from torchpin.queries.why import Explanation, explain_component, explanation_lines
from torchpin.workspace import evidence

if TYPE_CHECKING:
    from torchpin.checks.registry import Result
    from torchpin.model import Environment


def explain(component: str) -> Explanation:
    env, lock = lora()
    return explain_component(env, lock, results_of(env), component)


def results_of(env: Environment) -> tuple[Result, ...]:
    return run.run(evidence.for_judge(repo(), [env]), judge=True)


def test_torch_has_its_whole_chain() -> None:
    chain = explain("torch")
    assert chain.version == "2.7.1+cu128"
    assert re.fullmatch(r"services/lora/service\.yaml:\d+:\d+", chain.location)
    assert (chain.layer, chain.origin) == ("00-torch", "cu128")
    assert "nvidia-cudnn-cu12" in chain.dependencies
    sizes = [size for _, size in chain.largest_dependencies]
    assert sizes == sorted(sizes, reverse=True)
    assert {name for name, _ in chain.largest_dependencies} < {*chain.dependencies}
    assert any(rule.startswith("TOR001: ") for rule in chain.allowed)
    assert ("report", "2.5.x") in chain.recommendations
    assert chain.deviates.startswith("deviates: report says 2.5.x")
    assert chain.because
    assert any(notice.startswith("TOR004: channel cu128 is frozen") for notice in explain("cuda").notices)
    lines = list(explanation_lines(chain, verbose=True))
    assert lines[0] == "torch 2.7.1+cu128 in lora-gpu"
    assert "  required through: lora -> torch" in lines
    assert "  recommended: 2.5.x (report)" in lines
    for start in (
        "  dependencies: ",
        "  largest of them: nvidia-cu",
        "  ok[TOR001] torch 2.7.1 exists on cu128: ",
        "  notice[TOR004] ",
        "  deviates: ",
        "    reason: ",
    ):
        assert any(line.startswith(start) for line in lines), start
    short = list(explanation_lines(chain))
    assert "  ok[TOR001] torch 2.7.1 exists on cu128" in short
    assert len(max(lines, key=len)) > 300 > len(max(short, key=len))
    assert not any(line.startswith("    evidence: ") for line in short)
    assert [line.partition(",")[0] for line in short if line.startswith("  dependencies: ")] == [
        f"  dependencies: {len(chain.dependencies)} packages"
    ]


def test_every_kind_of_answer_has_its_label() -> None:
    """An unmet check, an unknown and a waiver are shown; what is not known has no line."""
    explanation = Explanation(
        environment="lora-gpu",
        component="tqdm",
        version="4.66.5",
        findings=("DEP001: requires rich: always",),
        unknown=("TOR001: not in the facts",),
        waivers=("GPU001 until 2027-01-31: Known.",),
    )
    assert list(explanation_lines(explanation)) == [
        "tqdm 4.66.5 in lora-gpu",
        "  finding[DEP001] requires rich: always",
        "  unknown[TOR001] not in the facts",
        "  waived: GPU001 until 2027-01-31: Known.",
    ]


@pytest.mark.parametrize(
    ("component", "used", "path"),
    [
        ("triton", "3.3.1", ("lora", "torch", "triton")),
        ("PyYAML", "6.0.2", ("lora", "pyyaml")),
        ("sd-scripts", "v0.10.0", ()),
        ("python", "3.10.14", ()),
        ("cuda", "12.8", ()),
        ("cuDNN", "9.7.1.26", ()),
        ("NVIDIA B200", "10.0", ()),
        ("base", "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", ()),
    ],
)
def test_everything_that_an_environment_uses_has_a_chain(
    component: str, used: str, path: tuple[str, ...]
) -> None:
    chain = explain(component)
    assert (chain.version, chain.path) == (used, path)


def test_what_is_not_there_is_refused_with_near_names() -> None:
    with pytest.raises(InputError, match=r"did you mean .*bitsandbytes"):
        explain("bitsandbites")


def test_a_gpu_that_the_service_does_not_list_is_no_missing_package() -> None:
    with pytest.raises(
        InputError, match=r"does not list 'RTX 5090' under `gpus:` \(listed: .*B200\); `invoke support"
    ):
        explain("RTX 5090")


def test_without_a_lock_the_chain_is_shorter_and_still_true() -> None:
    env, _ = lora()
    chain = explain_component(env, None, (), "accelerate")
    assert (chain.version, chain.file, chain.dependencies) == ("1.6.0", "", ())


def test_the_size_on_a_disk_is_told_where_the_lock_has_it() -> None:
    env, lock = lora()
    tqdm = lock.packages["tqdm"]
    wheels = tuple(
        replace(wheel, unpacked=2_500_000) if wheel.sha256 == tqdm.sha256 else wheel for wheel in lock.wheels
    )
    known = explain_component(env, replace(lock, wheels=wheels), (), "tqdm")
    assert known.unpacked == 2_500_000
    assert any(line.endswith(" kB, 2 MB unpacked") for line in explanation_lines(known))
    unknown = tuple(replace(wheel, unpacked=0) for wheel in lock.wheels)
    assert explain_component(env, replace(lock, wheels=unknown), (), "tqdm").unpacked is None
