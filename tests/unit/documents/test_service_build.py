"""The page of a service: how an image is made, what of it is proven, what to look at, and how to go back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.documents import EXTRA, FLASH
from torchpin.documents import service_build
from torchpin.lock.layers import layer_lock, split_layers
from torchpin.model import Artifact, Base, Environment, Layer, Lock, Service, Source, Torch, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.fixture_types import Artifacts, Services

TOOLS = Layer(name="tools", packages=(Requirement("tqdm==4.66.5"), Requirement("old==1.0")))
SOURCE = Source(name="scripts", url="https://host/x", tag="v1", commit="c" * 40, path="third_party/x")
FREEZE = "torch==2.5.1+cu121\ntqdm==4.66.5\nold==1.0\npandas==2.2.3\n"


def make_service(service: Services, **changes: Any) -> Service:
    torch = Torch(version=Version("2.5.1"), companions={})
    return service(**{"torch": torch, "layers": (TOOLS, EXTRA), "apt": ("curl", "git"), **changes})


def make_locks(service: Service, artifact: Artifacts, *extra: Artifact) -> dict[str, Lock]:
    locks = {}
    for variant in service.variants:
        env = Environment(service=service, variant=variant)
        local = "" if variant.channel == "pypi" else f"+{variant.channel}"
        packages = (
            artifact("torch", f"{service.torch.version}{local}"),
            artifact("tqdm", "4.66.5"),
            artifact("old", "1.0", filename="old-1.0.tar.gz"),
            artifact("pandas", "2.2.3"),
            *extra,
        )
        layers, provided = split_layers(env, packages, uv="0.13.9")
        build = layer_lock(env, "build", (artifact("setuptools", "81", by=("old",)),), uv="0.13.9")
        locks[env.name] = Lock(layers=layers, provided=provided, build=build)
    return locks


def service_with_base_torch(service: Services, *layers: Layer) -> Service:
    return make_service(
        service,
        torch=Torch(version=Version("2.7.1"), companions={}, origin="base"),
        base=Base(image="pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel", digest=f"sha256:{'b' * 64}"),
        variants=(Variant(name="gpu", channel="cu126", platform="linux/amd64"),),
        layers=layers or (TOOLS, EXTRA),
    )


def test_the_build_order_of_an_index_service(service: Services, artifact: Artifacts) -> None:
    lora = make_service(service, sources=(SOURCE,))
    hashed = "each by its hash, without dependencies"
    assert service_build.build_order(lora, make_locks(lora, artifact)).splitlines() == [
        "1. Base image: `nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04`.",
        "2. Python 3.10.14: that of the base image if it is exactly this, else the build that uv 0.13.9 has by hash, in a virtual environment.",
        f"3. Layer `00-torch.requirements.txt`: 1 package from the channel `cu121`, {hashed}.",
        "4. System packages, by apt: `curl`, `git`.",
        f"5. Layer `02-tools.requirements.txt`: 2 packages from PyPI, {hashed}; old built from source with `build.requirements.txt`.",
        f"6. Layer `03-extra.requirements.txt`: 1 package from PyPI, {hashed}; optional: if it fails, the image goes without it.",
        f"7. Source scripts: tag `v1` at commit `{'c' * 40}`, to `/opt/lora/third_party/x`.",
        "8. The runtime's scripts to `/opt/torchpin`, and `smoke.py` to `/opt/lora`.",
        "9. Verification: `probe.py` compares the image with its lock, then `smoke.py` runs; only an image that passes both is tagged.",
    ]


def test_the_build_order_of_a_base_service_installs_no_torch(service: Services, artifact: Artifacts) -> None:
    lora = service_with_base_torch(service, FLASH, TOOLS)
    text = service_build.build_order(lora, make_locks(lora, artifact, artifact("flash-attn", "2.8.3")))
    assert "2. Python 3.10.14: that of the base image, in a virtual environment that sees" in text
    assert "3. torch and its companions: from the base image, never installed, always verified;" in text
    assert "5. Layer `01-flash.requirements.txt`: 1 package from flash-attn's own release," in text
    assert "00-torch" not in text


def test_variants_are_told_apart_where_their_order_differs(service: Services, artifact: Artifacts) -> None:
    gpu = Variant(name="gpu", channel="cu121", platform="linux/amd64")
    arm = Variant(name="arm64", channel="pypi", platform="linux/arm64", base=Base(image="debian:12"))
    lora = make_service(service, variants=(gpu, arm), apt=())
    text = service_build.build_order(lora, make_locks(lora, artifact))
    assert "In `lora-gpu`:\n\n1. Base image: `nvidia/cuda:" in text
    assert "In `lora-arm64`:\n\n1. Base image: `debian:12`.\n2. Python 3.10.14: " in text
    assert "3. Layer `00-torch.requirements.txt`: 1 package from PyPI," in text
    assert "4. System packages, by apt: none." in text


def verification_column(
    service: Service, locks: Mapping[str, Lock], freeze: str | None, name: str = "lora-gpu"
) -> dict[str, str]:
    lines = service_build.matrix(service, locks, {name: freeze}).splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {row[0]: row[3] for row in rows}


def test_the_matrix_has_component_version_and_source(service: Services, artifact: Artifacts) -> None:
    lora = make_service(service, sources=(SOURCE,))
    text = service_build.matrix(lora, make_locks(lora, artifact), {})
    for row in (
        "| Component | Version | Source | Verified |",
        "| Base image | nvidia/cuda `12.1.1-cudnn8-devel-ubuntu22.04` | its registry | not yet: no digest is recorded |",
        "| Python | `3.10.14` | the base image or uv | not yet |",
        "| CUDA of torch | `12.1` | torch of `cu121` | not yet |",
        "| torch | `2.5.1+cu121` | the channel `cu121` | not yet |",
        "| tqdm | `4.66.5` | PyPI | not yet |",
        f"| scripts | `v1` at `{'c' * 12}` | https://host/x | not yet |",
    ):
        assert row in text


def test_a_record_proves_packages_and_that_the_probe_passed(service: Services, artifact: Artifacts) -> None:
    lora = make_service(service, sources=(SOURCE,))
    verification = verification_column(lora, make_locks(lora, artifact), FREEZE)
    assert {verification[name] for name in ("torch", "tqdm", "pandas", "old")} == {"yes, by the record"}
    assert {verification[name] for name in ("Python", "CUDA of torch", "scripts")} == {
        "yes, by the build's probe"
    }


@pytest.mark.parametrize(
    ("freeze", "name", "expected"),
    [
        (FREEZE.replace("4.66.5", "4.1"), "tqdm", "no: the record has 4.1"),
        (FREEZE.replace("old==1.0\n", ""), "old", "no: the record has none"),
        (FREEZE.replace("pandas==2.2.3\n", ""), "pandas", "no: optional, and missing in the recorded image"),
        (FREEZE.replace("4.66.5", "4.1"), "Python", "not yet: the record is of another lock"),
        (FREEZE.replace("pandas==2.2.3\n", ""), "Python", "yes, by the build's probe"),
        (None, "tqdm", "not yet"),
    ],
)
def test_a_record_that_says_something_else_proves_nothing(
    service: Services, artifact: Artifacts, freeze: str | None, name: str, expected: str
) -> None:
    lora = make_service(service)
    assert verification_column(lora, make_locks(lora, artifact), freeze)[name] == expected


def test_torch_of_the_base_is_proven_by_the_probe_alone(service: Services, artifact: Artifacts) -> None:
    lora = service_with_base_torch(service)
    freeze = FREEZE.replace("torch==2.5.1+cu121\n", "")
    verification = verification_column(lora, make_locks(lora, artifact), freeze)
    assert verification["torch"] == "yes, by the build's probe"
    assert verification["Base image"] == "yes, by its digest"
    assert verification_column(lora, make_locks(lora, artifact), None)["torch"] == "not yet"
    assert "| torch | `2.7.1+cu126` | the base image |" in service_build.matrix(
        lora, make_locks(lora, artifact), {}
    )


def test_a_cpu_build_has_no_cuda_row(service: Services, artifact: Artifacts) -> None:
    lora = make_service(service, variants=(Variant(name="cpu", channel="cpu", platform="linux/amd64"),))
    assert "CUDA of torch" not in service_build.matrix(lora, make_locks(lora, artifact), {})


def test_what_is_declared_and_not_locked_is_told(service: Services, artifact: Artifacts) -> None:
    lora = make_service(service)
    (lock,) = make_locks(lora, artifact).values()
    empty = replace(lock, layers=lock.layers[:1])
    assert verification_column(lora, {"lora-gpu": empty}, FREEZE)["tqdm"] == "no: it is not locked"


def test_the_checklist_of_an_index_service(service: Services, artifact: Artifacts) -> None:
    lora = make_service(service, sources=(SOURCE,), imports=("torch", "tqdm"))
    text = service_build.checklist(lora, make_locks(lora, artifact))
    for line in (
        "- [ ] Python is 3.10.14.",
        "- [ ] torch reports version `2.5.1+cu121`, with CUDA 12.1, compiled for sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90 at least.",
        "- [ ] 3 packages installed at the locked version, each once, and nothing else.",
        "- [ ] Of the 1 optional package, each at the locked version or absent.",
        "- [ ] These import: `torch`, `tqdm`.",
        f"- [ ] `/opt/lora/third_party/x` is at `{'c' * 40}`.",
        "- [ ] It ends with `probe: ok` and torch 2.5.1+cu121, CUDA 12.1.",
        "- [ ] One line has `+ torch==2.5.1+cu121`, in the step of `00-torch.requirements.txt`.",
        "- [ ] The optional layer `03-extra.requirements.txt` could not be installed only where you accept that.",
        "invoke freeze --service lora",
    ):
        assert line in text
    assert "untouched" not in text


def test_the_checklist_of_a_base_service_wants_no_torch_installed(
    service: Services, artifact: Artifacts
) -> None:
    lora = service_with_base_torch(service)
    text = service_build.checklist(lora, make_locks(lora, artifact))
    assert "- [ ] The base image's packages are unchanged: `torch==2.7.1+cu126`." in text
    assert "- [ ] No line has `+ torch==`: torch is the base image's, and stays." in text
    assert "One line has" not in text


def test_the_checklist_of_a_cpu_build_has_no_cuda(service: Services, artifact: Artifacts) -> None:
    lora = make_service(service, variants=(Variant(name="cpu", channel="cpu", platform="linux/amd64"),))
    assert "torch 2.5.1+cpu, no CUDA." in service_build.checklist(lora, make_locks(lora, artifact))


def test_what_is_not_locked_yet_has_commands_alone(service: Services) -> None:
    text = service_build.checklist(make_service(service), {})
    assert "- [ ]" not in text
    assert "Not locked yet: `lora-gpu`." in text
    assert service_build.build_order(make_service(service), {}).startswith("Not locked yet")
