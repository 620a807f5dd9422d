"""The exit code of results: open findings, notices with `strict`, and skips of what is required."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from support.checks import NO_ENGINE, Builders
from torchpin.checks.registry import Result
from torchpin.commands import judge
from torchpin.errors import FindingsError, InputError
from torchpin.model import Finding
from torchpin.workspace.evidence import for_judge, require_gpu_names

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Level


LEVELS: dict[str, Level] = {"incompatible": "error", "failed": "error", "warning": "warning"}


def make_result(status: Any, need: str = "", **fields: Any) -> Result:
    """A result with the finding that its status requires."""
    if status in LEVELS:
        fields["findings"] = (make_finding(LEVELS[status]),)
    return Result(check="IMG001", title="t", environment="lora-gpu", status=status, need=need, **fields)


def make_finding(level: Level) -> Finding:
    return Finding(location="services/lora/service.yaml:3:1", message="m", help="h", level=level)


@pytest.mark.parametrize(
    ("status", "need", "require", "code"),
    [
        ("ok", "", (), 0),
        ("waived", "", (), 0),
        ("unknown", "", ("docker",), 0),
        ("not applicable", "", (), 0),
        ("incompatible", "", (), 1),
        ("failed", "", (), 1),
        ("warning", "", (), 1),
        ("skipped", "docker", (), 0),
        ("skipped", "docker", ("docker",), 1),
        ("skipped", "docker", ("gpu", "network"), 0),
        ("skipped", "gpu", ("docker", "gpu"), 1),
    ],
)
def test_findings_and_skips_of_what_is_required_fail(
    status: str, need: str, require: tuple[str, ...], code: int
) -> None:
    results = [make_result("ok"), make_result(status, need), make_result("ok")]
    assert judge.exit_code(results, require=require) == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 0),
        ({"notices": (make_finding("notice"),)}, 1),
        ({"unknown": ("the capability of B100 is unknown",)}, 1),
    ],
    ids=["nothing", "notice", "unknown"],
)
def test_a_notice_and_an_unknown_fail_with_strict_alone(fields: dict[str, Any], code: int) -> None:
    results = [make_result("ok", **fields)]
    assert judge.exit_code(results) == 0
    assert judge.exit_code(results, strict=True) == code


def test_open_errors_start_nothing(environment: Environments, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment()
    results = (make_result("incompatible"), make_result("warning"))
    monkeypatch.setattr(judge, "judge", lambda *_: results)
    with pytest.raises(FindingsError) as excinfo:
        judge.require_compatible(None, [env])  # type: ignore[arg-type]
    assert str(excinfo.value) == (
        "incompatible pins; nothing was started\nerror[IMG001] services/lora/service.yaml:3:1: m\n  help: h"
    )
    monkeypatch.setattr(judge, "judge", lambda *_: results[1:])
    judge.require_compatible(None, [env])  # type: ignore[arg-type]


def test_an_unknown_requirement_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(
        InputError,
        match=r"^unknown `--require` value: gpus; known: docker, gpu, network, image, clone, record$",
    ):
        judge.VerifyOptions(require=("docker", "gpus"))


def test_nothing_to_check_is_no_failure() -> None:
    assert judge.exit_code([], require=("docker",)) == 0


@pytest.mark.parametrize("require", ["image", "docker"])
def test_an_image_that_is_required_cannot_be_skipped_for_want_of_an_engine(
    require: str, environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    kit = Builders(environment, lock, artifact)
    check_result = kit.check_lock("IMG001", engine_problem=NO_ENGINE)
    assert check_result.status == "skipped"
    assert judge.exit_code([check_result], require=(require,)) == 1


@pytest.mark.parametrize("driver", ["", "foo", "550", "v550.54.14", "550.54.14 "])
def test_a_driver_that_is_no_version_is_wrong_input(driver: str, environment: Environments) -> None:
    with pytest.raises(InputError) as raised:
        for_judge(cast("Any", None), [environment()], driver=driver)
    assert str(raised.value) == f"--driver: {driver!r} is not an NVIDIA driver version such as 550.54.14"
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("gpus", [("",), ("A100", " ")])
def test_an_empty_name_of_a_gpu_is_wrong_input(gpus: tuple[str, ...], environment: Environments) -> None:
    with pytest.raises(InputError) as raised:
        for_judge(cast("Any", None), [environment()], gpus=gpus)
    assert str(raised.value) == f"--gpu: {gpus[-1]!r} is not the name of a GPU, such as A100"
    with pytest.raises(InputError):
        require_gpu_names(gpus)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(("gpu", "hint"), [("B20", " (did you mean B100, B200, B300?)"), ("Voodoo 2", "")])
def test_a_gpu_that_no_fact_knows_is_wrong_input(gpu: str, hint: str, environment: Environments) -> None:
    with pytest.raises(InputError) as raised:
        for_judge(cast("Any", None), [environment()], gpus=("RTX 4000", gpu))  # a name of several is judged
    assert str(raised.value) == f"--gpu: no GPU {gpu!r} is known{hint}; docs/GPUS.md lists them"
