"""Bake and compose files say which Dockerfiles are built, in which folder, with which arguments and target."""

from __future__ import annotations

from textwrap import dedent
from time import process_time

import pytest

from torchpin.project.bake_file import is_bake_file, read_bake_file
from torchpin.project.compose_file import is_compose_file, read_compose_file
from torchpin.project.image_build import BuildFile, project_paths

HCL = dedent("""\
    variable "CUDA" {
      default = "12.8.1"
    }
    variable "BASE" { default = "nvidia/cuda:${CUDA}-devel" }
    group "default" { targets = ["gpu"] }
    target "_common" {
      context = "."
      args = { PY = "3.12", CUDA = CUDA, N = 3, ON = true }
    }
    target "gpu" {
      inherits = ["_common"]
      dockerfile = "docker/Dockerfile.gpu"
      target = "final"
      platforms = ["linux/arm64", "linux/amd64"]
      args = {
        BASE = BASE  # filled in twice
        PY = "3.11"
        TAG = notequal("", CUDA) ? CUDA : "a"
        HF_TOKEN = "hf_abcdefghijklmnop"
      }
    }
    target "matrix" {
      name = "m-${item.v}-${z}"
      matrix = {
        item = [{ v = "1" }, { v = "2" }]
        z = ["a"]
      }
      args = { V = item.v, Z = z }
      dockerfile-inline = <<EOT
    FROM a
    EOT
    }
    """)
JSON = """\
{"variable": {"V": {"default": "1"}},
 "target": {
  "a": {"context": "app", "dockerfile": "Dockerfile", "args": {"X": "x${V}", "B": null}},
  "b": {"inherits": ["a"], "target": "t", "contexts": {"lists": "requirements", "base": "docker-image://a"}}},
 "group": {"default": {"targets": ["a", "b"]}}}
"""
COMPOSE = dedent("""\
    x-common: &common
      args: {CUDA: 12.8.1, FROM_HOST: , TAG: "${TAG:-latest}", PRICE: "$$5", UNKNOWN: "${NOT_SET}"}
    services:
      plain:
        build: ./app
      full:
        platform: linux/arm64
        build:
          <<: *common
          context: .
          dockerfile: docker/Dockerfile.gpu
          target: final
      list:
        build:
          context: app
          dockerfile_inline: |
            FROM a
          args: ["A=1", "B", "C=x=y"]
      image:
        image: redis:7
    """)


def rows(file: BuildFile) -> list[tuple[object, ...]]:
    return [
        (row.name, row.context, row.dockerfile, dict(row.inputs.args), row.inputs.target, row.position.line)
        for row in file.builds
    ]


def test_a_bake_file_gives_its_targets() -> None:
    file = read_bake_file("docker-bake.hcl", HCL)
    assert file.problems == ()
    assert rows(file) == [
        ("gpu", "", "docker/Dockerfile.gpu", {
            "PY": "3.11", "CUDA": "12.8.1", "N": "3", "ON": "true", "BASE": "nvidia/cuda:12.8.1-devel", "HF_TOKEN": "***",
        }, "final", 10),
        ("m-1-a", "", "Dockerfile", {"V": "1", "Z": "a"}, "", 22),
        ("m-2-a", "", "Dockerfile", {"V": "2", "Z": "a"}, "", 22),
    ]  # fmt: skip
    assert [row.inputs.platform for row in file.builds] == ["linux/arm64", "linux/amd64", "linux/amd64"]
    assert file.builds[1].inline == "FROM a\n"


def test_other_blocks_and_settings_are_passed_over() -> None:
    text = (
        'a = [1]\nlocals {\n  b = ["x"]\n}\nfunction "f" {\n  params = []\n  result = "x"\n}\ntarget "t" {}\n'
    )
    file = read_bake_file("docker-bake.hcl", text)
    assert (rows(file), file.problems) == ([("t", "", "Dockerfile", {}, "", 9)], ())


def test_a_bake_file_of_json_gives_its_targets() -> None:
    file = read_bake_file("deploy/docker-bake.json", JSON)
    assert rows(file) == [
        ("a", "deploy/app", "deploy/app/Dockerfile", {"X": "x1"}, "", 3),
        ("b", "deploy/app", "deploy/app/Dockerfile", {"X": "x1"}, "t", 4),
    ]
    assert file.builds[1].inputs.contexts == (("lists", "deploy/requirements"),)


@pytest.mark.parametrize(
    "text",
    [
        '{"target": {"a": {"inherits": [{}, [], 1], "args": [], "platforms": {}, "context": [], "matrix": []}}}',
        '{"target": {"a": 1}, "group": {"g": {"targets": [{}]}, "h": []}, "variable": {"V": 1}}',
        '{"target": [1], "variable": "x"}', '{"target": {"a": {"args": {"X": {}, "Y": 1.5, "Z": null}, "contexts": {"c": []}}}}',
        '{"target": {"a": {"matrix": {"m": [{"k": []}, [], null]}, "args": {"A": "${m.k}"}}}}',
    ],
)  # fmt: skip
def test_values_of_other_types_break_nothing(text: str) -> None:
    assert all(build.dockerfile == "Dockerfile" for build in read_bake_file("docker-bake.json", text).builds)


def test_a_target_that_is_there_to_be_inherited_is_no_build() -> None:
    text = 'target "base" {}\ntarget "a" {\n  inherits = ["base"]\n}\n'
    assert [build.name for build in read_bake_file("docker-bake.hcl", text).builds] == ["a"]


def test_a_compose_file_gives_its_builds() -> None:
    file = read_compose_file("compose.yaml", COMPOSE)
    assert file.problems == ()
    assert rows(file) == [
        ("plain", "app", "app/Dockerfile", {}, "", 5),
        ("full", "", "docker/Dockerfile.gpu", {"CUDA": "12.8.1", "TAG": "latest", "PRICE": "$5"}, "final", 9),
        ("list", "app", "app/Dockerfile", {"A": "1", "C": "x=y"}, "", 15),
    ]
    assert [row.inputs.platform for row in file.builds] == ["linux/amd64", "linux/arm64", "linux/amd64"]
    assert file.builds[2].inline == "FROM a\n"
    assert (
        dict(read_compose_file("compose.yaml", COMPOSE, {"TAG": "v1"}).builds[1].inputs.args)["TAG"] == "v1"
    )


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("docker-bake.hcl", 'variable "A" {}\ntarget "a" {\n', 2, "invalid HCL"),
        ("docker-bake.json", "[]", 1, "expected an object"),
        ("docker-bake.json", "{", 1, ""),
        ("docker-bake.hcl", 'target "a" {\n context = f("x")\n}\n', 1, "a: its context, Dockerfile or target is computed, or not a path in the project"),
        ("docker-bake.hcl", 'target "a" {\n context = "https://e.example/x.git"\n}\n', 1, "not a path in the project"),
        ("docker-bake.hcl", 'target "a" {\n context = "../x"\n}\n', 1, "not a path in the project"),
        ("docker-bake.hcl", 'target "a" {\n matrix = {\n  v = flatten([1])\n }\n}\n', 1, "a: its matrix is computed, so its builds are not read"),
        ("docker-bake.hcl", "x" * 200_001, 1, "it has more than 200000 characters"),
        ("compose.yaml", "services: [a]\n", 1, "expected a mapping"),
        ("compose.yaml", "services:\n a:\n  build: https://e.example/x.git\n", 3, "its context or Dockerfile is not a path in the project"),
        ("compose.yaml", "services:\n a:\n  build: [x\n", 3, "invalid YAML"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_a_problem(name: str, text: str, line: int, message: str) -> None:
    read = read_compose_file if name.endswith("yaml") else read_bake_file
    file = read(name, text)
    (problem, *_) = file.problems
    assert (file.builds, problem.position.file) == ((), name)
    assert message in problem.message
    assert abs(problem.position.line - line) <= 1


HOSTILE = {
    "inherits": "".join(f'target "t{n}" {{\n inherits = ["t{n + 1}", "t{n + 1}"]\n}}\n' for n in range(30)),
    "itself": 'target "a" {\n inherits = ["a"]\n}\nvariable "V" { default = "${V}" }\ntarget "b" {\n target = V\n}\n',
    "variables": "".join(f'variable "V{n}" {{\n default = "${{V{n + 1}}}${{V{n + 1}}}"\n}}\n' for n in range(30))
    + 'target "a" {\n target = V0\n}\n',
    "matrix": 'target "a" {\n matrix = {\n' + "".join(f" m{n} = [{', '.join(['1'] * 20)}]\n" for n in range(9)) + "}\n}\n",
    "nested": "a = " + "[" * 2_000 + "\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_bake_file_is_read_within_bounds(text: str) -> None:
    start = process_time()
    assert len(read_bake_file("docker-bake.hcl", text).builds) <= 500
    assert process_time() - start < 10


def test_the_aliases_of_a_compose_file_are_followed_within_bounds() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)]
    text = "\n".join([*lines, "services:", "  s:", "    build:", "      args: *a39", ""])
    start = process_time()
    read_compose_file("compose.yaml", text)
    assert process_time() - start < 10


@pytest.mark.parametrize(
    ("names", "is_kind"),
    [
        (("docker-bake.hcl", "docker-bake.override.json", "gpu.bake.hcl", "bake.hcl"), (True, False)),
        (("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.gpu.yaml", "compose-dev.yml"), (False, True)),
        (("bakery.json", "decompose.yml", "compose.json", "terraform.hcl", "compose.yaml.j2"), (False, False)),
    ],
)  # fmt: skip
def test_build_files_are_known_by_name(names: tuple[str, ...], is_kind: tuple[bool, bool]) -> None:
    assert {(is_bake_file(name), is_compose_file(name)) for name in names} == {is_kind}


@pytest.mark.parametrize(
    ("file", "context", "dockerfile", "paths"),
    [
        ("compose.yaml", "", "", ("", "Dockerfile")),
        ("deploy/compose.yaml", "..", "deploy/Dockerfile", ("", "deploy/Dockerfile")),
        ("deploy/compose.yaml", "../..", "", None),
        ("compose.yaml", "/srv", "", None),
        ("compose.yaml", "a", "../../x", None),
        ("compose.yaml", "git@e.example:a/b", "", None),
    ],
)
def test_paths_are_those_in_the_project(
    file: str, context: str, dockerfile: str, paths: tuple[str, str] | None
) -> None:
    assert project_paths(file, context, dockerfile) == paths


@pytest.mark.parametrize(
    ("file", "context", "dockerfile", "paths"),
    [
        ("compose.yaml", "..", "", ("/repo", "/repo/Dockerfile")),
        ("compose.yaml", "a", "", ("a", "a/Dockerfile")),
        ("compose.yaml", "", "", ("", "Dockerfile")),
        ("/other/compose.yaml", "a", "../x", ("/other/a", "/other/x")),
        ("compose.yaml", "../deployed", "", ("/repo/deployed", "/repo/deployed/Dockerfile")),
    ],
)
def test_paths_outside_of_the_current_folder_are_absolute(
    file: str, context: str, dockerfile: str, paths: tuple[str, str]
) -> None:
    assert project_paths(file, context, dockerfile, "/repo/deploy") == paths
