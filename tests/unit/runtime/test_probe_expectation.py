"""The probe's document compared with an expectation, the verdict, and the command."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.runtime_scripts import (
    COMMIT,
    OTHER,
    checkout,
    expected,
    fake_torch,
    place_environment,
    probe,
    probe_document,
    probe_expectation,
    torch_document,
    write_record,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_gpu")


def problems(document: dict[str, Any], expectation: dict[str, Any]) -> list[str]:
    messages: list[str] = probe_expectation.problems(document, expectation)
    return messages


def test_what_is_as_expected_has_no_problems() -> None:
    assert problems(probe_document(), expected()) == []


def test_another_python_is_a_problem() -> None:
    assert problems(probe_document(python="3.10.12"), expected()) == [
        "python: expected 3.10.14, found 3.10.12"
    ]


@pytest.mark.parametrize(
    ("version", "compatible"), [("3.11.0", True), ("3.11.13", True), ("3.1.1", False), ("3.12.1", False)]
)
def test_a_python_without_its_last_part_is_any_of_that_series(*, version: str, compatible: bool) -> None:
    messages = problems(probe_document(python=version), expected(python="3.11"))
    assert messages == ([] if compatible else [f"python: expected 3.11, found {version}"])


def test_another_version_of_a_distribution_is_a_problem() -> None:
    document = probe_document(distributions={"torch": "2.5.1+cu124", "tqdm": "4.66.5"})
    assert problems(document, expected()) == ["torch: expected 2.5.1+cu121, found 2.5.1+cu124"]


def test_another_spelling_of_a_version_or_a_name_is_none() -> None:
    expectation = expected(distributions={"torch": "2.5.1+cu121", "T.Q_dm": "4.66.5.0"})
    document = probe_document(distributions={"torch": "2.5.1+cu121", "t-q-dm": "4.66.5"})
    assert problems(document, expectation) == []


def test_a_missing_distribution_is_a_problem() -> None:
    document = probe_document(distributions={"torch": "2.5.1+cu121"})
    assert problems(document, expected()) == ["tqdm: expected 4.66.5, not installed"]


def test_an_extra_distribution_is_a_problem() -> None:
    document = probe_document(distributions={"torch": "2.5.1+cu121", "tqdm": "4.66.5", "xformers": "0.0.28"})
    assert problems(document, expected()) == ["xformers: expected not to be installed, found 0.0.28"]


def test_a_distribution_recorded_twice_is_a_problem() -> None:
    assert problems(probe_document(duplicates=["tqdm"]), expected()) == [
        "tqdm: recorded more than once in site-packages"
    ]


def test_an_optional_distribution_may_be_absent_or_right() -> None:
    expectation = expected(optional={"Pandas": "2.2.3"})
    distributions = {"torch": "2.5.1+cu121", "tqdm": "4.66.5", "pandas": "2.2.3"}
    assert problems(probe_document(), expectation) == []
    assert problems(probe_document(distributions=distributions), expectation) == []


def test_an_optional_distribution_of_another_version_is_a_problem() -> None:
    distributions = {"torch": "2.5.1+cu121", "tqdm": "4.66.5", "pandas": "2.2.2"}
    messages = problems(probe_document(distributions=distributions), expected(optional={"pandas": "2.2.3"}))
    assert messages == ["pandas: expected 2.2.3, found 2.2.2"]


def base_document(**changes: object) -> dict[str, Any]:
    """The document of an environment above a base image with torch."""
    return probe_document(
        **{
            "distributions": {"tqdm": "4.66.5"},
            "inherited": {"torch": "2.5.1+cu121", "conda": "25.1.1"},
            **changes,
        }
    )


def expect_base_packages(**inherited: str) -> dict[str, Any]:
    return expected(distributions={"tqdm": "4.66.5"}, inherited=inherited)


@pytest.mark.parametrize("version", ["2.5.1+cu121", "2.5.1", "2.5.1.0+CU121"])
def test_what_the_base_brings_as_expected_is_no_problem(version: str) -> None:
    assert problems(base_document(), expect_base_packages(Torch=version)) == []


@pytest.mark.parametrize("version", ["2.5.1+cu124", "2.5.0", "2.5.0+cu121"])
def test_another_version_in_the_base_is_a_problem(version: str) -> None:
    assert problems(base_document(), expect_base_packages(torch=version)) == [
        f"torch: expected {version} from the base, found 2.5.1+cu121"
    ]


def test_what_the_base_does_not_bring_is_a_problem() -> None:
    assert problems(base_document(inherited={}), expect_base_packages(torch="2.5.1+cu121")) == [
        "torch: expected 2.5.1+cu121 from the base, found none"
    ]


def test_what_should_come_from_the_base_and_was_installed_is_one_problem() -> None:
    assert problems(probe_document(), expect_base_packages(torch="2.5.1+cu121")) == [
        "torch: expected from the base, but it is installed in the environment"
    ]


def test_what_should_be_installed_and_comes_from_the_base_is_a_problem() -> None:
    assert problems(base_document(), expected()) == [
        "torch: expected 2.5.1+cu121, not installed in the environment; the base has 2.5.1+cu121"
    ]


def torch_expected(version: str, cuda: str | None, archs: list[str] | None = None) -> dict[str, Any]:
    return expected(torch={"version": version, "cuda": cuda, "archs": archs})


def test_another_build_of_torch_is_a_problem() -> None:
    document = torch_document("2.5.1+cu124", "12.4")
    assert problems(document, torch_expected("2.5.1+cu121", "12.1")) == [
        "torch.__version__: expected 2.5.1+cu121, found 2.5.1+cu124",
        "torch CUDA: expected 12.1, found 12.4",
    ]


def test_without_a_local_part_only_torchs_release_is_compared() -> None:
    document = torch_document("2.5.1+cu124", "12.4")
    assert problems(document, torch_expected("2.5.1", "12.4")) == []
    assert problems(document, torch_expected("2.5.0", "12.4")) == [
        "torch.__version__: expected 2.5.0, found 2.5.1+cu124"
    ]


def test_a_cpu_build_is_expected_to_have_no_cuda() -> None:
    expectation = torch_expected("2.5.1", None)
    assert problems(torch_document("2.5.1+cpu", None), expectation) == []
    assert problems(torch_document("2.5.1+cu124", "12.4"), expectation) == [
        "torch CUDA: expected none, found 12.4"
    ]


def test_cuda_expected_and_absent_is_a_problem() -> None:
    expectation = torch_expected("2.5.1", "12.4")
    assert problems(torch_document("2.5.1+cpu", None), expectation) == [
        "torch CUDA: expected 12.4, found none"
    ]


def test_a_missing_architecture_is_a_problem() -> None:
    document = torch_document("2.5.1", "12.1", "sm_80", "sm_90")
    assert problems(document, torch_expected("2.5.1", "12.1", ["sm_80"])) == []
    assert problems(document, torch_expected("2.5.1", "12.1", ["sm_80", "sm_100", "sm_120"])) == [
        "torch architectures: expected sm_100 sm_120, found sm_80 sm_90"
    ]
    assert problems(torch_document("2.5.1", "12.1"), torch_expected("2.5.1", "12.1", ["sm_80"])) == [
        "torch architectures: expected sm_80, found none"
    ]


@pytest.mark.parametrize(
    ("name", "right", "wrong", "problem"),
    [
        ("cudnn", 90701, 90100, "torch.backends.cudnn.version(): expected 90701, found 90100"),
        ("cudnn", 90701, None, "torch.backends.cudnn.version(): expected 90701, found none"),
        ("cxx11_abi", True, False, "torch C++11 ABI: expected TRUE, found FALSE"),
        ("cxx11_abi", False, True, "torch C++11 ABI: expected FALSE, found TRUE"),
        ("cxx11_abi", False, None, "torch C++11 ABI: expected FALSE, found none"),
    ],
)
def test_another_cudnn_or_abi_is_a_problem(name: str, right: object, wrong: object, problem: str) -> None:
    document, expectation = torch_document("2.5.1", "12.1"), torch_expected("2.5.1", "12.1")
    for actual, lines in ((right, []), (wrong, [problem])):
        document["torch"][name] = actual
        expectation["torch"][name] = right
        assert problems(document, expectation) == lines


def test_a_torch_that_is_missing_or_broken_is_a_problem() -> None:
    assert problems(probe_document(torch=None), expected()) == [
        "torch.__version__: expected 2.5.1+cu121, torch is not installed"
    ]
    assert problems(probe_document(torch={"error": "OSError: libcudart"}), expected()) == [
        "torch.__version__: expected 2.5.1+cu121, OSError: libcudart"
    ]


def test_where_no_torch_is_expected_none_is_looked_at() -> None:
    assert problems(probe_document(torch={"error": "OSError: libcudart"}), expected(torch=None)) == []


def test_a_failed_import_is_a_problem() -> None:
    document = probe_document(imports={"torch": None, "accelerate": "ImportError: no"})
    assert problems(document, expected()) == ["import accelerate: ImportError: no"]


def test_an_import_that_was_not_tried_is_a_problem() -> None:
    assert problems(probe_document(imports={}), expected()) == ["import torch: not tried"]


def test_another_commit_of_a_source_is_a_problem() -> None:
    document = probe_document(sources={"/opt/sd-scripts": OTHER})
    assert problems(document, expected()) == [f"/opt/sd-scripts: expected {COMMIT}, found {OTHER}"]
    assert problems(probe_document(sources={}), expected()) == [
        f"/opt/sd-scripts: expected {COMMIT}, found not checked"
    ]


def test_the_verdict_counts_and_names_the_build() -> None:
    assert (
        probe_expectation.verdict(probe_document(), [])
        == "probe: ok, 2 distributions, torch 2.5.1+cu121, CUDA 12.1\n"
    )
    assert (
        probe_expectation.verdict(torch_document("2.5.1+cpu", None), [])
        == "probe: ok, 2 distributions, torch 2.5.1+cpu, no CUDA\n"
    )
    assert (
        probe_expectation.verdict(probe_document(torch=None), []) == "probe: ok, 2 distributions, no torch\n"
    )


def test_the_verdict_has_a_line_for_each_problem() -> None:
    assert probe_expectation.verdict(probe_document(), ["a: b"]) == "probe: FAIL a: b\nprobe: 1 problem\n"
    assert (
        probe_expectation.verdict(probe_document(), ["a: b", "c: d"])
        == "probe: FAIL a: b\nprobe: FAIL c: d\nprobe: 2 problems\n"
    )


def test_an_expectation_needs_only_python_and_distributions() -> None:
    minimal = {"python": "3.10.14", "distributions": {}}
    assert probe_expectation.expectation(json.dumps(minimal)) == minimal
    assert probe_expectation.expectation(json.dumps(expected(optional={}))) == expected(optional={})


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        ([], "expected a JSON object"),
        ({"distribution": {}}, "missing key python; missing key distributions; unknown key distribution"),
        (expected(python=3.1), "invalid value of python"),
        (expected(distributions={"tqdm": None}), "invalid value of distributions"),
        (expected(imports="torch"), "invalid value of imports"),
        (expected(inherited=["torch"]), "invalid value of inherited"),
        (expected(inherited={"Torch": "2.5.1"}), "torch: expected both in the environment and from the base"),
        (
            expected(optional={"pandas": "2"}, inherited={"pandas": "2"}),
            "pandas: expected both in the environment and from the base",
        ),
        (expected(sources=[]), "invalid value of sources"),
        (expected(torch="2.5.1"), "invalid value of torch"),
        (expected(torch={"cuda": "12.1"}), "invalid value of torch"),
        (expected(torch={"version": "2.5.1", "arches": []}), "invalid value of torch"),
        (expected(torch={"version": "2.5.1", "archs": "sm_80"}), "invalid value of torch"),
        (expected(torch={"version": "2.5.1", "cxx11_abi": "TRUE"}), "invalid value of torch"),
    ],
)
def test_an_expectation_of_another_shape_is_refused(expectation: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        probe_expectation.expectation(json.dumps(expectation))


@pytest.fixture
def installed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Create an environment of one distribution and a fake torch; return its expectation."""
    write_record(tmp_path / "site", "torch-2.5.1.dist-info", "Name: torch\nVersion: 2.5.1+cu121\n")
    write_record(tmp_path / "base", "conda-25.1.1.dist-info", "Name: conda\nVersion: 25.1.1\n")
    place_environment(monkeypatch, tmp_path / "site", tmp_path / "base", tmp_path / "site", tmp_path / "base")
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    monkeypatch.setattr(probe.platform, "python_version", lambda: "3.10.14")
    git = checkout(tmp_path, COMMIT)
    return expected(distributions={"torch": "2.5.1+cu121"}, sources={str(git.parent): COMMIT})


def run(tmp_path: Path, expectation: dict[str, Any], *arguments: str) -> int:
    (tmp_path / "expect.json").write_text(json.dumps(expectation))
    code: int = probe.main(["--expect", str(tmp_path / "expect.json"), *arguments])
    return code


def test_the_command_answers_0_for_what_is_expected(
    installed_environment: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, installed_environment) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["sources"] == installed_environment["sources"]
    assert json.loads(out)["inherited"] == {"conda": "25.1.1"}
    assert err == "probe: ok, 1 distributions, torch 2.5.1+cu121, CUDA 12.1\n"


def test_the_command_answers_1_and_says_why(
    installed_environment: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(tmp_path, {**installed_environment, "python": "3.11.9"}, "--import", "json", "probe_no_such") == 1
    )
    out, err = capsys.readouterr()
    assert list(json.loads(out)["imports"]) == ["torch", "json", "probe_no_such"]
    assert err == (
        "probe: FAIL python: expected 3.11.9, found 3.10.14\n"
        "probe: FAIL import probe_no_such: ModuleNotFoundError: No module named 'probe_no_such'\n"
        "probe: 2 problems\n"
    )


@pytest.mark.usefixtures("installed_environment")
def test_freeze_prints_the_record_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["--freeze"]) == 0
    assert capsys.readouterr() == ("torch==2.5.1+cu121\n", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--freeze", "--import", "json"], "--freeze takes no other option"),
        (["--expect", "no/such/file"], "no/such/file: FileNotFoundError"),
        (["--expect", os.devnull], "JSONDecodeError"),
    ],
)
def test_wrong_arguments_and_files_answer_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as excinfo:
        probe.main(argv)
    assert excinfo.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
