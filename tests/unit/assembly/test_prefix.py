from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.assembly.prefix import expect_prefix, installed_by_running, prefix_context, prefix_plan
from torchpin.image.plan import EXPECTATION, build_context, image_plan
from torchpin.tools.resources import read_resource

if TYPE_CHECKING:
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
    assert replace(prefix_plan(ENV, lock), steps=full.steps) == full


def test_a_prefix_reads_nothing_of_wheels_and_of_the_proof() -> None:
    context = build_context(ENV, installed_by_running(LOCK), runtime={"a.py": "x"}, smoke="y")
    assert EXPECTATION in context.files
    files = prefix_context(context).files
    assert EXPECTATION not in files
    assert not any(path.startswith("layers/") for path in files)
    assert files["runtime/a.py"] == "x"
    moved = build_context(
        ENV, installed_by_running(make_lock(ENV, six="1.16.0")), runtime={"a.py": "x"}, smoke="y"
    )
    assert prefix_context(moved).files == files


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
