"""envreport: print the environment as a block of lines at each start of the container; a failure never stops a service.

Standard library only, Python 3.8 and later; `probe.py` is in the same folder. A service that prints the block itself
(SeedVR's download.py does, with its lines for flash-attention) calls `log`:

    sys.path.insert(0, "/opt/torchpin")
    from envreport import log
    log(style="flash-attention")
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import probe
from probe_expectation import normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FLASH_ATTENTION = "flash-attention"
TITLES = {
    "": "--- ENVIRONMENT INFO ---",
    FLASH_ATTENTION: "--- ENVIRONMENT INFO (for flash-attention compatibility) ---",
}
LABELS = {"flash-attn": "Flash-attention"}  # as in the lines of that style
BOTTOM = "--- END ENVIRONMENT INFO ---"
TIMEOUT_SECONDS = 120  # a hanging driver must not keep the service from starting
CUDNN_9 = 90000  # from 9 on the number has another digit for the minor version


def cudnn_text(number: int | None) -> str | None:
    """Return a cuDNN version: 9.1.0 for 90100, 8.9.2 for 8902."""
    if number is None:
        return None
    unit = 10000 if number >= CUDNN_9 else 1000
    return f"{number // unit}.{number % unit // 100}.{number % 100}"


def tag(checkout: str, commit: str) -> str | None:
    """Return the tag of a commit if git's ref files name it, without reading objects."""
    common = probe.git_folders(checkout)[1]
    tags = {name: value for name, value in probe.packed_refs(common).items() if name.startswith("refs/tags/")}
    for loose in sorted(Path(common, "refs", "tags").rglob("*")):
        if loose.is_file():
            tags[loose.relative_to(common).as_posix()] = loose.read_text(encoding="utf-8").strip()
    names = sorted(name[len("refs/tags/") :] for name, value in tags.items() if value == commit)
    return names[0] if names else None


def described(checkout: str, commit: str) -> str:
    """Return `966e9d7f6bb4 (v0.10.0)`, the commit alone, or the error."""
    if commit.startswith("error"):
        return commit
    name = probe.attempt(lambda: tag(checkout, commit))
    return commit[:12] + (f" ({name})" if name else "")


def version(document: dict[str, Any], name: str) -> str | None:
    """Return the version of a distribution in the environment, else in the base."""
    recorded_version: str | None = document["distributions"].get(name) or document["inherited"].get(name)
    return recorded_version


def collect(packages: Sequence[str] = (), sources: Sequence[str] = ()) -> dict[str, Any]:
    """Return the report's fields; one that cannot be read is None. `error` says why none could be read."""
    report: dict[str, Any] = {"python": platform.python_version()}
    try:
        document = probe.collect(sources=sources)
        torch = document["torch"] or {}
        gpu = document["gpu"] or {}
        report.update(
            torch=torch.get("version") or torch.get("error"),
            torch_error=torch.get("error") if torch else "torch is not installed",
            cuda=torch.get("cuda"),
            cuda_available=bool(gpu.get("devices")),
            cudnn=probe.attempt(lambda: cudnn_text(torch.get("cudnn"))),
            gpus=gpu.get("devices", []),
            gpu_error=gpu.get("error"),
            driver=gpu.get("driver"),
            packages={name: version(document, normalized(name)) for name in packages},
            sources={path: described(path, commit) for path, commit in document["sources"].items()},
        )
    except Exception as error:  # a report must not break its caller
        report["error"] = probe.sentence(error)
    return report


def gpu_lines(gpus: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield three lines for each GPU, numbered if there are several."""
    if not gpus:
        yield "GPU device: none"
    for index, gpu in enumerate(gpus):
        number = f" {index}" if len(gpus) > 1 else ""
        yield f"GPU device{number}: {gpu['name']}"
        yield f"CUDA capability{number}: {gpu['capability']}"
        yield f"GPU memory{number}: {gpu['memory_bytes'] / 2**30:.1f} GiB"


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report's lines."""
    yield f"Python version: {report.get('python')}"
    if report.get("error"):
        yield f"Report error: {report['error']}"
        return
    yield f"PyTorch version: {report.get('torch') or 'not installed'}"
    yield f"CUDA version: {report.get('cuda') or 'none'}"
    yield f"CUDA available: {bool(report.get('cuda_available'))}"
    yield f"cuDNN version: {report.get('cudnn') or 'none'}"
    yield from gpu_lines(report.get("gpus") or ())
    if report.get("gpu_error"):
        yield f"GPU error: {report['gpu_error']}"
    yield f"Driver version: {report.get('driver') or 'none'}"
    for name, version in (report.get("packages") or {}).items():
        yield f"{name} version: {version or 'not installed'}"
    for path, commit in (report.get("sources") or {}).items():
        yield f"{Path(path).name} commit: {commit}"


def flash_attention_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of SeedVR's download.py: these labels in this order, and one line for an error."""
    yield f"Python version: {report.get('python')}"
    error = report.get("error") or report.get("torch_error") or report.get("gpu_error")
    if error:
        yield f"Error getting version info: {error}"
        return
    yield f"PyTorch version: {report.get('torch')}"
    yield f"CUDA version: {report.get('cuda') or 'none'}"
    yield f"CUDA available: {bool(report.get('cuda_available'))}"
    for gpu in (report.get("gpus") or ())[:1]:  # SeedVR runs on the first
        major, minor = gpu["capability"].split(".")
        yield f"GPU device: {gpu['name']}"
        yield f"CUDA capability: ({major}, {minor})"
    for name, installed_version in (report.get("packages") or {}).items():
        yield f"{LABELS.get(normalized(name), name)} version: {installed_version or 'not installed'}"


def block(report: dict[str, Any], style: str = "") -> list[str]:
    """Return the lines of the block, with its title and its last line."""
    inside = flash_attention_lines if style == FLASH_ATTENTION else lines
    # users of a flash-attention service know this title; the lines with cuDNN stay
    title_style = FLASH_ATTENTION if "flash-attn" in (report.get("packages") or {}) else style
    return [TITLES[title_style], *inside(report), BOTTOM]


def render(report: dict[str, Any], style: str = "") -> str:
    """Return the block as one text."""
    return "\n".join(block(report, style)) + "\n"


def log(
    print_: Callable[[str], object] = print, packages: Sequence[str] = ("flash-attn",), style: str = ""
) -> None:
    """Print the block line by line by a function such as a logger's `info`; no exception is raised."""
    try:
        try:
            block_lines = block(collect(packages), style)
        except Exception as error:  # an unknown style, a GPU without a capability
            block_lines = [
                TITLES.get(style, TITLES[""]),
                f"Error getting version info: {probe.sentence(error)}",
                BOTTOM,
            ]
        for line in block_lines:
            print_(line)
    except Exception:  # stdout may be closed, which is no reason to stop a service
        pass


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; always return 0."""
    parser = argparse.ArgumentParser(prog="envreport.py", description="Print a report of this environment.")
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", help="packages whose versions are printed")
    parser.add_argument(
        "--style", choices=[FLASH_ATTENTION], default="", help="the block of SeedVR's download.py"
    )
    parser.add_argument("--source", dest="sources", metavar="PATH", action="append", default=[])
    try:
        options = parser.parse_args(argv)
        sys.stdout.write(render(collect(options.packages, options.sources), options.style))
        sys.stdout.flush()
    except SystemExit:  # argparse has printed the error
        return 0
    except Exception as error:  # a report must not break its caller
        sys.stderr.write(f"envreport: {probe.sentence(error)}\n")
    return 0


if __name__ == "__main__":
    signal.alarm(TIMEOUT_SECONDS)
    sys.exit(main())
