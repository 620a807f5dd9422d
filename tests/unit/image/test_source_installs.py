"""Sources that are installed themselves: the stages and steps of a Dockerfile, what the probe expects, context lists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.dockerfile import dockerfile, instructions
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list
from torchpin.model import Source, Upstream
from torchpin.records.freeze import freeze_differences

if TYPE_CHECKING:
    from support.fixture_types import Environments, Locks
    from torchpin.model import Environment, Lock

TOOL = Source(
    name="tool", url="https://example.org/tool", commit="0f" * 20, path="third_party/tool", install="wheel"
)


def locked(env: Environment, lock: Locks, *build: str) -> Lock:
    row = Upstream(
        source="tool", commit="0f" * 20, file="", requirements=(), distribution="my-tool", build=build
    )
    return replace(lock(env), upstreams=(row,))


def lines_of(environment: Environments, lock: Locks, *build: str, **changes: Any) -> list[str]:
    env = environment(sources=(replace(TOOL, **changes),))
    return instructions(dockerfile(env, locked(env, lock, *build)))


def test_a_wheel_is_built_without_network_by_locked_tools_in_a_stage_of_their_own(
    environment: Environments, lock: Locks
) -> None:
    lines = lines_of(environment, lock, "setuptools")
    stages = [line for line in lines if line.startswith("FROM")]
    assert stages == [
        "FROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04 AS packages",
        "FROM packages AS tools",
        "FROM packages AS image",
        "FROM image AS proof",
        "FROM image",
    ]
    (tools,) = [line for line in lines if "--target /opt/tools" in line]
    assert "--no-deps --require-hashes --no-build" in tools
    assert "target=/run/torchpin/layers/build.requirements.txt" in tools
    (step,) = [line for line in lines if "--no-build-isolation" in line]
    assert step.startswith("RUN --network=none ")
    assert "from=tools,source=/opt/tools,target=/run/torchpin/tools" in step
    assert "pip install --offline --no-deps --no-build-isolation /tmp/tool && " in step
    assert lines.index(tools) < lines.index("FROM packages AS image") < lines.index(step)


def test_an_editable_source_is_installed_where_it_lies(environment: Environments, lock: Locks) -> None:
    lines = lines_of(environment, lock, "setuptools", install="editable", to="tool")
    (step,) = [line for line in lines if "--no-build-isolation" in line]
    assert "--no-build-isolation --editable /opt/lora/tool && " in step
    assert "/tmp/tool" not in step


def test_a_build_that_needs_nothing_has_no_tools(environment: Environments, lock: Locks) -> None:
    assert "RUN mkdir -p /opt/tools" in lines_of(environment, lock)


@pytest.mark.parametrize("install", [None, "requirements"])
def test_without_an_installed_source_there_is_one_stage(
    environment: Environments, lock: Locks, install: str | None
) -> None:
    lines = lines_of(environment, lock, install=install)
    assert next(line for line in lines if line.startswith("FROM")).endswith(" AS image")
    assert not any("/opt/tools" in line for line in lines)


def test_both_stages_have_the_same_settings(environment: Environments, lock: Locks) -> None:
    lines = lines_of(environment, lock, "setuptools")
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM packages")]
    for start in starts:
        assert [line.split("=")[0] for line in lines[start + 1 : start + 9]] == [
            "ARG SOURCE_DATE_EPOCH",
            "ARG PYTHONDONTWRITEBYTECODE",
            "ARG KEEP_DOWNLOADS",
            "ARG UV_CACHE_DIR",
            "ARG UV_LINK_MODE",
            "ARG UV_NO_CONFIG",
            "ARG UV_NO_PROGRESS",
            "ARG UV_PYTHON_INSTALL_DIR",
        ]


def test_a_source_without_a_tag_is_labelled_with_its_commit(environment: Environments, lock: Locks) -> None:
    label = f'io.torchpin.source.tool="https://example.org/tool#{"0f" * 20}"'
    assert any(label in line for line in lines_of(environment, lock))


def test_the_probe_expects_the_distribution_in_any_version(environment: Environments, lock: Locks) -> None:
    env = environment(sources=(replace(TOOL, to="tool"),))
    expected: dict[str, Any] = plan.probe_expectations(env, locked(env, lock))
    assert expected["distributions"]["my-tool"] == ""
    assert expected["sources"] == {"/opt/lora/tool": "0f" * 20}
    assert plan.probe_expectations(env, locked(env, lock), home="/work")["sources"] == {
        "/work/third_party/tool": "0f" * 20
    }


def test_a_freeze_record_has_the_distribution(environment: Environments, lock: Locks) -> None:
    env = environment(sources=(TOOL,))
    with_source = locked(env, lock)
    pins = "".join(f"{name}=={package.version}\n" for name, package in with_source.packages.items())
    assert freeze_differences(f"{pins}my-tool==1.2\n", with_source) == ()
    assert freeze_differences(pins, with_source) == (
        "my-tool: the source is installed by its lock, but it is not installed",
    )
    assert freeze_differences(f"{pins}my-tool==1.2\n", lock(env)) == (
        "my-tool: 1.2 is installed, but not locked",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"tag": "v1"}, "v1 "),
        ({"submodules": True}, " submodules"),
        ({"submodules": ("a", "b")}, " submodule=a submodule=b"),
        ({"submodules": False, "lfs": False}, ""),
        ({"lfs": True}, " lfs"),
    ],
)
def test_the_context_list_has_what_decides_the_files_of_a_source(changes: dict[str, Any], words: str) -> None:
    context = plan.BuildContext(files={}, uv="0", sources={"sources/tool": replace(TOOL, **changes)})
    before, after = (words, "") if words.startswith("v1") else ("", words)
    line = f"sources/tool/  https://example.org/tool {before}{'0f' * 20}{after}\n"
    assert line in render_context_list(context)
