"""What is beyond the bounds of a description is said to be left out."""

from __future__ import annotations

import pytest

from torchpin.adopt.run_settings import run_settings
from torchpin.project.build_steps import image_environment
from torchpin.project.stages import final_stage


@pytest.mark.parametrize(
    ("keyword", "line"),
    [("EXPOSE", "EXPOSE {0}"), ("VOLUME", "VOLUME /data/{0}"), ("ENV", "ENV V{0}=1")],
)
def test_values_beyond_the_first_thousand_are_told(keyword: str, line: str) -> None:
    lines = [line.format(number) for number in range(1, 1004)]
    text = "\n".join(["FROM a:1", *lines])
    stage = final_stage(text)
    assert stage
    omitted: list[str] = []
    run = run_settings(stage, image_environment(text), omitted)
    assert max(len(run.ports), len(run.volumes), len(run.env)) == 1000
    assert omitted == [f"3 values of {keyword} beyond the first 1000"]


def test_values_within_the_bounds_are_all_there() -> None:
    text = "FROM a:1\nEXPOSE 80 443/tcp 80\nVOLUME /a /b\nENV A=1\n"
    stage = final_stage(text)
    assert stage
    omitted: list[str] = []
    run = run_settings(stage, image_environment(text), omitted)
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
    stage = final_stage(f"FROM a:1\n{lines}\n")
    assert stage
    assert run_settings(stage, {}, []).command == command
