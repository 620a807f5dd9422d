"""`check` takes work in proportion to what it reads: counted in calls of functions, since time depends on the machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.commands.check import CheckOptions, check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE = "FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\n"
TORCH = "RUN pip install torch==2.5.1 --index-url https://download.pytorch.org/whl/cu124\n"
FEW, TIMES = 40, 4
MOST_GROWTH = 1.25  # of calls, over TIMES: what is sorted grows a little faster than its length


def repeated(line: str) -> Callable[[int], dict[str, str]]:
    return lambda count: {"Dockerfile": BASE + TORCH + "".join(line.format(n) for n in range(count))}


FILES: dict[str, Callable[[int], dict[str, str]]] = {
    "installs": repeated("RUN pip install package{0}==1.{0} other{0}>=2 && rm -rf /tmp/{0}\n"),
    "the same package": repeated("RUN pip install einops==0.{0}\n"),
    "replaced torch": repeated("RUN pip install torch==2.5.1\n# {0}\n"),
    "commands of a line": lambda count: {
        "Dockerfile": BASE + "RUN " + " && ".join(f"pip install p{n}==1" for n in range(count)) + "\n"
    },
    "redirects of a line": lambda count: {"Dockerfile": f"{BASE}RUN pip install {'a>=1 ' * count}\n"},
    "scripts that run each other": lambda count: {
        "Dockerfile": f"{BASE}COPY . .\nRUN bash 0.sh\n",
        **{f"{n}.sh": f"bash {n + 1}.sh\nbash {n}.sh\n" for n in range(min(count, 8))},
    },
    "arms": repeated("RUN if [ -e /x{0} ]; then pip install a{0}; else pip install b{0}; fi\n"),
    "copies": repeated("COPY src/{0} /app/{0}\n"),
    "variables": repeated("ENV NAME{0}=${{NAME{0}:-value}}\n"),
    "stages": repeated("FROM python:3.11-slim AS stage{0}\nRUN pip install einops\n"),
    "heredocs": repeated("RUN <<EOF\npip install package{0}\ngit clone https://example.com/x/y{0}\nEOF\n"),
    "directives": repeated("# torchpin: ignore=ADO012 because {0}\nRUN pip install package{0}\n"),
    "lines of a list": lambda count: {
        "Dockerfile": BASE + "COPY . /app\nRUN pip install -r /app/requirements.txt\n",
        "requirements.txt": "".join(f"package{n}>={n}\n" for n in range(count)),
    },
    "lists": lambda count: {f"{n}/requirements.txt": f"package{n}\n-r ../x.txt\n" for n in range(count)},
    "Dockerfiles": lambda count: {f"{n}/Dockerfile": BASE + TORCH for n in range(count)},
}


def calls(function: Callable[[], Any]) -> int:
    """How many functions are called."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_the_work_grows_as_the_files_do(files: Callable[[int], dict[str, str]], tmp_path: Path) -> None:
    counts = []
    for number, size in enumerate((1, FEW, FEW * TIMES)):
        folder = tmp_path / str(number)
        for name, text in files(size).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        options = CheckOptions(paths=(str(folder),))
        counts.append(calls(lambda options=options: check(options)))  # type: ignore[misc]
    assert counts[2] < counts[1] * TIMES * MOST_GROWTH
