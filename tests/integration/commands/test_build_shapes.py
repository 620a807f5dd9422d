"""The shapes of the services built in the lab: torch from a base, ABI wheels, optional packages, variants."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.labs import FROM_BASE, OPTIONS, ROOT, SHAPES, BuiltLab, BuiltLabs, image_tag, image_tags
from support.source_packages import make_sources
from torchpin.checks import run
from torchpin.commands import build, generate, images, judge
from torchpin.commands.lock import lock
from torchpin.compat.wheels import abi_wheels
from torchpin.description import write
from torchpin.description.environments import cuda_version, select_environments
from torchpin.lab import docker_engine, stub_wheels
from torchpin.lock import file_format
from torchpin.model import Artifact, Environment, Layer, Lock, Service
from torchpin.output.outcomes import print_outcomes
from torchpin.tools import docker
from torchpin.tools.files import write_files
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]
AIOFILES = Artifact(  # an older one than zopilot's, on PyPI for good
    name="aiofiles", version="24.1.0", filename="aiofiles-24.1.0-py3-none-any.whl",
    sha256="b4ec55f4195e3eb5d7abd1bf7e061763e864dd4954231fb8539a0ef8bb8260e5", size=15896, required_by=("zopilot",),
)  # fmt: skip


def change_service(
    repo: Repository, name: str, change: Callable[[Service], Service]
) -> tuple[Repository, tuple[Environment, ...]]:
    """The repository with one service changed, on disk and in memory; locked and rendered anew."""
    (before,) = [service for service in repo.services if service.name == name]
    after = change(before)
    write_files({repo.root / after.file: write.to_yaml(after)})
    changed_repo = workspace.reread(repo)
    environments = select_environments(changed_repo.services, service=name)
    outcomes = lock(changed_repo, environments)
    assert not any(outcome.code for outcome in outcomes), outcomes
    return changed_repo, environments


def change_lock(repo: Repository, env: Environment, change: Callable[[Lock], Lock]) -> None:
    """A lock changed behind uv's back, properly sealed and rendered."""
    changed_lock = change(workspace.read_lock(repo, env))
    files: dict[str, str | None] = {
        f"lockfiles/{env.name}/{name}": text for name, text in file_format.lock_texts(changed_lock).items()
    }
    write_files({repo.root / path: text for path, text in files.items()})
    files = {**generated.environment_files(repo, env, workspace.read_lock(repo, env))}
    write_files({repo.root / path: text for path, text in files.items()})


def replace_layer(locked: Lock, name: str, packages: Sequence[Artifact]) -> Lock:
    layers = tuple(
        replace(layer, packages=tuple(packages)) if layer.name.endswith(name) else layer
        for layer in locked.layers
    )
    return replace(locked, layers=layers)


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


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_locked_cloned_built_proven_and_recorded(shapes: BuiltLabs, name: str) -> None:
    shape = shapes.lab_of(name)
    env_names = {env.name for env in shape.service_environments(name)}
    assert env_names == {
        env.name for env in select_environments(workspace.open_repository(ROOT).services, service=name)
    }
    for outcomes in (shape.locked, shape.cloned, shape.built):
        assert not [outcome for outcome in outcomes if outcome.code], outcomes
    assert {outcome.name for outcome in shape.built if "built and verified: " in outcome.detail} >= env_names
    for env in shape.service_environments(name):
        locked = workspace.read_lock(shape.repo, env)
        assert freeze_record(shape.repo, env) == {
            package.name: package.version for package in locked.packages.values()
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
        "print(json.dumps([torch.__file__, torchvision.__file__, torch.__torchpin_stub__, sys.prefix]))"
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
        "records = glob.glob('/opt/venv/lib/python*/site-packages/*.dist-info/direct_url.json')\n"
        "text = [open(f, errors='replace').read() for f in glob.glob('/opt/torchpin/*')]\n"
        "print(json.dumps([records, flash_attn.__version__, any('127.0.0.1' in content for content in text)]))"
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
    docker_engine.extend_image(f"{shape.repo.prefix}/base:1", name, site_folder)
    return name


def test_a_base_with_another_build_of_torch_fails_at_the_proof_and_nothing_is_tagged(
    shapes: BuiltLabs, copy_shape: Callable[[str], Repository], tmp_path: Path
) -> None:
    shape = shapes.lab_of("seedvr")
    (env,) = shape.service_environments("seedvr")
    base = build_other_base(shape, tmp_path, env.service, local="cu129")
    repo, environments = change_service(
        copy_shape("seedvr"),
        "seedvr",
        lambda service: replace(service, base=replace(service.base, image=base)),
    )
    (outcome,) = build.build(repo, environments, OPTIONS)
    assert (outcome.status, outcome.code) == ("failed", 3), outcome
    assert "failed at verification" in outcome.detail
    assert "2.7.1+cu126" in outcome.detail
    assert "2.7.1+cu129" in outcome.detail
    assert image_tags(repo) == []
    assert (
        workspace.read_build_record(repo, environments[0])["key"]
        == workspace.read_build_record(shape.repo, env)["key"]
    )


def test_a_base_without_torch_fails_at_the_proof_and_nothing_is_tagged(
    shapes: BuiltLabs, copy_shape: Callable[[str], Repository]
) -> None:
    plain = f"{shapes.lab_of('seedvr').repo.prefix}/base:1"
    repo, environments = change_service(
        copy_shape("seedvr"),
        "seedvr",
        lambda service: replace(service, base=replace(service.base, image=plain)),
    )
    (outcome,) = build.build(repo, environments, OPTIONS)
    assert (outcome.status, outcome.code) == ("failed", 3), outcome
    assert "failed at verification" in outcome.detail
    assert "torch" in outcome.detail
    assert image_tags(repo) == []


def test_a_lost_optional_layer_is_told_by_the_record_and_the_documents(
    copy_shape: Callable[[str], Repository],
) -> None:
    def change(service: Service) -> Service:
        layers = tuple(
            replace(layer, packages=(Requirement("toml==0.10.2"),)) if layer.optional else layer
            for layer in service.layers
        )
        return replace(service, layers=layers)

    repo, (env,) = change_service(copy_shape("videogen"), "videogen", change)
    package = workspace.read_lock(repo, env).packages["toml"]
    change_lock(
        repo, env, lambda locked: replace_layer(locked, "-extras", [replace(package, sha256="0" * 64)])
    )
    (outcome,) = build.build(repo, [env], OPTIONS)
    assert outcome.code == 0, outcome.detail
    assert workspace.read_build_record(repo, env)["optional_missing"] == ["toml"]
    assert "toml" not in freeze_record(repo, env)
    text = str(repo.text("docs/services/videogen.md"))
    assert any("toml" in line and "missing" in line for line in text.splitlines())
    assert images.freeze(repo, [env])[0].code == 0


def test_a_package_that_is_installed_twice_is_no_proven_image_however_often_it_is_built(
    copy_shape: Callable[[str], Repository],
) -> None:
    """The second build finds every step in the cache, which says nothing of what was installed."""
    repo = copy_shape("zopilot")
    (env,) = select_environments(repo.services, service="zopilot")
    change_lock(repo, env, lambda locked: replace_layer(locked, "-numpy-scipy", [AIOFILES]))
    for _ in range(2):
        (outcome,) = build.build(repo, [env], OPTIONS)
        assert (outcome.status, outcome.code) == ("failed", 3), outcome
        assert "aiofiles" in outcome.detail
        assert image_tags(repo) == []


def test_one_opencv_is_in_the_image_beside_the_pinned_numpy_and_sources_that_are_packages(
    copy_shape: Callable[[str], Repository], tmp_path: Path
) -> None:
    committed = workspace.open_repository(ROOT)
    (real,) = select_environments(committed.services, service="zopilot")
    locked = workspace.read_lock(committed, real)
    (opencv,) = [package for name, package in locked.packages.items() if name.startswith("opencv")]
    pinned_packages = (("numpy-scipy", locked.packages["numpy"]), ("requirements", opencv))

    def change(service: Service) -> Service:
        if service.python >= Version("3.13"):
            pytest.skip(f"numpy {locked.packages['numpy'].version} has no wheel for Python {service.python}")
        pins = {
            layer: (Requirement(f"{package.name}=={package.version}"),) for layer, package in pinned_packages
        }
        layers = tuple(Layer(name=name, packages=packages) for name, packages in pins.items())
        modules = ("torch", "numpy", "cv2", "my_tool", "my_node", "imagesize")
        return replace(service, layers=layers, imports=modules, sources=make_sources(tmp_path / "origins"))

    repo, (env,) = change_service(copy_shape("zopilot"), "zopilot", change)
    (outcome,) = build.build(repo, [env], OPTIONS)
    assert outcome.code == 0, outcome.detail
    assert [name for name in freeze_record(repo, env) if name.startswith("opencv")] == [opencv.name]
    script = (
        "import importlib.metadata as m, json, cv2, numpy\n"
        "owners = [d.metadata['Name'] for d in m.distributions() for f in d.files or () if str(f) == 'cv2/__init__.py']\n"
        "print(json.dumps([owners, cv2.__version__, numpy.__version__]))"
    )
    owners, version, numpy = run_script(image_tag(repo, env), script)
    assert owners == ["opencv-python-headless"]
    assert opencv.version.startswith(version)
    assert numpy == locked.packages["numpy"].version
    check_installed_sources(repo, env)


def check_installed_sources(repo: Repository, env: Environment) -> None:
    """The sources are in the image as the description says, with what they ask for, and without what built them."""
    locked = workspace.read_lock(repo, env)
    layers = {layer.name[3:]: [package.name for package in layer.packages] for layer in locked.layers}
    assert (layers["tool"], layers["node"]) == (["imagesize"], ["six"])
    assert locked.build is not None
    assert "torch" not in {package.name for package in locked.build.packages}
    record = freeze_record(repo, env)
    assert {name: record[name] for name in ("my-tool", "node", "imagesize", "six")} == {
        "my-tool": "1.2", "node": "1.3", "imagesize": "1.4.1", "six": "1.16.0",
    }  # fmt: skip
    script = (
        "import importlib.util as u, json, pathlib, site\n"
        "home, packages = pathlib.Path('/opt/zopilot/tool'), pathlib.Path(site.getsitepackages()[0])\n"
        "notes = [str(path) for path in packages.glob('*.dist-info/uv_cache.json')]\n"
        "lines = [line for path in packages.glob('*.dist-info/RECORD') for line in path.open() if 'uv_cache' in line]\n"
        "print(json.dumps([u.find_spec('my_tool').origin, u.find_spec('my_node').origin, (home / 'data/data.txt').read_text(),\n"
        "    notes + lines, u.find_spec('setuptools') is None, sorted(path.name for path in home.iterdir())]))"
    )
    tool, node, data, notes, is_clean, names = run_script(image_tag(repo, env), script)
    assert "/site-packages/" in tool
    assert node == "/opt/zopilot/tool/nodes/node/my_node.py"
    assert (data, notes, is_clean) == ("data\n", [], True)
    assert names == [
        ".git",
        ".gitmodules",
        "data",
        "my_tool.py",
        "nodes",
        "pyproject.toml",
        "requirements.txt",
    ]


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
    copy_shape: Callable[[str], Repository],
) -> None:
    repo = copy_shape("zopilot")
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
    assert print_outcomes(outcomes) == 3
    assert {image.partition(":")[0].rpartition("/")[2] for image in image_tags(repo)} == {"seedvr-gpu"}
