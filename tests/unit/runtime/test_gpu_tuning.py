"""The settings for a GPU: with fake modules for torch and Lightning, no GPU and no process."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from support.runtime_scripts import load_script

if TYPE_CHECKING:
    from collections.abc import Callable

CU121 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CU128 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")


@pytest.fixture
def tuning(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_script("gpu_tuning")
    for name in ("torch", "lightning", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)  # not this machine's packages
    return module


class Torch:
    """The flags of torch that are set, with torch's defaults."""

    def __init__(
        self,
        capability: tuple[int, int] | None,
        *,
        name: str = "NVIDIA L40",
        archs: tuple[str, ...] = CU128,
        cuda: str | None = "12.8",
        version: str = "2.8.0+cu128",
    ) -> None:
        self.__version__ = version
        self.version = SimpleNamespace(cuda=cuda)
        self.backends = SimpleNamespace(
            cudnn=SimpleNamespace(benchmark=False),
            cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False)),
        )
        self.cuda = SimpleNamespace(
            is_available=lambda: capability is not None,
            get_device_capability=lambda index: capability,
            get_device_name=lambda index: name,
            get_arch_list=lambda: list(archs),
        )
        self._C = SimpleNamespace(_cuda_getArchFlags=lambda: " ".join(archs))
        self.precision = "highest"

    def set_float32_matmul_precision(self, precision: str) -> None:
        self.precision = precision

    def get_float32_matmul_precision(self) -> str:
        return self.precision


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Torch]:
    def install(capability: tuple[int, int] | None, **changes: Any) -> Torch:
        module = Torch(capability, **changes)
        monkeypatch.setitem(sys.modules, "torch", module)
        return module

    return install


def raise_error(*_: object, **__: object) -> Any:
    raise RuntimeError("CUDA driver\ninitialization failed")


@pytest.mark.parametrize(
    ("capability", "name", "architecture"),
    [
        ((8, 9), "NVIDIA L40", "Ada Lovelace"),
        ((9, 0), "NVIDIA H100", "Hopper"),
        ((12, 0), "NVIDIA GeForce RTX 5060 Ti", "Blackwell"),
    ],
)
def test_from_ampere_on_all_three_are_set(
    tuning: ModuleType,
    torch: Callable[..., Torch],
    capability: tuple[int, int],
    name: str,
    architecture: str,
) -> None:
    module = torch(capability, name=name)
    assert tuning.tune() == {
        "torch": "2.8.0+cu128",
        "device": name,
        "capability": f"{capability[0]}.{capability[1]}",
        "architecture": architecture,
        "warnings": [],
        "cudnn_benchmark": True,
        "matmul_allow_tf32": True,
        "float32_matmul_precision": "high",
    }
    assert module.backends.cudnn.benchmark is True
    assert module.backends.cuda.matmul.allow_tf32 is True
    assert module.precision == "high"


def test_before_ampere_there_is_no_tf32(tuning: ModuleType, torch: Callable[..., Torch]) -> None:
    module = torch((7, 5), name="Tesla T4")
    report = tuning.tune()
    assert (report["capability"], report["architecture"]) == ("7.5", "Turing")
    assert (report["cudnn_benchmark"], report["matmul_allow_tf32"]) == (True, False)
    assert module.precision == "highest"
    assert report["warnings"] == []


@pytest.mark.parametrize(("cuda", "reason"), [("12.8", "torch sees no GPU"), (None, "torch is a CPU build")])
def test_without_a_gpu_nothing_is_set(
    tuning: ModuleType, torch: Callable[..., Torch], cuda: str | None, reason: str
) -> None:
    module = torch(None, cuda=cuda)
    report = tuning.tune()
    assert report["warnings"] == [f"nothing was set: {reason}"]
    assert (report["device"], report["cudnn_benchmark"], report["matmul_allow_tf32"]) == (None, False, False)
    assert module.precision == "highest"


def test_a_second_time_is_the_same(tuning: ModuleType, torch: Callable[..., Torch]) -> None:
    torch((8, 6))
    assert tuning.tune() == tuning.tune()


def test_without_torch_there_is_a_warning_and_no_error(tuning: ModuleType) -> None:
    report = tuning.tune()
    assert report["torch"] is None
    (warning,) = report["warnings"]
    assert warning.startswith("nothing was set: ModuleNotFoundError: ")


def test_a_driver_that_breaks_torch_is_a_warning(tuning: ModuleType, torch: Callable[..., Torch]) -> None:
    torch((8, 9)).cuda.is_available = raise_error
    assert tuning.tune()["warnings"] == ["nothing was set: RuntimeError: CUDA driver initialization failed"]


def test_a_setting_that_is_refused_leaves_the_others(tuning: ModuleType, torch: Callable[..., Torch]) -> None:
    module = torch((8, 9))
    module.set_float32_matmul_precision = raise_error  # type: ignore[method-assign]
    report = tuning.tune()
    assert report["warnings"] == [
        "float32_matmul_precision was not set: RuntimeError: CUDA driver initialization failed"
    ]
    assert (report["cudnn_benchmark"], report["matmul_allow_tf32"]) == (True, True)


@pytest.mark.parametrize(
    ("capability", "needed_build"),
    [
        ((12, 0), "a cu128 build of torch >= 2.7"),
        ((10, 0), "a cu128 build of torch >= 2.7"),
        ((3, 7), "a build of torch that is compiled for it"),
    ],
)
def test_a_torch_without_code_for_the_gpu_is_a_warning(
    tuning: ModuleType, torch: Callable[..., Torch], capability: tuple[int, int], needed_build: str
) -> None:
    torch(capability, name="RTX 5060 Ti", archs=CU121, version="2.5.1+cu121")
    major, minor = capability
    (warning,) = tuning.tune()["warnings"]
    assert warning == (
        f"torch 2.5.1+cu121 has no code for sm_{major}{minor} (RTX 5060 Ti), only for {' '.join(CU121)}: its first kernel "
        f"will fail with `no kernel image is available`; install {needed_build}"
    )


@pytest.mark.parametrize(
    ("compiled", "capability", "expected"),
    [
        (["sm_80"], (8, 9), True),
        (["sm_86"], (8, 0), False),
        (["sm_90"], (10, 0), False),
        (["sm_100"], (10, 3), True),
        (["sm_90a"], (9, 0), True),
        (["sm_100a"], (10, 3), False),
        (["sm_100f"], (10, 3), True),
        (["sm_100f"], (12, 0), False),
        (["compute_90"], (12, 0), True),
        (["compute_120"], (10, 0), False),
        (["compute_90a"], (10, 0), False),
        (["gfx942"], (9, 0), False),
        ([], (9, 0), False),
    ],
)
def test_a_cubin_stays_in_its_major_and_ptx_goes_up(
    *, tuning: ModuleType, compiled: list[str], capability: tuple[int, int], expected: bool
) -> None:
    assert tuning.runs(compiled, capability) is expected


def test_the_private_list_is_asked_where_the_public_one_is_empty(
    tuning: ModuleType, torch: Callable[..., Torch]
) -> None:
    module = torch((12, 0), archs=CU121)
    module.cuda.get_arch_list = list
    assert tuning.archs(module) == list(CU121)


def test_a_torch_that_does_not_say_what_it_is_compiled_for_is_not_accused(
    tuning: ModuleType, torch: Callable[..., Torch]
) -> None:
    module = torch((12, 0))
    module.cuda.get_arch_list = module._C._cuda_getArchFlags = raise_error
    assert tuning.tune()["warnings"] == []


@pytest.mark.parametrize(
    ("capability", "name"),
    [((7, 0), "Volta"), ((8, 6), "Ampere"), ((10, 3), "Blackwell Ultra"), ((13, 0), "unknown")],
)
def test_an_architecture_has_a_name(tuning: ModuleType, capability: tuple[int, int], name: str) -> None:
    assert tuning.architecture(capability) == name


@pytest.mark.parametrize("capability", [(7, 5), (8, 9), (9, 0), (12, 0)])
def test_a_trainer_takes_the_first_gpu_and_mixed_precision(
    tuning: ModuleType, torch: Callable[..., Torch], capability: tuple[int, int]
) -> None:
    torch(capability)
    assert tuning.trainer_kwargs() == {"accelerator": "gpu", "devices": 1, "precision": "16-mixed"}
    assert tuning.trainer_kwargs(mixed=False) == {"accelerator": "gpu", "devices": 1, "precision": 32}


def test_without_a_gpu_a_trainer_takes_the_cpu_and_full_precision(
    tuning: ModuleType, torch: Callable[..., Torch]
) -> None:
    on_cpu = {"accelerator": "cpu", "devices": 1, "precision": 32}
    assert tuning.trainer_kwargs() == on_cpu  # no torch at all
    torch(None)
    assert tuning.trainer_kwargs() == on_cpu
    torch((8, 9)).cuda.is_available = raise_error
    assert tuning.trainer_kwargs() == on_cpu


def install_lightning(monkeypatch: pytest.MonkeyPatch, name: str, **attributes: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_lightning_is_taken_under_its_new_name(tuning: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    install_lightning(monkeypatch, "pytorch_lightning", __version__="2.4.0")
    module = install_lightning(monkeypatch, "lightning", __version__="2.5.5")
    assert tuning.lightning() == (module, "lightning 2.5.5")


def test_else_under_its_old_name(tuning: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    module = install_lightning(monkeypatch, "pytorch_lightning")
    assert tuning.lightning() == (module, "pytorch_lightning of an unknown version")


def test_without_either_the_error_has_both_reasons(tuning: ModuleType) -> None:
    with pytest.raises(
        ImportError, match=r"^neither can be imported: lightning: ModuleNotFoundError.*; pytorch_lightning: "
    ):
        tuning.lightning()


def test_the_command_reports_what_is_set(
    tuning: ModuleType,
    torch: Callable[..., Torch],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch((12, 0), name="NVIDIA GeForce RTX 5060 Ti")
    install_lightning(monkeypatch, "lightning", __version__="2.5.5")
    assert tuning.main() == 0
    assert capsys.readouterr().out == (
        "PyTorch: 2.8.0+cu128\n"
        "Device: NVIDIA GeForce RTX 5060 Ti\n"
        "Compute capability: 12.0 (Blackwell)\n"
        "cudnn.benchmark: True\n"
        "TF32 enabled: True\n"
        "float32 matmul precision: high\n"
        "Trainer: accelerator='gpu', devices=1, precision='16-mixed'\n"
        "Lightning: lightning 2.5.5\n"
    )


def test_the_command_answers_0_without_torch_and_lightning(
    tuning: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuning.main() == 0
    out = capsys.readouterr().out
    assert out.startswith("PyTorch: not usable\nDevice: none\ncudnn.benchmark: None\n")
    assert "Lightning: ImportError: neither can be imported: " in out
    assert "\nwarning: nothing was set: ModuleNotFoundError: " in out
