"""The words for what is compiled, and for system packages with versions and repositories."""

from __future__ import annotations

import re

import pytest

from support.descriptions import PLAIN, SOURCE, problem_lines, read_service
from torchpin.description import write
from torchpin.description.environments import select_environments

STAGE = """\
build:
  base: {image: "nvidia/cuda:12.1.1-devel-ubuntu22.04"}
  apt: [ccache, ninja-build=1.10.1-1]
  requires: [setuptools==80.9.0]
  env: {MAX_JOBS: "4"}
  wheels:
    - {package: sd-scripts==0.10.0, source: sd-scripts}
    - {package: my-ops==0.1, folder: ops, command: [python, setup.py, bdist_wheel, --dist-dir, /opt/wheels]}
    - {package: flash-attn==2.8.3}
"""
REPOSITORY = "{name: example, url: 'https://packages.example.org/debian', suite: bookworm, components: [main], key: keys/example.asc}"


def test_a_stage_is_read_and_written_as_it_was() -> None:
    service = read_service(PLAIN + SOURCE + STAGE)
    stage = service.build
    assert stage is not None
    assert [(str(wheel.package), wheel.source, wheel.folder) for wheel in stage.wheels] == [
        ("sd-scripts==0.10.0", "sd-scripts", None),
        ("my-ops==0.1", None, "ops"),
        ("flash-attn==2.8.3", None, None),
    ]
    assert stage.wheels[1].command[:2] == ("python", "setup.py")
    assert (stage.base.image, stage.apt) == (
        "nvidia/cuda:12.1.1-devel-ubuntu22.04",
        ("ccache", "ninja-build=1.10.1-1"),
    )
    assert read_service(write.to_yaml(service)) == service


def test_a_service_without_a_stage_writes_no_word_of_it() -> None:
    text = write.to_yaml(read_service(PLAIN))
    assert "build" not in text
    assert "apt" not in text


def test_a_source_that_is_compiled_is_not_shipped() -> None:
    (env,) = select_environments([read_service(PLAIN + SOURCE + STAGE)])
    assert (env.service.sources[0].name, env.shipped_sources) == ("sd-scripts", ())
    (other,) = select_environments([read_service(PLAIN + SOURCE)])
    assert [source.name for source in other.shipped_sources] == ["sd-scripts"]


def test_a_stage_is_for_the_variants_that_it_names() -> None:
    variants = "  cpu: {channel: cpu, platform: linux/amd64}\n"
    text = PLAIN.replace("layers:\n", f"{variants}layers:\n") + SOURCE + STAGE + "  variants: [gpu]\n"
    gpu, cpu = select_environments([read_service(text)])
    assert (gpu.stage is not None, cpu.stage) == (True, None)


REFUSED = {
    "{package: my-ops>=0.1, folder: ops}": "'my-ops>=0.1' is not an exact pin such as tqdm==4.66.5: pin one version with ==, such as the newest that fits",
    "{package: my-ops==0.1, source: other}": "'other' is not a source of this service; add it under `sources`",
    "{package: my-ops==0.1, source: sd-scripts, folder: ops}": "a wheel is made from `source` or from `folder`; keep one",
    "{package: 'my-ops[cuda]==0.1', folder: ops}": "a wheel is built without extras; pin their packages in a layer",
    "{package: tqdm==4.66.5}": "tqdm is pinned elsewhere in this description; keep one of the two",
    "{package: torch==2.5.1}": "torch is pinned elsewhere in this description; keep one of the two",
    "{package: flash-attn==2.8.2}": "flash-attn is pinned elsewhere in this description; keep one of the two",
    "{package: setuptools==80.9.0}": "setuptools is pinned elsewhere in this description; keep one of the two",
    "{package: my-ops==0.1, folder: ../ops}": "'../ops' is not a path inside the repository",
    "{folder: ops}": "the key 'package' is missing",
}


@pytest.mark.parametrize(("wheel", "message"), REFUSED.items())
def test_a_wheel_that_cannot_be_made_is_refused(wheel: str, message: str) -> None:
    others = STAGE.replace("    - {package: my-ops==0.1", "    - {package: other-ops==0.1")
    (problem,) = problem_lines(f"{PLAIN}{SOURCE}{others}    - {wheel}\n")
    assert re.sub(r"^services/lora/service\.yaml:\d+:\d+: build\.wheels\[3\][.\w]*: ", "", problem) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  variants: [arm]", "'arm' is not a variant of this service (gpu)"),
        ("  requires: [ninja==1.13.0, Ninja==1.11.0]", "ninja is pinned twice; keep one"),
        (
            "  requires: [ninja==1.13.0, torch==2.4.0]",
            "torch is pinned under `torch`, and the stage has it; leave it out",
        ),
        ("  env: {UV_CACHE_DIR: /x}", "'UV_CACHE_DIR' is set by torchpin; leave it out"),
        ("  env: {SOURCE_DATE_EPOCH: '1'}", "'SOURCE_DATE_EPOCH' is set by torchpin; leave it out"),
        (
            "  wheels: []",
            "expected at least one wheel, such as {package: sageattention==2.2.0, source: sageattention}",
        ),
    ],
)
def test_a_stage_that_cannot_be_is_refused(line: str, message: str) -> None:
    stage = f'build:\n  base: {{image: "debian:12"}}\n{line}\n'
    stage += "" if "wheels" in line else "  wheels: [{package: my-ops==0.1, folder: ops}]\n"
    (problem,) = problem_lines(PLAIN + stage)
    assert problem.endswith(f": {message}")


def test_a_source_is_installed_in_one_way() -> None:
    text = PLAIN + SOURCE + "    install: wheel\n" + STAGE
    (problem,) = problem_lines(text)
    assert problem.endswith(
        "wheels[0].source: sd-scripts is installed by `install`; leave that out, or this wheel"
    )


def test_system_packages_have_versions() -> None:
    service = read_service(PLAIN + 'apt: [curl, "git=1:2.43.0-1ubuntu7", "gcc=4:11.2.0-1ubuntu1"]\n')
    assert service.apt == ("curl", "git=1:2.43.0-1ubuntu7", "gcc=4:11.2.0-1ubuntu1")
    for refused in ("git=", "git=1;id", "git==1", "git=*", "git=-1"):
        (problem,) = problem_lines(PLAIN + f"apt: ['{refused}']\n")
        assert "is not a Debian package name, or one with its version such as" in problem


def test_repositories_of_system_packages_are_read_and_written_as_they_were() -> None:
    flat = "{name: cuda, url: 'https://packages.example.org/cuda/', suite: /, key: keys/cuda.asc}"
    service = read_service(PLAIN + f"apt_repositories: [{REPOSITORY}, {flat}]\n")
    assert [(row.name, row.suite, row.components) for row in service.apt_repositories] == [
        ("example", "bookworm", ("main",)),
        ("cuda", "/", ()),
    ]
    assert read_service(write.to_yaml(service)) == service


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("https:", "http:", "is not an https address without a user"),
        ("//packages", "//user:secret@packages", "the address has a user or a token; leave it out"),
        ("example.asc", "example.gpg", "is not an ASCII-armored key in the repository"),
        ("components: [main], ", "", "the components of 'bookworm' are missing; add them, such as [main]"),
        ("bookworm", "/", "a suite that ends with / has no components; leave them out"),
        ("bookworm", "../x", "is not the name of a suite such as bookworm"),
        (
            "}",
            "}, {name: example, url: 'https://a.example', suite: /, key: k.asc}",
            "is the name of another repository",
        ),
    ],
)
def test_a_repository_that_is_not_safe_is_refused(old: str, new: str, message: str) -> None:
    (problem,) = problem_lines(PLAIN + f"apt_repositories: [{REPOSITORY.replace(old, new)}]\n")
    assert message in problem
