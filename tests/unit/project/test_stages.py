"""Stages, their variables and folders, as a build with its options makes them."""

from __future__ import annotations

import pytest

from torchpin.project.build_steps import build_steps
from torchpin.project.stages import BuildInputs, parse_build


def images(text: str, **options: str) -> list[str]:
    inputs = BuildInputs(args=tuple(options.items()))
    return [stage.image for stage in parse_build(text, inputs).stages]


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("ARG CUDA=12.8.1\nARG BASE=nvidia/cuda:${CUDA}-x\nFROM ${BASE}\n", "nvidia/cuda:12.8.1-x"),
        ("ARG A=1 B=a:$A\nFROM $B\n", "a:1"),  # several in one line fill each other
        ("ARG A=12.8.1\nFROM a:${A%.*}\n", "a:12.8"),
        ("ARG A\nFROM ${A:-a:1}\n", "a:1"),
        ("ARG A\nFROM a:$A\n", "a:$A"),
        ("FROM a:$TARGETARCH\n", "a:amd64"),
        ("FROM --platform=$BUILDPLATFORM a:1 AS b\nFROM B\n", "a:1"),
        ('ARG A="a:1"\nFROM $A\n', "a:1"),
        ("ARG A=a:1\nFROM x\nARG A=b:2\nFROM $A\n", "a:1"),  # a stage's ARG is not seen by FROM
    ],
)
def test_a_base_image_is_filled_in_from_the_global_args(text: str, image: str) -> None:
    assert images(text)[-1] == image


def test_the_args_of_a_build_win_over_defaults() -> None:
    assert images("ARG V=1\nARG B=a:$V\nFROM $B\n", V="2") == ["a:2"]
    assert images("ARG V=1\nARG B=a:$V\nFROM $B\n", B="c:3") == ["c:3"]


STAGES = """\
FROM a:1 AS Base
ONBUILD RUN triggered
FROM base AS build
RUN make
FROM b:1 AS unused
FROM c:1 AS mounted
FROM d:1 AS final
COPY --from=BUILD /x /x
RUN --mount=type=bind,from=mounted,target=/m true
"""


def test_only_stages_that_the_target_stands_on_are_needed() -> None:
    build = parse_build(STAGES)
    assert {build.stages[number].name for number in build.needed} == {"base", "build", "mounted", "final"}
    chosen = parse_build(STAGES, BuildInputs(target="Build"))
    assert {chosen.stages[number].name for number in chosen.needed} == {"base", "build"}
    assert chosen.target
    assert chosen.target.image == "a:1"


def test_an_onbuild_belongs_to_the_stage_that_is_from_its_own() -> None:
    build = parse_build(STAGES)
    assert [(row.keyword, row.text, row.line) for row in build.stages[1].own] == [
        ("RUN", "triggered", 2),
        ("RUN", "make", 4),
    ]
    assert [row.keyword for row in build.stages[0].own] == ["ONBUILD"]
    assert [row.text for row in build.stages[1].instructions] == ["RUN triggered", "triggered", "make"]


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        ("FROM a b\n", BuildInputs(), ("FROM takes an image, or an image AS a name", 1)),
        ("FROM a AS 1b\n", BuildInputs(), ("'1b' is not the name of a stage", 1)),
        ("ARG A=\nFROM $A\n", BuildInputs(), ("the image $A is empty", 2)),
        ("FROM a\nFROM b\n", BuildInputs(target="c"), ("there is no stage c", 2)),
        ("FROM a\nCOPY --from=3 x y\n", BuildInputs(), ("the stage 3 must stand before the one that copies from it", 2)),
        (
            "FROM a AS x\nCOPY --from=y z z\nFROM b AS y\n", BuildInputs(target="x"),
            ("the stage y must stand before the one that copies from it", 2),
        ),
    ],
)  # fmt: skip
def test_a_build_that_buildkit_refuses_is_a_problem(
    text: str, options: BuildInputs, problem: tuple[str, int]
) -> None:
    (row,) = parse_build(text, options).problems
    assert (row.message, row.place.line) == problem


def variables_at_end(text: str, *names: str, **options: str) -> list[str | None]:
    inputs = BuildInputs(args=tuple(options.items()))
    *_, last = build_steps(f"{text}RUN end\n", inputs)
    return [last.variables.values.get(name) for name in names]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("FROM a\nARG X=1\n", "1"),
        ("ARG X=1\nFROM a\n", None),  # not seen without an ARG of its own
        ("ARG X=1\nFROM a\nARG X\n", "1"),
        ("ARG X=1\nFROM a\nARG X=2\n", "2"),
        ("FROM a\nARG Y=1 X=$Y\n", "1"),
        ("FROM a\nARG X=1\nENV X=2\n", "2"),
        ("FROM a\nENV X=2\nARG X\n", "2"),
        ("FROM a\nENV X=1\nENV X=2 Y=$X\nENV X=$Y\n", "1"),  # an ENV sees what was before it
        ("FROM a AS b\nARG X=1\nFROM b\n", "1"),
        ("FROM a AS b\nARG X=1\nFROM a\n", None),
        ("FROM a\nARG TARGETARCH\nENV X=$TARGETARCH\n", "amd64"),
        ("FROM a\nENV X=cuda>=12.8\n", "cuda>=12.8"),
        ("FROM a\nENV X=a&b;c\n", "a&b;c"),
        ('FROM a\nENV X="a b" Y=c\\ d\n', "a b"),
        ('FROM a\nENV X a  "b" c\n', "a  b c"),
        ("FROM a\nENV X=a#b\n", "a#b"),
        ("FROM a\nENV X='$Y'\n", "$Y"),
        ("FROM a\nENV X=\n", ""),
    ],
)
def test_a_variable_has_the_value_that_a_run_sees(text: str, value: str | None) -> None:
    assert variables_at_end(text, "X") == [value]


def test_an_arg_of_the_build_wins_over_a_default_and_not_over_an_env() -> None:
    assert variables_at_end("FROM a\nARG X=1\n", "X", X="9") == ["9"]
    assert variables_at_end("FROM a\nARG X=1\nENV X=2\n", "X", X="9") == ["2"]
    assert variables_at_end("FROM a\n", "X", X="9") == [None]
    assert variables_at_end("FROM a\n", "http_proxy", http_proxy="p") == ["p"]


def test_folder_user_and_shell_go_on_in_a_stage_that_is_from_another_one() -> None:
    text = (
        'FROM a AS b\nARG D=w\nWORKDIR /srv/x\nWORKDIR ../$D\nUSER me\nSHELL ["/bin/bash", "-c"]\n'
        "FROM b\nWORKDIR y\nRUN end\nFROM a\nRUN end\n"
    )  # fmt: skip
    runs = [step for step in build_steps(text) if step.instruction.keyword == "RUN"]
    assert [(step.folder, step.user, step.shell) for step in runs] == [
        ("/srv/w/y", "me", ("/bin/bash", "-c")),
        ("/", "", ("/bin/sh", "-c")),
    ]


def test_a_step_knows_whether_it_is_part_of_the_image() -> None:
    steps = [(step.stage.name, step.is_needed, step.in_image) for step in build_steps(STAGES)]
    assert dict.fromkeys(steps) == dict.fromkeys([
        ("base", True, False), ("build", True, False), ("final", True, True),
    ])  # fmt: skip
