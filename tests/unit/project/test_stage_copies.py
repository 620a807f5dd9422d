"""What is copied from another stage: whether it may hold the packages that the stage installs, or a whole Python."""

from __future__ import annotations

import pytest

from torchpin.project.stage_copies import copied_python, may_have_packages, stage_copies
from torchpin.project.stages import parse_build

PIP = "RUN pip install torch --index-url https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("install", "copy", "expected"),
    [
        (PIP, "COPY --from=a /out/model.onnx /srv/", False),
        (PIP, "COPY --from=a /out /srv", False),
        (PIP, "COPY --from=a /usr/local /usr/local", True),
        (PIP, "COPY --from=a /usr/local/lib/python3.11/site-packages /p", True),
        (PIP, "COPY --from=a / /", True),
        (PIP, "COPY --from=0 /root/.local /root/.local", True),
        (PIP, "ARG P\nCOPY --from=a $P /x", True),
        (PIP, "RUN --mount=type=bind,from=a,target=/a cp -r /a/usr/local /usr/", True),
        (f"{PIP} --target /out", "COPY --from=a /out /srv", True),
        ("RUN python -m venv /v && /v/bin/pip install torch", "COPY --from=a /v /v", True),
        ("RUN pip wheel -w /w torch", "COPY --from=a /w /w", True),
        (f"{PIP}\nFROM a AS b", "COPY --from=b /usr/local /usr/local", True),
        (f"{PIP}\nFROM a AS b", "COPY --from=b /out /out", False),
    ],
)
def test_paths_tell_whether_packages_are_copied(install: str, copy: str, *, expected: bool) -> None:
    text = f"FROM python:3.11-slim AS a\n{install}\nFROM debian:12\n{copy}\n"
    assert may_have_packages(parse_build(text).stages[0], stage_copies(text)) is expected


@pytest.mark.parametrize(
    ("copy", "image"),
    [
        ("COPY --from=a /usr/local /usr/local", "python:3.11-slim"),
        ("COPY --from=python:3.12-slim /usr/local/bin /usr/local/bin", "python:3.12-slim"),
        ("COPY --from=a /usr/local/lib/python3.11/ /usr/local/lib/python3.11/", "python:3.11-slim"),
        ("COPY --from=a /usr/local/bin/tool /usr/local/bin/", ""),
        ("COPY --from=a /srv /srv", ""),
        ("COPY usr/local /usr/local", ""),
    ],
)
def test_a_python_may_be_copied_as_a_whole(copy: str, image: str) -> None:
    text = f"FROM python:3.11-slim AS a\nFROM debian:12\n{copy}\n"
    found = copied_python(stage_copies(text))
    assert (found.image if found else "") == image
