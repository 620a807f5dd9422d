"""The stage that compiles wheels: what it installs, how each wheel is made, and what of it gets into the image."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from support.checks import make_positions
from support.dockerfile import dockerfile, dockerfile_instructions
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.lock import file_format
from torchpin.lock.layers import layer_lock, outdated_files
from torchpin.model import AptRepository, Base, BuildStage, BuiltWheel, Settings, Source
from torchpin.tools.copied_files import copied_digests
from torchpin.workspace.apt_keys import read_keys
from torchpin.workspace.workspace import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.model import Environment, Lock

DEVEL = "nvidia/cuda:12.1.1-devel-ubuntu22.04"
SOURCE = Source(name="sage", url="https://github.com/a/b", tag="v1", commit="0" * 40, path="third_party/sage")
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"


def wheel(pin: str, **changes: Any) -> BuiltWheel:
    return BuiltWheel(package=Requirement(pin), **changes)


def make_stage(*wheels: BuiltWheel, **changes: Any) -> BuildStage:
    requires = (Requirement("setuptools==80.9.0"),)
    return BuildStage(base=Base(image=DEVEL), wheels=wheels, **{"requires": requires, **changes})


@pytest.fixture
def env(environment: Environments) -> Environment:
    stage = make_stage(
        wheel("sageattention==2.2.0", source="sage"),
        wheel("my-ops==0.1", folder="ops", command=("python", "make.py", "a b")),
        wheel("flash-attn==2.8.3"),
        apt=("ccache",),
        env={"MAX_JOBS": "4"},
    )
    return environment(build=stage, sources=(SOURCE,), gpus=("RTX 4090", "H100"))


@pytest.fixture
def locked(env: Environment, lock: Locks, artifact: Artifacts) -> Lock:
    packages = (
        artifact("flash-attn", "2.8.3", filename="flash_attn-2.8.3.tar.gz", sha256="cd" * 32),
        artifact("setuptools", "80.9.0"),
    )
    with_jinja = lock(
        env, artifact("jinja2", "3.1.2", by=("torch",)), artifact("setuptools", "70.0.0", by=("torch",))
    )
    return replace(with_jinja, stage=layer_lock(env, file_format.STAGE, packages, uv="0.13.9"))


def stage_of(lines: list[str], name: str) -> list[str]:
    """The instructions of a stage."""
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")] + [len(lines)]
    bounds = itertools.pairwise(starts)
    return next(lines[start:end] for start, end in bounds if lines[start].endswith(f" AS {name}"))


def test_a_service_that_compiles_nothing_has_no_stage(environment: Environments, lock: Locks) -> None:
    plain = environment()
    assert plan.image_plan(plain, lock(plain)).stage is None
    assert "wheels" not in dockerfile(plain, lock(plain))
    assert "compiled" not in plan.probe_expectations(plain, lock(plain))


def test_the_stage_installs_torch_and_the_locked_tools_on_its_own_base(
    env: Environment, locked: Lock
) -> None:
    stage = stage_of(dockerfile_instructions(env, locked), "wheels")
    assert stage[0] == f"FROM {DEVEL} AS wheels"
    installs = [
        line.split("--requirements ")[1].split(" &&")[0] for line in stage if "uv pip install" in line
    ]
    assert installs == [
        f"/run/torchpin/layers/{name}.requirements.txt" for name in ("00-torch", "build-stage")
    ]
    files = plan.build_context(env, locked, runtime={}, smoke="").files
    names = [line.split("==")[0] for line in files["layers/build-stage.requirements.txt"].splitlines()]
    assert names == [
        "jinja2",
        "nvidia-cudnn-cu12",
        "setuptools",
    ]  # with what torch requires, and without tqdm
    assert (
        "setuptools==80.9.0" in files["layers/build-stage.requirements.txt"]
    )  # of the stage, not that of torch
    assert files["layers/build-archives.requirements.txt"] == f"flash-attn==2.8.3 --hash=sha256:{'cd' * 32}\n"


def test_wheels_are_compiled_without_network_for_the_described_gpus(env: Environment, locked: Lock) -> None:
    stage = stage_of(dockerfile_instructions(env, locked), "wheels")
    variables = [line for line in stage if line.startswith("ENV ") and "venv" not in line]
    assert variables == [
        'ENV CCACHE_DIR="/run/torchpin/ccache"',
        'ENV PYTORCH_NVCC="ccache nvcc"',
        'ENV TORCH_CUDA_ARCH_LIST="8.9;9.0"',
        'ENV CUDAARCHS="89;90"',
        'ENV FORCE_CUDA="1"',
        'ENV MAX_JOBS="4"',
    ]
    sage, ops, attention = [line for line in stage if "--network=none" in line]
    assert "source=sources/sage,target=/run/torchpin/source" in sage
    assert (
        "uv build --wheel --no-build-isolation --offline --python /opt/venv --out-dir /opt/wheels /opt/build/sageattention"
        in sage
    )
    assert "source=build/my-ops,target=/run/torchpin/source" in ops
    assert "env -C /opt/build/my-ops python make.py 'a b' &&" in ops
    assert (
        "python -m tarfile --extract /opt/archives/flash_attn-2.8.3.tar.gz /opt/build/unpacked" in attention
    )
    (download,) = [line for line in stage if "pip download" in line]
    assert "--no-binary :all:" in download
    assert "--require-hashes" in download


def test_variables_of_the_description_win(env: Environment, locked: Lock) -> None:
    stage = replace(env.service.build or make_stage(), env={"TORCH_CUDA_ARCH_LIST": "9.0a"})
    other = replace(env, service=replace(env.service, build=stage))
    assert 'ENV TORCH_CUDA_ARCH_LIST="9.0a"' in dockerfile_instructions(other, locked)


def test_the_image_gets_the_wheels_alone(env: Environment, locked: Lock) -> None:
    image = stage_of(dockerfile_instructions(env, locked), "image")
    assert image[0] == f"FROM {env.base.image} AS image"
    (install,) = [line for line in image if "from=wheels" in line]
    assert "--no-deps --no-index --no-build --find-links /run/torchpin/wheels" in install
    assert "sageattention==2.2.0 my-ops==0.1 flash-attn==2.8.3 && " in install
    assert not [line for line in image if "sources/sage" in line]  # what is compiled is not shipped
    assert [line for line in image if line.startswith("LABEL") and "io.torchpin.source.sage=" in line]
    expected: Any = plan.probe_expectations(env, locked)
    assert expected["compiled"] == {"sageattention": "2.2.0", "my-ops": "0.1", "flash-attn": "2.8.3"}
    assert (expected["capabilities"], expected["sources"]) == (["8.9", "9.0"], {})
    assert {"flash-attn", "my-ops"} <= {*expected["requested"]}


def test_a_folder_that_is_compiled_is_copied_for_the_build_and_in_the_key(
    repo: Repository, env: Environment, locked: Lock
) -> None:
    context = plan.build_context(env, locked, runtime={}, smoke="")
    assert {path: copied.origin for path, copied in context.copied.items()} == {"build/my-ops": "ops"}

    def digest(**texts: str) -> dict[str, str]:
        for name, text in texts.items():
            path = repo.root / "ops" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return copied_digests(repo.root, env.service, context.copied, context.left_out)

    first = digest(setup="one", src__ops="x")
    assert digest(build__x="left by a build", my_ops="", src__ops="x") != first  # a new file, my_ops
    (repo.root / "ops/my_ops").unlink()
    assert digest() == first  # without what builds leave
    assert digest(setup="two") != first


def test_a_cpu_build_has_no_architectures(environment: Environments, lock: Locks) -> None:
    cpu = environment(channel="cpu", build=make_stage(wheel("my-ops==0.1", folder="ops")))
    image = plan.image_plan(cpu, lock(cpu)).stage
    assert image is not None
    assert image.env == {}


def test_without_gpus_the_architectures_are_those_of_torch(environment: Environments, lock: Locks) -> None:
    plain = environment(build=make_stage(wheel("my-ops==0.1", folder="ops")))
    image = plan.image_plan(plain, lock(plain)).stage
    assert image is not None
    assert image.env["TORCH_CUDA_ARCH_LIST"] == "5.0;6.0;7.0;7.5;8.0;8.6;9.0"


def test_a_lock_is_out_of_date_where_the_stage_moves(env: Environment, locked: Lock) -> None:
    assert outdated_files(env, locked) == ()
    file = "build-stage.requirements.txt"
    assert outdated_files(env, replace(locked, stage=None)) == ((file, "is missing", "build-stage"),)
    stage = env.service.build
    assert stage is not None
    for moved in (
        replace(stage, requires=(Requirement("setuptools==81.0.0"),)),
        replace(stage, wheels=stage.wheels[:2]),
    ):
        other = replace(env, service=replace(env.service, build=moved))
        assert [row[0] for row in outdated_files(other, locked)] == [file]
    renamed = replace(env, service=replace(env.service, build=replace(stage, env={}, apt=())))
    assert outdated_files(renamed, locked) == ()  # what changes the image alone


def test_a_lock_with_a_stage_reads_back(locked: Lock) -> None:
    texts = file_format.lock_texts(locked)
    assert file_format.parse_lock("lockfiles/lora-gpu", texts) == locked


def test_system_packages_with_versions_are_installed_and_held(environment: Environments, lock: Locks) -> None:
    env = environment(apt=("curl", "git=1:2.34.1-1"))
    (line,) = [line for line in dockerfile_instructions(env, lock(env)) if "apt-get" in line]
    assert (
        "--no-install-recommends --allow-downgrades curl git=1:2.34.1-1 && apt-mark hold git && sh " in line
    )


def test_a_repository_of_system_packages_accepts_its_own_key_alone(
    environment: Environments, lock: Locks
) -> None:
    url = "https://packages.example.org/debian"
    repository = AptRepository(
        name="example", url=url, suite="bookworm", components=("main",), key="keys/a.asc"
    )
    flat = AptRepository(name="flat", url=url, suite="/", components=(), key="keys/b.asc")
    env = environment(apt=("curl",), apt_repositories=(repository, flat))
    (line,) = [line for line in dockerfile_instructions(env, lock(env)) if "apt-get" in line]
    assert line.index("install --yes --no-install-recommends ca-certificates") < line.index(".sources")
    assert line.index("cp /run/torchpin/apt/*.sources") < line.rindex("apt-get update")
    keys = {"keys/a.asc": f"{KEY}a", "keys/b.asc": f"{KEY}b"}
    files = plan.build_context(env, lock(env), runtime={}, smoke="", keys=keys).files
    assert files["apt/example.sources"] == (
        f"Types: deb\nURIs: {url}\nSuites: bookworm\nComponents: main\nSigned-By: /etc/apt/keyrings/example.asc\n"
    )
    assert files["apt/example.asc"] == f"{KEY}a"
    assert "Components" not in files["apt/flat.sources"]


@pytest.fixture
def repo(tmp_path: Path, env: Environment) -> Repository:
    return Repository(root=tmp_path, services=(env.service,), settings=Settings())


def test_a_folder_that_is_missing_is_named(repo: Repository, env: Environment, locked: Lock) -> None:
    described = replace(env, service=replace(env.service, positions=make_positions("build.wheels")))
    context = plan.build_context(described, locked, runtime={}, smoke="")
    with pytest.raises(InputError, match=r"service\.yaml:7:3: build\.wheels: ops does not exist"):
        copied_digests(repo.root, described.service, context.copied, context.left_out)


def test_a_key_that_is_none_is_named(repo: Repository, environment: Environments) -> None:
    repository = AptRepository(name="a", url="https://a.example", suite="/", components=(), key="a.asc")
    env = environment(apt_repositories=(repository,), positions=make_positions("apt_repositories[0].key"))
    with pytest.raises(InputError, match=r"7:3: apt_repositories\[0\]\.key: a\.asc is missing"):
        read_keys(repo, env)
    (repo.root / "a.asc").write_text("mQINBF")
    with pytest.raises(InputError, match="does not begin with -----BEGIN PGP PUBLIC KEY BLOCK-----"):
        read_keys(replace(repo), env)
    (repo.root / "a.asc").write_text(KEY)
    assert read_keys(replace(repo), env) == {"a.asc": KEY}
