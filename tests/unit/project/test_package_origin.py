"""From which index a package comes by the rules of pip and uv."""

from __future__ import annotations

import pytest

from torchpin.project.index_list import Setting, pip_indexes, uv_indexes
from torchpin.project.package_origin import PackageOrigin, package_origin
from torchpin.project.pip_arguments import Argument, parse_arguments
from torchpin.project.requirement import parse_target

PYTORCH = "https://download.pytorch.org/whl"
OTHER = "https://wheels.example.com/simple"


def origin(command: str, target: str = "torch==2.7.1", **settings: str) -> PackageOrigin:
    """Where a target of `pip …` or `uv …` comes from."""
    tool, *words = command.split()
    arguments = parse_arguments([Argument(word, "D:9:1") for word in words])
    variables = {name: Setting(value, "D:2:1") for name, value in settings.items()}
    indexes = uv_indexes(arguments, variables) if tool == "uv" else pip_indexes(arguments, variables, {})
    return package_origin(indexes, parse_target(target, "D:9:20"))


@pytest.mark.parametrize(
    ("command", "target", "channel"),
    [
        ("pip", "torch==2.7.1", "pypi"),
        ("pip", "torch", "pypi"),
        (f"pip -i {PYTORCH}/cu128", "torch", "cu128"),
        (f"pip -i {PYTORCH}/rocm6.3", "torch==2.7.1", "rocm6.3"),
        (f"pip -i {PYTORCH}/nightly/cu128", "torch", "nightly/cu128"),
        # 2.7.1+cu128 is higher than 2.7.1, but only where the channel has it
        (f"pip --extra-index-url {PYTORCH}/cu128", "torch==2.7.1", "cu128"),
        (f"pip --extra-index-url {PYTORCH}/cu121", "torch==2.7.1", "pypi"),
        (f"pip --extra-index-url {PYTORCH}/cu126 --extra-index-url {PYTORCH}/cu128", "torch==2.7.1", "cu128"),
        (f"pip --extra-index-url {OTHER}", "torch==2.7.1+cu126", "cu126"),
        (f"uv --extra-index-url {PYTORCH}/cu128", "torch", "cu128"),
        (f"uv --index {PYTORCH}/cpu --default-index {OTHER}", "torchvision==0.22.1", "cpu"),
        # uv does not look further than the first index that has the name, whatever releases are there
        (f"uv --index {PYTORCH}/cu121", "torch==2.7.1", "cu121"),
        (f"uv --index {PYTORCH}/cu121 --index-strategy unsafe-first-match", "torch==2.7.1", "pypi"),
        (f"uv --index {PYTORCH}/cu121 --index-strategy unsafe-best-match", "torch==2.7.1", "pypi"),
        ("uv --torch-backend cu126", "torchaudio", "cu126"),
        ("uv --torch-backend cu126", "einops==0.8.1", "pypi"),
        ("pip", f"{PYTORCH}/cu124/torch-2.6.0%2Bcu124-cp311-cp311-linux_x86_64.whl", "cu124"),
        ("pip", f"torch @ {PYTORCH}/xpu/torch-2.6.0-cp311-cp311-linux_x86_64.whl", "xpu"),
    ],
)  # fmt: skip
def test_an_index_that_can_be_told_is_told(command: str, target: str, channel: str) -> None:
    answer = origin(command, target)
    assert (answer.channel, answer.unknown) == (channel, False)


@pytest.mark.parametrize(
    ("command", "target", "reason"),
    [
        (f"pip --extra-index-url {PYTORCH}/cu128", "torch", "`torch` has no exact version"),
        (f"pip --extra-index-url {OTHER}", "torch==2.7.1", f"it is not known what {OTHER} has"),
        (f"pip --extra-index-url {PYTORCH}/cu128", "numpy==2.1.3", "the highest version of all indexes"),
        (f"pip -i {OTHER}", "torch==2.7.1", "from its index"),
        (f"uv --index {OTHER}", "torch==2.7.1", f"it is not known whether {OTHER} has torch"),
        (f"uv --index {PYTORCH}/cu128", "numpy", f"it is not known whether {PYTORCH}/cu128 has numpy"),
        ("uv --torch-backend auto", "torch==2.7.1", "which depends on the machine that builds the image"),
        ("pip --no-index", "torch==2.7.1", "without an index"),
    ],
)
def test_what_cannot_be_told_is_unknown_with_a_reason(command: str, target: str, reason: str) -> None:
    answer = origin(command, target)
    assert (answer.channel, answer.unknown) == ("", True)
    assert reason in answer.reason


def test_an_answer_has_the_place_that_decides_it() -> None:
    assert origin("pip", PIP_INDEX_URL=f"{PYTORCH}/cu128") == PackageOrigin(
        channel="cu128", reason="from its index", url=f"{PYTORCH}/cu128", location="D:2:1"
    )
    assert origin("uv", UV_TORCH_BACKEND="cu128").location == "D:2:1"
    assert origin("pip").location == "D:9:20"


@pytest.mark.parametrize(
    "mirror", ["https://mirror.example/pypi/simple", "https://pypi.example.cn/simple/", "https://pypi/simple"]
)
def test_a_mirror_of_pypi_is_pypi(mirror: str) -> None:
    assert origin(f"pip -i {mirror}").channel == "pypi"
    assert origin(f"uv --default-index {mirror} --index {PYTORCH}/cu128").channel == "cu128"
