"""The risk table: each reason from a fact or a lock, and none where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.documents import service_risks
from torchpin.lock.layers import split_layers
from torchpin.model import Artifact, Environment, Layer, Lock, Recommendation, Torch, Upstream, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fixture_types import Artifacts, Services

FLASH = "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
LINUX = "-cp310-cp310-manylinux_2_28_x86_64.whl"


def risk_reasons(
    service: Services,
    artifact: Artifacts,
    *packages: Artifact,
    upstream_requirements: tuple[str, ...] = (),
    **changes: Any,
) -> dict[str, str]:
    """The reasons of a service that declares every package that nobody wants, the first environment's."""
    optional = changes.pop("optional", False)
    declared = tuple(
        Requirement(f"{package.name}=={package.version}") for package in packages if not package.required_by
    )
    flash_attn = [req for req in declared if req.name == "flash-attn"]
    other_requirements = tuple(req for req in declared if req not in flash_attn)
    layers = [Layer(name=req.name, packages=(req,), optional=optional) for req in flash_attn]
    layers += (
        [Layer(name="tools", packages=other_requirements, optional=optional)] if other_requirements else []
    )
    torch = Torch(version=Version(changes.pop("torch", "2.5.1")), companions={})
    described_service = service(**{"torch": torch, "layers": tuple(layers), **changes})
    env = Environment(service=described_service, variant=described_service.variants[0])
    family = artifact("torch", f"{torch.version}+{env.variant.channel}")
    locked_layers, base_packages = split_layers(env, (family, *packages), uv="0.13.9")
    upstream = Upstream(
        source="scripts",
        tag="v1",
        commit="a" * 40,
        file="requirements.txt",
        requirements=upstream_requirements,
    )
    reasons = service_risks.risk_reasons(
        env, Lock(layers=locked_layers, provided=base_packages, upstreams=(upstream,))
    )
    return {name: "; ".join(lines) for name, lines in reasons.items()}


def test_a_package_without_a_reason_does_not_stand_there(service: Services, artifact: Artifacts) -> None:
    assert risk_reasons(service, artifact, artifact("tqdm", "4.66.5")) == {}


def test_compiled_source_only_and_optional(service: Services, artifact: Artifacts) -> None:
    reasons = risk_reasons(
        service, artifact,
        artifact("numpy", "1.26.4", filename=f"numpy-1.26.4{LINUX}"),
        artifact("old", "1.0", filename="old-1.0.tar.gz"),
    )  # fmt: skip
    assert reasons == {
        "numpy": "compiled, for `manylinux_2_28_x86_64`",
        "old": "source only: it is compiled during the image build",
    }
    reasons = risk_reasons(service, artifact, artifact("tqdm", "4.66.5"), optional=True)
    assert reasons == {"tqdm": "optional: the image may lack it"}


def test_a_wheel_with_an_abi_says_what_it_is_bound_to_and_where_it_has_none(
    service: Services, artifact: Artifacts
) -> None:
    reason = risk_reasons(service, artifact, artifact("flash-attn", "2.8.3", filename=FLASH))["flash-attn"]
    assert "compiled, for `linux_x86_64`; ABI-bound: its file fits one series of torch" in reason
    assert "no wheel for aarch64" in reason


@pytest.mark.parametrize(
    ("apt", "state"),
    [
        (("libgl1", "libglib2.0-0"), "apt lists it"),
        (("libgl1",), "**apt does not list libglib2.0-0**"),
        ((), "**apt does not list libgl1, libglib2.0-0**"),
    ],
)
def test_a_system_library_is_listed_by_apt_or_not(
    service: Services, artifact: Artifacts, apt: tuple[str, ...], state: str
) -> None:
    reasons = risk_reasons(service, artifact, artifact("opencv-python", "4.11.0.86"), apt=apt)
    assert reasons == {"opencv-python": f"requires `libgl1`, `libglib2.0-0` of the system: {state}"}


def test_a_wheel_that_brings_its_library_needs_none(service: Services, artifact: Artifacts) -> None:
    assert "soundfile" not in risk_reasons(service, artifact, artifact("soundfile", "0.13.1"))


def test_a_package_without_a_wheel_elsewhere_says_so(service: Services, artifact: Artifacts) -> None:
    reasons = risk_reasons(service, artifact, artifact("decord", "0.6.0"))
    assert reasons == {"decord": "no wheel for aarch64, and no sdist"}


def test_packages_that_share_files_are_both_named_the_transitive_one_too(
    service: Services, artifact: Artifacts
) -> None:
    headless = artifact("opencv-python-headless", "4.11.0.86")
    transitive = artifact("opencv-contrib-python-headless", "4.11.0.86", by=("easyocr",))
    reasons = risk_reasons(service, artifact, headless, transitive)
    assert reasons["opencv-python-headless"].startswith(
        "**shares files with opencv-contrib-python-headless**: "
    )
    assert reasons["opencv-contrib-python-headless"].startswith(
        "**shares files with opencv-python-headless**"
    )
    assert risk_reasons(service, artifact, headless) == {}


def test_a_transitive_package_stands_there_for_nothing_else(service: Services, artifact: Artifacts) -> None:
    compiled = artifact("regex", "1", by=("tqdm",), filename=f"regex-1{LINUX}")
    assert risk_reasons(service, artifact, artifact("tqdm", "4.66.5"), compiled) == {}


@pytest.mark.parametrize(
    ("packages", "state"),
    [
        ([("accelerate", "1.6.0")], ": satisfied by accelerate 1.6.0"),
        ([("accelerate", "0.25.0")], ": **not satisfied, accelerate 0.25.0**"),
        ([], ": **not satisfied, accelerate is not installed**"),
    ],
)
def test_a_soft_floor_holds_or_not(
    service: Services, artifact: Artifacts, packages: list[tuple[str, str]], state: str
) -> None:
    companions = [artifact(name, version) for name, version in packages]
    reason = risk_reasons(service, artifact, artifact("transformers", "4.46.3"), *companions)["transformers"]
    assert "requires accelerate>=0.26.0, for Trainer, low_cpu_mem_usage, device_map" in reason
    assert reason.endswith(state)


def test_a_floor_that_metadata_tells_is_the_resolvers(service: Services, artifact: Artifacts) -> None:
    assert "xformers" not in risk_reasons(service, artifact, artifact("xformers", "0.0.20"))


def test_a_floor_of_a_card_stands_there_where_the_card_is_wanted(
    service: Services, artifact: Artifacts
) -> None:
    bitsandbytes = artifact("bitsandbytes", "0.45.1")
    assert "Blackwell" in risk_reasons(service, artifact, bitsandbytes, gpus=("H100", "B200"))["bitsandbytes"]
    assert "bitsandbytes" not in risk_reasons(service, artifact, bitsandbytes, gpus=("H100",))
    cpu = (Variant(name="cpu", channel="cpu", platform="linux/amd64"),)
    assert "bitsandbytes" not in risk_reasons(service, artifact, bitsandbytes, gpus=("B200",), variants=cpu)


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("tqdm<4.60", "newer than what scripts v1 requires (<4.60)"),
        ("tqdm>=4.67", "outside what scripts v1 requires (>=4.67)"),
        ("tqdm!=4.66.5", "outside what scripts v1 requires (!=4.66.5)"),
        ("tqdm==4.60.*", r"newer than what scripts v1 requires (==4.60.\*)"),
        ("tqdm>=4.60", None),
        ("absent==1", None),
    ],
)
def test_what_an_upstream_asks_is_met_or_told(
    service: Services, artifact: Artifacts, requirement: str, reason: str | None
) -> None:
    reasons = risk_reasons(
        service, artifact, artifact("tqdm", "4.66.5"), upstream_requirements=(requirement,)
    )
    assert reasons.get("tqdm") == reason
    assert "absent" not in reasons


def test_what_others_recommend_is_the_deviation_logs(service: Services, artifact: Artifacts) -> None:
    recommendations = (Recommendation(component="tqdm", says="4.60"),)
    assert risk_reasons(service, artifact, artifact("tqdm", "4.66.5"), recommends=recommendations) == {}


def risk_table(service: Services, artifact: Artifacts, *, everywhere: bool) -> str:
    gpu = Variant(name="gpu", channel="cu121", platform="linux/amd64")
    arm = Variant(name="arm64", channel="cpu", platform="linux/arm64")
    described_service = service(
        torch=Torch(version=Version("2.5.1"), companions={}),
        variants=(gpu, arm),
        layers=(Layer(name="tools", packages=(Requirement("old==1.0"),)),),
    )
    locks = {}
    for variant in described_service.variants:
        source_only = everywhere or variant is arm
        fields = {"filename": "old-1.0.tar.gz"} if source_only else {}
        env = Environment(service=described_service, variant=variant)
        packages = (artifact("torch", "2.5.1+cpu"), artifact("old", "1.0", **fields))
        locks[env.name] = Lock(layers=split_layers(env, packages, uv="0.13.9")[0])
    return service_risks.risk_table(described_service, locks)


def test_a_reason_of_one_environment_names_it(service: Services, artifact: Artifacts) -> None:
    assert "| old in `lora-arm64` | source only:" in risk_table(service, artifact, everywhere=False)
    assert "| old | source only:" in risk_table(service, artifact, everywhere=True)


def test_no_reason_and_no_lock_are_told_apart(
    service: Services, environment: Callable[..., Environment], lock: Callable[..., Lock]
) -> None:
    assert (
        service_risks.risk_table(service(), {"lora-gpu": lock(environment())})
        == "No package needs attention."
    )
    assert service_risks.risk_table(service(), {}).startswith("Not locked yet: `lora-gpu`.")
