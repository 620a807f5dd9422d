"""Dockerfiles and context lists are rendered from the plan of an image."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from support.abi_wheels import ATTENTION, FLASH, LAYER_ONE, RELEASE, make_environment, make_lock, resolution
from support.addresses import CU121
from support.dockerfile import TEMPLATE, dockerfile, dockerfile_instructions, instructions
from support.layers import make_layer
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.image import build_log, plan
from torchpin.image.dockerfile import render_context_list, render_dockerfile
from torchpin.image.groups import LARGE
from torchpin.image.steps import step_sizes
from torchpin.lock import sealing
from torchpin.model import Base, Health, Run, Source, Torch, Variant

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks, Services

SETTLE = "sh /run/torchpin/settle.sh"
# of the steps that write into folders of their own: the scripts with the smoke test, and the report of the proof
OWN_FOLDERS = f"{SETTLE} /opt/torchpin && {SETTLE} /opt/lora && {SETTLE} /opt /run/torchpin created"
ENDS = (OWN_FOLDERS, f"/opt/torchpin/proof.json && {SETTLE} /opt/torchpin")
SETTLE_NEW = f"{SETTLE} /opt/venv /run/torchpin created"
CLEAR = "rm -rf /opt/venv/.downloads"
UNPACK = (
    'if [ -z "$KEEP_DOWNLOADS" ]; then export UV_CACHE_DIR=/opt/venv/.downloads UV_LINK_MODE=hardlink; fi && '
    "/run/torchpin/uv pip install"
)


def installs(text: str) -> list[str]:
    return [line for line in instructions(text) if "pip install" in line]


def test_a_plain_image_is_these_instructions(environment: Environments, lock: Locks) -> None:
    env = environment()
    lines = instructions(dockerfile(env, lock(env)))
    assert [line.split()[0] for line in lines] == [
        "FROM", *["ARG"] * 8, "ENV", "ENV", *["RUN"] * 6, "LABEL", "ENV", "WORKDIR", "ENTRYPOINT", "FROM", "RUN", "FROM", "ARG", "RUN",
    ]  # fmt: skip
    assert lines[0] == "FROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04 AS image"
    assert lines[17] == (
        'LABEL org.opencontainers.image.title="lora-gpu" org.opencontainers.image.description="Training" '
        'org.opencontainers.image.version="2.5.1+cu121" io.torchpin.description="services/lora/service.yaml"'
    )
    assert 'ENV TORCHPIN_REPORT="tqdm"' in lines
    assert lines[-5] == "FROM image AS proof"
    assert (
        "python -B /opt/torchpin/prove.py /tmp/proof.json /opt/lora/smoke.py --no-gpu --expect" in lines[-4]
    )
    assert "if [ ! -s /tmp/proof.json ]; then" in lines[-4]
    assert lines[-3] == "FROM image"


@pytest.mark.parametrize(
    ("run", "end"),
    [
        (Run(), OWN_FOLDERS),
        (Run(user="worker"), f" && {SETTLE}"),
        (Run(writable=("/data",)), f" && {SETTLE}"),
    ],
    ids=["files", "a user", "a folder"],
)
def test_all_of_the_image_is_looked_at_where_a_step_writes_elsewhere_than_below_opt(
    run: Run, end: str, environment: Environments, lock: Locks
) -> None:
    env = environment(run=run)
    (step,) = [
        line
        for line in instructions(dockerfile(env, lock(env)))
        if "/opt/lora/smoke.py" in line and "cp " in line
    ]
    assert step.endswith(end)


def test_no_line_ends_in_the_middle_of_an_instruction(environment: Environments, lock: Locks) -> None:
    text = dockerfile(environment(), lock())
    assert not re.search(r"\\\n\s*(\n|#|$)", text)
    assert text.endswith("\n")


def test_a_digest_fixes_the_base(environment: Environments, lock: Locks) -> None:
    env = environment(base=Base(image="debian:12", digest="sha256:" + "0f" * 32))
    assert f"FROM debian:12@sha256:{'0f' * 32} AS image\n" in dockerfile(env, lock(env))


def test_each_layer_is_installed_from_its_own_index_by_hash(environment: Environments, lock: Locks) -> None:
    torch, companions, deps, training = installs(dockerfile(environment(), lock()))
    assert f'export UV_DEFAULT_INDEX="${{TORCHPIN_MIRROR_CU121:-{CU121}}}"' in torch
    assert UNPACK in torch
    for layer_name, line in (
        *(("00-torch", torch), ("00-torch.companions", companions)),
        *(("01-torch-deps", deps), ("02-training", training)),
    ):
        assert (
            f"--mount=type=bind,source=layers/{layer_name}.requirements.txt,"
            f"target=/run/torchpin/layers/{layer_name}.requirements.txt" in line
        )
        assert line.endswith(
            "uv pip install --no-deps --require-hashes --no-build "
            f"--requirements /run/torchpin/layers/{layer_name}.requirements.txt && {CLEAR} && {SETTLE_NEW}"
        )
    for line in deps, training:
        assert (
            'if [ -n "${TORCHPIN_MIRROR_PYPI:-}" ]; then export UV_DEFAULT_INDEX="$TORCHPIN_MIRROR_PYPI"; fi'
            in line
        )
        assert CU121 not in line


def test_the_largest_of_torch_s_libraries_are_fetched_while_torch_is_and_installed_in_its_step(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment()
    large = (
        artifact(name, by=("torch",), size=size) for name, size in (("cublas", LARGE), ("cufft", 2 * LARGE))
    )
    env_lock = lock(env, artifact("cudnn", by=("torch",), size=3 * LARGE), *large)
    step, rest, *_ = installs(dockerfile(env, env_lock))
    files = [
        f"/run/torchpin/layers/{name}.requirements.txt" for name in ("00-torch", "01-torch-deps.beside_torch")
    ]
    torch, library = (
        f"uv pip install --no-deps --require-hashes --no-build --requirements {file} )" for file in files
    )
    ahead = f"--target /opt/venv/.downloads/ahead --requirements {files[1]} >/dev/null 2>&1 ) & fi"
    assert step.index("UV_LINK_MODE=hardlink") < step.index(ahead) < step.index(torch)  # in what links alone
    assert step.index(torch) < step.index("wait") < step.index(library) < step.index(CLEAR)
    assert step.endswith(SETTLE_NEW)
    assert "01-torch-deps.with_torch" in rest
    line = f"#7 [image 3/9] {step}"
    assert build_log.layer_indexes([line]) == {"00-torch.requirements.txt": CU121}
    assert build_log.step_title(line.removeprefix("#7 ")) == "layer 00-torch"
    assert step_sizes(env, env_lock)["layer 00-torch"] == 3 * LARGE + 10


def test_a_failed_optional_layer_does_not_fail_the_image(environment: Environments, lock: Locks) -> None:
    env = environment(layers=(make_layer("training", "tqdm==4.66.5", optional=True),))
    *required, optional = installs(dockerfile(env, lock(env)))
    assert re.search(
        r"&& \{ /run/torchpin/uv pip install .* --requirements /run/torchpin/layers/02-training\.requirements\.txt"
        r' \|\| echo "torchpin: [^"]*" >&2; \} && rm -rf /opt/venv/\.downloads && sh /run/torchpin/settle\.sh \S+ \S+ created$',
        optional,
    )
    assert not [line for line in required if "||" in line]


def test_a_source_only_layer_is_built_by_what_is_locked(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = environment(layers=(make_layer("old", "dadaptation==3.2"), make_layer("training", "tqdm==4.66.5")))
    env_lock = lock(env, artifact("dadaptation", "3.2", filename="dadaptation-3.2.tar.gz", by=("lora",)))
    old, training = installs(dockerfile(env, env_lock))[-2:]
    assert "source=layers/build.requirements.txt,target=/run/torchpin/layers/build.requirements.txt" in old
    assert (
        "--preview-features build-dependency-hashes --require-build-hashes "
        "--build-constraints /run/torchpin/layers/build.requirements.txt" in old
    )
    assert "--no-build " not in old
    assert "build.requirements.txt" not in training
    assert "--no-build " in training


def test_apt_packages_are_installed_in_one_step(environment: Environments, lock: Locks) -> None:
    env = environment(apt=("git", "libgl1"))
    (line,) = [line for line in instructions(dockerfile(env, lock(env))) if "apt-get" in line]
    assert line.endswith(
        f"apt-get update && apt-get install --yes --no-install-recommends git libgl1 && {SETTLE}"
    )


def test_without_apt_packages_apt_is_not_run(environment: Environments, lock: Locks) -> None:
    assert "apt-get" not in dockerfile(environment(), lock())


def test_a_service_s_user_owns_its_volumes_proves_it_and_runs_it(
    environment: Environments, lock: Locks
) -> None:
    env = environment(run=Run(user="worker", volumes=("/workspace", "/data")))
    lines = instructions(dockerfile(env, lock(env)))
    (step,) = [line for line in lines if "useradd" in line]
    assert step.endswith(
        "useradd --no-log-init --create-home --user-group --uid 10001 worker && "
        "install -d -o worker -g worker /workspace && install -d -o worker -g worker /data && " + SETTLE
    )
    proof = lines.index("FROM image AS proof")
    assert lines[proof + 1] == "USER worker"
    assert "prove.py" in lines[proof + 2]
    assert "tmpfs" not in lines[proof + 2]  # the volumes as they are in the image
    assert lines[-1] == "USER worker"


def test_volumes_that_no_user_owns_are_made_for_the_proof_alone(
    environment: Environments, lock: Locks
) -> None:
    env = environment(run=Run(volumes=("/workspace", "/data")))
    (proof,) = [line for line in instructions(dockerfile(env, lock(env))) if "prove.py" in line]
    assert "--mount=type=tmpfs,target=/workspace --mount=type=tmpfs,target=/data" in proof


@pytest.mark.parametrize("run", [Run(), Run(user="worker", volumes=("/data",))], ids=["root", "a user"])
@pytest.mark.parametrize("origin", ["index", "base"])
def test_no_step_of_the_image_leaves_the_time_of_the_build(
    run: Run, origin: Literal["index", "base"], environment: Environments, lock: Locks
) -> None:
    env = environment(run=run, apt=("git",))
    image = plan.image_plan(env, lock(env))
    service = replace(env.service, torch=replace(env.service.torch, origin=origin))
    lines = instructions(render_dockerfile(TEMPLATE, replace(image, service=service)))
    proof = lines.index("FROM image AS proof")
    steps = [line for line in (*lines[:proof], *lines[lines.index("FROM image") :]) if line.startswith("RUN")]
    assert len(steps) > 4
    for step in steps:
        assert step.endswith((SETTLE, SETTLE_NEW, *ENDS)), step
        assert "--mount=type=tmpfs,target=/run --mount=type=tmpfs,target=/tmp" in step
        # elsewhere a mount point would be left behind in the image, or its folder with another time
        targets = re.findall(r"target=(\S+)", step)
        assert not [target for target in targets if not target.startswith(("/run", "/tmp", "/var/"))]
    assert not [line for line in lines if line.startswith(("COPY", "ADD"))]


def test_the_time_of_the_files_is_the_day_of_the_torch_release(
    environment: Environments, lock: Locks
) -> None:
    env = environment()
    assert "ARG SOURCE_DATE_EPOCH=1730160000" in instructions(dockerfile(env, lock(env)))
    assert plan.image_time(env) == (1730160000, "2024-10-29, the day of torch 2.5.1")


def test_the_time_of_an_unknown_torch_is_the_first_day_of_zip_files(environment: Environments) -> None:
    env = environment(torch=Torch(version=Version("9.9.9"), companions={}))
    assert plan.image_time(env) == (315532800, "1980-01-01, the first day that a zip file can hold")


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
    steps = [line for line in lines if "target=/run/torchpin/source " in line]
    for name, step in zip("ab", steps, strict=True):
        home = f"/opt/lora/third_party/x/{name}"
        assert f"--mount=type=bind,source=sources/{name},target=/run/torchpin/source " in step
        assert step.endswith(f"mkdir -p {home} && cp -R -P /run/torchpin/source/. {home} && {SETTLE}")
    assert f'io.torchpin.source.b="https://example.org/b@v1#{"0f" * 20}"' in next(
        line for line in lines if line.startswith("LABEL")
    )


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


def test_a_context_list_has_a_line_for_everything_that_is_read() -> None:
    source = Source(name="b", url="https://example.org/b", tag="v1", commit="0f" * 20, path="third_party/b")
    context = plan.BuildContext(files={"z": "1", "a": "2"}, uv="0.13.9", sources={"sources/b": source})
    assert render_context_list(context) == (
        "# What the image's build reads. Made by `invoke render`; do not edit.\n"
        f"a  {sealing.digest('2')}\n"
        f"sources/b/  https://example.org/b v1 {'0f' * 20}\n"
        "uv  0.13.9\n"
        f"z  {sealing.digest('1')}\n"
    )


def test_a_rendering_is_the_same_text_every_time(environment: Environments, lock: Locks) -> None:
    dockerfiles: list[Any] = [dockerfile(environment(), lock()) for _ in range(2)]
    assert dockerfiles[0] == dockerfiles[1]


def test_a_base_s_torch_is_seen_from_a_venv_that_installs_none(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    lines = dockerfile_instructions(env, make_lock(env, resolution(artifact)))
    (venv,) = [line for line in lines if " venv " in line]
    assert (
        'uv venv --no-project --no-python-downloads --system-site-packages --python "$(command -v python3)" /opt/venv'
        in venv
    )
    installs = [line for line in lines if "pip install" in line]
    assert [re.findall(r"--requirements \S+/(\S+)", line) for line in installs] == [
        ["01-attention.requirements.txt"], ["02-one.requirements.txt"],
    ]  # fmt: skip
    assert not [line for line in lines if "whl/cu" in line or "00-" in line or "torch-deps" in line]
    assert any(line.endswith('org.opencontainers.image.version="2.7.1+cu126" io.torchpin.description="services/seedvr/service.yaml"') for line in lines)  # fmt: skip


def test_an_index_s_torch_is_installed_into_a_venv_of_its_own(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE, origin="index")
    lines = dockerfile_instructions(env, make_lock(env, resolution(artifact)))
    (venv,) = [line for line in lines if " venv " in line]
    assert "--system-site-packages" not in venv
    assert "--python 3.11.9 /opt/venv" in venv


def test_an_abi_wheel_s_address_is_its_release_s_or_its_mirror_s_and_is_not_kept(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, ATTENTION, LAYER_ONE)
    (line,) = [
        instruction for instruction in dockerfile_instructions(env, make_lock(env, resolution(artifact))) if "01-attention.requirements.txt --hash" in instruction
        or "--requirements /run/torchpin/layers/01-attention.requirements.txt" in instruction
    ]  # fmt: skip
    assert f'export TORCHPIN_MIRROR_FLASH_ATTN="${{TORCHPIN_MIRROR_FLASH_ATTN:-{RELEASE}}}" &&' in line
    assert "--no-deps --require-hashes --no-build " in line
    assert "UV_DEFAULT_INDEX" not in line
    notes = "/opt/venv/lib/python*/site-packages/*.dist-info"
    assert f"&& for note in {notes}/direct_url.json {notes}/uv_cache.json; do " in line
    assert line.endswith(f'rm "$note"; done && {CLEAR} && {SETTLE_NEW}')


def test_an_optional_abi_wheel_that_fails_leaves_the_image_without_it(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment, make_layer("attention", FLASH, optional=True), LAYER_ONE)
    lines = dockerfile_instructions(env, make_lock(env, resolution(artifact)))
    (line,) = [
        instruction
        for instruction in lines
        if "--requirements /run/torchpin/layers/01-attention.requirements.txt" in instruction
    ]
    assert re.search(r"&& \{ /run/torchpin/uv pip install .*direct_url\.json .* done \|\| echo ", line)
    assert line.endswith(
        '"torchpin: the optional layer 01-attention.requirements.txt could not be installed; the image goes without it" >&2; } && '
        f"{CLEAR} && {SETTLE_NEW}"
    )


def test_each_variant_stands_on_its_own_base(service: Services, artifact: Artifacts) -> None:
    digest = "sha256:" + "0f" * 32
    variants = (
        Variant(name="gpu", channel="cu121", platform="linux/amd64"),
        Variant(name="cpu", channel="cpu", platform="linux/amd64", base=Base(image="ubuntu:22.04", digest=digest)),
        Variant(name="arm64", channel="cpu", platform="linux/arm64", base=Base(image="python:3.10-slim-bookworm")),
    )  # fmt: skip
    described_service = service(
        variants=variants, base=Base(image="nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04")
    )
    from_lines = {}
    for env in select_environments((described_service,)):
        local = "" if env.variant.platform == "linux/arm64" else f"+{env.variant.channel}"
        packages = [
            artifact(name, f"{version}{local}") for name, version in described_service.torch.family.items()
        ]
        packages.append(artifact("tqdm", "4.66.5"))
        (from_lines[env.name], *_) = [
            line
            for line in dockerfile_instructions(env, make_lock(env, packages))
            if line.startswith("FROM ") and line.endswith(" AS image")
        ]
    assert from_lines == {
        "lora-gpu": "FROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04 AS image",
        "lora-cpu": f"FROM ubuntu:22.04@{digest} AS image",
        "lora-arm64": "FROM python:3.10-slim-bookworm AS image",
    }


def test_bytecode_lies_beside_what_a_step_installs_and_above_torch(
    environment: Environments, lock: Locks
) -> None:
    env = environment(run=Run(bytecode=True), apt=("git",))
    lines = instructions(dockerfile(env, lock(env)))
    plain = instructions(dockerfile(environment(apt=("git",)), lock(env)))
    compiles = [line for line in lines if "compileall" in line]
    torch_alone, training = compiles[0], compiles[-1]
    assert all("--invalidation-mode unchecked-hash" in line for line in compiles)
    assert (
        "find /opt/venv/lib $(ls -d /opt/python 2>/dev/null) -name '*.py' ! -path '*/tests/*'" in torch_alone
    )
    assert "pip install" not in torch_alone
    assert "find /opt/venv/lib -newer /run/torchpin -name '*.py' ! -path '*/tests/*'" in training
    # the layers of torch and its family are those of an image without bytecode
    below = lines.index(torch_alone)
    assert lines[:below] == plain[:below]
    assert [line for line in lines[:below] if "00-torch.companions" in line]
    assert "apt-get" in lines[below + 1]


def test_an_edited_apt_list_changes_no_step_before_it(environment: Environments, lock: Locks) -> None:
    before, after = (
        instructions(dockerfile(environment(apt=apt), lock(environment(apt=apt))))
        for apt in [("git",), ("git", "curl")]
    )
    different = [number for number, pair in enumerate(zip(before, after, strict=True)) if len({*pair}) > 1]
    assert [before[number].startswith("RUN") and "apt-get" in before[number] for number in different] == [
        True
    ]
    torch = [number for number, line in enumerate(before) if "layers/00-torch" in line]
    assert max(torch) < different[0]


def test_what_a_service_is_called_changes_nothing_below_its_own_packages(
    environment: Environments, lock: Locks
) -> None:
    lora = environment(apt=("git",))
    other = environment(
        apt=("curl",), name="speech", summary="Speech", run=Run(env=MappingProxyType({"A": "b"}))
    )
    first, second = (instructions(dockerfile(env, lock(env))) for env in (lora, other))
    shared = [line for line in first if "layers/00-torch" in line or "uv venv" in line]
    assert len(shared) == 3
    last = max(first.index(line) for line in shared)
    assert first[: last + 1] == second[: last + 1]
