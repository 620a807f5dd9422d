"""The risk table: each reason from a fact or a lock, and none where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.documents import pinning_risks
from torchpin.lock.layers import split
from torchpin.model import Environment, Layer, Lock, Recommendation, Torch, Upstream, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.model import Artifact, Service

    Services = Callable[..., Service]
    Artifacts = Callable[..., Artifact]

FLASH = "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
LINUX = "-cp310-cp310-manylinux_2_28_x86_64.whl"


def told(
    service: Services, artifact: Artifacts, *packages: Artifact, asked: tuple[str, ...] = (), **changes: Any
) -> dict[str, str]:
    """The reasons of a service that declares every package that nobody wants, the first environment's."""
    optional = changes.pop("optional", False)
    declared = tuple(Requirement(f"{one.name}=={one.version}") for one in packages if not one.wanted_by)
    alone = [one for one in declared if one.name == "flash-attn"]
    rest = tuple(one for one in declared if one not in alone)
    layers = [Layer(name=one.name, packages=(one,), optional=optional) for one in alone]
    layers += [Layer(name="tools", packages=rest, optional=optional)] if rest else []
    torch = Torch(version=Version(changes.pop("torch", "2.5.1")), companions={})
    one = service(**{"torch": torch, "layers": tuple(layers), **changes})
    env = Environment(service=one, variant=one.variants[0])
    family = artifact("torch", f"{torch.version}+{env.variant.channel}")
    locked, given = split(env, (family, *packages), uv="0.13.9")
    said = Upstream(source="scripts", tag="v1", commit="a" * 40, file="requirements.txt", requirements=asked)
    found = pinning_risks.reasons(env, Lock(layers=locked, given=given, upstreams=(said,)))
    return {name: "; ".join(lines) for name, lines in found.items()}


def test_a_package_without_a_reason_does_not_stand_there(service: Services, artifact: Artifacts) -> None:
    assert told(service, artifact, artifact("tqdm", "4.66.5")) == {}


def test_compiled_source_only_and_optional(service: Services, artifact: Artifacts) -> None:
    found = told(
        service, artifact,
        artifact("numpy", "1.26.4", filename=f"numpy-1.26.4{LINUX}"),
        artifact("old", "1.0", filename="old-1.0.tar.gz"),
    )  # fmt: skip
    assert found == {
        "numpy": "compiled, for `manylinux_2_28_x86_64`",
        "old": "source only: it is built while the image is",
    }
    found = told(service, artifact, artifact("tqdm", "4.66.5"), optional=True)
    assert found == {"tqdm": "optional: the image may go without it"}


def test_a_wheel_with_an_abi_says_what_it_is_bound_to_and_where_it_has_none(
    service: Services, artifact: Artifacts
) -> None:
    found = told(service, artifact, artifact("flash-attn", "2.8.3", filename=FLASH))["flash-attn"]
    assert "compiled, for `linux_x86_64`; ABI-bound: its file fits one series of torch" in found
    assert "no wheel for aarch64" in found


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
    found = told(service, artifact, artifact("opencv-python", "4.11.0.86"), apt=apt)
    assert found == {"opencv-python": f"needs `libgl1`, `libglib2.0-0` of the system: {state}"}


def test_a_wheel_that_brings_its_library_needs_none(service: Services, artifact: Artifacts) -> None:
    assert "soundfile" not in told(service, artifact, artifact("soundfile", "0.13.1"))


def test_a_package_without_a_wheel_elsewhere_says_so(service: Services, artifact: Artifacts) -> None:
    found = told(service, artifact, artifact("decord", "0.6.0"))
    assert found == {"decord": "no wheel for aarch64, and nothing to build from"}


def test_packages_that_share_files_are_both_named_the_transitive_one_too(
    service: Services, artifact: Artifacts
) -> None:
    headless = artifact("opencv-python-headless", "4.11.0.86")
    brought = artifact("opencv-contrib-python-headless", "4.11.0.86", by=("easyocr",))
    found = told(service, artifact, headless, brought)
    assert found["opencv-python-headless"].startswith(
        "**shares files with opencv-contrib-python-headless**: "
    )
    assert found["opencv-contrib-python-headless"].startswith("**shares files with opencv-python-headless**")
    assert told(service, artifact, headless) == {}


def test_a_transitive_package_stands_there_for_nothing_else(service: Services, artifact: Artifacts) -> None:
    compiled = artifact("regex", "1", by=("tqdm",), filename=f"regex-1{LINUX}")
    assert told(service, artifact, artifact("tqdm", "4.66.5"), compiled) == {}


@pytest.mark.parametrize(
    ("packages", "state"),
    [
        ([("accelerate", "1.6.0")], ": it has accelerate 1.6.0"),
        ([("accelerate", "0.25.0")], ": **not satisfied, accelerate 0.25.0**"),
        ([], ": **not satisfied, accelerate is not installed**"),
    ],
)
def test_a_soft_floor_holds_or_not(
    service: Services, artifact: Artifacts, packages: list[tuple[str, str]], state: str
) -> None:
    others = [artifact(name, version) for name, version in packages]
    found = told(service, artifact, artifact("transformers", "4.46.3"), *others)["transformers"]
    assert "asks for accelerate>=0.26.0, for Trainer, low_cpu_mem_usage, device_map" in found
    assert found.endswith(state)


def test_a_floor_that_metadata_tells_is_the_resolvers(service: Services, artifact: Artifacts) -> None:
    assert "xformers" not in told(service, artifact, artifact("xformers", "0.0.20"))


def test_a_floor_of_a_card_stands_there_where_the_card_is_wanted(
    service: Services, artifact: Artifacts
) -> None:
    bits = artifact("bitsandbytes", "0.45.1")
    assert "Blackwell" in told(service, artifact, bits, gpus=("H100", "B200"))["bitsandbytes"]
    assert "bitsandbytes" not in told(service, artifact, bits, gpus=("H100",))
    cpu = (Variant(name="cpu", channel="cpu", platform="linux/amd64"),)
    assert "bitsandbytes" not in told(service, artifact, bits, gpus=("B200",), variants=cpu)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("tqdm<4.60", "newer than what scripts v1 asks (<4.60)"),
        ("tqdm>=4.67", "outside what scripts v1 asks (>=4.67)"),
        ("tqdm!=4.66.5", "outside what scripts v1 asks (!=4.66.5)"),
        ("tqdm==4.60.*", r"newer than what scripts v1 asks (==4.60.\*)"),
        ("tqdm>=4.60", None),
        ("absent==1", None),
    ],
)
def test_what_an_upstream_asks_is_met_or_told(
    service: Services, artifact: Artifacts, asked: str, reason: str | None
) -> None:
    found = told(service, artifact, artifact("tqdm", "4.66.5"), asked=(asked,))
    assert found.get("tqdm") == reason
    assert "absent" not in found


def test_what_others_recommend_is_the_deviation_logs(service: Services, artifact: Artifacts) -> None:
    says = (Recommendation(component="tqdm", says="4.60"),)
    assert told(service, artifact, artifact("tqdm", "4.66.5"), recommends=says) == {}


def table(service: Services, artifact: Artifacts, *, everywhere: bool) -> str:
    gpu = Variant(name="gpu", channel="cu121", platform="linux/amd64")
    arm = Variant(name="arm64", channel="cpu", platform="linux/arm64")
    one = service(
        torch=Torch(version=Version("2.5.1"), companions={}),
        variants=(gpu, arm),
        layers=(Layer(name="tools", packages=(Requirement("old==1.0"),)),),
    )
    locks = {}
    for variant in one.variants:
        source = everywhere or variant is arm
        file = {"filename": "old-1.0.tar.gz"} if source else {}
        env = Environment(service=one, variant=variant)
        packages = (artifact("torch", "2.5.1+cpu"), artifact("old", "1.0", **file))
        locks[env.name] = Lock(layers=split(env, packages, uv="0.13.9")[0])
    return pinning_risks.risks(one, locks)


def test_a_reason_of_one_environment_names_it(service: Services, artifact: Artifacts) -> None:
    assert "| old in `lora-arm64` | source only:" in table(service, artifact, everywhere=False)
    assert "| old | source only:" in table(service, artifact, everywhere=True)


def test_no_reason_and_no_lock_are_told_apart(
    service: Services, environment: Callable[..., Environment], lock: Callable[..., Lock]
) -> None:
    assert pinning_risks.risks(service(), {"lora-gpu": lock(environment())}) == "No package gives a reason."
    assert pinning_risks.risks(service(), {}).startswith("Not locked yet: `lora-gpu`.")
