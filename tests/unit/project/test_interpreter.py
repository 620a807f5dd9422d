"""The Python of an image is the one that its installs are run with, and unknown where no line tells it."""

from __future__ import annotations

import pytest

from torchpin.project.interpreter import UNKNOWN, PythonSource, image_python
from torchpin.project.runs import parse_runs

SYSTEM = PythonSource("3.10.12", "Dockerfile:1:1", "ubuntu22.04 has it")
BASE = PythonSource("3.11", "Dockerfile:1:1", "the base has it")
TORCH = "pip install torch==2.7.1\n"


def python_of(lines: str, base: PythonSource = UNKNOWN, *, is_default: bool = True) -> tuple[str, str]:
    source = image_python(parse_runs(f"FROM a\n{lines}", "Dockerfile"), base, SYSTEM, is_default=is_default)
    return source.version, source.location


@pytest.mark.parametrize(
    ("lines", "version", "place"),
    [
        ("RUN apt-get install -y python3.12 && ln -sf /usr/bin/python3.12 /usr/bin/python3\nRUN python3 -m " + TORCH, "3.12", "2:38"),
        ("RUN apt-get install -y python3.12\nRUN python3.12 -m " + TORCH, "3.12", "3:5"),
        ("RUN pip3.11 install torch\n", "3.11", "2:5"),
        ("ARG V=3.12\nRUN python${V} -m " + TORCH, "3.12", "3:5"),
        ("RUN apt-get install -y python3-pip\nRUN " + TORCH, "3.10.12", "2:5"),
        ("RUN apt install python3.11 python3.11-venv=3.11.4-1 && " + TORCH, "3.11", "2:5"),
        ("RUN update-alternatives --install /usr/bin/python python /usr/bin/python3.12 1\nRUN python -m " + TORCH, "3.12", "2:5"),
        ("RUN update-alternatives --set python3 /usr/bin/python3.9\nRUN python3 -m " + TORCH, "3.9", "2:5"),
        ("RUN curl -sS https://bootstrap.example/get-pip.py | python3.12\nRUN " + TORCH, "3.12", "2:53"),
        ("RUN python3.12 get-pip.py\nRUN " + TORCH, "3.12", "2:5"),
        ("RUN python3.13 -m venv /opt/venv\nRUN /opt/venv/bin/" + TORCH, "3.13", "2:5"),
        ("RUN uv venv --python 3.12 /opt/venv\nRUN uv pip install torch\n", "3.12", "2:5"),
        ("RUN uv pip install --system --python=3.11 torch\n", "3.11", "2:5"),
        ("RUN uv python install 3.12.4\nRUN uv sync\n", "3.12.4", "2:5"),
        ("ENV UV_PYTHON=3.13\nRUN uv sync --frozen\n", "3.13", "2:1"),
        ("RUN uv sync --python cpython-3.12\n", "3.12", "2:5"),
        ("RUN conda create -y -n x python=3.10\nRUN conda run -n x pip install torch\n", "3.10", "2:5"),
        ("RUN micromamba install -y python=3.11.* && " + TORCH, "3.11", "2:5"),
        ("RUN pyenv install 3.11.9 && " + TORCH, "3.11.9", "2:5"),
        ("RUN python3.9 -m pip install wheel\nRUN python3.12 -m " + TORCH, "3.12", "3:5"),  # that of torch counts
        ("RUN sudo -H PIP_X=1 python3.12 -m " + TORCH, "3.12", "2:5"),
        ("RUN " + TORCH, "3.10.12", "1:1"),
    ],
)  # fmt: skip
def test_what_runs_the_installs_is_the_python(lines: str, version: str, place: str) -> None:
    assert python_of(lines) == (version, f"Dockerfile:{place}")


def test_the_python_of_the_base_stays_where_nothing_else_installs() -> None:
    assert python_of("RUN " + TORCH, BASE) == ("3.11", "Dockerfile:1:1")
    assert python_of("RUN apt-get install -y python3 python3-dev\nRUN " + TORCH, BASE)[0] == "3.11"
    assert python_of("RUN conda install -y python=3.12\nRUN " + TORCH, BASE)[0] == "3.12"
    assert python_of("RUN true\n", BASE)[0] == "3.11"


def test_a_wheel_tells_the_python_where_nothing_else_does() -> None:
    wheel = "RUN pip install https://e.example/flash_attn-2.7-cp311-cp311-linux_x86_64.whl\n"
    assert python_of(wheel, is_default=False) == ("3.11", "Dockerfile:2:5")
    assert python_of(wheel) == ("3.11", "Dockerfile:2:5")  # more than what a system would have
    assert python_of(
        "RUN pip install https://e.example/a-1-cp39-abi3-linux_x86_64.whl\n", is_default=False
    ) == ("", "")


@pytest.mark.parametrize("lines", ["RUN " + TORCH, "RUN /opt/run.sh\n", "RUN python3 -m " + TORCH, ""])
def test_of_an_image_that_nothing_is_known_of_no_python_is_invented(lines: str) -> None:
    assert python_of(lines, is_default=False) == ("", "")
