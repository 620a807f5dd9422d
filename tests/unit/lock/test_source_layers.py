"""What installed sources ask for: in the resolution, in layers of their own, and in the digests of locks."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.addresses import CU121
from support.layers import make_layer
from torchpin import paths
from torchpin.lock import file_format, uv_project
from torchpin.lock.layers import inputs_digest, layer_names, outdated_files, split_layers
from torchpin.model import Recommendation, Source, Upstream

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment

SOURCE = Source(
    name="tool",
    url="https://example.org/tool",
    commit="0f" * 20,
    path="third_party/tool",
    requirements=("requirements.txt",),
    install="requirements",
)


def upstream(*lines: str, **values: Any) -> Upstream:
    fields = {"source": "tool", "commit": "0f" * 20, "file": "requirements.txt", **values}
    return Upstream(requirements=lines, **fields)


@pytest.fixture
def env(environment: Environments) -> Environment:
    return environment(layers=(make_layer("one", "diffusers==0.32.1", "numpy==1.26.4"),), sources=(SOURCE,))


def test_pins_of_the_description_stand_for_what_a_source_says_of_them(env: Environment) -> None:
    lines = (
        "diffusers[torch]==0.31.0",
        "numpy>=2",
        "torch>=2.4",
        "torchaudio==2.4.0",
        "einops>=0.7",
        "einops>=0.7",
    )
    assert uv_project.resolution_requirements(env, {}, [upstream(*lines)]) == (
        "torch==2.5.1",
        "torchvision==0.20.1",
        "diffusers==0.32.1",
        "numpy==1.26.4",
        "diffusers[torch]",  # the extra counts, the version is pinned
        "torchaudio",  # goes with the torch that is pinned
        "einops>=0.7",
    )  # fmt: skip


def test_a_source_that_is_not_installed_asks_for_nothing(env: Environment) -> None:
    compared = replace(env, service=replace(env.service, sources=(replace(SOURCE, install=None),)))
    assert uv_project.source_requirements(compared, [upstream("einops", "-c numpy<2")]) == ()
    assert uv_project.source_constraints(compared, [upstream("einops", "-c numpy<2")]) == ()


def test_what_is_left_out_is_neither_required_nor_in_a_layer(env: Environment, artifact: Artifacts) -> None:
    service = replace(env.service, sources=(replace(SOURCE, without=("OpenCV-Python",)),))
    without = replace(env, service=service)
    rows = [upstream("opencv-python==4.10", "einops")]
    assert uv_project.source_requirements(without, rows) == ("einops",)
    packages = (
        artifact("torch"),
        artifact("opencv-python", by=("diffusers",)),
        artifact("diffusers", by=("lora",)),
    )
    layers, _ = split_layers(without, packages, uv="0", upstreams=rows)
    assert [package.name for package in layers[-2].packages] == ["diffusers", "opencv-python"]
    assert inputs_digest(without, "03-tool") != inputs_digest(env, "03-tool")


def test_lines_of_other_systems_are_left_out(env: Environment) -> None:
    lines = ("a; sys_platform == 'win32'", "b; python_version < '3.11'")
    assert uv_project.source_requirements(env, [upstream(*lines)]) == ('b; python_version < "3.11"',)


def test_constraints_limit_what_is_required_anyway(env: Environment) -> None:
    constraints = uv_project.source_constraints(env, [upstream("a", "-c b<2", "-c numpy<3", "-c torch<3")])
    assert constraints == ("b<2",)
    text = uv_project.render_uv_project(env, index=CU121, constraints=constraints)
    assert tomllib.loads(text)["tool"]["uv"]["constraint-dependencies"] == ["b<2"]
    assert "constraint" not in uv_project.render_uv_project(env, index=CU121)


def test_a_project_s_range_limits_what_others_bring_unless_a_version_is_asked_for(env: Environment) -> None:
    rows = (Recommendation(component="b", says="<2", by="requirements.txt"),)
    ranged = replace(env, service=replace(env.service, recommends=rows))
    upstreams = [upstream("a", "-c c<3")]
    assert uv_project.resolution_constraints(ranged, upstreams) == ("c<3", "b<2")
    assert uv_project.resolution_constraints(ranged, upstreams, ["b"]) == ("c<3", "b<2")
    assert uv_project.resolution_constraints(ranged, upstreams, ["B>=2"]) == ("c<3",)


def test_what_a_source_asks_for_is_in_a_layer_of_its_own(env: Environment, artifact: Artifacts) -> None:
    packages = (
        artifact("torch", by=("lora",)),
        artifact("diffusers", by=("lora",)),
        artifact("regex", by=("diffusers", "einops")),
        artifact("numpy", by=("lora", "torch")),
        artifact("einops", by=("lora",)),
        artifact("deeper", by=("einops",)),
    )
    layers, _ = split_layers(env, packages, uv="0", upstreams=[upstream("einops>=0.7", "numpy")])
    assert {layer.name: [package.name for package in layer.packages] for layer in layers} == {
        "00-torch": ["torch"],
        "01-torch-deps": [],
        "02-one": ["diffusers", "numpy", "regex"],
        "03-tool": ["deeper", "einops"],
    }
    assert [layer.origin for layer in layers] == ["cu121", "pypi", "pypi", "pypi"]
    assert layer_names(env)[-1] == "03-tool"


def test_an_optional_layer_holds_nothing_that_a_source_needs(
    environment: Environments, artifact: Artifacts
) -> None:
    optional = replace(make_layer("one", "a==1"), optional=True)
    env = environment(layers=(optional,), sources=(SOURCE,))
    packages = (artifact("torch"), artifact("a", by=("lora",)), artifact("b", by=("a", "c")), artifact("c", by=("lora",)))  # fmt: skip
    layers, _ = split_layers(env, packages, uv="0", upstreams=[upstream("c")])
    assert [package.name for package in layers[-1].packages] == ["b", "c"]


@pytest.mark.parametrize(
    "changes", [{"commit": "1e" * 20}, {"requirements": ("other.txt",)}, {"install": "wheel"}]
)
def test_the_digest_of_a_source_s_layer_covers_what_decides_its_files(
    env: Environment, changes: dict[str, Any]
) -> None:
    changed = replace(env, service=replace(env.service, sources=(replace(SOURCE, **changes),)))
    assert inputs_digest(changed, "03-tool") != inputs_digest(env, "03-tool")
    assert inputs_digest(changed, "02-one") == inputs_digest(env, "02-one")


def test_a_tag_and_a_folder_of_the_image_leave_the_layer_as_it_is(env: Environment) -> None:
    changed = replace(env, service=replace(env.service, sources=(replace(SOURCE, tag="v1", to="tool"),)))
    assert inputs_digest(changed, "03-tool") == inputs_digest(env, "03-tool")


def test_a_lock_for_another_commit_is_out_of_date(env: Environment, lock: Locks) -> None:
    locked = replace(lock(env), upstreams=(upstream("einops"),))
    assert outdated_files(env, locked) == ()
    without = replace(locked, layers=locked.layers[:-1])
    assert outdated_files(env, without) == ((paths.lock_file("03-tool"), "is missing", "03-tool"),)
    other = replace(locked, upstreams=(upstream("einops", commit="1e" * 20),))
    assert ("upstream-tool.requirements.txt", "no longer matches its description", "tool") in outdated_files(
        env, other
    )


def test_the_build_layer_has_to_serve_a_source_that_is_built(env: Environment, lock: Locks) -> None:
    built = replace(env, service=replace(env.service, sources=(replace(SOURCE, install="wheel"),)))
    locked = replace(lock(built), upstreams=(upstream("einops", distribution="tool", build=("setuptools",)),))
    assert "does not match the source-only packages of the lock (tool)" in [
        message for _, message, _ in outdated_files(built, locked)
    ]
    assert locked.source_distributions == ("tool",)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"tag": "v1"},
        {"file": ""},
        {"file": "a.txt b.txt"},
        {"distribution": "tool", "build": ("a>=1,<2; python_version > '3'", "b")},
    ],
)
def test_what_a_source_asks_for_reads_back_as_it_was_written(values: dict[str, Any]) -> None:
    row = upstream("-c b<2", "a", **values)
    assert file_format.parse_upstream("a", file_format.upstream_text(row)) == row
