"""ABI001: what is pinned, recommended and locked fits Python, torch, CUDA, the C++11 ABI and the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.checks import FILE, judge_check
from torchpin import facts
from torchpin.model import Base, Environment, Layer, Lock, Position, Recommendation, Torch

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.checks.registry import Result

IMAGE = Base(image="pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel")
FLASH = "flash_attn-2.8.3+cu12torch2.7cxx11abi{abi}-cp{python}-cp{python}-linux_x86_64.whl"


def make_environment(
    environment: Environments, *pins: str, torch: str = "2.7.1", recommended: str = "", **changes: Any
) -> Environment:
    positions = {
        "layers[0].packages[0]": Position(file=FILE, line=5, column=9),
        "recommends[0].says": Position(file=FILE, line=8, column=11),
    }
    origin = changes.pop("origin", "index")
    recommendations = (
        (Recommendation(component="flash-attn", says=recommended, by="the page"),) if recommended else ()
    )
    return environment(
        **{
            "layers": tuple(Layer(name=f"l{n}", packages=(Requirement(pin),)) for n, pin in enumerate(pins)),
            "torch": Torch(version=Version(torch), companions={}, origin=origin),
            "positions": positions,
            "recommends": recommendations,
            "channel": "cu126",
            **changes,
        }
    )


def run_abi001(env: Environment, lock: Lock | None = None) -> Result:
    return judge_check(env, "ABI001", lock)


def test_a_pin_with_a_file_that_fits_is_ok_and_names_it(environment: Environments) -> None:
    result = run_abi001(make_environment(environment, "flash-attn==2.8.3"))
    assert (result.status, result.findings, result.unknown) == ("ok", (), ())
    assert FLASH.format(abi="TRUE", python="310") in result.evidence[0].evidence


def test_where_the_base_brings_torch_its_own_python_is_what_the_file_meets(environment: Environments) -> None:
    result = run_abi001(
        make_environment(environment, "flash-attn==2.8.3", base=IMAGE, origin="base", python=Version("3.10"))
    )
    assert FLASH.format(abi="TRUE", python="311") in result.evidence[0].evidence


@pytest.mark.parametrize(
    ("changes", "message", "help_text"),
    [
        (
            {"torch": "2.1.0", "channel": "cu118"}, "no wheel for platform linux_x86_64, torch 2.1; available: torch 2.4",
            "move torch to one of 2.4, 2.5, 2.6, 2.7, 2.8, 2.9, or remove flash-attn",
        ),
        (
            {"python": Version("3.14.0")}, "available: python cp39, cp310",
            "choose one of the Python versions 3.9, 3.10, 3.11, 3.12, 3.13, or remove flash-attn",
        ),
        (
            {"channel": "cu118"}, "cuda 11; available: cuda 12",
            "choose a channel with CUDA 12 for gpu, or remove flash-attn",
        ),
        (
            {"channel": "cpu"}, "torch 2.7.1 from cpu is not a CUDA build",
            "choose a channel for gpu: one of cu118, cu126, cu128; or remove flash-attn",
        ),
        (
            {"torch": "2.6.0", "channel": "cu124"}, "has 1 despite its name",
            "choose a channel for gpu: one of cu126; or remove flash-attn",
        ),
    ],
)  # fmt: skip
def test_a_pin_without_a_file_that_fits_is_refused_with_the_nearest(
    changes: dict[str, Any], message: str, help_text: str, environment: Environments
) -> None:
    (finding,) = run_abi001(make_environment(environment, "flash-attn==2.8.3", **changes)).findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:5:9", "flash-attn", "error")
    assert message in finding.message
    assert (finding.help, finding.evidence.endswith("(2026-11-22)")) == (help_text, True)


@pytest.mark.parametrize(
    ("pin", "changes", "message"),
    [
        ("flash-attn==2.7.2", {}, "no wheel of this version is in the facts"),
        (
            "flash-attn==2.8.3",
            {"torch": "2.5.0", "channel": "pypi"},
            "the CUDA of torch 2.5.0 from pypi on x86_64 is not in the facts",
        ),
    ],
)
def test_what_the_facts_have_no_row_for_is_unknown(
    pin: str, changes: dict[str, Any], message: str, environment: Environments
) -> None:
    result = run_abi001(make_environment(environment, pin, **changes))
    assert (result.status, result.findings) == ("unknown", ())
    assert message in result.unknown[0]


def test_an_abi_that_is_not_known_is_unknown(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts.packages, "cxx11_abi", lambda version, channel: None)
    assert run_abi001(make_environment(environment, "flash-attn==2.8.3")).status == "unknown"


def test_a_description_without_such_wheels_is_no_matter(environment: Environments) -> None:
    assert run_abi001(make_environment(environment, "tqdm==4.66.5")).status == "not applicable"


def test_a_recommended_file_is_taken_apart_and_the_right_one_named(environment: Environments) -> None:
    filename = FLASH.format(abi="FALSE", python="310")
    env = make_environment(
        environment,
        "flash-attn==2.8.3",
        recommended=filename,
        base=IMAGE,
        origin="base",
        python=Version("3.10"),
    )
    (finding,) = run_abi001(env).findings
    assert (finding.location, finding.about, finding.level) == (f"{FILE}:8:11", "flash-attn", "warning")
    assert finding.message == (
        f"{filename}, which the page recommends, does not fit: it is for Python 3.10, but the Python in {IMAGE.image} is 3.11; "
        "its C++11 ABI is FALSE, but that of torch 2.7.1 from cu126 is TRUE"
    )
    assert FLASH.format(abi="TRUE", python="311") in finding.help


@pytest.mark.parametrize(
    ("filename", "changes", "mismatch"),
    [
        (FLASH.format(abi="TRUE", python="311"), {}, "it is for Python 3.11, but the environment's is 3.10.14"),
        (FLASH.format(abi="TRUE", python="310"), {"torch": "2.8.0", "channel": "cu128"}, "it is for torch 2.7, but torch is 2.8.0"),
        (FLASH.format(abi="TRUE", python="310"), {"channel": "cu118"}, "it is for CUDA 12, but cu118 has CUDA 11"),
        (FLASH.format(abi="TRUE", python="310"), {"channel": "cpu"}, "it is for CUDA 12, but cpu has CPU builds"),
        (FLASH.format(abi="TRUE", python="310"), {"platform": "linux/arm64"}, "it is for linux_x86_64, but the platform is linux/arm64"),
        (
            "flash_attn-2.8.3+cu12torch2.6cxx11abiFALSE-cp310-cp310-linux_x86_64.whl",
            {"torch": "2.6.0", "channel": "cu124"}, "has 1 despite its name",
        ),
        ("tools-1.0-cp311-cp311-linux_x86_64.whl", {}, "it does not fit Python 3.10.14 on linux/amd64"),
        ("tools.whl", {}, "it is not the file name of a wheel"),
    ],
)  # fmt: skip
def test_each_part_of_a_recommended_file_is_compared(
    filename: str, changes: dict[str, Any], mismatch: str, environment: Environments
) -> None:
    (finding,) = run_abi001(make_environment(environment, recommended=filename, **changes)).findings
    assert mismatch in finding.message
    assert finding.level == "warning"
    assert finding.help


@pytest.mark.parametrize(
    "filename",
    [
        FLASH.format(abi="TRUE", python="310"),
        "https://example.org/v2.8.3/" + FLASH.format(abi="TRUE", python="310").replace("+", "%2B"),
        "tools-1.0-py3-none-any.whl",
    ],
)
def test_a_recommended_file_that_fits_is_ok(filename: str, environment: Environments) -> None:
    result = run_abi001(make_environment(environment, recommended=filename))
    assert (result.status, result.findings) == ("ok", ())


def test_a_recommended_file_whose_abi_nobody_knows_is_unknown(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "cxx11_abi", lambda version, channel: None)
    monkeypatch.setattr(facts.packages, "cxx11_abi", lambda version, channel: None)
    assert (
        run_abi001(make_environment(environment, recommended=FLASH.format(abi="FALSE", python="310"))).status
        == "unknown"
    )


def test_a_locked_file_for_another_python_is_refused(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "tqdm==4.66.5", torch="2.5.1", channel="cu121")
    assert run_abi001(env, lock(env)).status == "ok"
    other_wheel = artifact(
        "tqdm", "4.66.5", filename="tqdm-4.66.5-cp311-cp311-linux_x86_64.whl", by=("lora",)
    )
    (finding,) = run_abi001(env, lock(env, other_wheel)).findings
    assert (finding.location, finding.about, finding.level) == (
        "lockfiles/lora-gpu/02-l0.requirements.txt",
        "tqdm",
        "error",
    )
    assert (
        finding.message
        == "tqdm-4.66.5-cp311-cp311-linux_x86_64.whl does not fit Python 3.10.14 on linux/amd64"
    )


@pytest.mark.parametrize(("platform", "status"), [("linux/amd64", "ok"), ("linux/arm64", "incompatible")])
def test_a_package_without_a_wheel_for_a_machine_and_nothing_to_build_from_is_refused(
    platform: str, status: str, environment: Environments
) -> None:
    result = run_abi001(make_environment(environment, "decord==0.6.0", platform=platform))
    assert result.status == status
    for finding in result.findings:
        assert (finding.location, finding.about, finding.level) == (f"{FILE}:5:9", "decord", "error")
        assert finding.message.startswith(
            "decord==0.6.0 has wheels for x86_64 only, and no source distribution: "
        )
        assert finding.help == "remove decord from the variants for linux/arm64"
        assert "dmlc/decord #207" in finding.evidence


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("nvidia/cuda:12.6.3-devel-ubuntu22.04", "ok"),
        ("nvidia/cuda:12.6.3-devel-ubuntu20.04", "incompatible"),
        ("python:3.12-alpine", "incompatible"),
        ("example.org/own/image:1", "unknown"),
    ],
)
def test_a_plain_linux_tag_is_no_promise_of_a_c_library(
    image: str, status: str, environment: Environments
) -> None:
    env = make_environment(environment, "flash-attn==2.8.3", base=Base(image=image))
    assert run_abi001(env).status == status


def test_the_c_library_of_an_older_distribution_is_named(environment: Environments) -> None:
    image = "nvidia/cuda:12.6.3-devel-ubuntu20.04"
    env = make_environment(environment, "flash-attn==2.8.3", base=Base(image=image))
    (finding,) = run_abi001(env).findings
    assert finding.message == (
        f"flash-attn 2.8.3 requires glibc 2.32; {image} has glibc 2.31, so its import fails"
    )
    assert (finding.location, finding.about) == (f"{FILE}:5:9", "flash-attn")
    assert "#1708" in finding.evidence


def test_without_a_fact_about_the_wheel_its_c_library_is_unknown(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(replace(row, glibc=None) for row in facts.wheels())
    find_wheel = facts.find_wheel

    def without_glibc(*args: Any, **options: Any) -> facts.Wheel | facts.NoWheel:
        wheel = find_wheel(*args, **options)
        return next(
            (row for row in rows if isinstance(wheel, facts.Wheel) and row.filename == wheel.filename), wheel
        )

    monkeypatch.setattr(facts, "find_wheel", without_glibc)
    result = run_abi001(make_environment(environment, "flash-attn==2.8.3"))
    assert result.status == "unknown"
    assert "promises no C library" in result.unknown[0]


@pytest.mark.parametrize(
    ("filename", "status"),
    [
        ("causal_conv1d-1.5.0-cp310-cp310-linux_x86_64.whl", "unknown"),
        ("causal_conv1d-1.5.0-cp310-cp310-manylinux_2_28_x86_64.whl", "ok"),
        ("causal_conv1d-1.5.0-py3-none-any.whl", "ok"),
    ],
)
def test_a_locked_wheel_with_a_plain_linux_tag_is_unknown(
    filename: str, status: str, environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "causal-conv1d==1.5.0")
    wheel = artifact("causal-conv1d", "1.5.0", filename=filename)
    torch = artifact("torch", "2.7.1+cu126")
    result = run_abi001(env, lock(env, torch, wheel))
    assert result.status == status
    assert [line for line in result.unknown if filename in line] == [*result.unknown]
