"""DEP007: what the metadata of packages require of Python and of each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.checks import judge_check
from support.dependencies import make_environment
from torchpin.description.edit import apply_changes
from torchpin.description.write import to_yaml

if TYPE_CHECKING:
    from support.fixture_types import Environments
    from torchpin.model import Environment


def on_python(env: Environment, python: str) -> Environment:
    return replace(env, service=replace(env.service, python=Version(python)))


@pytest.mark.parametrize(
    ("package", "python", "message"),
    [
        ("numpy==2.3.0", "3.10.14", "numpy==2.3.0 requires Python >=3.11, not 3.10.14"),
        ("transformers==5.0.0", "3.9.18", "transformers==5.0.0 requires Python >=3.10.0, not 3.9.18"),
    ],
)
def test_a_release_for_other_pythons_is_refused(
    environment: Environments, package: str, python: str, message: str
) -> None:
    env = on_python(make_environment(environment, package, torch="2.8.0"), python)
    (finding,) = judge_check(env, "DEP007").findings
    assert (finding.message, finding.level) == (message, "error")
    assert judge_check(on_python(env, "3.12.11"), "DEP007").status == "ok"


@pytest.mark.parametrize(
    ("packages", "right", "message"),
    [
        (
            ("transformers==4.46.3", "tokenizers==0.22.0"), ("transformers==4.46.3", "tokenizers==0.20.3"),
            "transformers==4.46.3 requires tokenizers<0.21,>=0.20, but tokenizers==0.22.0 is pinned",
        ),
        (
            ("transformers==4.57.1", "huggingface-hub==1.0.0"), ("transformers==4.57.1", "huggingface-hub==0.36.0"),
            "transformers==4.57.1 requires huggingface-hub<1.0,>=0.34.0, but huggingface-hub==1.0.0 is pinned",
        ),
    ],
)  # fmt: skip
def test_a_pin_that_metadata_refuse_is_found_before_the_lock(
    environment: Environments, packages: tuple[str, ...], right: tuple[str, ...], message: str
) -> None:
    env = make_environment(environment, *packages, torch="2.8.0")
    (finding,) = judge_check(env, "DEP007").findings
    assert finding.message == message
    after = apply_changes(to_yaml(env.service), list(finding.fix), file="service.yaml")
    assert after != to_yaml(env.service)
    assert judge_check(make_environment(environment, *right, torch="2.8.0"), "DEP007").status == "ok"


def test_a_torch_that_metadata_refuse_may_move(environment: Environments) -> None:
    findings = judge_check(
        make_environment(environment, "audiocraft==1.3.0", torch="2.8.0"), "DEP007"
    ).findings
    (about_torch,) = [finding for finding in findings if finding.about == "audiocraft torch"]
    assert about_torch.message == "audiocraft==1.3.0 requires torch==2.1.0, but torch==2.8.0 is pinned"
    assert about_torch.help.endswith(", or move torch: `invoke bump torch==2.1.0 --service lora`")


def test_a_release_that_was_not_measured_says_nothing(environment: Environments) -> None:
    result = judge_check(make_environment(environment, "no-such-package==1.0", torch="2.8.0"), "DEP007")
    assert (result.findings, result.status) == ((), "not applicable")
