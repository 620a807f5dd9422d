"""The texts that tools read say what the values say, and nothing else."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list, render_dockerfile
from torchpin.lock import export, file_format, uv_project
from torchpin.model import Artifact, Base, Environment, Health, Layer, Lock, Run, Source, Torch

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable

    Environments = Callable[..., Environment]
    Locks = Callable[..., Lock]
    Artifacts = Callable[..., Artifact]

TEMPLATE = (Path(__file__).parents[2] / "docker/Dockerfile.j2").read_text()
CU121 = "https://download.pytorch.org/whl/cu121"


def layer(name: str, *pins: str, optional: bool = False) -> Layer:
    return Layer(name=name, packages=tuple(map(Requirement, pins)), optional=optional)


# --- the uv project --------------------------------------------------------------------------------------------------


def test_a_project_takes_the_family_from_one_explicit_index(environment: Environments) -> None:
    env = environment(layers=(layer("one", "diffusers[torch]==0.32.1"), layer("two", "toml==0.10.2")))
    assert tomllib.loads(uv_project.render_uv_project(env, index=CU121)) == {
        "project": {
            "name": "lora",
            "version": "0",
            "requires-python": "==3.10.*",
            "dependencies": [
                "torch==2.5.1",
                "torchvision==0.20.1",
                "diffusers[torch]==0.32.1",
                "toml==0.10.2",
            ],
        },
        "tool": {
            "uv": {
                "index": [{"name": "cu121", "url": CU121, "explicit": True}],
                "sources": {"torch": {"index": "cu121"}, "torchvision": {"index": "cu121"}},
            }
        },
    }


def test_a_project_without_an_index_takes_all_from_pypi(environment: Environments) -> None:
    project = tomllib.loads(uv_project.render_uv_project(environment(channel="pypi"), index=None))
    assert project.keys() == {"project"}


def test_pins_replace_what_is_declared(environment: Environments) -> None:
    project = tomllib.loads(
        uv_project.render_uv_project(environment(), index=None, pins=("setuptools", "wheel"))
    )
    assert project["project"]["dependencies"] == ["setuptools", "wheel"]


def test_a_mirror_s_address_is_quoted(environment: Environments) -> None:
    address = 'http://user:p"a\\ss@127.0.0.1/whl'
    project = tomllib.loads(uv_project.render_uv_project(environment(), index=address))
    assert project["tool"]["uv"]["index"][0]["url"] == address


def test_a_companion_with_a_dash_is_a_plain_key(environment: Environments) -> None:
    torch = Torch(version=Version("2.5.1"), companions={"torch-xla": Version("2.5.1")})
    project = tomllib.loads(uv_project.render_uv_project(environment(torch=torch), index=CU121))
    assert [*project["tool"]["uv"]["sources"]] == ["torch", "torch-xla"]


# --- Dockerfiles -----------------------------------------------------------------------------------------------------


def dockerfile(env: Environment, lock: Lock) -> str:
    return render_dockerfile(TEMPLATE, plan.image_plan(env, lock))


def instructions(text: str) -> list[str]:
    """Each instruction on one line, as Docker reads it."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [" ".join(line.split()) for line in joined.splitlines()]


def installs(text: str) -> list[str]:
    return [line for line in instructions(text) if "pip install" in line]


def test_a_plain_image_is_these_instructions(environment: Environments, lock: Locks) -> None:
    env = environment()
    lines = instructions(dockerfile(env, lock(env)))
    assert [line.split()[0] for line in lines] == [
        "FROM", "LABEL", "ARG", "ARG", "ARG", "ARG", "ARG", "ENV", "ENV", "RUN", "RUN", "RUN", "RUN", "COPY", "COPY", "ENV",
        "WORKDIR", "ENTRYPOINT", "RUN",
    ]  # fmt: skip
    assert lines[0] == "FROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"
    assert lines[1] == (
        'LABEL org.opencontainers.image.title="lora-gpu" org.opencontainers.image.description="Training" '
        'org.opencontainers.image.version="2.5.1+cu121" io.torchpin.description="services/lora/service.yaml"'
    )
    assert 'ENV TORCHPIN_REPORT="tqdm"' in lines
    assert lines[-1].endswith("HOME=/tmp python -B /opt/lora/smoke.py")


def test_no_line_ends_in_the_middle_of_an_instruction(environment: Environments, lock: Locks) -> None:
    text = dockerfile(environment(), lock())
    assert not re.search(r"\\\n\s*(\n|#|$)", text)
    assert text.endswith("\n")


def test_a_digest_fixes_the_base(environment: Environments, lock: Locks) -> None:
    env = environment(base=Base(image="debian:12", digest="sha256:" + "0f" * 32))
    assert f"FROM debian:12@sha256:{'0f' * 32}\n" in dockerfile(env, lock(env))


def test_each_layer_is_installed_from_its_own_index_by_hash(environment: Environments, lock: Locks) -> None:
    torch, deps, training = installs(dockerfile(environment(), lock()))
    assert f'export UV_DEFAULT_INDEX="${{TORCHPIN_MIRROR_CU121:-{CU121}}}"' in torch
    for layer_name, line in ("00-torch", torch), ("01-torch-deps", deps), ("02-training", training):
        assert (
            f"--mount=type=bind,source=layers/{layer_name}.txt,target=/run/torchpin/layers/{layer_name}.txt"
            in line
        )
        assert line.endswith(
            "uv pip install --no-deps --require-hashes --no-build "
            f"--requirements /run/torchpin/layers/{layer_name}.txt"
        )
    for line in deps, training:
        assert (
            'if [ -n "${TORCHPIN_MIRROR_PYPI:-}" ]; then export UV_DEFAULT_INDEX="$TORCHPIN_MIRROR_PYPI"; fi'
            in line
        )
        assert CU121 not in line


def test_a_failed_optional_layer_does_not_fail_the_image(environment: Environments, lock: Locks) -> None:
    env = environment(layers=(layer("training", "tqdm==4.66.5", optional=True),))
    *required, optional = installs(dockerfile(env, lock(env)))
    assert re.search(
        r"&& \{ /run/torchpin/uv pip install .* --requirements /run/torchpin/layers/02-training\.txt"
        r' \|\| echo "torchpin: [^"]*" >&2; \}$',
        optional,
    )
    assert not [line for line in required if "||" in line]


def test_a_source_only_layer_is_built_by_what_is_locked(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(layers=(layer("old", "dadaptation==3.2"), layer("training", "tqdm==4.66.5")))
    env_lock = lock(env, artifact("dadaptation", "3.2", filename="dadaptation-3.2.tar.gz", by=("lora",)))
    _, _, old, training = installs(dockerfile(env, env_lock))
    assert "source=layers/build.txt,target=/run/torchpin/layers/build.txt" in old
    assert (
        "--preview-features build-dependency-hashes --require-build-hashes "
        "--build-constraints /run/torchpin/layers/build.txt" in old
    )
    assert "--no-build " not in old
    assert "build.txt" not in training
    assert "--no-build " in training


def test_apt_packages_are_installed_in_one_step(environment: Environments, lock: Locks) -> None:
    env = environment(apt=("git", "libgl1"))
    (line,) = [line for line in instructions(dockerfile(env, lock(env))) if "apt-get" in line]
    assert line.endswith("apt-get update && apt-get install --yes --no-install-recommends git libgl1")


def test_without_apt_packages_apt_is_not_run(environment: Environments, lock: Locks) -> None:
    assert "apt-get" not in dockerfile(environment(), lock())


def test_a_service_s_user_owns_its_volumes_and_runs_it(environment: Environments, lock: Locks) -> None:
    env = environment(run=Run(user="worker", volumes=("/workspace", "/data")))
    lines = instructions(dockerfile(env, lock(env)))
    assert (
        "RUN useradd --create-home --user-group --uid 10001 worker && install -d -o worker -g worker /workspace "
        "&& install -d -o worker -g worker /data" in lines
    )
    assert lines[-1] == "USER worker"
    assert "--mount=type=tmpfs,target=/workspace --mount=type=tmpfs,target=/data" in lines[-2]


def test_without_a_user_none_is_made(environment: Environments, lock: Locks) -> None:
    text = dockerfile(environment(), lock())
    assert "useradd" not in text
    assert "USER" not in text


def test_health_command_ports_and_environment_are_printed_as_given(
    environment: Environments, lock: Locks
) -> None:
    run = Run(
        command=("python", 'a "b".py', "$HOME"),
        env=MappingProxyType({"TZ": "UTC"}),
        ports=(80, 6006),
        health=Health(command=("curl", "-f", "http://127.0.0.1"), interval=5, timeout=4, start_period=3, retries=2),
    )  # fmt: skip
    env = environment(run=run)
    lines = instructions(dockerfile(env, lock(env)))
    assert 'ENV TZ="UTC"' in lines
    assert [line for line in lines if line.startswith("EXPOSE")] == ["EXPOSE 80", "EXPOSE 6006"]
    assert (
        "HEALTHCHECK --interval=5s --timeout=4s --start-period=3s --retries=2 "
        'CMD ["curl", "-f", "http://127.0.0.1"]' in lines
    )
    assert r'CMD ["python", "a \"b\".py", "$HOME"]' in lines


def test_several_sources_are_copied_and_labelled(environment: Environments, lock: Locks) -> None:
    sources = tuple(
        Source(name=name, url=f"https://example.org/{name}", tag="v1", commit="0f" * 20, path=f"third_party/x/{name}")
        for name in ("a", "b")
    )  # fmt: skip
    env = environment(sources=sources)
    lines = instructions(dockerfile(env, lock(env)))
    assert lines.index("COPY sources/a /opt/lora/third_party/x/a") + 1 == lines.index(
        "COPY sources/b /opt/lora/third_party/x/b"
    )
    assert f'io.torchpin.source.b="https://example.org/b@v1#{"0f" * 20}"' in lines[1]


@given(summary=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_a_summary_is_one_word_in_which_nothing_is_expanded(
    environment: Environments, lock: Locks, summary: str
) -> None:
    text = render_dockerfile(
        "LABEL a={{ image.service.summary | word }}", plan.image_plan(environment(summary=summary), lock())
    )
    match = re.fullmatch(r'LABEL a="((?:[^"\\$]|\\["\\$])*)"', text)
    assert match
    assert re.sub(r"\\(.)", r"\1", match[1]) == summary


@given(command=st.lists(st.text(), max_size=3))
def test_a_command_is_a_json_list(environment: Environments, lock: Locks, command: list[str]) -> None:
    image = plan.image_plan(environment(run=Run(command=tuple(command))), lock())
    assert json.loads(render_dockerfile("{{ image.service.run.command | exec }}", image)) == command


@pytest.mark.parametrize(
    "name", ["image.enviroment", "image.service.run.portss", "imagee", "image.env.PATHH"]
)
def test_a_misspelt_name_stops_the_rendering(environment: Environments, lock: Locks, name: str) -> None:
    with pytest.raises(
        InputError, match=r"docker/Dockerfile\.j2:1:1: cannot be rendered: .*(no attribute|undefined)"
    ):
        render_dockerfile(f"FROM {{{{ {name} }}}}", plan.image_plan(environment(), lock()))


def test_a_value_is_no_template(environment: Environments, lock: Locks) -> None:
    env = environment(summary="{{ 1 + 1 }}")
    assert 'description="{{ 1 + 1 }}"' in dockerfile(env, lock(env))


# --- lists and exports -----------------------------------------------------------------------------------------------


def test_a_context_list_has_a_line_for_everything_that_is_read() -> None:
    source = Source(name="b", url="https://example.org/b", tag="v1", commit="0f" * 20, path="third_party/b")
    context = plan.BuildContext(files={"z": "1", "a": "2"}, uv="0.13.9", sources={"sources/b": source})
    assert render_context_list(context) == (
        "# What the image's build reads. Made by `invoke render`; do not edit.\n"
        f"a  {file_format.digest('2')}\n"
        f"sources/b/  https://example.org/b v1 {'0f' * 20}\n"
        "uv  0.13.9\n"
        f"z  {file_format.digest('1')}\n"
    )


def test_the_requirements_are_the_whole_lock_and_name_no_host(environment: Environments, lock: Locks) -> None:
    env = environment(layers=(layer("empty"), layer("training", "tqdm==4.66.5")))
    text = export.render_requirements(env, lock(env))
    assert re.sub(r"[0-9a-f]{64}", "<64>", text) == (
        "# lora-gpu: Python 3.10.14, linux/amd64. Install with --no-deps --require-hashes.\n"
        "# 00-torch, from the cu121 index\n"
        "torch==2.5.1+cu121 --hash=sha256:<64>\n"
        "torchvision==0.20.1+cu121 --hash=sha256:<64>\n"
        "# 01-torch-deps, from PyPI\n"
        "nvidia-cudnn-cu12==9.1.0.70 --hash=sha256:<64>\n"
        "# 02-empty, from PyPI\n"
        "# 03-training, from PyPI\n"
        "tqdm==4.66.5 --hash=sha256:<64>\n"
    )
    assert "://" not in text


def test_a_rendering_is_the_same_text_every_time(environment: Environments, lock: Locks) -> None:
    dockerfiles: list[Any] = [dockerfile(environment(), lock()) for _ in range(2)]
    assert dockerfiles[0] == dockerfiles[1]
