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
from torchpin.commands import build, clone, generate, images, judge
from torchpin.commands import lock as commands_lock
from torchpin.commands import new as commands_new
from torchpin.compat import wheels
from torchpin.description import environments as description_environments
from torchpin.description import write
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
OPTIONS = build.Options()
SHAPES = ["seedvr", "videogen", "zopilot", "coaxial"]
FROM_BASE = ["seedvr", "videogen"]
AIOFILES = Artifact(  # an older one than zopilot's, on PyPI for good
    name="aiofiles", version="24.1.0", filename="aiofiles-24.1.0-py3-none-any.whl",
    sha256="b4ec55f4195e3eb5d7abd1bf7e061763e864dd4954231fb8539a0ef8bb8260e5", size=15896, wanted_by=("zopilot",),
)  # fmt: skip


@dataclass(kw_only=True)
class Shape:
    """A lab of one or more services, locked, cloned and built; what became of it."""

    repo: Repository
    environments: tuple[Environment, ...]
    locked: tuple[model.Outcome, ...]
    cloned: tuple[model.Outcome, ...]
    built: tuple[model.Outcome, ...]
    copies: int = field(default=0)

    def of(self, name: str) -> tuple[Environment, ...]:
        return tuple(env for env in self.environments if env.service.name == name)


class Shapes:
    """One lab a shape, opened when its first test asks; two services share one, as `invoke lab` has them."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends
        self._open: dict[tuple[str, ...], Shape] = {}

    def of(self, name: str) -> Shape:
        key = ("seedvr", "zopilot") if name in {"seedvr", "zopilot"} else (name,)
        if key not in self._open:
            self._open[key] = self._opened(key)
        return self._open[key]

    def _opened(self, names: tuple[str, ...]) -> Shape:
        repo = workspace.opened(ROOT)
        chosen = tuple(
            env
            for name in names
            for env in description_environments.environments(repo.services, service=name)
        )
        said: list[str] = []
        found = self._ends.enter_context(lab.opened(repo, chosen, say=said.append))
        assert found.engine, said
        locked = commands_lock.lock(found.repo, found.environments)
        cloned = clone.clone(found.repo, found.environments)
        built = build.build(found.repo, found.environments, OPTIONS)
        return Shape(
            repo=found.repo, environments=found.environments, locked=locked, cloned=cloned, built=built
        )


@pytest.fixture(scope="module")
def shapes() -> Iterator[Shapes]:
    with ExitStack() as ends:
        yield Shapes(ends)


@pytest.fixture
def scratch(shapes: Shapes, tmp_path: Path) -> Callable[[str], Repository]:
    """A copy of a shape's monorepo for one test, with names of its own for its images; they go with the lab's."""

    def copied(name: str) -> Repository:
        shape = shapes.of(name)
        shape.copies += 1
        root = tmp_path / f"monorepo-{shape.copies}"
        shutil.copytree(shape.repo.root, root, symlinks=True)
        return replace(shape.repo, root=root, prefix=f"{shape.repo.prefix}/copy-{name}-{shape.copies}")

    return copied


def described(
    repo: Repository, name: str, change: Callable[[Service], Service]
) -> tuple[Repository, tuple[Environment, ...]]:
    """The repository with one service changed, on disk and in memory; locked and rendered anew."""
    (before,) = [one for one in repo.services if one.name == name]
    after = change(before)
    write_files({repo.root / after.file: write.description(after)})
    found = replace(repo, services=workspace.opened(repo.root).services)
    environments = description_environments.environments(found.services, service=name)
    outcomes = commands_lock.lock(found, environments)
    assert not any(outcome.code for outcome in outcomes), outcomes
    return found, environments


def relocked(repo: Repository, env: Environment, change: Callable[[Lock], Lock]) -> None:
    """A lock changed behind uv's back, properly sealed and rendered."""
    made = change(workspace.lock(repo, env))
    files: dict[str, str | None] = {
        f"lockfiles/{env.name}/{name}": text for name, text in file_format.files(made).items()
    }
    write_files({repo.root / path: text for path, text in files.items()})
    files = {**generated.rendered(repo, env, made).files}
    write_files({repo.root / path: text for path, text in files.items()})


def layered(lock: Lock, name: str, packages: Sequence[Artifact]) -> Lock:
    layers = tuple(
        replace(one, packages=tuple(packages)) if one.name.endswith(name) else one for one in lock.layers
    )
    return replace(lock, layers=layers)


def tag(repo: Repository, env: Environment) -> str:
    key = generated.rendered(repo, env, workspace.lock(repo, env)).key
    return f"{docker.repository(env, repo.settings, prefix=repo.prefix)}:{key[:12]}"


def tags(repo: Repository) -> list[str]:
    with docker.engine() as client:
        return engine.tagged(client, f"{repo.prefix}/")


def told(image: str, script: str) -> Any:
    """What Python inside an image prints as JSON."""
    with docker.engine() as client:
        output: bytes = client.containers.run(
            image, ["-c", script], entrypoint=["python"], remove=True, network_mode="none"
        )
    return json.loads(output)


def frozen(repo: Repository, env: Environment) -> dict[str, str]:
    text = str(repo.text(f"records/{env.name}/pip_freeze.txt"))
    return dict(line.split("==") for line in text.splitlines())


# --- every shape -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_locked_cloned_built_proven_and_recorded(shapes: Shapes, name: str) -> None:
    shape = shapes.of(name)
    mine = {env.name for env in shape.of(name)}
    assert mine == {
        env.name
        for env in description_environments.environments(workspace.opened(ROOT).services, service=name)
    }
    for outcomes in (shape.locked, shape.cloned, shape.built):
        assert not [one for one in outcomes if one.code], outcomes
    assert {one.name for one in shape.built if "built and proven: " in one.detail} >= mine
    for env in shape.of(name):
        lock = workspace.lock(shape.repo, env)
        assert frozen(shape.repo, env) == {p.name: p.version for p in lock.packages.values()}
        record = workspace.build_record(shape.repo, env)
        assert record["torch"]["version"] == f"{env.service.torch.version}+{env.variant.channel}"
        assert record["torch"]["cuda"] == description_environments.cuda(env)
        assert record["optional_missing"] == []

    needs = ["docker", "image"]
    results = judge.verify(shape.repo, shape.of(name), require=needs)
    assert judge.failures(results, require=needs) == 0, run.blocking(results)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_that_is_built_has_nothing_to_do(shapes: Shapes, name: str) -> None:
    shape = shapes.of(name)
    again = build.build(shape.repo, shape.of(name), OPTIONS)
    assert [(one.status, one.code) for one in again] == [("same", 0)] * len(again), again
    assert all("nothing to do" in one.detail for one in again)


@pytest.mark.parametrize("name", SHAPES)
def test_an_image_read_again_equals_its_lock_and_its_record(shapes: Shapes, name: str) -> None:
    shape = shapes.of(name)
    found = images.freeze(shape.repo, shape.of(name))
    assert [one.code for one in found] == [0] * len(found), found
    assert all("equals its lock and its record" in one.detail for one in found)


# --- torch from the base ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FROM_BASE)
def test_a_base_s_torch_is_inherited_proven_and_not_recorded_as_installed(shapes: Shapes, name: str) -> None:
    shape = shapes.of(name)
    (env,) = shape.of(name)
    assert not {*env.service.torch.family} & {*frozen(shape.repo, env)}
    image = tag(shape.repo, env)
    with docker.engine() as client:
        answer = docker.probe(client, image)
    assert not {*env.service.torch.family} & {*answer["distributions"]}
    local = env.variant.channel
    assert answer["torch"]["version"] == f"{env.service.torch.version}+{local}"
    script = (
        "import json, torch, torchvision, sys\n"
        "print(json.dumps([torch.__file__, torchvision.__file__, torch.__torchpin_standin__, sys.prefix]))"
    )
    torch, vision, standin, prefix = told(image, script)
    assert standin is True
    assert prefix == "/opt/venv"
    assert not torch.startswith("/opt/venv")
    assert not vision.startswith("/opt/venv")


@pytest.mark.parametrize("name", FROM_BASE)
def test_flash_attn_is_the_mirror_s_file_and_no_address_of_it_stays(shapes: Shapes, name: str) -> None:
    shape = shapes.of(name)
    (env,) = shape.of(name)
    assert frozen(shape.repo, env)["flash-attn"] == "2.8.3"
    (wheel,) = wheels.abi_wheels(env).values()
    log = next((shape.repo.root / ".torchpin/logs").glob(f"{env.name}-*.log")).read_text()
    mirror = shape.repo.settings.mirrors["flash-attn"]
    installed = [line for line in log.splitlines() if " + flash-attn==2.8.3" in line]
    assert len(installed) == 1
    assert f"(from {mirror.rstrip('/')}/{wheel.filename.replace('+', '%2B')})" in installed[0]

    image = tag(shape.repo, env)
    script = (
        "import glob, json, flash_attn\n"
        "found = glob.glob('/opt/venv/lib/python*/site-packages/*.dist-info/direct_url.json')\n"
        "text = [open(f, errors='replace').read() for f in glob.glob('/opt/torchpin/*')]\n"
        "print(json.dumps([found, flash_attn.__version__, any('127.0.0.1' in one for one in text)]))"
    )
    assert told(image, script) == [[], "2.8.3", False]
    with docker.engine() as client:
        history = json.dumps(client.images.get(image).history())
        config = json.dumps(client.images.get(image).attrs["Config"])
    assert "127.0.0.1" not in history + config
    assert f"TORCHPIN_MIRROR_FLASH_ATTN:-{wheel.release}" in history


def other_base(shape: Shape, folder: Path, service: Service, *, local: str) -> str:
    """The lab's plain base with another build of the service's torch in it."""
    name = shape.repo.prefix + f"/base-{service.name}-{local}:1"
    files = stub_wheels.torch_family(
        version=str(service.torch.version), local=local, cuda="12.9", archs=("sm_90",), cudnn=90100,
        companions={name: str(version) for name, version in service.torch.companions.items()},
        python_tag="py3", platform="any",
    )  # fmt: skip
    tree = folder / "site"
    for file in files:
        archive = folder / "wheel.zip"
        archive.write_bytes(file.content or b"")
        shutil.unpack_archive(archive, tree)
    engine.extend(f"{shape.repo.prefix}/base:1", name, tree)
    return name


def test_a_base_with_another_build_of_torch_fails_at_the_proof_and_nothing_is_tagged(
    shapes: Shapes, scratch: Callable[[str], Repository], tmp_path: Path
) -> None:
    shape = shapes.of("seedvr")
    (env,) = shape.of("seedvr")
    base = other_base(shape, tmp_path, env.service, local="cu129")
    repo, environments = described(
        scratch("seedvr"), "seedvr", lambda one: replace(one, base=replace(one.base, image=base))
    )
    (outcome,) = build.build(repo, environments, OPTIONS)
    assert (outcome.status, outcome.code) == ("failed", 3), outcome
    assert "failed at proof" in outcome.detail
    assert "2.7.1+cu126" in outcome.detail
    assert "2.7.1+cu129" in outcome.detail
    assert tags(repo) == []
    assert (
        workspace.build_record(repo, environments[0])["key"] == workspace.build_record(shape.repo, env)["key"]
    )


def test_a_base_without_torch_fails_at_the_proof_and_nothing_is_tagged(
    shapes: Shapes, scratch: Callable[[str], Repository]
) -> None:
    plain = f"{shapes.of('seedvr').repo.prefix}/base:1"
    repo, environments = described(
        scratch("seedvr"), "seedvr", lambda one: replace(one, base=replace(one.base, image=plain))
    )
    (outcome,) = build.build(repo, environments, OPTIONS)
    assert (outcome.status, outcome.code) == ("failed", 3), outcome
    assert "failed at proof" in outcome.detail
    assert "torch" in outcome.detail
    assert tags(repo) == []


@pytest.mark.parametrize("name", FROM_BASE)
def test_a_lock_with_an_abi_wheel_is_exported_in_the_standard_form(shapes: Shapes, name: str) -> None:
    """PyPI has no such file: its place is the release, its hash the locked one; what the base gives is no part of it."""
    shape = shapes.of(name)
    (env,) = shape.of(name)
    lock = workspace.lock(shape.repo, env)
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
            replace(one, packages=(Requirement("toml==0.10.2"),)) if one.optional else one
            for one in service.layers
        )
        return replace(service, layers=layers)

    repo, (env,) = described(scratch("videogen"), "videogen", change)
    held = workspace.lock(repo, env).packages["toml"]
    relocked(repo, env, lambda lock: layered(lock, "-extras", [replace(held, sha256="0" * 64)]))
    (outcome,) = build.build(repo, [env], OPTIONS)
    assert outcome.code == 0, outcome.detail
    assert workspace.build_record(repo, env)["optional_missing"] == ["toml"]
    assert "toml" not in frozen(repo, env)
    text = str(repo.text("docs/PINNING.md"))
    assert any("toml" in line and "missing" in line for line in text.splitlines())
    assert images.freeze(repo, [env])[0].code == 0


def test_a_package_that_is_installed_twice_is_no_proven_image_however_often_it_is_built(
    scratch: Callable[[str], Repository],
) -> None:
    """The second build finds every step in the cache, which says nothing of what was installed."""
    repo = scratch("zopilot")
    (env,) = description_environments.environments(repo.services, service="zopilot")
    relocked(repo, env, lambda lock: layered(lock, "-numpy-scipy", [AIOFILES]))
    for _ in range(2):
        (outcome,) = build.build(repo, [env], OPTIONS)
        assert (outcome.status, outcome.code) == ("failed", 3), outcome
        assert "aiofiles" in outcome.detail
        assert tags(repo) == []


def test_one_opencv_is_in_the_image_and_imports_beside_the_pinned_numpy(
    scratch: Callable[[str], Repository],
) -> None:
    committed = workspace.opened(ROOT)
    (real,) = description_environments.environments(committed.services, service="zopilot")
    lock = workspace.lock(committed, real)
    (opencv,) = [p for name, p in lock.packages.items() if name.startswith("opencv")]
    wanted = (("numpy-scipy", lock.packages["numpy"]), ("requirements", opencv))

    def change(service: Service) -> Service:
        if service.python >= Version("3.13"):
            pytest.skip(f"numpy {lock.packages['numpy'].version} has no wheel for Python {service.python}")
        pins = {layer: (Requirement(f"{p.name}=={p.version}"),) for layer, p in wanted}
        layers = tuple(Layer(name=name, packages=packages) for name, packages in pins.items())
        return replace(service, layers=layers, imports=("torch", "numpy", "cv2"))

    repo, (env,) = described(scratch("zopilot"), "zopilot", change)
    (outcome,) = build.build(repo, [env], OPTIONS)
    assert outcome.code == 0, outcome.detail
    assert [name for name in frozen(repo, env) if name.startswith("opencv")] == [opencv.name]
    script = (
        "import importlib.metadata as m, json, cv2, numpy\n"
        "own = [d.metadata['Name'] for d in m.distributions() for f in d.files or () if str(f) == 'cv2/__init__.py']\n"
        "print(json.dumps([own, cv2.__version__, numpy.__version__]))"
    )
    owners, version, numpy = told(tag(repo, env), script)
    assert owners == ["opencv-python-headless"]
    assert opencv.version.startswith(version)
    assert numpy == lock.packages["numpy"].version


# --- variants --------------------------------------------------------------------------------------------------------


def test_three_variants_are_three_images_of_one_description(shapes: Shapes) -> None:
    shape = shapes.of("coaxial")
    found = {
        env.name: workspace.build_record(shape.repo, env)["torch"]["version"] for env in shape.of("coaxial")
    }
    assert found == {
        "coaxial-gpu": "2.8.0+cu128", "coaxial-cpu": "2.8.0+cpu", "coaxial-arm64": "2.8.0+cpu",
    }  # fmt: skip
    keys = {workspace.build_record(shape.repo, env)["key"] for env in shape.of("coaxial")}
    assert len(keys) == 3


def test_one_failure_does_not_stop_the_others_and_the_exit_code_tells(
    scratch: Callable[[str], Repository],
) -> None:
    repo = scratch("zopilot")
    smoke = repo.root / "services/zopilot/smoke.py"
    smoke.write_text('raise SystemExit("smoke: it does not run")\n')
    environments = tuple(
        env
        for name in ("zopilot", "seedvr")
        for env in description_environments.environments(repo.services, service=name)
    )
    assert not any(outcome.code for outcome in generate.rendering(repo, environments))
    found = build.build(repo, environments, OPTIONS)
    assert [(one.name, one.status, one.code) for one in found] == [
        ("zopilot-gpu", "failed", 3), ("seedvr-gpu", "changed", 0),
    ]  # fmt: skip
    assert "smoke: it does not run" in found[0].detail
    assert terminal.outcomes(found) == 3
    assert {one.partition(":")[0].rpartition("/")[2] for one in tags(repo)} == {"seedvr-gpu"}


# --- freeze and run --------------------------------------------------------------------------------------------------


def test_a_tampered_or_missing_record_and_an_image_that_is_not_built_are_findings(
    scratch: Callable[[str], Repository], shapes: Shapes
) -> None:
    repo = replace(scratch("zopilot"), prefix=shapes.of("zopilot").repo.prefix)
    (env,) = description_environments.environments(repo.services, service="zopilot")
    path = repo.root / paths.freeze_path(env)
    assert images.freeze(repo, [env])[0].code == 0

    path.write_text(path.read_text().replace("wheel==", "wheel==9"))
    (found,) = images.freeze(repo, [env])
    assert (found.status, found.code) == ("failed", 1)
    assert f"{paths.freeze_path(env)} is not what the image holds" in found.detail

    path.unlink()
    (found,) = images.freeze(repo, [env])
    assert (found.status, found.code) == ("failed", 1)
    assert "there is none" in found.detail

    (found,) = images.freeze(replace(repo, prefix=f"{repo.prefix}/nothing"), [env])
    assert (found.status, found.code) == ("failed", 1)
    assert "Run `invoke build --service zopilot`" in found.detail


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
    shapes: Shapes, volumes: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    shape = shapes.of("zopilot")
    (env,) = shape.of("zopilot")
    volumes.append("zopilot-gpu-runpod-volume")
    words, code = images.run(shape.repo, env, dry_run=True)
    assert code == 0
    gpus = ("--gpus", "all") if process.which("nvidia-smi") else ()
    plain = [word for word in words if word not in {"--interactive", "--tty"}]
    assert tuple(plain) == (
        *("docker", "run", "--rm", "--name", "zopilot-gpu", "--publish", "8000:8000"),
        *("--volume", "zopilot-gpu-runpod-volume:/runpod-volume", *gpus),
        *("--platform", env.variant.platform, tag(shape.repo, env)),
    )
    assert "zopilot-gpu" not in capfd.readouterr().out

    script = (
        "import os, torch; print('ran', torch.__version__, os.environ['HF_HOME'], os.environ['CUDA_HOME'])"
    )
    words, code = images.run(shape.repo, env, command=("python", "-c", script))
    said = capfd.readouterr().out
    assert code == 0, said
    assert words[-3:] == ("python", "-c", script)
    assert "ran 2.5.1+cu124 /runpod-volume/huggingface /usr/local/cuda" in said
    assert "ENVIRONMENT INFO" in said

    words, code = images.run(shape.repo, env, command=("python", "-c", "raise SystemExit(7)"))
    assert code == 7
    with docker.engine() as client:
        assert client.volumes.get("zopilot-gpu-runpod-volume")
        assert not client.containers.list(all=True, filters={"name": "zopilot-gpu"})


def test_what_is_not_built_does_not_run(shapes: Shapes) -> None:
    shape = shapes.of("zopilot")
    (env,) = shape.of("zopilot")
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
    found = workspace.opened(tmp_path)
    kept = {name: url for name, url in found.settings.mirrors.items() if name in {"pypi", "python"}}
    return replace(found, settings=replace(found.settings, mirrors=kept))


def test_a_sixth_service_touches_its_own_folder_only_and_locks_at_once(monorepo: Repository) -> None:
    before = tree(monorepo.root)
    commands_new.scaffold(monorepo, "whisper")
    new = tree(monorepo.root)
    assert {path for path in {*before, *new} if before.get(path) != new.get(path)} == {
        "services/whisper/service.yaml", "services/whisper/smoke.py",
    }  # fmt: skip

    repo = replace(monorepo, services=workspace.opened(monorepo.root).services)
    environments = description_environments.environments(repo.services, service="whisper")
    (outcome,) = commands_lock.lock(repo, environments, recorded=True)
    assert (outcome.status, outcome.code) == ("changed", 0), outcome.detail
    lock = workspace.lock(repo, environments[0])
    torch = lock.packages["torch"]
    assert torch.version == "2.8.0+cu126"
    assert torch.sha256 == facts.recorded_hash("cu126", torch.filename)
    made = tree(monorepo.root)
    touched = {path for path in {*new, *made} if new.get(path) != made.get(path)}
    allowed = ("lockfiles/whisper-gpu/", "docker/whisper-gpu/", "docs/", "DEVIATIONS.md")
    assert touched
    assert not [path for path in touched if not path.startswith(allowed)]
    assert not [one for one in judge.check(repo, environments, "LCK", "DKR", "DOC") if one.findings]


def test_arm64_locks_on_any_machine_and_builds_only_where_the_builder_has_it(monorepo: Repository) -> None:
    environments = description_environments.environments(
        monorepo.services, service="coaxial", variant="arm64"
    )
    (locked,) = commands_lock.lock(monorepo, environments, recorded=True)
    assert (locked.status, locked.code) == ("same", 0), locked.detail
    done = process.run(("docker", "buildx", "inspect"))
    if "linux/arm64" in done.stdout:
        pytest.skip("this builder has linux/arm64")
    (built,) = build.build(monorepo, environments, OPTIONS)
    assert (built.status, built.code) == ("failed", 3)
    assert built.detail.startswith("The builder has no linux/arm64")
    assert "--builder" in built.detail
