from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.dockerfile import TEMPLATE
from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.assembly.prefix import (
    can_be_finished,
    expect_prefix,
    installed_by_running,
    prefix_context,
    prefix_plan,
)
from torchpin.image.dockerfile import render_dockerfile
from torchpin.image.plan import EXPECTATION, build_context, image_plan
from torchpin.tools.resources import read_resource

if TYPE_CHECKING:
    from torchpin.image.plan import BuildContext
    from torchpin.model import Lock

ENV = read_environment(DESCRIPTION)
LOCK = make_lock(ENV)
DOCKERFILE = "FROM base AS image\nRUN /run/torchpin/uv venv /opt/venv\n"


def with_source(name: str) -> Lock:
    """The lock, with a package that exists as source only."""
    layers = (
        replace(
            layer,
            packages=tuple(
                replace(package, filename=f"{name}.tar.gz") if package.name == name else package
                for package in layer.packages
            ),
        )
        for layer in LOCK.layers
    )
    return replace(LOCK, layers=tuple(layers))


def test_a_prefix_installs_what_has_to_be_built_and_no_wheel() -> None:
    assert prefix_plan(ENV, LOCK).steps == ()
    lock = with_source("six")
    (step,) = prefix_plan(ENV, lock).steps
    assert [package.name for package in step.artifacts] == ["six"]
    assert step.builds
    full = image_plan(ENV, lock)
    assert replace(prefix_plan(ENV, lock), steps=full.steps, finished=True) == full


def test_a_prefix_reads_nothing_of_wheels_and_of_the_proof() -> None:
    context = build_context(ENV, installed_by_running(LOCK), runtime={"a.py": "x"}, smoke="y")
    assert EXPECTATION in context.files
    files = prefix_context(context, "", finished=True).files
    assert EXPECTATION not in files
    assert not any(path.startswith("layers/") for path in files)
    assert files["runtime/a.py"] == "x"
    moved = build_context(
        ENV, installed_by_running(make_lock(ENV, six="1.16.0")), runtime={"a.py": "x"}, smoke="y"
    )
    assert prefix_context(moved, "", finished=True).files == files


def rendered_prefix(description: str, lock: Lock = LOCK) -> tuple[str, BuildContext]:
    env = read_environment(description)
    if "Serving" in description:
        env = replace(env, service=replace(env.service, name="other"))
    dockerfile = render_dockerfile(TEMPLATE, prefix_plan(env, lock))
    context = build_context(
        env, installed_by_running(lock), runtime={"settle.sh": "s", "start.sh": "x"}, smoke="y"
    )
    return dockerfile, prefix_context(context, dockerfile, finished=False)


def test_services_that_run_the_same_have_one_prefix() -> None:
    other = DESCRIPTION.replace("Training", "Serving") + (
        "run: {env: {A: b}, ports: [8000], command: [python, app.py], labels: {x: y}}\n"
        "files: [{from: app, to: app}]\n"
        "sources: [{name: x, path: third_party/x, url: https://github.com/a/x, commit: 0123456789012345678901234567890123456789}]\n"
    )
    dockerfile, context = rendered_prefix(DESCRIPTION)
    assert rendered_prefix(other)[0] == dockerfile
    assert dict(context.files) == rendered_prefix(other)[1].files == {"runtime/settle.sh": "s"}
    assert not rendered_prefix(other)[1].sources
    assert "/opt/lora" not in dockerfile
    assert "AS proof" not in dockerfile
    expect_prefix(dockerfile)


def test_what_has_to_run_is_in_a_prefix() -> None:
    plain = rendered_prefix(DESCRIPTION)[0]
    for line in ("apt: [ffmpeg]", "run: {user: worker}", "run: {writable: [/data]}", "run: {bytecode: true}"):
        assert rendered_prefix(f"{DESCRIPTION}{line}\n")[0] != plain
    built, context = rendered_prefix(DESCRIPTION, with_source("six"))
    assert built != plain
    assert any(path.startswith("layers/") for path in context.files)


@pytest.mark.parametrize(
    "line",
    [
        "files: [{from: app, to: /app}]",
        "files: [{from: app, to: .}]",
        "files: [{from: app, to: app}, {from: more, to: app/more}]",
        "files: [{from: app, to: app, owner: worker}]\nrun: {user: worker}",
        "run: {writable: [/opt/lora/cache]}",
        "sources: [{name: x, path: third_party/x, url: https://github.com/a/x, commit: 0123456789012345678901234567890123456789, install: editable}]",
    ],
)
def test_what_cannot_be_told_apart_is_built(line: str) -> None:
    env = read_environment(f"{DESCRIPTION}{line}\n")
    assert not can_be_finished(image_plan(env, LOCK))
    assert prefix_plan(env, LOCK).finished


def test_a_template_of_a_repository_has_whole_images() -> None:
    assert not prefix_plan(ENV, LOCK).finished
    assert prefix_plan(ENV, LOCK, own_template=True).finished


def test_the_template_has_a_prefix() -> None:
    template = read_resource("Dockerfile.j2")
    assert "/run/torchpin/uv venv" in template
    expect_prefix(DOCKERFILE)


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        (DOCKERFILE.replace("AS image", "AS other"), "it has no stage `image`"),
        (DOCKERFILE.replace("uv venv", "python -m venv"), "no step of it makes the environment"),
    ],
)
def test_a_template_without_a_prefix_is_refused(dockerfile: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expect_prefix(dockerfile)
