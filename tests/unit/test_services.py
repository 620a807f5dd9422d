"""The committed services: each environment reads, is locked, rendered and explained as its description says."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin import facts
from torchpin.checks import rules, run
from torchpin.checks.registry import REGISTRY, Result
from torchpin.compat import recommendations
from torchpin.description import environments, read
from torchpin.lock import export, file_format, layers
from torchpin.tools import docker
from torchpin.workspace import generated, workspace
from torchpin.workspace.evidence import bare, committed

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock, Service

assert rules  # importing it registers the checks

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
every = pytest.mark.parametrize("name", ENVIRONMENTS)


@cache
def repo() -> workspace.Repository:
    return workspace.opened(ROOT)


@cache
def environment(name: str) -> Environment:
    return next(env for env in environments.environments(repo().services) if env.name == name)


@cache
def lock(name: str) -> Lock:
    return workspace.lock(repo(), environment(name))


def service(name: str) -> Service:
    return next(one for one in repo().services if one.name == name)


@cache
def results(name: str) -> tuple[Result, ...]:
    evidence = committed(repo(), (environment(name),), texts=False)
    return run.run(evidence)


def result(name: str, check: str) -> Result:
    (found,) = [one for one in results(name) if one.check == check]
    return found


# --- all of them -----------------------------------------------------------------------------------------------------


def test_the_seven_environments_exist_and_no_other() -> None:
    assert sorted(env.name for env in environments.environments(repo().services)) == ENVIRONMENTS
    assert sorted(path.name for path in (ROOT / "lockfiles").iterdir()) == ENVIRONMENTS
    rendered = sorted(path.parent.name for path in (ROOT / "docker").glob("*/Dockerfile"))
    assert rendered == ENVIRONMENTS


@every
def test_an_environment_is_locked_as_it_is_described(name: str) -> None:
    found = lock(name)
    assert layers.stale(environment(name), found) == ()
    texts = file_format.files(found)
    assert texts == workspace.lock_files(repo(), environment(name))
    assert all(re.fullmatch(r"[0-9a-f]{64}", p.sha256) and {*p.sha256} != {"0"} for p in found.all.values())


@every
def test_an_environment_renders_as_it_is_committed(name: str) -> None:
    made = generated.rendered(repo(), environment(name), lock(name))
    assert {path: repo().text(path) == text for path, text in made.files.items()} == dict.fromkeys(
        made.files, True
    )


@every
@pytest.mark.parametrize(
    "check",
    ["LCK001", "LCK002", "LCK003", "LCK004", "LCK006", "TOR001", "GPU001", "DEV001", "DEV002", "DEV003"],
)
def test_the_checks_of_description_and_lock_are_clean(name: str, check: str) -> None:
    found = result(name, check)
    assert found.status in {"ok", "waived", "moot"}, (found.findings, found.note)


@every
def test_no_hash_of_a_lock_is_another_than_the_recorded(name: str) -> None:
    found = result(name, "LCK005")
    assert found.status in {"ok", "unknown"}, found.findings
    assert found.status == "ok" or "recorded" in found.note


@every
def test_every_waiver_is_one_of_a_finding(name: str) -> None:
    """A waiver that waives nothing would hide the next finding."""
    service = environment(name).service
    waived = {
        (one.check, each.finding.about)
        for other in (f"{service.name}-{variant.name}" for variant in service.variants)
        for one in results(other)
        for each in one.accepted
    }
    assert {(waiver.check, waiver.about) for waiver in service.waivers} <= waived


@every
def test_the_judge_has_no_error_no_open_warning_and_no_unknown(name: str) -> None:
    judged_ = [one for one in results(name) if REGISTRY[one.check].judge]
    assert {one.check: one.status for one in judged_ if one.status not in {"ok", "waived", "moot"}} == {}


@every
def test_every_deviation_has_a_reason_with_evidence(name: str) -> None:
    for one in recommendations.deviations(environment(name), lock(name)):
        assert one.reason, one.component
        assert len(one.reason.because) > 20, one.component
        assert one.reason.evidence.strip(), one.component
        assert "none given" not in one.reason.evidence, one.component


@every
def test_no_reason_is_stale(name: str) -> None:
    env = environment(name)
    assert recommendations.stale_reasons(env, recommendations.deviations(env, lock(name))) == ()


@every
def test_what_is_imported_is_locked(name: str) -> None:
    locked = {*lock(name).all}
    for module in environment(name).service.imports:
        wanted = MODULES.get(module, canonicalize_name(module))
        assert any(one == wanted or one.startswith(f"{wanted}-python") for one in locked), module


@every
def test_every_declared_pin_is_locked_at_its_version_in_its_layer(name: str) -> None:
    env = environment(name)
    held = {one.name: {p.name: p.version for p in one.packages} for one in lock(name).layers}
    for layer, declared in layers.declared_layers(env).items():
        for pin in declared.packages:
            version = next(iter(pin.specifier)).version
            assert Version(held[layer][canonicalize_name(pin.name)]) == Version(version)


@every
def test_every_package_is_there_because_something_wants_it(name: str) -> None:
    known = {*lock(name).all, environment(name).service.name}
    for package in lock(name).all.values():
        assert package.wanted_by, package.name
        assert {*package.wanted_by} <= known, package.name


@every
def test_no_two_packages_own_the_same_files(name: str) -> None:
    locked = {*lock(name).all}
    for conflict in facts.conflicts():
        assert len(locked & {*conflict.names}) <= 1, conflict.id


@every
def test_what_is_downloaded_fits_the_budget(name: str) -> None:
    env = environment(name)
    assert env.service.budget_bytes
    sizes = [package.size or 0 for package in lock(name).packages.values()]
    assert sum(sizes) < env.service.budget_bytes


@every
def test_the_base_is_pinned_by_its_digest_and_explained(name: str) -> None:
    base = environment(name).base
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", str(base.digest))
    assert base.rationale
    text = str(repo().text(f"docker/{name}/Dockerfile"))
    assert f"\nFROM {base.image}@{base.digest}\n" in text


@every
def test_a_volume_hides_nothing_of_the_image(name: str) -> None:
    one = environment(name).service
    own = (one.home, "/opt/venv", "/opt/torchpin", "/opt/python")
    assert not [v for v in one.run.volumes for place in own if f"{place}/".startswith(f"{v}/")]


@every
def test_ports_are_exposed_and_published(name: str) -> None:
    env = environment(name)
    text = str(repo().text(f"docker/{name}/Dockerfile"))
    assert re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE) == [str(port) for port in env.service.run.ports]
    words = docker.run_command(env, "image", command=(), gpus=False, terminal=False)
    assert [words[n + 1] for n, word in enumerate(words) if word == "--publish"] == [
        f"{port}:{port}" for port in env.service.run.ports
    ]


@every
def test_every_service_has_a_smoke_test_and_a_seed(name: str) -> None:
    one = environment(name).service
    assert "import torch" in str(repo().text(f"services/{one.name}/smoke.py"))
    assert (ROOT / f"tests/seeds/{one.name}.yaml").is_file()


def test_ports_volumes_and_budgets_are_the_documented_ones() -> None:
    assert {one.name: (one.run.ports, (one.budget_bytes or 0) // 10**9) for one in repo().services} == {
        "coaxial": ((8000,), 18),
        "lora": (service("lora").run.ports, (service("lora").budget_bytes or 0) // 10**9),
        "seedvr": ((7860,), 25),
        "videogen": ((), 50),
        "zopilot": ((8000,), 20),
    }


def test_nothing_in_torchpin_is_written_for_one_service() -> None:
    """Names of services stand in descriptions, never in the code."""
    names = "|".join(one.name for one in repo().services)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*(ROOT / "src").rglob("*.py"), ROOT / "docker/Dockerfile.j2"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(rf"[\"'/](?:{names})(?:-gpu)?[\"'/]", line)
    ]
    assert found == []


# --- what each brings ------------------------------------------------------------------------------------------------


def test_lora_keeps_its_index_source_and_freeze_record() -> None:
    one = service("lora")
    assert (one.variants[0].channel, str(one.torch.version), one.torch.origin) == ("cu128", "2.7.1", "index")
    assert [source.name for source in one.sources] == ["sd-scripts"]
    assert one.run.freeze == "/workspace/lora_training/logs/pip_freeze.txt"
    assert [upstream.source for upstream in lock("lora-gpu").upstreams] == ["sd-scripts"]


@pytest.mark.parametrize("name", ["seedvr-gpu", "videogen-gpu"])
def test_torch_from_the_base_is_proven_and_never_installed(name: str) -> None:
    env, found = environment(name), lock(name)
    assert env.service.torch.origin == "base"
    text = str(repo().text(f"docker/{name}/Dockerfile"))
    assert text.count("--system-site-packages") == 1
    assert "download.pytorch.org" not in text
    assert found.given
    assert not {*env.service.torch.family} & {*found.packages}
    context = str(repo().text(f"docker/{name}/context.txt"))
    assert "layers/00-" not in context
    installed = "".join(export.installable(layer) for layer in found.layers)
    assert not re.search(r"^(torch|torchvision|torchaudio|triton|nvidia-[\w-]+)[ =]", installed, re.MULTILINE)


def test_seedvr_s_base_carries_the_torch_that_is_given() -> None:
    env = environment("seedvr-gpu")
    assert env.base.image == "pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel"
    assert environments.torch_build(env) == "cu126"
    assert environments.cuda(env) == "12.6"


@pytest.mark.parametrize(("name", "torch"), [("seedvr-gpu", "2.7"), ("videogen-gpu", "2.8")])
def test_flash_attn_is_first_and_the_exact_wheel_of_the_facts(name: str, torch: str) -> None:
    first = lock(name).layers[0]
    assert [(p.name, p.version, p.filename) for p in first.packages] == [
        ("flash-attn", "2.8.3", f"flash_attn-2.8.3+cu12torch{torch}cxx11abiTRUE-cp311-cp311-linux_x86_64.whl")
    ]
    description = str(repo().text(environment(name).service.file))
    assert "cxx11abi" not in re.sub(r"#.*", "", description), "the file is chosen, not typed"


def test_videogen_s_ten_layers_come_from_one_resolution() -> None:
    found = lock("videogen-gpu")
    assert [one.name for one in found.layers] == [
        "01-attention", "02-core", "03-pytorch-ecosystem", "04-huggingface", "05-video-image", "06-audio",
        "07-other", "08-peft", "09-extras", "10-runpod",
    ]  # fmt: skip
    everything = [(p.name, one.name) for one in found.layers for p in one.packages]
    assert len(everything) == len({name for name, _ in everything})
    assert len({(one.python, one.platform, one.uv, one.environment) for one in found.layers}) == 1
    assert [one.name for one in found.layers if one.optional] == ["09-extras"]


def test_videogen_s_numpy_is_below_two_for_every_layer() -> None:
    found = lock("videogen-gpu")
    (numpy,) = [(one.name, p) for one in found.layers for p in one.packages if p.name == "numpy"]
    assert numpy[0] == "02-core"
    assert Version(numpy[1].version) < Version("2")
    wanting = {one.name for one in found.layers for p in one.packages if p.name in numpy[1].wanted_by}
    assert {"04-huggingface", "05-video-image", "06-audio", "08-peft", "09-extras"} <= wanting
    said = [(o.by, o.says) for o in service("videogen").recommends if o.component == "numpy"]
    assert ("validation report", "<2,>=1.23.5") in said
    assert not [one for one in recommendations.deviations(environment("videogen-gpu"), found) if one.component == "numpy" and not one.choice]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "below"), [("1.26.4", True), ("1.9.0", True), ("2.0.0", False), ("10.0.0", False)]
)
def test_numpy_below_two_is_a_comparison_of_versions_not_of_letters(version: str, *, below: bool) -> None:
    assert recommendations.satisfied("<2", version) is below


def test_videogen_needs_no_system_package_that_does_not_exist() -> None:
    assert "libdecord-dev" not in service("videogen").apt


def test_zopilot_locks_exactly_one_opencv() -> None:
    opencv = [name for name in lock("zopilot-gpu").packages if name.startswith("opencv")]
    assert opencv == ["opencv-python-headless"]
    assert "docstrange" in lock("zopilot-gpu").packages
    said = {
        one.component: one
        for one in recommendations.deviations(environment("zopilot-gpu"), lock("zopilot-gpu"))
    }
    assert said["opencv-python"].used == recommendations.ABSENT
    assert said["opencv-python"].reason


def test_zopilot_s_torch_comes_from_cu124_alone() -> None:
    found = lock("zopilot-gpu")
    assert {p.version.partition("+")[2] for p in found.layers[0].packages} == {"cu124"}
    assert [one.origin for one in found.layers] == ["cu124", "pypi", "pypi", "pypi"]


def test_coaxial_has_three_variants_with_the_same_torch_on_three_bases() -> None:
    found = {name: environment(name) for name in ENVIRONMENTS if name.startswith("coaxial")}
    assert {name: (env.variant.platform, env.base.image) for name, env in found.items()} == {
        "coaxial-gpu": ("linux/amd64", "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04"),
        "coaxial-cpu": ("linux/amd64", "ubuntu:22.04"),
        "coaxial-arm64": ("linux/arm64", "python:3.10-slim-bookworm"),
    }
    versions = {name: lock(name).packages["torch"].version for name in found}
    assert versions["coaxial-gpu"] == "2.8.0+cu128"
    assert versions["coaxial-cpu"] == "2.8.0+cpu"
    assert Version(versions["coaxial-arm64"]).public == "2.8.0"
    assert not [
        p for name in ("coaxial-cpu", "coaxial-arm64") for p in lock(name).packages if p.startswith("nvidia-")
    ]
    aarch64 = {p.filename for p in lock("coaxial-arm64").packages.values() if "x86_64" in p.filename}
    assert aarch64 == set()


def test_coaxial_has_lightning_in_every_variant() -> None:
    for name in ("coaxial-gpu", "coaxial-cpu", "coaxial-arm64"):
        assert lock(name).packages["lightning"].version == "2.5.5"
        assert lock(name).layers[2].name == "02-lightning"


# --- RTX 5060 Ti -----------------------------------------------------------------------------------------------------


def judged(env: Environment) -> Result:
    """GPU001 of an environment, by its description alone."""
    found = run.run(bare((env,)), judge=True)
    (one,) = [each for each in found if each.check == "GPU001"]
    return one


def test_rtx_5060_ti_is_blackwell_and_has_code_in_the_chosen_build() -> None:
    card = facts.gpu("RTX 5060 Ti")
    assert card
    assert card.capability == "12.0"
    env = environment("coaxial-gpu")
    assert "RTX 5060 Ti" in env.service.gpus
    assert (env.variant.channel, environments.cuda(env)) == ("cu128", "12.8")
    archs = facts.compiled("2.8.0", "cu128")
    assert archs
    assert "sm_120" in archs.sm
    assert judged(env).status == "ok"
    assert env.service.torch.version >= Version("2.7")


def test_rtx_5060_ti_is_refused_on_what_the_seed_documents() -> None:
    path = "services/coaxial/service.yaml"
    text = (ROOT / "tests/seeds/coaxial.yaml").read_text(encoding="utf-8")
    env = environments.environments(read.services({path: text}), variant="gpu")[0]
    found = judged(env)
    line = next(n for n, one in enumerate(text.splitlines(), start=1) if one.startswith("gpus: ["))
    assert found.status == "found"
    (one,) = found.findings
    assert one.where.startswith(f"{path}:{line}:")
    assert one.about == "RTX 5060 Ti"
    assert one.message.startswith(
        "torch 2.5.1+cu121 has no code for RTX 5060 Ti (capability 12.0): compiled for sm_50"
    )
