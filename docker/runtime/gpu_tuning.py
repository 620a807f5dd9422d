"""gpu_tuning: the speed settings of torch for this process and this GPU; it prints what it has set.

A training script calls it first thing, before it makes its Trainer:

    sys.path.insert(0, "/opt/torchpin")
    import gpu_tuning
    gpu_tuning.tune()
    trainer = lightning.Trainer(**gpu_tuning.trainer_kwargs())

These settings are flags of one process: they end with it, and no file keeps them. Setting them while an image is built,
or by a script that an installer runs, has no effect on any training; only what the training process itself calls has.

TF32 is a trade and no gift: it keeps 10 bits of the mantissa where FP32 keeps 23, so a matrix product is faster and less
accurate. A training that must have FP32 calls torch.set_float32_matmul_precision("highest") after tune().

Standard library only, Python 3.8 and later; torch and Lightning are imported where they are used.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AMPERE = 8  # the first major with TF32
ARCH = re.compile(r"(sm|compute)_(\d+)(\d)([a-z]?)")
NAMES = {5: "Maxwell", 6: "Pascal", 7: "Volta", 8: "Ampere", 9: "Hopper", 10: "Blackwell", 12: "Blackwell"}
NAMES_OF_ONE = {(7, 5): "Turing", (8, 9): "Ada Lovelace", (10, 3): "Blackwell Ultra"}
REMEDIES = {10: "a cu128 build of torch >= 2.7", 12: "a cu128 build of torch >= 2.7"}


def attempt(question: Callable[[], Any]) -> Any:
    """Answer the question, or None where this build has no answer."""
    try:
        return question()
    except Exception:  # a missing fact is null, never a crash
        return None


def sentence(error: BaseException) -> str:
    """Answer an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def architecture(capability: tuple[int, int]) -> str:
    """Answer the architecture's name; 8.9 is Ada Lovelace, and 12.0 (RTX 50) is Blackwell."""
    major, minor = capability
    return NAMES_OF_ONE.get((major, minor)) or NAMES.get(major) or "unknown"


# --- what is there


def capability_of(torch: Any) -> tuple[int, int] | None:
    """Answer the capability of the first GPU, which is the one that Lightning takes; None without one."""
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability(0)
    return int(major), int(minor)


def archs(torch: Any) -> list[str]:
    """Answer what this torch is compiled for; empty where it does not say."""
    # get_arch_list() is the public one, and answers [] where it sees no GPU; the private one asks no GPU
    flags = attempt(torch.cuda.get_arch_list) or (attempt(torch._C._cuda_getArchFlags) or "").split()
    return [str(flag) for flag in flags]


def runs(compiled: list[str], capability: tuple[int, int]) -> bool:
    """Answer whether code for these architectures runs there: a cubin within its major, PTX on all that follow."""
    for match in filter(None, map(ARCH.fullmatch, compiled)):
        kind, target, letter = match.group(1), (int(match.group(2)), int(match.group(3))), match.group(4)
        if letter == "a":  # sm_90a: this very capability
            fits = target == capability
        elif kind == "sm" or letter:
            fits = target[0] == capability[0] and target[1] <= capability[1]
        else:
            fits = target <= capability
        if fits:
            return True
    return False


def warnings_of(torch: Any, capability: tuple[int, int], device: str) -> Iterator[str]:
    """Yield what will go wrong: torch sees a GPU also where it has no code for it."""
    compiled = archs(torch)
    if compiled and not runs(compiled, capability):
        name = "sm_{}{}".format(*capability)
        fix = REMEDIES.get(capability[0], "a build of torch that is compiled for it")
        yield (
            f"{name} ({device}) needs {fix}; this is {torch.__version__}, compiled for {' '.join(compiled)}, "
            "and its first kernel will fail: no kernel image is available"
        )


# --- what is set


def settings(torch: Any, capability: tuple[int, int]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the settings that help this GPU, each with what sets it."""
    # cuDNN measures its algorithms once for each shape: a gain where shapes repeat, on every GPU
    yield "cudnn.benchmark", lambda: setattr(torch.backends.cudnn, "benchmark", True)
    if capability[0] >= AMPERE:  # before, there is no TF32
        # two names of one switch in torch 2.x (each sets the other); an older torch has the second alone
        yield "float32_matmul_precision", lambda: torch.set_float32_matmul_precision("high")
        yield "matmul.allow_tf32", lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True)


def flags(torch: Any) -> dict[str, Any]:
    """Answer the flags as torch has them now."""
    return {
        "cudnn_benchmark": attempt(lambda: bool(torch.backends.cudnn.benchmark)),
        "matmul_allow_tf32": attempt(lambda: bool(torch.backends.cuda.matmul.allow_tf32)),
        "float32_matmul_precision": attempt(lambda: torch.get_float32_matmul_precision()),  # noqa: PLW0108 - it may be missing
    }


def no_gpu(torch: Any) -> str:
    """Answer why there is nothing to set."""
    cuda = attempt(lambda: torch.version.cuda)
    return "torch sees no GPU" if cuda else "this build of torch is for the CPU"


def tune() -> dict[str, Any]:
    """Set what helps this process's GPU, and answer what is set; again is the same, and nothing is ever raised."""
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
            report["warnings"].append(f"nothing is set: {no_gpu(torch)}")
        else:
            device = str(attempt(lambda: torch.cuda.get_device_name(0)))
            report.update(
                device=device,
                capability="{}.{}".format(*capability),
                architecture=architecture(capability),
                warnings=[*apply(torch, capability), *warnings_of(torch, capability, device)],
            )
        report.update(flags(torch))
    except Exception as error:  # slower is better than not at all
        report["warnings"].append(f"nothing is set: {sentence(error)}")
    return report


def apply(torch: Any, capability: tuple[int, int]) -> list[str]:
    """Set each by itself; answer those that this torch refuses."""
    failures = []
    for name, set_it in settings(torch, capability):
        try:
            set_it()
        except Exception as error:  # such as a deprecation under -W error: the next may work
            failures.append(f"{name} is not set: {sentence(error)}")
    return failures


# --- Lightning


def trainer_kwargs(mixed: bool = True) -> dict[str, Any]:
    """Answer what a Lightning 2.x Trainer should be given, explicit where `auto` might choose otherwise.

    No distinction by capability: Lightning 2.x reads 16 as an alias of "16-mixed", so `"16-mixed" if capability >= 8
    else 16` has two names for one branch. A GPU before Volta has no tensor cores and gains memory only, not speed.
    A GPU that torch has no code for is asked for all the same: its error says what is wrong, a silent CPU would not.
    """
    try:
        gpu = capability_of(importlib.import_module("torch")) is not None
    except Exception:  # no torch, or a driver that breaks it
        gpu = False
    if not gpu:
        return {"accelerator": "cpu", "devices": 1, "precision": 32}
    return {"accelerator": "gpu", "devices": 1, "precision": "16-mixed" if mixed else 32}


def lightning() -> tuple[Any, str]:
    """Import Lightning under its new name or its old one; answer the module, and which one it is with its version."""
    reasons = []
    for name in ("lightning", "pytorch_lightning"):
        try:
            module = importlib.import_module(name)
        except Exception as error:  # lightning 2.0.0 stops where setuptools has no pkg_resources
            reasons.append(f"{name}: {sentence(error)}")
        else:
            return module, f"{name} {getattr(module, '__version__', 'of an unknown version')}"
    raise ImportError("neither can be imported: " + "; ".join(reasons))


# --- the command


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
    """Print what is set in this process, which ends with it: a report, not a way to set anything elsewhere."""
    print("\n".join(lines(tune())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
