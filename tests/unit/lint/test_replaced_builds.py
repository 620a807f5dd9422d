"""A torch that a later step of the same environment replaces by another channel's build of the release."""

from __future__ import annotations

import pytest

from torchpin.installs.project import parse_project
from torchpin.lint.scan import find_matches

BASE = "FROM nvidia/cuda:12.8.1-runtime-ubuntu22.04\n"
URL = "https://download.pytorch.org/whl"
FIRST = f"pip3 install torch==2.7.1 --index-url {URL}/cu128"
SECOND = f"pip3 install torch==2.7.1+cpu --index-url {URL}/cpu"


def replaced(*lines: str) -> list[tuple[str, str]]:
    text = BASE + "".join(f"{line}\n" for line in lines)
    matches = find_matches(parse_project({"Dockerfile": text}), {"ADO003"})
    return [(match.finding.location, match.finding.message) for match in matches]


def test_a_build_of_another_channel_replaces_torch() -> None:
    assert replaced(f"RUN {FIRST}", f"RUN {SECOND}") == [
        (
            "Dockerfile:3:18",
            "`torch==2.7.1+cpu` replaces torch 2.7.1+cu128 of Dockerfile:2:18 with the build of cpu",
        )
    ]


@pytest.mark.parametrize("option", ["-U", "--upgrade", "--force-reinstall"])
def test_an_upgrade_replaces_it_without_a_local_part(option: str) -> None:
    second = f"RUN pip3 install {option} torch==2.7.1 --index-url {URL}/cpu"
    assert len(replaced(f"RUN {FIRST}", second)) == 1


@pytest.mark.parametrize(
    "lines",
    [
        (
            f"RUN {FIRST}",
            f"RUN pip3 install torch==2.7.1 --index-url {URL}/cpu",
        ),  # what is installed satisfies it
        (f"RUN {FIRST}", f"RUN pip3 install torch==2.7.1+cu128 --index-url {URL}/cu128"),
        (f"RUN {FIRST}", f"RUN /opt/other/bin/{SECOND}"),
        (f"RUN {FIRST}", f"RUN python3 -m venv /o && . /o/bin/activate && {SECOND}"),
        (f"RUN {FIRST}", "ENV PATH=/opt/other/bin:$PATH", f"RUN {SECOND}"),
        (f"RUN {FIRST}", "RUN python3 -m venv /o", f"RUN {SECOND}"),
        ("ARG CPU", f"RUN {FIRST}", f'RUN if [ -n "$CPU" ]; then {SECOND}; fi'),
        ("ARG CPU", f'RUN if [ -n "$CPU" ]; then {SECOND}; else {FIRST}; fi'),
        (f"RUN {FIRST} || {SECOND}",),
        (f"RUN {FIRST}", f"FROM python:3.11.9-slim\nRUN {SECOND}"),
        (f"RUN {FIRST} --target /a", f"RUN {SECOND} --target /b"),
    ],
)
def test_another_environment_or_arm_replaces_nothing(lines: tuple[str, ...]) -> None:
    assert replaced(*lines) == []
