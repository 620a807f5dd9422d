"""The environment report: its fields, its block of lines, and that it never stops anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.runtime_scripts import COMMIT, OTHER, RUNTIME, load_script

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

L40 = {"name": "NVIDIA L40", "capability": "8.9", "memory_bytes": 47_810_936_832}
PROBE_REPORT = {
    "torch": {"version": "2.7.1+cu126", "cuda": "12.6", "cudnn": 90501},
    "distributions": {"flash-attn": "2.8.3"},
    "inherited": {"einops": "0.8.1"},
    "sources": {},
    "gpu": {"driver": "550.54.15", "devices": [L40]},
}


@pytest.fixture
def envreport(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # images contain the folder as it is
    monkeypatch.syspath_prepend(RUNTIME)
    for name in (
        "probe_expectation",
        "probe",
        "envreport",
    ):  # undone at the end: no other test finds these names
        module = load_script(name)
        monkeypatch.setitem(sys.modules, name, module)
    return module


def fake_probe(monkeypatch: pytest.MonkeyPatch, envreport: ModuleType, **changes: object) -> None:
    def collect(*, sources: list[str]) -> dict[str, Any]:
        return {**PROBE_REPORT, "sources": dict.fromkeys(sources, COMMIT), **changes}

    monkeypatch.setattr(envreport.probe, "collect", collect)
    monkeypatch.setattr(envreport.platform, "python_version", lambda: "3.10.14")


def raise_error(*_: object, **__: object) -> Any:
    raise RuntimeError("broken")


def test_the_report_is_one_block(envreport: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_probe(monkeypatch, envreport)
    report = envreport.collect(["Flash_Attn", "accelerate"], ["/opt/lora/third_party/sd-scripts"])
    assert envreport.render(report) == (
        "--- ENVIRONMENT INFO ---\n"
        "Python version: 3.10.14\n"
        "PyTorch version: 2.7.1+cu126\n"
        "CUDA version: 12.6\n"
        "CUDA available: True\n"
        "cuDNN version: 9.5.1\n"
        "GPU device: NVIDIA L40\n"
        "CUDA capability: 8.9\n"
        "GPU memory: 44.5 GiB\n"
        "Driver version: 550.54.15\n"
        "Flash_Attn version: 2.8.3\n"
        "accelerate version: not installed\n"
        "sd-scripts commit: 966e9d7f6bb4\n"
        "--- END ENVIRONMENT INFO ---\n"
    )


def test_without_torch_and_gpu_the_report_says_so(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(monkeypatch, envreport, torch=None, gpu=None)
    assert list(envreport.lines(envreport.collect())) == [
        "Python version: 3.10.14",
        "PyTorch version: not installed",
        "CUDA version: none",
        "CUDA available: False",
        "cuDNN version: none",
        "GPU device: none",
        "Driver version: none",
    ]


def test_a_torch_that_does_not_import_shows_its_error(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(monkeypatch, envreport, torch={"error": "OSError: libcudart.so.12"})
    assert "PyTorch version: OSError: libcudart.so.12\n" in envreport.render(envreport.collect())


def test_a_gpu_that_torch_cannot_reach_shows_why(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(
        monkeypatch, envreport, gpu={"driver": "470.1", "devices": [], "error": "RuntimeError: too old"}
    )
    text = envreport.render(envreport.collect())
    assert "CUDA available: False\n" in text
    assert "GPU error: RuntimeError: too old\nDriver version: 470.1\n" in text


def test_several_gpus_are_numbered(envreport: ModuleType) -> None:
    lines = list(envreport.gpu_lines([L40, {**L40, "name": "NVIDIA H100", "capability": "9.0"}]))
    assert lines[0] == "GPU device 0: NVIDIA L40"
    assert lines[3:5] == ["GPU device 1: NVIDIA H100", "CUDA capability 1: 9.0"]


@pytest.mark.parametrize(
    ("number", "text"), [(90100, "9.1.0"), (8902, "8.9.2"), (8500, "8.5.0"), (None, None)]
)
def test_cudnns_number_is_read_as_a_version(
    envreport: ModuleType, number: int | None, text: str | None
) -> None:
    assert envreport.cudnn_text(number) == text


def test_a_commit_is_described_by_its_packed_tag(envreport: ModuleType, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    packed = f"{OTHER} refs/tags/v0.10.0\n^{COMMIT}\n{COMMIT} refs/heads/main\n"
    (tmp_path / ".git" / "packed-refs").write_text(packed)
    assert envreport.described(str(tmp_path), COMMIT) == "966e9d7f6bb4 (v0.10.0)"


def test_a_commit_is_described_by_its_loose_tag(envreport: ModuleType, tmp_path: Path) -> None:
    (tmp_path / ".git/refs/tags/release").mkdir(parents=True)
    (tmp_path / ".git/refs/tags/release/2").write_text(f"{COMMIT}\n")
    (tmp_path / ".git/refs/tags/v1").write_text(f"{OTHER}\n")
    assert envreport.described(str(tmp_path), COMMIT) == "966e9d7f6bb4 (release/2)"


def test_a_source_that_is_no_checkout_shows_its_error(envreport: ModuleType, tmp_path: Path) -> None:
    report = envreport.collect(sources=[str(tmp_path)])
    assert f"{tmp_path.name} commit: error: FileNotFoundError" in envreport.render(report)


def test_a_failing_probe_is_a_line_of_the_report(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envreport.probe, "collect", raise_error)
    report = envreport.collect(["accelerate"])
    assert report["error"] == "RuntimeError: broken"
    assert envreport.render(report).splitlines()[2] == "Report error: RuntimeError: broken"


def test_an_empty_report_can_be_rendered(envreport: ModuleType) -> None:
    assert envreport.render({}).startswith("--- ENVIRONMENT INFO ---\nPython version: None\n")


def test_a_package_of_the_base_has_a_version_too(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(monkeypatch, envreport)
    assert "einops version: 0.8.1\n" in envreport.render(envreport.collect(["einops"]))


SEED = """\
--- ENVIRONMENT INFO (for flash-attention compatibility) ---
Python version: 3.10.14
PyTorch version: 2.7.1+cu126
CUDA version: 12.6
CUDA available: True
GPU device: NVIDIA L40
CUDA capability: (8, 9)
Flash-attention version: 2.8.3
--- END ENVIRONMENT INFO ---"""


def log_lines(envreport: ModuleType, *packages: str, style: str = "flash-attention") -> list[str]:
    lines: list[str] = []
    envreport.log(lines.append, packages or ("flash-attn",), style=style)
    return lines


def test_the_flash_attention_block_is_the_one_that_download_py_prints(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(monkeypatch, envreport)
    assert log_lines(envreport) == SEED.splitlines()


def test_the_flash_attention_block_has_no_gpu_lines_without_a_gpu(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(monkeypatch, envreport, gpu=None, distributions={})
    assert log_lines(envreport)[1:-1] == [
        "Python version: 3.10.14",
        "PyTorch version: 2.7.1+cu126",
        "CUDA version: 12.6",
        "CUDA available: False",
        "Flash-attention version: not installed",
    ]


def test_of_several_gpus_the_flash_attention_block_tells_the_first(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(monkeypatch, envreport, gpu={"driver": "1", "devices": [L40, {**L40, "name": "NVIDIA H100"}]})
    assert log_lines(envreport) == SEED.splitlines()


def test_another_package_keeps_its_own_name(envreport: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_probe(monkeypatch, envreport)
    assert log_lines(envreport, "Flash_Attn", "einops")[-3:-1] == [
        "Flash-attention version: 2.8.3",
        "einops version: 0.8.1",
    ]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"torch": None}, "torch is not installed"),
        ({"torch": {"error": "OSError: libcudart.so.12"}}, "OSError: libcudart.so.12"),
        (
            {"gpu": {"driver": "470.1", "devices": [], "error": "RuntimeError: too old"}},
            "RuntimeError: too old",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_inside_the_block(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], error: str
) -> None:
    fake_probe(monkeypatch, envreport, **changes)
    assert log_lines(envreport) == [
        SEED.splitlines()[0],
        "Python version: 3.10.14",
        f"Error getting version info: {error}",
        SEED.splitlines()[-1],
    ]


def test_a_failing_probe_is_one_line_inside_the_block_too(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envreport.probe, "collect", raise_error)
    assert log_lines(envreport)[2:] == [
        "Error getting version info: RuntimeError: broken",
        SEED.splitlines()[-1],
    ]


@pytest.mark.parametrize(("style", "title"), [("flash-attention", 0), ("", None), ("nonsense", None)])
def test_a_block_that_cannot_be_made_says_so(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch, style: str, title: int | None
) -> None:
    monkeypatch.setattr(envreport, "collect", raise_error)
    assert log_lines(envreport, style=style) == [
        "--- ENVIRONMENT INFO ---" if title is None else SEED.splitlines()[title],
        "Error getting version info: RuntimeError: broken",
        SEED.splitlines()[-1],
    ]


def test_without_a_style_the_log_is_the_usual_block(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_probe(monkeypatch, envreport)
    envreport.log()
    out = capsys.readouterr().out
    assert out == envreport.render(envreport.collect(["flash-attn"]))
    assert "cuDNN version: 9.5.1\n" in out


def test_a_log_that_nobody_can_hear_stops_nothing(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_probe(monkeypatch, envreport)
    envreport.log(raise_error)


def test_the_command_prints_the_flash_attention_block_when_asked(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_probe(monkeypatch, envreport)
    assert envreport.main(["--style", "flash-attention", "flash-attn"]) == 0
    assert capsys.readouterr().out == f"{SEED}\n"


def test_the_command_prints_the_block(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_probe(monkeypatch, envreport)
    assert envreport.main(["--source=/opt/sd-scripts", "--", "flash-attn"]) == 0
    out = capsys.readouterr().out
    assert "flash-attn version: 2.8.3\nsd-scripts commit: 966e9d7f6bb4\n" in out


def test_the_command_answers_0_whatever_happens(
    envreport: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert envreport.main(["--nonsense"]) == 0
    monkeypatch.setattr(envreport, "render", raise_error)
    assert envreport.main([]) == 0
    assert capsys.readouterr().err.endswith("envreport: RuntimeError: broken\n")
