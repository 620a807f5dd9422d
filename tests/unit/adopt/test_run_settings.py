"""What is beyond the bounds of a description is said to be left out."""

from __future__ import annotations

import pytest

from torchpin.adopt.draft import draft_adoption
from torchpin.adopt.run_settings import run_settings
from torchpin.description import read
from torchpin.project.build_steps import image_environment


@pytest.mark.parametrize(
    ("keyword", "line"),
    [("EXPOSE", "EXPOSE {0}"), ("VOLUME", "VOLUME /data/{0}"), ("ENV", "ENV V{0}=1")],
)
def test_values_beyond_the_first_thousand_are_told(keyword: str, line: str) -> None:
    lines = [line.format(number) for number in range(1, 1004)]
    text = "\n".join(["FROM a:1", *lines])
    omitted: list[str] = []
    run = run_settings(text, image_environment(text), omitted)
    assert max(len(run.ports), len(run.volumes), len(run.env)) == 1000
    assert omitted == [f"3 values of {keyword} beyond the first 1000"]


def test_values_within_the_bounds_are_all_there() -> None:
    text = "FROM a:1\nEXPOSE 80 443/tcp 80\nVOLUME /a /b\nENV A=1\n"
    omitted: list[str] = []
    run = run_settings(text, image_environment(text), omitted)
    assert (run.ports, run.volumes, dict(run.env), omitted) == ((80, 443), ("/a", "/b"), {"A": "1"}, [])


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        ('CMD ["a", "b"]', ("a", "b")),
        ("CMD a $B", ("/bin/sh", "-c", "a $B")),
        ('ENTRYPOINT ["a"]\nCMD ["b"]', ("a", "b")),
        ('CMD ["b"]\nENTRYPOINT ["a"]', ("a", "b")),
        ('ENTRYPOINT a\nCMD ["b"]', ("/bin/sh", "-c", "a")),
        ('CMD ["a"]\nCMD ["b"]', ("b",)),
        ("EXPOSE 80", ()),
    ],
)
def test_the_command_is_that_of_entrypoint_and_cmd(lines: str, command: tuple[str, ...]) -> None:
    assert run_settings(f"FROM a:1\n{lines}\n", {}, []).command == command


def test_what_a_description_cannot_hold_is_left_out_and_said() -> None:
    text = (
        "FROM a:1\nARG PORT=8000\nEXPOSE $PORT 99999 9000-9010\nVOLUME relative /data\n"
        "ENV A='x \"y\"' B=$UNKNOWN:/b PATH=/x:$PATH C=1\n"
        'CMD ["python", "-c", "import a\\nprint(a)"]\n'
    )
    omitted: list[str] = []
    run = run_settings(text, image_environment(text), omitted)
    assert (run.ports, run.volumes, dict(run.env), run.command) == ((8000,), ("/data",), {"C": "1"}, ())
    assert omitted == [
        "the value of A, which holds quotes, backslashes, backticks or control characters; set it when the container starts",
        "the value of B, which depends on what is not known here; set it when the container starts",
        "EXPOSE 99999",
        "EXPOSE 9000-9010",
        "VOLUME relative",
        "the command, since an argument of it holds a line end or another control character; put what it runs into a file",
    ]


def test_only_the_setting_that_is_refused_is_left_out_of_a_draft() -> None:
    torch = "RUN pip install torch==2.6.0 --index-url https://download.pytorch.org/whl/cu124\n"
    dockerfile = f"FROM python:3.11-slim-bookworm\n{torch}VOLUME /tmp\nENV A=1\nEXPOSE 80\n"
    text = draft_adoption({"Dockerfile": dockerfile}, "x").text
    (service,) = read.read_services({"services/x/service.yaml": text})
    assert (service.run.volumes, dict(service.run.env), service.run.ports) == ((), {"A": "1"}, (80,))
    assert (
        "# - left out: run.volumes, since a description cannot hold it: run.volumes[0]: a volume at '/tmp'"
        in text
    )
