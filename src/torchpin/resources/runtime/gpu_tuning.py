"""gpu_tuning: torch's speed settings for this process and its GPU.

A training script calls it first, before it creates its Trainer:

    sys.path.insert(0, "/opt/torchpin")
    import gpu_tuning
    gpu_tuning.tune()
    trainer = lightning.Trainer(**gpu_tuning.trainer_kwargs())

These settings are flags of one process and are lost at its end. Setting them while an image is built, or in a script of
an installer, has no effect on a training; only calls of the training process itself have.

TF32 keeps 10 bits of the mantissa where FP32 keeps 23: matrix products are faster and less accurate. A training that
requires FP32 calls torch.set_float32_matmul_precision("highest") after tune().

Standard library only, Python 3.8 and later; torch and Lightning are imported where they are used.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AMPERE = 8  # major capability, the first with TF32
ARCH = re.compile(r"(sm|compute)_(\d+)(\d)([a-z]?)")
NAMES_BY_MAJOR = {
    5: "Maxwell",
    6: "Pascal",
    7: "Volta",
    8: "Ampere",
    9: "Hopper",
    10: "Blackwell",
    12: "Blackwell",
}
NAMES_BY_CAPABILITY = {(7, 5): "Turing", (8, 9): "Ada Lovelace", (10, 3): "Blackwell Ultra"}
REQUIRED_BUILDS = {10: "a cu128 build of torch >= 2.7", 12: "a cu128 build of torch >= 2.7"}


def attempt(read: Callable[[], Any]) -> Any:
    """Return what `read` returns, or None if it fails."""
    try:
        return read()
    except Exception:  # a value that this build lacks is null in the report
        return None


def sentence(error: BaseException) -> str:
    """Return an error as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def architecture(capability: tuple[int, int]) -> str:
    """Return the architecture's name: 8.9 is Ada Lovelace, 12.0 (RTX 50) is Blackwell."""
    major, minor = capability
    return NAMES_BY_CAPABILITY.get((major, minor)) or NAMES_BY_MAJOR.get(major) or "unknown"


def capability_of(torch: Any) -> tuple[int, int] | None:
    """Return the capability of the first GPU, which Lightning uses by default; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability(0)
    return int(major), int(minor)


def archs(torch: Any) -> list[str]:
    """Return the architectures that this torch is compiled for; empty if it reports none."""
    # the public get_arch_list() returns [] where torch sees no GPU; the private function does not need one
    flags = attempt(torch.cuda.get_arch_list) or (attempt(torch._C._cuda_getArchFlags) or "").split()
    return [str(flag) for flag in flags]


def runs(compiled: list[str], capability: tuple[int, int]) -> bool:
    """Return whether compiled code runs on a GPU: sm_ on later minors of its major, PTX on all later capabilities."""
    for match in filter(None, map(ARCH.fullmatch, compiled)):
        kind, target, letter = match.group(1), (int(match.group(2)), int(match.group(3))), match.group(4)
        if letter == "a":  # sm_90a runs on exactly this capability
            fits = target == capability
        elif kind == "sm" or letter:
            fits = target[0] == capability[0] and target[1] <= capability[1]
        else:
            fits = target <= capability
        if fits:
            return True
    return False


def warnings_of(torch: Any, capability: tuple[int, int], device: str) -> Iterator[str]:
    """Yield a warning if torch has no code for the GPU, which `torch.cuda.is_available()` does not check."""
    compiled = archs(torch)
    if compiled and not runs(compiled, capability):
        name = "sm_{}{}".format(*capability)
        build = REQUIRED_BUILDS.get(capability[0], "a build of torch that is compiled for it")
        yield (
            f"torch {torch.__version__} has no code for {name} ({device}), only for {' '.join(compiled)}: its first kernel "
            f"will fail with `no kernel image is available`; install {build}"
        )


def settings(torch: Any, capability: tuple[int, int]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name of each setting that speeds up this GPU, and the function that sets it."""
    # cuDNN measures its algorithms once for each shape, which pays off where shapes repeat, on every GPU
    yield "cudnn.benchmark", lambda: setattr(torch.backends.cudnn, "benchmark", True)
    if capability[0] >= AMPERE:  # older GPUs have no TF32
        # both set the same flag in torch 2.x; an older torch has the second alone
        yield "float32_matmul_precision", lambda: torch.set_float32_matmul_precision("high")
        yield "matmul.allow_tf32", lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True)


def flags(torch: Any) -> dict[str, Any]:
    """Return the current values of torch's flags."""
    return {
        "cudnn_benchmark": attempt(lambda: bool(torch.backends.cudnn.benchmark)),
        "matmul_allow_tf32": attempt(lambda: bool(torch.backends.cuda.matmul.allow_tf32)),
        "float32_matmul_precision": attempt(lambda: torch.get_float32_matmul_precision()),  # noqa: PLW0108 - it may be missing
    }


def no_gpu(torch: Any) -> str:
    """Return why there is nothing to set."""
    cuda = attempt(lambda: torch.version.cuda)
    return "torch sees no GPU" if cuda else "torch is a CPU build"


def tune() -> dict[str, Any]:
    """Set what speeds up this process's GPU and return a report; can be repeated, and raises no exception."""
    report: dict[str, Any] = {
        "torch": None,
        "device": None,
        "capability": None,
        "architecture": None,
        "warnings": [],
    }
    try:
        torch: Any = importlib.import_module("torch")
        report["torch"] = str(torch.__version__)
        capability = capability_of(torch)
        if capability is None:
            report["warnings"].append(f"nothing was set: {no_gpu(torch)}")
        else:
            device = str(attempt(lambda: torch.cuda.get_device_name(0)))
            report.update(
                device=device,
                capability="{}.{}".format(*capability),
                architecture=architecture(capability),
                warnings=[*apply(torch, capability), *warnings_of(torch, capability, device)],
            )
        report.update(flags(torch))
    except Exception as error:  # a slow training is better than none
        report["warnings"].append(f"nothing was set: {sentence(error)}")
    return report


def apply(torch: Any, capability: tuple[int, int]) -> list[str]:
    """Set each setting and return a message for each that failed."""
    failures = []
    for name, set_it in settings(torch, capability):
        try:
            set_it()
        except Exception as error:  # such as a deprecation with -W error; the others may work
            failures.append(f"{name} was not set: {sentence(error)}")
    return failures


def trainer_kwargs(mixed: bool = True) -> dict[str, Any]:
    """Return the arguments of a Lightning 2.x Trainer for this machine, explicit where `auto` might choose otherwise.

    The precision does not depend on the capability: Lightning 2.x reads 16 as an alias of "16-mixed". A GPU before Volta
    has no tensor cores, and 16-mixed saves memory there, not time. A GPU that torch has no code for is requested all the
    same: its error says what is wrong, where the CPU would be slow without a message.
    """
    try:
        gpu = capability_of(importlib.import_module("torch")) is not None
    except Exception:  # no torch, or a driver that breaks it
        gpu = False
    if not gpu:
        return {"accelerator": "cpu", "devices": 1, "precision": 32}
    return {"accelerator": "gpu", "devices": 1, "precision": "16-mixed" if mixed else 32}


def lightning() -> tuple[Any, str]:
    """Import Lightning by its new or its old name; return the module, and its name and version.

    Raises ImportError, with both reasons, if neither can be imported.
    """
    reasons = []
    for name in ("lightning", "pytorch_lightning"):
        try:
            module = importlib.import_module(name)
        except Exception as error:  # lightning 2.0.0 fails where setuptools has no pkg_resources
            reasons.append(f"{name}: {sentence(error)}")
        else:
            return module, f"{name} {getattr(module, '__version__', 'of an unknown version')}"
    raise ImportError("neither can be imported: " + "; ".join(reasons))


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report's lines."""
    yield f"PyTorch: {report['torch'] or 'not usable'}"
    yield f"Device: {report['device'] or 'none'}"
    if report["capability"]:
        yield f"Compute capability: {report['capability']} ({report['architecture']})"
    yield f"cudnn.benchmark: {report.get('cudnn_benchmark')}"
    yield f"TF32 enabled: {report.get('matmul_allow_tf32')}"
    yield f"float32 matmul precision: {report.get('float32_matmul_precision')}"
    trainer = ", ".join(f"{key}={value!r}" for key, value in trainer_kwargs().items())
    yield f"Trainer: {trainer}"
    try:
        yield f"Lightning: {lightning()[1]}"
    except ImportError as error:
        yield f"Lightning: {sentence(error)}"
    for warning in report["warnings"]:
        yield f"warning: {warning}"


def main() -> int:
    """Print the report of this process: what is set ends with it and has no effect elsewhere."""
    print("\n".join(lines(tune())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
