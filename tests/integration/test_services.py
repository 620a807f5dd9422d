"""The shapes of the services in the lab, with a real engine: torch from a base, ABI wheels, variants, freeze and run."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.pylock import Pylock
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin import facts, model, paths
from torchpin.checks import run
from torchpin.commands import build, clone, generate, images, judge, new
from torchpin.commands import lock as commands_lock
from torchpin.compat.wheels import abi_wheels
from torchpin.description import write
from torchpin.description.environments import cuda_version, select_environments
from torchpin.errors import FindingsError
from torchpin.lab import engine, lab, stub_wheels
from torchpin.lock import file_format
from torchpin.model import Artifact, Layer
from torchpin.output import terminal
from torchpin.tools import docker, process
from torchpin.tools.files import write_files
from torchpin.workspace import generated, workspace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torchpin.model import Environment, Lock, Service
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]

ROOT = Path(__file__).parents[2]
OPTIONS = build.BuildOptions()
SHAPES = ["seedvr", "videogen", "zopilot", "coaxial"]
FROM_BASE = ["seedvr", "videogen"]
AIOFILES = Artifact(  # an older one than zopilot's, on PyPI for good
    name="aiofiles", version="24.1.0", filename="aiofiles-24.1.0-py3-none-any.whl",
    sha256="b4ec55f4195e3eb5d7abd1bf7e061763e864dd4954231fb8539a0ef8bb8260e5", size=15896, required_by=("zopilot",),
)  # fmt: skip


@dataclass(kw_only=True)
class BuiltLab:
    """A lab of one or more services, locked, cloned and built; what became of it."""

    repo: Repository
    environments: tuple[Environment, ...]
    locked: tuple[model.Outcome, ...]
    cloned: tuple[model.Outcome, ...]
    built: tuple[model.Outcome, ...]
    copies: int = field(default=0)

    def service_environments(self, name: str) -> tuple[Environment, ...]:
        return tuple(env for env in self.environments if env.service.name == name)


class BuiltLabs:
    """One lab a shape, opened when its first test asks; two services share one, as `invoke lab` has them."""

    def __init__(self, ends: ExitStack) -> None:
        self._exit_stack = ends
        self._open: dict[tuple[str, ...], BuiltLab] = {}

    def lab_of(self, name: str) -> BuiltLab:
        key = ("seedvr", "zopilot") if name in {"seedvr", "zopilot"} else (name,)
        if key not in self._open:
            self._open[key] = self._open_lab(key)
        return self._open[key]

    def _open_lab(self, names: tuple[str, ...]) -> BuiltLab:
        repo = workspace.open_repository(ROOT)
        environments = tuple(
            env for name in names for env in select_environments(repo.services, service=name)
        )
        messages: list[str] = []
        opened_lab = self._exit_stack.enter_context(lab.open_lab(repo, environments, say=messages.append))
        assert opened_lab.has_docker, messages
        locked = commands_lock.lock(opened_lab.repo, opened_lab.environments)
        cloned = clone.clone(opened_lab.repo, opened_lab.environments)
        built = build.build(opened_lab.repo, opened_lab.environments, OPTIONS)
        return BuiltLab(
            repo=opened_lab.repo,
            environments=opened_lab.environments,
            locked=locked,
            cloned=cloned,
            built=built,
        )


@pytest.fixture(scope="module")
def shapes() -> Iterator[BuiltLabs]:
    with ExitStack() as ends:
        yield BuiltLabs(ends)


@pytest.fixture
def scratch(shapes: BuiltLabs, tmp_path: Path) -> Callable[[str], Repository]:
    """A copy of a shape's monorepo for one test, with names of its own for its images; they go with the lab's."""

    def copied(name: str) -> Repository:
        shape = shapes.lab_of(name)
        shape.copies += 1
        root = tmp_path / f"monorepo-{shape.copies}"
        shutil.copytree(shape.repo.root, root, symlinks=True)
        return replace(shape.repo, root=root, prefix=f"{shape.repo.prefix}/copy-{name}-{shape.copies}")

    return copied


def change_service(
    repo: Repository, name: str, change: Callable[[Service], Service]
) -> tuple[Repository, tuple[Environment, ...]]:
    """The repository with one service changed, on disk and in memory; locked and rendered anew."""
    (before,) = [service for service in repo.services if service.name == name]
    after = change(before)
    write_files({repo.root / after.file: write.to_yaml(after)})
    changed_repo = replace(repo, services=workspace.open_repository(repo.root).services)
    environments = select_environments(changed_repo.services, service=name)
    outcomes = commands_lock.lock(changed_repo, environments)
    assert not any(outcome.code for outcome in outcomes), outcomes
    return changed_repo, environments


def change_lock(repo: Repository, env: Environment, change: Callable[[Lock], Lock]) -> None:
    """A lock changed behind uv's back, properly sealed and rendered."""
    changed_lock = change(workspace.read_lock(repo, env))
    files: dict[str, str | None] = {
        f"lockfiles/{env.name}/{name}": text for name, text in file_format.lock_texts(changed_lock).items()
    }
    write_files({repo.root / path: text for path, text in files.items()})
    files = {**generated.render_environment(repo, env, changed_lock).files}
    write_files({repo.root / path: text for path, text in files.items()})


def replace_layer(lock: Lock, name: str, packages: Sequence[Artifact]) -> Lock:
    layers = tuple(
        replace(layer, packages=tuple(packages)) if layer.name.endswith(name) else layer
        for layer in lock.layers
    )
    return replace(lock, layers=layers)


def image_tag(repo: Repository, env: Environment) -> str:
    key = generated.render_environment(repo, env, workspace.read_lock(repo, env)).image_key
    return f"{docker.image_repository(env, repo.settings, prefix=repo.prefix)}:{key[:12]}"


def image_tags(repo: Repository) -> list[str]:
    with docker.engine() as client:
        return engine.list_tags(client, f"{repo.prefix}/")


def run_script(image: str, script: str) -> Any:
    """What Python inside an image prints as JSON."""
    with docker.engine() as client:
        output: bytes = client.containers.run(
            image, ["-c", script], entrypoint=["python"], remove=True, network_mode="none"
        )
    return json.loads(output)


def freeze_record(repo: Repository, env: Environment) -> dict[str, str]:
    text = str(repo.text(f"records/{env.name}/pip_freeze.txt"))
    return dict(line.split("==") for line in text.splitlines())


# --- every shape -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_locked_cloned_built_proven_and_recorded(shapes: BuiltLabs, name: str) -> None:
    shape = shapes.lab_of(name)
    env_names = {env.name for env in shape.service_environments(name)}
    assert env_names == {
        env.name for env in select_environments(workspace.open_repository(ROOT).services, service=name)
    }
    for outcomes in (shape.locked, shape.cloned, shape.built):
        assert not [outcome for outcome in outcomes if outcome.code], outcomes
    assert {outcome.name for outcome in shape.built if "built and proven: " in outcome.detail} >= env_names
    for env in shape.service_environments(name):
        lock = workspace.read_lock(shape.repo, env)
        assert freeze_record(shape.repo, env) == {
            package.name: package.version for package in lock.packages.values()
        }
        record = workspace.read_build_record(shape.repo, env)
        assert record["torch"]["version"] == f"{env.service.torch.version}+{env.variant.channel}"
        assert record["torch"]["cuda"] == cuda_version(env)
        assert record["optional_missing"] == []

    needs = ["docker", "image"]
    results = judge.verify(shape.repo, shape.service_environments(name), require=needs)
    assert judge.exit_code(results, require=needs) == 0, run.blocking_findings(results)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_that_is_built_has_nothing_to_do(shapes: BuiltLabs, name: str) -> None:
    shape = shapes.lab_of(name)
    outcomes = build.build(shape.repo, shape.service_environments(name), OPTIONS)
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [("same", 0)] * len(outcomes), outcomes
    assert all("nothing to do" in outcome.detail for outcome in outcomes)


@pytest.mark.parametrize("name", SHAPES)
def test_an_image_read_again_equals_its_lock_and_its_record(shapes: BuiltLabs, name: str) -> None:
    shape = shapes.lab_of(name)
    outcomes = images.freeze(shape.repo, shape.service_environments(name))
    assert [outcome.code for outcome in outcomes] == [0] * len(outcomes), outcomes
    assert all("equals its lock and its record" in outcome.detail for outcome in outcomes)


# --- torch from the base ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FROM_BASE)
def test_a_base_s_torch_is_inherited_proven_and_not_recorded_as_installed(
    shapes: BuiltLabs, name: str
) -> None:
    shape = shapes.lab_of(name)
    (env,) = shape.service_environments(name)
    assert not {*env.service.torch.family} & {*freeze_record(shape.repo, env)}
    image = image_tag(shape.repo, env)
    with docker.engine() as client:
        answer = docker.probe(client, image)
    assert not {*env.service.torch.family} & {*answer["distributions"]}
    local = env.variant.channel
    assert answer["torch"]["version"] == f"{env.service.torch.version}+{local}"
    script = (
        "import json, torch, torchvision, sys\n"
        "print(json.dumps([torch.__file__, torchvision.__file__, torch.__torchpin_standin__, sys.prefix]))"
    )
    torch, vision, is_stub, prefix = run_script(image, script)
    assert is_stub is True
    assert prefix == "/opt/venv"
    assert not torch.startswith("/opt/venv")
    assert not vision.startswith("/opt/venv")


@pytest.mark.parametrize("name", FROM_BASE)
def test_flash_attn_is_the_mirror_s_file_and_no_address_of_it_stays(shapes: BuiltLabs, name: str) -> None:
    shape = shapes.lab_of(name)
    (env,) = shape.service_environments(name)
    assert freeze_record(shape.repo, env)["flash-attn"] == "2.8.3"
    (wheel,) = abi_wheels(env).values()
    log = next((shape.repo.root / ".torchpin/logs").glob(f"{env.name}-*.log")).read_text()
    mirror = shape.repo.settings.mirrors["flash-attn"]
    installed = [line for line in log.splitlines() if " + flash-attn==2.8.3" in line]
    assert len(installed) == 1
    assert f"(from {mirror.rstrip('/')}/{wheel.filename.replace('+', '%2B')})" in installed[0]

    image = image_tag(shape.repo, env)
    script = (
        "import glob, json, flash_attn\n"
        "found = glob.glob('/opt/venv/lib/python*/site-packages/*.dist-info/direct_url.json')\n"
        "text = [open(f, errors='replace').read() for f in glob.glob('/opt/torchpin/*')]\n"
        "print(json.dumps([found, flash_attn.__version__, any('127.0.0.1' in one for one in text)]))"
    )
    assert run_script(image, script) == [[], "2.8.3", False]
    with docker.engine() as client:
        history = json.dumps(client.images.get(image).history())
        config = json.dumps(client.images.get(image).attrs["Config"])
    assert "127.0.0.1" not in history + config
    assert f"TORCHPIN_MIRROR_FLASH_ATTN:-{wheel.release}" in history


def build_other_base(shape: BuiltLab, folder: Path, service: Service, *, local: str) -> str:
    """The lab's plain base with another build of the service's torch in it."""
    name = shape.repo.prefix + f"/base-{service.name}-{local}:1"
    files = stub_wheels.torch_family(
        version=str(service.torch.version), local=local, cuda="12.9", archs=("sm_90",), cudnn=90100,
        companions={name: str(version) for name, version in service.torch.companions.items()},
        python_tag="py3", platform="any",
    )  # fmt: skip
    site_folder = folder / "site"
    for file in files:
        archive = folder / "wheel.zip"
        archive.write_bytes(file.content or b"")
        shutil.unpack_archive(archive, site_folder)
    engine.extend_image(f"{shape.repo.prefix}/base:1", name, site_folder)
    return name


def test_a_base_with_another_build_of_torch_fails_at_the_proof_and_nothing_is_tagged(
    shapes: BuiltLabs, scratch: Callable[[str], Repository], tmp_path: Path
) -> None:
    shape = shapes.lab_of("seedvr")
    (env,) = shape.service_environments("seedvr")
    base = build_other_base(shape, tmp_path, env.service, local="cu129")
    repo, environments = change_service(
        scratch("seedvr"), "seedvr", lambda service: replace(service, base=replace(service.base, image=base))
    )
    (outcome,) = build.build(repo, environments, OPTIONS)
    assert (outcome.status, outcome.code) == ("failed", 3), outcome
    assert "failed at proof" in outcome.detail
    assert "2.7.1+cu126" in outcome.detail
    assert "2.7.1+cu129" in outcome.detail
    assert image_tags(repo) == []
    assert (
        workspace.read_build_record(repo, environments[0])["key"]
        == workspace.read_build_record(shape.repo, env)["key"]
    )


def test_a_base_without_torch_fails_at_the_proof_and_nothing_is_tagged(
    shapes: BuiltLabs, scratch: Callable[[str], Repository]
) -> None:
    plain = f"{shapes.lab_of('seedvr').repo.prefix}/base:1"
    repo, environments = change_service(
        scratch("seedvr"), "seedvr", lambda service: replace(service, base=replace(service.base, image=plain))
    )
    (outcome,) = build.build(repo, environments, OPTIONS)
    assert (outcome.status, outcome.code) == ("failed", 3), outcome
    assert "failed at proof" in outcome.detail
    assert "torch" in outcome.detail
    assert image_tags(repo) == []


@pytest.mark.parametrize("name", FROM_BASE)
def test_a_lock_with_an_abi_wheel_is_exported_in_the_standard_form(shapes: BuiltLabs, name: str) -> None:
    """PyPI has no such file: its place is the release, its hash the locked one; what the base gives is no part of it."""
    shape = shapes.lab_of(name)
    (env,) = shape.service_environments(name)
    lock = workspace.read_lock(shape.repo, env)
    text = commands_lock.export(shape.repo, env, "pylock")
    exported = Pylock.from_dict(tomllib.loads(text))
    assert {package.name: str(package.version) for package in exported.packages} == {
        name: package.version for name, package in lock.packages.items()
    }
    assert lock.packages["flash-attn"].sha256 in text


# --- optional packages, and what comes twice -------------------------------------------------------------------------


def test_a_lost_optional_layer_is_told_by_the_record_and_the_documents(
    scratch: Callable[[str], Repository],
) -> None:
    def change(service: Service) -> Service:
        layers = tuple(
            replace(layer, packages=(Requirement("toml==0.10.2"),)) if layer.optional else layer
            for layer in service.layers
        )
        return replace(service, layers=layers)

    repo, (env,) = change_service(scratch("videogen"), "videogen", change)
    package = workspace.read_lock(repo, env).packages["toml"]
    change_lock(repo, env, lambda lock: replace_layer(lock, "-extras", [replace(package, sha256="0" * 64)]))
    (outcome,) = build.build(repo, [env], OPTIONS)
    assert outcome.code == 0, outcome.detail
    assert workspace.read_build_record(repo, env)["optional_missing"] == ["toml"]
    assert "toml" not in freeze_record(repo, env)
    text = str(repo.text("docs/PINNING.md"))
    assert any("toml" in line and "missing" in line for line in text.splitlines())
    assert images.freeze(repo, [env])[0].code == 0


def test_a_package_that_is_installed_twice_is_no_proven_image_however_often_it_is_built(
    scratch: Callable[[str], Repository],
) -> None:
    """The second build finds every step in the cache, which says nothing of what was installed."""
    repo = scratch("zopilot")
    (env,) = select_environments(repo.services, service="zopilot")
    change_lock(repo, env, lambda lock: replace_layer(lock, "-numpy-scipy", [AIOFILES]))
    for _ in range(2):
        (outcome,) = build.build(repo, [env], OPTIONS)
        assert (outcome.status, outcome.code) == ("failed", 3), outcome
        assert "aiofiles" in outcome.detail
        assert image_tags(repo) == []


def test_one_opencv_is_in_the_image_and_imports_beside_the_pinned_numpy(
    scratch: Callable[[str], Repository],
) -> None:
    committed = workspace.open_repository(ROOT)
    (real,) = select_environments(committed.services, service="zopilot")
    lock = workspace.read_lock(committed, real)
    (opencv,) = [package for name, package in lock.packages.items() if name.startswith("opencv")]
    pinned_packages = (("numpy-scipy", lock.packages["numpy"]), ("requirements", opencv))

    def change(service: Service) -> Service:
        if service.python >= Version("3.13"):
            pytest.skip(f"numpy {lock.packages['numpy'].version} has no wheel for Python {service.python}")
        pins = {
            layer: (Requirement(f"{package.name}=={package.version}"),) for layer, package in pinned_packages
        }
        layers = tuple(Layer(name=name, packages=packages) for name, packages in pins.items())
        return replace(service, layers=layers, imports=("torch", "numpy", "cv2"))

    repo, (env,) = change_service(scratch("zopilot"), "zopilot", change)
    (outcome,) = build.build(repo, [env], OPTIONS)
    assert outcome.code == 0, outcome.detail
    assert [name for name in freeze_record(repo, env) if name.startswith("opencv")] == [opencv.name]
    script = (
        "import importlib.metadata as m, json, cv2, numpy\n"
        "own = [d.metadata['Name'] for d in m.distributions() for f in d.files or () if str(f) == 'cv2/__init__.py']\n"
        "print(json.dumps([own, cv2.__version__, numpy.__version__]))"
    )
    owners, version, numpy = run_script(image_tag(repo, env), script)
    assert owners == ["opencv-python-headless"]
    assert opencv.version.startswith(version)
    assert numpy == lock.packages["numpy"].version


# --- variants --------------------------------------------------------------------------------------------------------


def test_three_variants_are_three_images_of_one_description(shapes: BuiltLabs) -> None:
    shape = shapes.lab_of("coaxial")
    versions = {
        env.name: workspace.read_build_record(shape.repo, env)["torch"]["version"]
        for env in shape.service_environments("coaxial")
    }
    assert versions == {
        "coaxial-gpu": "2.8.0+cu128", "coaxial-cpu": "2.8.0+cpu", "coaxial-arm64": "2.8.0+cpu",
    }  # fmt: skip
    keys = {
        workspace.read_build_record(shape.repo, env)["key"] for env in shape.service_environments("coaxial")
    }
    assert len(keys) == 3


def test_one_failure_does_not_stop_the_others_and_the_exit_code_tells(
    scratch: Callable[[str], Repository],
) -> None:
    repo = scratch("zopilot")
    smoke = repo.root / "services/zopilot/smoke.py"
    smoke.write_text('raise SystemExit("smoke: it does not run")\n')
    environments = tuple(
        env for name in ("zopilot", "seedvr") for env in select_environments(repo.services, service=name)
    )
    assert not any(outcome.code for outcome in generate.write_renderings(repo, environments))
    outcomes = build.build(repo, environments, OPTIONS)
    assert [(outcome.name, outcome.status, outcome.code) for outcome in outcomes] == [
        ("zopilot-gpu", "failed", 3), ("seedvr-gpu", "changed", 0),
    ]  # fmt: skip
    assert "smoke: it does not run" in outcomes[0].detail
    assert terminal.print_outcomes(outcomes) == 3
    assert {image.partition(":")[0].rpartition("/")[2] for image in image_tags(repo)} == {"seedvr-gpu"}


# --- freeze and run --------------------------------------------------------------------------------------------------


def test_a_tampered_or_missing_record_and_an_image_that_is_not_built_are_findings(
    scratch: Callable[[str], Repository], shapes: BuiltLabs
) -> None:
    repo = replace(scratch("zopilot"), prefix=shapes.lab_of("zopilot").repo.prefix)
    (env,) = select_environments(repo.services, service="zopilot")
    path = repo.root / paths.freeze_path(env)
    assert images.freeze(repo, [env])[0].code == 0

    path.write_text(path.read_text().replace("wheel==", "wheel==9"))
    (outcome,) = images.freeze(repo, [env])
    assert (outcome.status, outcome.code) == ("failed", 1)
    assert f"{paths.freeze_path(env)} is not what the image holds" in outcome.detail

    path.unlink()
    (outcome,) = images.freeze(repo, [env])
    assert (outcome.status, outcome.code) == ("failed", 1)
    assert "there is none" in outcome.detail

    (outcome,) = images.freeze(replace(repo, prefix=f"{repo.prefix}/nothing"), [env])
    assert (outcome.status, outcome.code) == ("failed", 1)
    assert "Run `invoke build --service zopilot`" in outcome.detail


@pytest.fixture
def volumes() -> Iterator[list[str]]:
    """Names of volumes that go when the test ends."""
    from docker.errors import NotFound

    names: list[str] = []
    yield names
    with docker.engine() as client:
        for name in names:
            try:
                client.volumes.get(name).remove()
            except NotFound:
                continue


def test_a_container_runs_as_it_is_described(
    shapes: BuiltLabs, volumes: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    shape = shapes.lab_of("zopilot")
    (env,) = shape.service_environments("zopilot")
    volumes.append("zopilot-gpu-runpod-volume")
    command, code = images.run(shape.repo, env, dry_run=True)
    assert code == 0
    gpus = ("--gpus", "all") if process.which("nvidia-smi") else ()
    plain = [argument for argument in command if argument not in {"--interactive", "--tty"}]
    assert tuple(plain) == (
        *("docker", "run", "--rm", "--name", "zopilot-gpu", "--publish", "8000:8000"),
        *("--volume", "zopilot-gpu-runpod-volume:/runpod-volume", *gpus),
        *("--platform", env.variant.platform, image_tag(shape.repo, env)),
    )
    assert "zopilot-gpu" not in capfd.readouterr().out

    script = (
        "import os, torch; print('ran', torch.__version__, os.environ['HF_HOME'], os.environ['CUDA_HOME'])"
    )
    command, code = images.run(shape.repo, env, command=("python", "-c", script))
    output = capfd.readouterr().out
    assert code == 0, output
    assert command[-3:] == ("python", "-c", script)
    assert "ran 2.5.1+cu124 /runpod-volume/huggingface /usr/local/cuda" in output
    assert "ENVIRONMENT INFO" in output

    command, code = images.run(shape.repo, env, command=("python", "-c", "raise SystemExit(7)"))
    assert code == 7
    with docker.engine() as client:
        assert client.volumes.get("zopilot-gpu-runpod-volume")
        assert not client.containers.list(all=True, filters={"name": "zopilot-gpu"})


def test_what_is_not_built_does_not_run(shapes: BuiltLabs) -> None:
    shape = shapes.lab_of("zopilot")
    (env,) = shape.service_environments("zopilot")
    with pytest.raises(FindingsError, match="Run `invoke build --service zopilot`"):
        images.run(replace(shape.repo, prefix="torchpin-lab/nothing"), env)


# --- the committed services, without the lab -------------------------------------------------------------------------


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not {".torchpin", "__pycache__"} & {*path.parts}
    }


@pytest.fixture
def monorepo(tmp_path: Path) -> Repository:
    """The committed services, locks, renderings and documents, in a folder of their own."""
    for name in ("services", "docker", "lockfiles", "docs", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "DEVIATIONS.md", tmp_path)
    repo = workspace.open_repository(tmp_path)
    mirrors = {name: url for name, url in repo.settings.mirrors.items() if name in {"pypi", "python"}}
    return replace(repo, settings=replace(repo.settings, mirrors=mirrors))


def test_a_sixth_service_touches_its_own_folder_only_and_locks_at_once(monorepo: Repository) -> None:
    before = tree(monorepo.root)
    new.write_scaffold(monorepo, "whisper")
    after_scaffold = tree(monorepo.root)
    assert {path for path in {*before, *after_scaffold} if before.get(path) != after_scaffold.get(path)} == {
        "services/whisper/service.yaml", "services/whisper/smoke.py",
    }  # fmt: skip

    repo = replace(monorepo, services=workspace.open_repository(monorepo.root).services)
    environments = select_environments(repo.services, service="whisper")
    (outcome,) = commands_lock.lock(repo, environments, recorded=True)
    assert (outcome.status, outcome.code) == ("changed", 0), outcome.detail
    lock = workspace.read_lock(repo, environments[0])
    torch = lock.packages["torch"]
    assert torch.version == "2.8.0+cu126"
    assert torch.sha256 == facts.recorded_hash("cu126", torch.filename)
    after_lock = tree(monorepo.root)
    touched = {
        path for path in {*after_scaffold, *after_lock} if after_scaffold.get(path) != after_lock.get(path)
    }
    allowed = ("lockfiles/whisper-gpu/", "docker/whisper-gpu/", "docs/", "DEVIATIONS.md")
    assert touched
    assert not [path for path in touched if not path.startswith(allowed)]
    assert not [result for result in judge.check(repo, environments, "LCK", "DKR", "DOC") if result.findings]


def test_arm64_locks_on_any_machine_and_builds_only_where_the_builder_has_it(monorepo: Repository) -> None:
    environments = select_environments(monorepo.services, service="coaxial", variant="arm64")
    (locked,) = commands_lock.lock(monorepo, environments, recorded=True)
    assert (locked.status, locked.code) == ("same", 0), locked.detail
    result = process.run(("docker", "buildx", "inspect"))
    if "linux/arm64" in result.stdout:
        pytest.skip("this builder has linux/arm64")
    (built,) = build.build(monorepo, environments, OPTIONS)
    assert (built.status, built.code) == ("failed", 3)
    assert built.detail.startswith("The builder has no linux/arm64")
    assert "--builder" in built.detail
