"""The committed services: each environment can be read, and is locked, rendered and explained as it is described."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts, paths
from torchpin.checks import families, run
from torchpin.checks.registry import REGISTRY, Result
from torchpin.compat.recommendations import ABSENT, compute_deviations, satisfies, stale_reasons
from torchpin.description import read
from torchpin.description.environments import cuda_version, select_environments, torch_build
from torchpin.lock import export, file_format
from torchpin.lock.layers import declared_layers, outdated_files
from torchpin.tools import docker
from torchpin.workspace import generated, workspace
from torchpin.workspace.evidence import from_descriptions, from_repository

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock, Service

assert families  # importing it registers the checks

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = [
    "coaxial-arm64", "coaxial-cpu", "coaxial-gpu", "lora-gpu", "seedvr-gpu", "videogen-gpu", "zopilot-gpu",
]  # fmt: skip
MODULES = {
    "cv2": "opencv",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "yaml": "pyyaml",
}
for_each_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


@cache
def repo() -> workspace.Repository:
    return workspace.open_repository(ROOT)


@cache
def environment(name: str) -> Environment:
    return next(env for env in select_environments(repo().services) if env.name == name)


@cache
def lock(name: str) -> Lock:
    return workspace.read_lock(repo(), environment(name))


@for_each_environment
def test_the_sbom_is_that_of_the_lock_and_valid(name: str) -> None:
    text = repo().text(paths.sbom_path(name))
    assert text == generated.sbom_text(environment(name), lock(name))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text or "") is None


@for_each_environment
def test_licenses_are_those_of_locked_files_and_of_nearly_all(name: str) -> None:
    hashes = {package.sha256 for package in lock(name).all_packages.values()}
    build = lock(name).build
    stated = {statement.sha256 for statement in lock(name).licenses}
    assert stated <= hashes | {package.sha256 for package in (build.packages if build else ())}
    assert len(hashes - stated) <= 1


def service(name: str) -> Service:
    return next(repo_service for repo_service in repo().services if repo_service.name == name)


@cache
def results(name: str) -> tuple[Result, ...]:
    context = from_repository(repo(), (environment(name),), renderings=False, documents=False, records=False)
    return run.run(context)


def result(name: str, check: str) -> Result:
    (match,) = [candidate for candidate in results(name) if candidate.check == check]
    return match


def test_the_seven_environments_exist_and_no_other() -> None:
    assert sorted(env.name for env in select_environments(repo().services)) == ENVIRONMENTS
    assert sorted(path.name for path in (ROOT / "lockfiles").iterdir()) == ENVIRONMENTS
    rendered = sorted(path.parent.name for path in (ROOT / "docker").glob("*/Dockerfile"))
    assert rendered == ENVIRONMENTS


@for_each_environment
def test_an_environment_is_locked_as_it_is_described(name: str) -> None:
    env_lock = lock(name)
    assert outdated_files(environment(name), env_lock) == ()
    texts = file_format.lock_texts(env_lock)
    assert texts == workspace.read_lock_files(repo(), environment(name))
    assert all(
        re.fullmatch(r"[0-9a-f]{64}", package.sha256) and {*package.sha256} != {"0"}
        for package in env_lock.all_packages.values()
    )


@for_each_environment
def test_an_environment_renders_as_it_is_committed(name: str) -> None:
    rendering = generated.render_environment(repo(), environment(name), lock(name))
    assert {path: repo().text(path) == text for path, text in rendering.files.items()} == dict.fromkeys(
        rendering.files, True
    )


@for_each_environment
@pytest.mark.parametrize(
    "check",
    ["LCK001", "LCK002", "LCK003", "LCK004", "LCK006", "TOR001", "GPU001", "DEV001", "DEV002", "DEV003"],
)
def test_the_checks_of_description_and_lock_are_clean(name: str, check: str) -> None:
    check_result = result(name, check)
    assert check_result.status in {"ok", "waived", "not applicable"}, (
        check_result.findings,
        check_result.note,
    )


@for_each_environment
def test_no_hash_of_a_lock_is_another_than_the_recorded(name: str) -> None:
    check_result = result(name, "LCK005")
    assert check_result.status in {"ok", "unknown"}, check_result.findings
    assert check_result.status == "ok" or "recorded" in check_result.note


@for_each_environment
def test_every_waiver_is_one_of_a_finding(name: str) -> None:
    """A waiver without a finding would hide the next one."""
    service = environment(name).service
    waived = {
        (check_result.check, accepted.finding.about)
        for env_name in (f"{service.name}-{variant.name}" for variant in service.variants)
        for check_result in results(env_name)
        for accepted in check_result.accepted
    }
    assert {(waiver.check, waiver.about) for waiver in service.waivers} <= waived


@for_each_environment
def test_the_judge_has_no_error_no_open_warning_and_no_unknown(name: str) -> None:
    judge_results = [check_result for check_result in results(name) if REGISTRY[check_result.check].judge]
    assert {
        check_result.check: check_result.status
        for check_result in judge_results
        if check_result.status not in {"ok", "waived", "not applicable"}
    } == {}


@for_each_environment
def test_every_deviation_has_a_reason_with_evidence(name: str) -> None:
    for deviation in compute_deviations(environment(name), lock(name)):
        assert deviation.reason, deviation.component
        assert len(deviation.reason.because) > 20, deviation.component
        assert deviation.reason.evidence.strip(), deviation.component
        assert "none given" not in deviation.reason.evidence, deviation.component


@for_each_environment
def test_no_reason_is_stale(name: str) -> None:
    env = environment(name)
    assert stale_reasons(env, compute_deviations(env, lock(name))) == ()


@for_each_environment
def test_what_is_imported_is_locked(name: str) -> None:
    locked_names = {*lock(name).all_packages}
    for module in environment(name).service.imports:
        package_name = MODULES.get(module, canonicalize_name(module))
        assert any(
            locked_name == package_name or locked_name.startswith(f"{package_name}-python")
            for locked_name in locked_names
        ), module


@for_each_environment
def test_every_declared_pin_is_locked_at_its_version_in_its_layer(name: str) -> None:
    env = environment(name)
    locked_versions = {
        layer_lock.name: {package.name: package.version for package in layer_lock.packages}
        for layer_lock in lock(name).layers
    }
    for layer, declared in declared_layers(env).items():
        for pin in declared.packages:
            version = next(iter(pin.specifier)).version
            assert Version(locked_versions[layer][canonicalize_name(pin.name)]) == Version(version)


@for_each_environment
def test_every_locked_package_is_required_by_something(name: str) -> None:
    requirers = {*lock(name).all_packages, environment(name).service.name}
    for package in lock(name).all_packages.values():
        assert package.required_by, package.name
        assert {*package.required_by} <= requirers, package.name


@for_each_environment
def test_no_two_packages_own_the_same_files(name: str) -> None:
    locked_names = {*lock(name).all_packages}
    for conflict in facts.conflicts():
        assert len(locked_names & {*conflict.names}) <= 1, conflict.id


@for_each_environment
def test_what_is_downloaded_fits_the_budget(name: str) -> None:
    env = environment(name)
    assert env.service.budget_bytes
    sizes = [package.size or 0 for package in lock(name).packages.values()]
    assert sum(sizes) < env.service.budget_bytes


@for_each_environment
def test_the_base_is_pinned_by_its_digest_and_explained(name: str) -> None:
    base = environment(name).base
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", str(base.digest))
    assert base.rationale
    text = str(repo().text(f"docker/{name}/Dockerfile"))
    assert f"\nFROM {base.image}@{base.digest} AS image\n" in text


@for_each_environment
def test_a_volume_hides_nothing_of_the_image(name: str) -> None:
    env_service = environment(name).service
    image_paths = (env_service.home, "/opt/venv", "/opt/torchpin", "/opt/python")
    assert not [
        volume
        for volume in env_service.run.volumes
        for path in image_paths
        if f"{path}/".startswith(f"{volume}/")
    ]


@for_each_environment
def test_ports_are_exposed_and_published(name: str) -> None:
    env = environment(name)
    text = str(repo().text(f"docker/{name}/Dockerfile"))
    assert re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE) == [str(port) for port in env.service.run.ports]
    arguments = docker.run_command(env, "image", command=(), gpus=False, terminal=False)
    assert [arguments[index + 1] for index, argument in enumerate(arguments) if argument == "--publish"] == [
        f"{port}:{port}" for port in env.service.run.ports
    ]


@for_each_environment
def test_every_service_has_a_smoke_test_and_a_seed(name: str) -> None:
    env_service = environment(name).service
    assert "import torch" in str(repo().text(f"services/{env_service.name}/smoke.py"))
    assert (ROOT / f"tests/seeds/{env_service.name}.yaml").is_file()


def test_ports_volumes_and_budgets_are_the_documented_ones() -> None:
    assert {
        repo_service.name: (repo_service.run.ports, (repo_service.budget_bytes or 0) // 10**9)
        for repo_service in repo().services
    } == {
        "coaxial": ((8000,), 18),
        "lora": (service("lora").run.ports, (service("lora").budget_bytes or 0) // 10**9),
        "seedvr": ((7860,), 25),
        "videogen": ((), 50),
        "zopilot": ((8000,), 20),
    }


def test_nothing_in_torchpin_is_written_for_one_service() -> None:
    """The names of services are in descriptions, never in the code."""
    names = "|".join(repo_service.name for repo_service in repo().services)
    mentions = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.j2")]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(rf"[\"'/](?:{names})(?:-gpu)?[\"'/]", line)
    ]
    assert mentions == []


def test_lora_keeps_its_index_source_and_freeze_record() -> None:
    lora = service("lora")
    assert (lora.variants[0].channel, str(lora.torch.version), lora.torch.origin) == (
        "cu128",
        "2.7.1",
        "index",
    )
    assert [source.name for source in lora.sources] == ["sd-scripts"]
    assert lora.run.freeze == "/workspace/lora_training/logs/pip_freeze.txt"
    assert [upstream.source for upstream in lock("lora-gpu").upstreams] == ["sd-scripts"]


@pytest.mark.parametrize("name", ["seedvr-gpu", "videogen-gpu"])
def test_torch_from_the_base_is_verified_and_never_installed(name: str) -> None:
    env, env_lock = environment(name), lock(name)
    assert env.service.torch.origin == "base"
    text = str(repo().text(f"docker/{name}/Dockerfile"))
    assert text.count("--system-site-packages") == 1
    assert "download.pytorch.org" not in text
    assert env_lock.provided
    assert not {*env.service.torch.family} & {*env_lock.packages}
    context = str(repo().text(f"docker/{name}/context.txt"))
    assert "layers/00-" not in context
    installed = "".join(export.install_file(layer) for layer in env_lock.layers)
    assert not re.search(r"^(torch|torchvision|torchaudio|triton|nvidia-[\w-]+)[ =]", installed, re.MULTILINE)


def test_seedvr_s_base_provides_its_torch() -> None:
    env = environment("seedvr-gpu")
    assert env.base.image == "pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel"
    assert torch_build(env) == "cu126"
    assert cuda_version(env) == "12.6"


@pytest.mark.parametrize(("name", "torch"), [("seedvr-gpu", "2.7"), ("videogen-gpu", "2.8")])
def test_flash_attn_is_first_and_the_exact_wheel_of_the_facts(name: str, torch: str) -> None:
    first_layer = lock(name).layers[0]
    assert [(package.name, package.version, package.filename) for package in first_layer.packages] == [
        ("flash-attn", "2.8.3", f"flash_attn-2.8.3+cu12torch{torch}cxx11abiTRUE-cp311-cp311-linux_x86_64.whl")
    ]
    description = str(repo().text(environment(name).service.file))
    assert "cxx11abi" not in re.sub(r"#.*", "", description), "the file is selected by the facts, not written"


def test_videogen_s_ten_layers_come_from_one_resolution() -> None:
    env_lock = lock("videogen-gpu")
    assert [layer.name for layer in env_lock.layers] == [
        "01-attention", "02-core", "03-pytorch-ecosystem", "04-huggingface", "05-video-image", "06-audio",
        "07-other", "08-peft", "09-extras", "10-runpod",
    ]  # fmt: skip
    locations = [(package.name, layer.name) for layer in env_lock.layers for package in layer.packages]
    assert len(locations) == len({name for name, _ in locations})
    assert (
        len({(layer.python, layer.platform, layer.uv, layer.environment) for layer in env_lock.layers}) == 1
    )
    assert [layer.name for layer in env_lock.layers if layer.optional] == ["09-extras"]


def test_videogen_s_numpy_is_below_two_for_every_layer() -> None:
    env_lock = lock("videogen-gpu")
    (numpy,) = [
        (layer.name, package)
        for layer in env_lock.layers
        for package in layer.packages
        if package.name == "numpy"
    ]
    assert numpy[0] == "02-core"
    assert Version(numpy[1].version) < Version("2")
    requiring_layers = {
        layer.name
        for layer in env_lock.layers
        for package in layer.packages
        if package.name in numpy[1].required_by
    }
    assert {"04-huggingface", "05-video-image", "06-audio", "08-peft", "09-extras"} <= requiring_layers
    recommendations = [
        (recommendation.by, recommendation.says)
        for recommendation in service("videogen").recommends
        if recommendation.component == "numpy"
    ]
    assert ("validation report", "<2,>=1.23.5") in recommendations
    assert not [deviation for deviation in compute_deviations(environment("videogen-gpu"), env_lock) if deviation.component == "numpy" and not deviation.is_choice]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "expected"), [("1.26.4", True), ("1.9.0", True), ("2.0.0", False), ("10.0.0", False)]
)
def test_numpy_below_two_is_a_comparison_of_versions_not_of_letters(version: str, *, expected: bool) -> None:
    assert satisfies("<2", version) is expected


def test_videogen_needs_no_system_package_that_does_not_exist() -> None:
    assert "libdecord-dev" not in service("videogen").apt


def test_zopilot_locks_exactly_one_opencv() -> None:
    opencv_packages = [name for name in lock("zopilot-gpu").packages if name.startswith("opencv")]
    assert opencv_packages == ["opencv-python-headless"]
    assert "docstrange" in lock("zopilot-gpu").packages
    deviations = {
        deviation.component: deviation
        for deviation in compute_deviations(environment("zopilot-gpu"), lock("zopilot-gpu"))
    }
    assert deviations["opencv-python"].used == ABSENT
    assert deviations["opencv-python"].reason


def test_zopilot_s_torch_comes_from_cu124_alone() -> None:
    env_lock = lock("zopilot-gpu")
    assert {package.version.partition("+")[2] for package in env_lock.layers[0].packages} == {"cu124"}
    assert [layer.origin for layer in env_lock.layers] == ["cu124", "pypi", "pypi", "pypi"]


def test_coaxial_has_three_variants_with_the_same_torch_on_three_bases() -> None:
    coaxial_environments = {name: environment(name) for name in ENVIRONMENTS if name.startswith("coaxial")}
    assert {name: (env.variant.platform, env.base.image) for name, env in coaxial_environments.items()} == {
        "coaxial-gpu": ("linux/amd64", "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04"),
        "coaxial-cpu": ("linux/amd64", "ubuntu:22.04"),
        "coaxial-arm64": ("linux/arm64", "python:3.10-slim-bookworm"),
    }
    versions = {name: lock(name).packages["torch"].version for name in coaxial_environments}
    assert versions["coaxial-gpu"] == "2.8.0+cu128"
    assert versions["coaxial-cpu"] == "2.8.0+cpu"
    assert Version(versions["coaxial-arm64"]).public == "2.8.0"
    assert not [
        package_name
        for name in ("coaxial-cpu", "coaxial-arm64")
        for package_name in lock(name).packages
        if package_name.startswith("nvidia-")
    ]
    x86_filenames = {
        package.filename
        for package in lock("coaxial-arm64").packages.values()
        if "x86_64" in package.filename
    }
    assert x86_filenames == set()


def test_coaxial_has_lightning_in_every_variant() -> None:
    for name in ("coaxial-gpu", "coaxial-cpu", "coaxial-arm64"):
        assert lock(name).packages["lightning"].version == "2.5.5"
        assert lock(name).layers[2].name == "02-lightning"


def judge_gpu(env: Environment) -> Result:
    """The result of GPU001 from the description alone."""
    judge_results = run.run(from_descriptions((env,)), judge=True)
    (gpu_result,) = [check_result for check_result in judge_results if check_result.check == "GPU001"]
    return gpu_result


def test_rtx_5060_ti_is_blackwell_and_has_code_in_the_chosen_build() -> None:
    gpu = facts.gpu("RTX 5060 Ti")
    assert gpu
    assert gpu.capability == "12.0"
    env = environment("coaxial-gpu")
    assert "RTX 5060 Ti" in env.service.gpus
    assert (env.variant.channel, cuda_version(env)) == ("cu128", "12.8")
    archs = facts.compiled_archs("2.8.0", "cu128")
    assert archs
    assert "sm_120" in archs.sm
    assert judge_gpu(env).status == "ok"
    assert env.service.torch.version >= Version("2.7")


def test_rtx_5060_ti_is_incompatible_with_the_pins_of_the_seed() -> None:
    path = "services/coaxial/service.yaml"
    text = (ROOT / "tests/seeds/coaxial.yaml").read_text(encoding="utf-8")
    env = select_environments(read.read_services({path: text}), variant="gpu")[0]
    gpu_result = judge_gpu(env)
    line_number = next(
        number
        for number, text_line in enumerate(text.splitlines(), start=1)
        if text_line.startswith("gpus: [")
    )
    assert gpu_result.status == "incompatible"
    (finding,) = gpu_result.findings
    assert finding.location.startswith(f"{path}:{line_number}:")
    assert finding.about == "RTX 5060 Ti"
    assert finding.message.startswith(
        "torch 2.5.1+cu121 has no code for RTX 5060 Ti (compute capability 12.0): compiled for sm_50"
    )
