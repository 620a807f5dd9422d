"""Every registered check passes what is right and finds what is wrong; nothing that could not be looked at is ok."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from torchpin.checks import registry, rules, run
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.registry import REGISTRY, Check, Result, Unknown
from torchpin.checks.rules import deviations
from torchpin.commands import judge
from torchpin.errors import FindingsError, InputError
from torchpin.lock.layers import layer_names, split_layers
from torchpin.model import (
    Artifact,
    Environment,
    Layer,
    Lock,
    Position,
    Reason,
    Recommendation,
    Source,
    Torch,
    Upstream,
    Waiver,
)
from torchpin.queries.explain import explain
from torchpin.records.bump_log import BumpEntry, PolicyStep, ServiceChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

assert rules  # importing it registers the checks

TODAY = date(2026, 12, 1)
UV = "0.13.9"
FILE = "services/lora/service.yaml"
LOCK_DIR = "lockfiles/lora-gpu"
TORCH_LAYER = f"{LOCK_DIR}/00-torch.txt"
TRAINING_LAYER = f"{LOCK_DIR}/02-training.txt"
IMAGE = "image of lora-gpu"
RECORDED_TORCH_HASH = "92af92c569de5da937dd1afb45ecfdd598ec1254cf2e49e3d698cb24d71aae14"
RECORDED_TORCHVISION_HASH = "304937b82c933d5155bd04d771f4b187273f67a76050bb4276b521f7e9b4c4e7"
SOURCE = Source(
    name="sd-scripts",
    url="https://github.com/kohya-ss/sd-scripts",
    tag="v0.10.0",
    commit="9" * 40,
    path="third_party/sd-scripts",
)
SECOND = replace(SOURCE, name="extras", path="third_party/extras")
UPSTREAM = Upstream(
    source="sd-scripts", tag="v0.10.0", commit="9" * 40, file="requirements.txt", requirements=()
)
PROBE_OUTPUT = {
    "distributions": {
        "torch": "2.5.1+cu121",
        "torchvision": "0.20.1+cu121",
        "nvidia-cudnn-cu12": "9.1.0.70",
        "tqdm": "4.66.5",
    },
    "torch": {
        "version": "2.5.1+cu121",
        "cuda": "12.1",
        "archs": ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"],
    },
    "sources": {"/opt/lora/third_party/sd-scripts": "9" * 40},
}
H100 = {"name": "NVIDIA H100", "capability": "9.0"}
B200 = {"name": "NVIDIA B200", "capability": "10.0"}
GLOBAL_FIELDS = {
    "documents",
    "document_problems",
    "published",
    "engine_problem",
    "gpu_problem",
    "orphans",
}  # not by environment


@dataclass(frozen=True)
class Builders:
    """The builders of conftest, in one hand."""

    environment: Callable[..., Environment]
    lock: Callable[..., Lock]
    artifact: Callable[..., Artifact]

    def check_lock(self, check: str, env: Environment | None = None, **context: Any) -> Result:
        """The one check on an environment with a fresh lock."""
        env = env or self.environment()
        lock = context.pop("locks", None) or self.lock(env)
        return run_check(env, check, **{"locks": lock, "lock_files": {"00-torch.txt": ""}, **context})

    def check_image(self, check: str, env: Environment | None = None, **context: Any) -> Result:
        """The one check on an environment with a lock and an image that answers as planned."""
        return self.check_lock(
            check, env, **{"images": {"size_bytes": 10**9}, "probe_reports": PROBE_OUTPUT, **context}
        )


@pytest.fixture
def kit(
    environment: Callable[..., Environment], lock: Callable[..., Lock], artifact: Callable[..., Artifact]
) -> Builders:
    return Builders(environment, lock, artifact)


DONE = PolicyStep(state="done", when="2026-11-24T12:00:00Z", who="somebody")
BUMPED = BumpEntry(bump="torch==2.7.1", why="B200", services={"lora": ServiceChange()}, steps=(DONE,) * 5)
PENDING = replace(BUMPED, steps=(DONE, DONE, PolicyStep(), PolicyStep(), PolicyStep()))


def make_context(*environments: Environment, **context: Any) -> CheckContext:
    """Evidence of the first environment; values stand for themselves, not by environment."""
    name = environments[0].name
    values: dict[str, Any] = {
        key: value if key in GLOBAL_FIELDS else {name: value} for key, value in context.items()
    }
    return CheckContext(environments=environments, today=TODAY, uv=UV, **values)


def run_check(env: Environment, check: str, **context: Any) -> Result:
    """The runner on an environment; of its results the one of this check."""
    (check_result,) = [
        candidate for candidate in run.run(make_context(env, **context)) if candidate.check == check
    ]
    return check_result


def replace_layer(lock: Lock, number: int, **changes: Any) -> Lock:
    layers = list(lock.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(lock, layers=tuple(layers))


def make_positions(path: str, line: int = 7, column: int = 3) -> dict[str, Position]:
    return {path: Position(file=FILE, line=line, column=column)}


def make_torch(version: str) -> Torch:
    return Torch(version=Version(version), companions={})


def recommendation(component: str, requirement: str) -> dict[str, Any]:
    return {"recommends": (Recommendation(component=component, says=requirement),)}


def waiver(check: str, about: str, review_by: date = TODAY) -> Waiver:
    return Waiver(check=check, about=about, reason="known", review_by=review_by)


@dataclass(frozen=True)
class Case:
    """A check, in words what it is given, how its result comes about, and where it must find what."""

    id: str
    summary: str
    result: Callable[[Builders], Result]
    location: str = ""
    message: str = ""
    count: int = 1


def parametrize_cases(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "case", cases, ids=[f"{case.id} {case.summary}".replace(" ", "-") for case in cases]
    )


def pytorch_lock(kit: Builders, torch_hash: str = RECORDED_TORCH_HASH) -> Lock:
    """A lock with the hashes and file names of the recorded index."""
    wheels = (
        ("torch", "2.5.1+cu121", torch_hash),
        ("torchvision", "0.20.1+cu121", RECORDED_TORCHVISION_HASH),
    )
    files = [
        kit.artifact(name, version, sha256=sha, filename=f"{name}-{version}-cp310-cp310-linux_x86_64.whl")
        for name, version, sha in wheels
    ]
    return kit.lock(kit.environment(), *files)


def environment_with_source(kit: Builders, **changes: Any) -> Environment:
    return kit.environment(sources=(replace(SOURCE, **changes),))


def rendering(
    lines: str = "a\nb\n", *, committed: str | None = "a\nb\n"
) -> dict[str, tuple[str | None, str]]:
    return {"docker/lora-gpu/Dockerfile": (committed, lines)}


def probe_output(**torch: Any) -> dict[str, Any]:
    return {**PROBE_OUTPUT, "torch": {**PROBE_OUTPUT["torch"], **torch}}  # type: ignore[dict-item]


# --- what passes -----------------------------------------------------------------------------------------------------

PASSES = [
    Case("LCK001", "a fresh lock", lambda kit: kit.check_lock("LCK001")),
    Case(
        "LCK001",
        "with what it builds and what its source asks for",
        lambda kit: kit.check_lock(
            "LCK001",
            environment_with_source(kit, requirements="requirements.txt"),
            locks=replace(
                kit.lock(
                    kit.environment(),
                    kit.artifact("schedulefree", "1.4", filename="schedulefree-1.4.tar.gz", by=("lora",)),
                    build=(kit.artifact("wheel", by=("schedulefree",)),),
                ),
                upstreams=(UPSTREAM,),
            ),
        ),
    ),
    Case("LCK002", "a whole lock", lambda kit: kit.check_lock("LCK002")),
    Case("LCK003", "torch of the channel", lambda kit: kit.check_lock("LCK003")),
    Case(
        "LCK003",
        "torch of PyPI without a local part",
        lambda kit: kit.check_lock("LCK003", kit.environment(channel="pypi")),
    ),
    Case(
        "LCK003",
        "torch for arm64 with and without a local part",
        lambda kit: kit.check_lock(
            "LCK003",
            env := kit.environment(platform="linux/arm64"),
            locks=kit.lock(env, kit.artifact("torch", "2.5.1+cu121")),
        ),
    ),
    Case("LCK004", "one artifact each", lambda kit: kit.check_lock("LCK004")),
    Case("LCK005", "the recorded hashes", lambda kit: kit.check_lock("LCK005", locks=pytorch_lock(kit))),
    Case(
        "LCK005", "PyPI's own hashes", lambda kit: kit.check_lock("LCK005", kit.environment(channel="pypi"))
    ),
    Case(
        "LCK005",
        "the hashes of the lab's index",
        lambda kit: kit.check_lock(
            "LCK005",
            published={
                "cu121": {
                    "torch": {"torch-2.5.1+cu121-py3-none-any.whl": "ab" * 32},
                    "torchvision": {"torchvision-0.20.1+cu121-py3-none-any.whl": "ab" * 32},
                }
            },
        ),
    ),
    Case("LCK007", "nothing left over", lambda kit: run_check(kit.environment(), "LCK007")),
    Case(
        "LCK006",
        "no address but in what a source asks for",
        lambda kit: kit.check_lock(
            "LCK006",
            lock_files={"00-torch.txt": "torch==2.5.1\n", "upstream-x.txt": "a @ https://example.org/a.whl\n"},
        ),
    ),
    Case("DKR001", "the same text", lambda kit: kit.check_lock("DKR001", renderings=rendering())),
    Case("DOC001", "the same text", lambda kit: kit.check_lock("DOC001", documents={"A.md": ("a\n", "a\n")})),
    Case("DEV001", "nothing deviates", lambda kit: kit.check_lock("DEV001", kit.environment(**recommendation("torch", "2.5.x")))),
    Case(
        "DEV001",
        "a deviation with its reason",
        lambda kit: kit.check_lock(
            "DEV001",
            kit.environment(
                **recommendation("torch", "2.6.0"),
                reasons=(Reason(component="torch", because="held", evidence="a run"),),
            ),
        ),
    ),
    Case(
        "DEV002",
        "a waiver on its last day",
        lambda kit: run_check(kit.environment(waivers=(waiver("GPU001", "B200"),)), "DEV002"),
    ),
    Case(
        "DEV003",
        "a reason for a deviation",
        lambda kit: kit.check_lock(
            "DEV003",
            kit.environment(
                **recommendation("torch", "2.6.0"),
                reasons=(Reason(component="torch", because="held", evidence="a run"),),
            ),
        ),
    ),
    Case(
        "SRC005",
        "a clone that is right",
        lambda kit: run_check(environment_with_source(kit), "SRC005", clones={"sd-scripts": ""}),
    ),
    Case("SRC004", "a tag that stands", lambda kit: run_check(environment_with_source(kit), "SRC004", tags={"sd-scripts": ""})),
    Case(
        "REC001",
        "the lock's versions",
        lambda kit: kit.check_lock(
            "REC001",
            records="torch==2.5.1+cu121\ntorchvision==0.20.1+cu121\nnvidia_cudnn_cu12==9.1.0.70\ntqdm==4.66.5\n",
        ),
    ),
    Case("REC002", "a bump with its record", lambda kit: kit.check_lock("REC002", bumps=BUMPED, records="torch==2.5.1\n")),
    Case("IMG001", "an image that answers", lambda kit: kit.check_image("IMG001")),
    Case("IMG002", "the lock's versions", lambda kit: kit.check_image("IMG002")),
    Case("IMG003", "torch as planned", lambda kit: kit.check_image("IMG003")),
    Case("IMG003", "more architectures than planned", lambda kit: kit.check_image(
        "IMG003", probe_reports=probe_output(archs=[*PROBE_OUTPUT["torch"]["archs"], "compute_90"]),  # type: ignore[index]
    )),
    Case("IMG004", "the recorded commit", lambda kit: kit.check_image("IMG004", environment_with_source(kit))),
    Case("IMG005", "no budget", lambda kit: kit.check_image("IMG005")),
    Case("IMG005", "exactly the budget", lambda kit: kit.check_image("IMG005", kit.environment(budget_bytes=10**9))),
    Case(
        "IMG006",
        "a card that it has code for",
        lambda kit: kit.check_lock("IMG006", gpu_reports={**PROBE_OUTPUT, "gpu": {"devices": [H100]}}),
    ),
    Case("GPU001", "cards that it has code for", lambda kit: run_check(kit.environment(gpus=("A6000", "H100")), "GPU001")),
    Case("TOR001", "a release of the channel", lambda kit: run_check(kit.environment(), "TOR001")),
    Case("TOR001", "a release of PyPI", lambda kit: run_check(kit.environment(channel="pypi"), "TOR001")),
]  # fmt: skip


@parametrize_cases(PASSES)
def test_a_check_passes_what_is_right(case: Case, kit: Builders) -> None:
    check_result = case.result(kit)
    assert (check_result.status, check_result.findings, check_result.note) == ("ok", (), "")


# --- what fails ------------------------------------------------------------------------------------------------------

FAILS = [
    Case(
        "LCK001", "without a lock",
        lambda kit: run_check(kit.environment(), "LCK001"),
        LOCK_DIR, "there is no lock",
    ),
    Case(
        "LCK001", "without a layer",
        lambda kit: kit.check_lock("LCK001", locks=replace(lock := kit.lock(), layers=lock.layers[:2])),
        TRAINING_LAYER, "this layer of the description is not locked",
    ),
    Case(
        "LCK001", "with another description",
        lambda kit: kit.check_lock(
            "LCK001",
            kit.environment(layers=(Layer(name="training", packages=(Requirement("tqdm==4.66.6"),)),)),
            locks=kit.lock(),
        ),
        TRAINING_LAYER, "was locked for another description",
    ),
    Case(
        "LCK001", "with another environment's layer",
        lambda kit: kit.check_lock("LCK001", locks=replace_layer(kit.lock(), 0, environment="flux-gpu")),
        TORCH_LAYER, "is a layer of flux-gpu",
    ),
    Case(
        "LCK001", "with another uv",
        lambda kit: kit.check_lock("LCK001", locks=replace_layer(kit.lock(), 0, uv="0.13.8")),
        TORCH_LAYER, "was locked by uv 0.13.8; torchpin pins 0.13.9",
    ),
    Case(
        "LCK001", "with a layer too many",
        lambda kit: kit.check_lock("LCK001", kit.environment(layers=()), locks=kit.lock()),
        TRAINING_LAYER, "is a layer that the description does not have",
    ),
    Case(
        "LCK001", "without what builds a source",
        lambda kit: kit.check_lock(
            "LCK001",
            locks=kit.lock(
                None, kit.artifact("schedulefree", "1.4", filename="schedulefree-1.4.tar.gz", by=("lora",))
            ),
        ),
        f"{LOCK_DIR}/build.txt", "is not what builds the source-only packages (schedulefree)",
    ),
    Case(
        "LCK001", "without what its source asks for",
        lambda kit: kit.check_lock("LCK001", environment_with_source(kit, requirements="requirements.txt")),
        f"{LOCK_DIR}/upstream-sd-scripts.txt", "is not of sd-scripts as it is described",
    ),
    Case(
        "LCK001", "with what its source asked for at another tag",
        lambda kit: kit.check_lock(
            "LCK001",
            environment_with_source(kit, requirements="requirements.txt"),
            locks=replace(kit.lock(), upstreams=(replace(UPSTREAM, tag="v0.9.1"),)),
        ),
        f"{LOCK_DIR}/upstream-sd-scripts.txt", "is not of sd-scripts as it is described",
    ),
    Case(
        "LCK002", "an edited file",
        lambda kit: run_check(
            kit.environment(), "LCK002", broken=(f"{TORCH_LAYER}:10:1: was edited: its digest is not that of its lines",)
        ),
        f"{TORCH_LAYER}:10:1", "was edited: its digest is not that of its lines",
    ),
    Case(
        "LCK003", "torch from elsewhere",
        lambda kit: kit.check_lock("LCK003", locks=replace_layer(kit.lock(), 0, origin="pypi")),
        TORCH_LAYER, "its origin is pypi, expected cu121",
    ),
    Case(
        "LCK003", "a layer from the channel",
        lambda kit: kit.check_lock("LCK003", locks=replace_layer(kit.lock(), 2, origin="cu121")),
        TRAINING_LAYER, "its origin is cu121, expected pypi",
    ),
    Case(
        "LCK003", "torch in another layer",
        lambda kit: kit.check_lock(
            "LCK003",
            locks=replace_layer(lock := kit.lock(), 2, packages=(*lock.layers[2].packages, lock.packages["torch"])),
        ),
        TRAINING_LAYER, "torch does not belong into this layer",
    ),
    Case(
        "LCK003", "a stranger in torch's layer",
        lambda kit: kit.check_lock(
            "LCK003",
            locks=replace_layer(lock := kit.lock(), 0, packages=(*lock.layers[0].packages, kit.artifact("triton"))),
        ),
        TORCH_LAYER, "triton does not belong into this layer",
    ),
    Case(
        "LCK003", "another build of torch",
        lambda kit: kit.check_lock("LCK003", locks=kit.lock(None, kit.artifact("torch", "2.5.1+cu124"))),
        TORCH_LAYER, "torch 2.5.1+cu124 is not 2.5.1 of cu121",
    ),
    Case(
        "LCK003", "another release for arm64",
        lambda kit: kit.check_lock(
            "LCK003",
            env := kit.environment(platform="linux/arm64"),
            locks=kit.lock(env, kit.artifact("torch", "2.5.0")),
        ),
        TORCH_LAYER, "torch 2.5.0 is not 2.5.1 of cu121",
    ),
    Case(
        "LCK003", "no companion",
        lambda kit: kit.check_lock(
            "LCK003", locks=replace_layer(lock := kit.lock(), 0, packages=(lock.packages["torch"],))
        ),
        TORCH_LAYER, "torchvision is not locked",
    ),
    Case(
        "LCK004", "a package twice",
        lambda kit: kit.check_lock(
            "LCK004", locks=replace_layer(lock := kit.lock(), 1, packages=(lock.packages["tqdm"],))
        ),
        TRAINING_LAYER, "tqdm is locked in 01-torch-deps.txt too",
    ),
    Case(
        "LCK004", "a wheel for another Python",
        lambda kit: kit.check_lock(
            "LCK004",
            locks=kit.lock(
                None, kit.artifact("tqdm", "4.66.5", filename="tqdm-4.66.5-cp311-cp311-linux_x86_64.whl", by=("lora",))
            ),
        ),
        TRAINING_LAYER, "tqdm-4.66.5-cp311-cp311-linux_x86_64.whl does not fit Python 3.10.14 on linux/amd64",
    ),
    Case(
        "LCK005", "another hash than the recorded",
        lambda kit: kit.check_lock("LCK005", locks=pytorch_lock(kit, "0" * 64)),
        TORCH_LAYER, f"torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl is locked as {'0' * 64}, recorded is {RECORDED_TORCH_HASH}",
    ),
    Case(
        "LCK006", "an address",
        lambda kit: run_check(
            kit.environment(), "LCK006",
            lock_files={"00-torch.txt": "# a\ntorch @ https://mirror.example/torch.whl\n"},
        ),
        f"{TORCH_LAYER}:2", "names an address",
    ),
    Case(
        "LCK006", "an index",
        lambda kit: run_check(kit.environment(), "LCK006", lock_files={"00-torch.txt": "--index-url mirror\n"}),
        f"{TORCH_LAYER}:1", "names an address",
    ),
    Case(
        "LCK006", "a folder of wheels",
        lambda kit: run_check(kit.environment(), "LCK006", lock_files={"00-torch.txt": "--find-links /srv\n"}),
        f"{TORCH_LAYER}:1", "names an address",
    ),
    Case(
        "LCK007", "a lock of a service that is gone",
        lambda kit: run_check(kit.environment(), "LCK007", orphans=("lockfiles/old-gpu",)),
        "lockfiles/old-gpu", "belongs to no described environment",
    ),
    Case(
        "DKR001", "an edited line",
        lambda kit: kit.check_lock("DKR001", renderings=rendering(committed="a\nc\n")),
        "docker/lora-gpu/Dockerfile:2", "is not what the description renders to",
    ),
    Case(
        "DKR001", "a line too few",
        lambda kit: kit.check_lock("DKR001", renderings=rendering(committed="a\nb")),
        "docker/lora-gpu/Dockerfile:3", "is not what the description renders to",
    ),
    Case(
        "DKR001", "no file",
        lambda kit: kit.check_lock("DKR001", renderings=rendering(committed=None)),
        "docker/lora-gpu/Dockerfile", "is not there",
    ),
    Case(
        "DOC001", "an edited section",
        lambda kit: kit.check_lock("DOC001", documents={"DEVIATIONS.md": ("a\nb\nx\n", "a\nb\nc\n")}),
        "DEVIATIONS.md:3", "its generated sections are stale or were edited",
    ),
    Case(
        "DOC001", "no file",
        lambda kit: kit.check_lock("DOC001", documents={"DEVIATIONS.md": (None, "a\n")}),
        "DEVIATIONS.md", "is not there",
    ),
    Case(
        "DOC001", "broken markers",
        lambda kit: kit.check_lock("DOC001", document_problems=("DEVIATIONS.md:7:1: the section 'lora' has no end",)),
        "DEVIATIONS.md:7:1", "the section 'lora' has no end",
    ),
    Case(
        "DEV001", "a deviation without a reason",
        lambda kit: kit.check_lock("DEV001", kit.environment(**recommendation("torch", "2.6.0"), positions=make_positions("reasons"))),
        f"{FILE}:7:3", "torch 2.5.1+cu121 deviates without a reason: report says 2.6.0",
    ),
    Case(
        "DEV001", "without a line to point at",
        lambda kit: kit.check_lock("DEV001", kit.environment(**recommendation("opencv-python", "4.10"))),
        FILE, "opencv-python not installed deviates without a reason: report says 4.10",
    ),
    Case(
        "DEV002", "a waiver past its review",
        lambda kit: run_check(
            kit.environment(
                waivers=(waiver("GPU001", "B200", TODAY - timedelta(days=1)),), positions=make_positions("waivers[0].review_by")
            ),
            "DEV002",
        ),
        f"{FILE}:7:3", "the waiver of GPU001 for B200 ended on 2026-11-30",
    ),
    Case(
        "DEV002", "a waiver of no check",
        lambda kit: run_check(kit.environment(waivers=(waiver("GPU999", "B200"),)), "DEV002"),
        FILE, "waives GPU999, which is no check",
    ),
    Case(
        "DEV002", "a waiver that waives its own end",
        lambda kit: run_check(
            kit.environment(waivers=(waiver("DEV002", "B200", TODAY - timedelta(days=1)),)), "DEV002"
        ),
        FILE, "the waiver of DEV002 for B200 ended on 2026-11-30",
    ),
    Case(
        "DEV003", "a reason for nothing",
        lambda kit: kit.check_lock(
            "DEV003",
            kit.environment(
                reasons=(Reason(component="torch", because="held", evidence="a run"),), positions=make_positions("reasons.torch")
            ),
        ),
        f"{FILE}:7:3", "a reason for torch, which does not deviate",
    ),
    Case(
        "SRC005", "a changed clone",
        lambda kit: run_check(
            environment_with_source(kit), "SRC005", clones={"sd-scripts": "changed (train.py)"}
        ),
        "third_party/sd-scripts", "is changed (train.py)",
    ),
    Case(
        "SRC005", "a changed clone beside a missing one",
        lambda kit: run_check(
            kit.environment(sources=(SOURCE, SECOND)), "SRC005",
            clones={"sd-scripts": "changed (train.py)", "extras": "not cloned"},
        ),
        "third_party/sd-scripts", "is changed (train.py)",
    ),
    Case(
        "SRC004", "a moved tag",
        lambda kit: run_check(
            kit.environment(sources=(SOURCE,), positions=make_positions("sources[0].tag")), "SRC004",
            tags={"sd-scripts": "v0.10.0 gives another commit"},
        ),
        f"{FILE}:7:3", "v0.10.0 gives another commit",
    ),
    Case(
        "REC001", "a record of another lock",
        lambda kit: kit.check_lock(
            "REC001", records="torch==2.5.1+cu121\ntorchvision==0.20.1+cu121\nnvidia-cudnn-cu12==9.1.0.70\n"
        ),
        "records/lora-gpu/pip_freeze.txt", "tqdm: the lock says 4.66.5, found is nothing",
    ),
    Case(
        "REC002", "a bump whose record is gone",
        lambda kit: kit.check_lock("REC002", bumps=BUMPED),
        "records/lora-gpu/pip_freeze.txt", "the log says that the bump torch==2.7.1 was recorded, and there is no record",
    ),
    Case(
        "IMG001", "an image that does not answer",
        lambda kit: kit.check_image("IMG001", probe_reports={}),
        "lora-gpu", "the image is there, but its probe gave no answer",
    ),
    Case(
        "IMG002", "an image with another package",
        lambda kit: kit.check_image(
            "IMG002",
            probe_reports={**PROBE_OUTPUT, "distributions": {**PROBE_OUTPUT["distributions"], "pip": "25.0"}},  # type: ignore[dict-item]
        ),
        IMAGE, "pip: the lock says nothing, found is 25.0",
    ),
    Case(
        "IMG003", "another torch",
        lambda kit: kit.check_image("IMG003", probe_reports=probe_output(version="2.5.1+cu124")),
        IMAGE, "torch version is 2.5.1+cu124, planned is 2.5.1+cu121",
    ),
    Case(
        "IMG003", "another CUDA",
        lambda kit: kit.check_image("IMG003", probe_reports=probe_output(cuda="12.4")),
        IMAGE, "torch CUDA is 12.4, planned is 12.1",
    ),
    Case(
        "IMG003", "missing architectures",
        lambda kit: kit.check_image("IMG003", probe_reports=probe_output(archs=["sm_50", "sm_60", "sm_70", "sm_75", "sm_80"])),
        IMAGE, "torch has no code for sm_86 sm_90",
    ),
    Case(
        "IMG003", "no torch",
        lambda kit: kit.check_image("IMG003", probe_reports={**PROBE_OUTPUT, "torch": None}),
        IMAGE, "torch version is None, planned is 2.5.1+cu121", 3,
    ),
    Case(
        "IMG004", "another commit",
        lambda kit: kit.check_image(
            "IMG004", environment_with_source(kit), probe_reports={**PROBE_OUTPUT, "sources": {"/opt/lora/third_party/sd-scripts": "8" * 40}}
        ),
        IMAGE, f"/opt/lora/third_party/sd-scripts is at {'8' * 40}, planned is {'9' * 40}",
    ),
    Case(
        "IMG005", "too large an image",
        lambda kit: kit.check_image("IMG005", kit.environment(budget_bytes=5 * 10**8)),
        IMAGE, "1.00 GB is more than the budget of 0.50 GB",
    ),
    Case(
        "IMG006", "no card seen",
        lambda kit: kit.check_lock("IMG006", gpu_reports={**PROBE_OUTPUT, "gpu": None}),
        IMAGE, "torch sees no GPU although the machine has one",
    ),
    Case(
        "IMG006", "a card without code",
        lambda kit: kit.check_lock("IMG006", gpu_reports={**PROBE_OUTPUT, "gpu": {"devices": [H100, B200]}}),
        IMAGE, "torch has no code for NVIDIA B200 (capability 10.0)",
    ),
    Case(
        "GPU001", "a card without code",
        lambda kit: run_check(kit.environment(gpus=("H100", "B200"), positions=make_positions("gpus[1]")), "GPU001"),
        f"{FILE}:7:3",
        "torch 2.5.1+cu121 has no code for B200 (capability 10.0): "
        "compiled for sm_50, sm_60, sm_70, sm_75, sm_80, sm_86, sm_90, without PTX",
    ),
    Case(
        "TOR001", "a release after the channel's end",
        lambda kit: run_check(
            kit.environment(torch=make_torch("2.6.0"), positions=make_positions("variants.gpu.channel")), "TOR001"
        ),
        f"{FILE}:7:3", "torch 2.6.0 is not published on cu121, whose last release is 2.5.1; it is on cpu, cu118, cu124, cu126",
    ),
    Case(
        "TOR001", "a release that is nowhere",
        lambda kit: run_check(kit.environment(torch=make_torch("2.5.9")), "TOR001"),
        FILE, "torch 2.5.9 is not published on cu121, whose last release is 2.5.1; it is on no recorded channel",
    ),
]  # fmt: skip


@parametrize_cases(FAILS)
def test_a_check_finds_what_is_wrong(case: Case, kit: Builders) -> None:
    check_result = case.result(kit)
    assert check_result.status == "found"
    assert len(check_result.findings) == case.count
    assert (check_result.findings[0].location, check_result.findings[0].message) == (
        case.location,
        case.message,
    )
    assert all(finding.help for finding in check_result.findings)
    assert {finding.service for finding in check_result.findings} == {"lora"}


def test_an_artifact_whose_file_is_another_package_s_is_found(kit: Builders) -> None:
    lock = kit.lock(None, kit.artifact("tqdm", "4.66.5", filename="evil-1.0-py3-none-any.whl", by=("lora",)))
    assert kit.check_lock("LCK004", locks=lock).status == "found"


def test_every_check_has_a_case_that_passes_and_one_that_fails() -> None:
    """A new check without tests shows here; those of the judge have files of their own."""
    non_judge_ids = {check.id for check in REGISTRY.values() if not check.judge}
    assert {case.id for case in PASSES} >= non_judge_ids
    assert {case.id for case in FAILS} >= non_judge_ids


def test_evidence_stands_beside_what_a_fact_says(kit: Builders) -> None:
    (gpu_finding,) = run_check(kit.environment(gpus=("B200",)), "GPU001").findings
    (torch_finding,) = run_check(kit.environment(torch=make_torch("2.6.0")), "TOR001").findings
    (lock_finding,) = kit.check_lock("LCK005", locks=pytorch_lock(kit, "0" * 64)).findings
    (source_finding,) = run_check(
        environment_with_source(kit), "SRC005", clones={"sd-scripts": "a link"}
    ).findings
    assert "pytorch/builder" in gpu_finding.evidence
    assert torch_finding.evidence == lock_finding.evidence
    assert lock_finding.evidence.endswith("(2026-03-15)")
    assert source_finding.evidence == FILE


def test_the_lab_s_hashes_are_called_so(kit: Builders) -> None:
    name = "torch-2.5.1+cu121-py3-none-any.whl"
    check_result = kit.check_lock("LCK005", published={"cu121": {"torch": {name: "cd" * 32}}})
    assert [finding.evidence for finding in check_result.findings] == ["the lab's index"]


def test_the_documents_are_judged_once_for_all_environments(kit: Builders) -> None:
    both = kit.environment(), kit.environment(variant="cpu", channel="cpu")
    context = CheckContext(
        environments=both,
        today=TODAY,
        uv=UV,
        locks={env.name: kit.lock(env) for env in both},
        documents={"A.md": ("a", "b")},
    )
    statuses = [
        (check_result.environment, check_result.status)
        for check_result in run.run(context)
        if check_result.check == "DOC001"
    ]
    assert statuses == [("lora-gpu", "found"), ("lora-cpu", "ok")]


# --- what could not be looked at -------------------------------------------------------------------------------------

NO_ENGINE = "No Docker engine answers at unix:///var/run/docker.sock."
BUILT = {"images": {"size_bytes": 1}, "probe_reports": PROBE_OUTPUT}


@pytest.mark.parametrize(
    ("check", "context", "note", "need"),
    [
        ("LCK003", {}, "there is no readable lock", "lock"),
        ("DEV003", {}, "there is no readable lock", "lock"),
        ("IMG002", BUILT, "there is no readable lock", "lock"),
        ("SRC005", {"clones": {"sd-scripts": "not cloned", "extras": ""}}, "sd-scripts not cloned", "clone"),
        (
            "SRC005",
            {"clones": {"sd-scripts": "not cloned", "extras": "not cloned"}},
            "sd-scripts, extras not cloned",
            "clone",
        ),
        ("REC001", {"locks": True}, "not recorded yet", "record"),
        ("REC002", {}, "the log has no bump of this service", "bump"),
        (
            "REC002",
            {"bumps": PENDING},
            "steps 3, 4, 5 of the bump torch==2.7.1 are pending: `invoke bump --resume` finishes them",
            "bump",
        ),
        ("IMG001", {"locks": True, "engine_problem": NO_ENGINE}, NO_ENGINE, "docker"),
        ("IMG005", {"engine_problem": NO_ENGINE}, NO_ENGINE, "docker"),
        ("IMG001", {"locks": True}, "no image of this key on this machine", "image"),
        ("SRC004", {}, "the network was not asked (--require network)", "network"),
        (
            "IMG006",
            {"locks": True, "gpu_problem": "no NVIDIA driver on this machine"},
            "no NVIDIA driver on this machine",
            "gpu",
        ),
        ("IMG006", {"locks": True, **BUILT}, "no image of this key answered with a GPU", "gpu"),
    ],
)
def test_a_check_whose_need_is_not_met_is_skipped_with_the_reason(
    check: str, context: dict[str, Any], note: str, need: str, kit: Builders
) -> None:
    env = kit.environment(sources=(SOURCE, SECOND))
    context_values = {key: kit.lock(env) if key == "locks" else value for key, value in context.items()}
    check_result = run_check(env, check, **context_values)
    assert (check_result.status, check_result.note, check_result.need, check_result.findings) == (
        "skipped",
        note,
        need,
        (),
    )


def test_every_need_of_a_check_can_be_unmet(kit: Builders) -> None:
    """On a bare machine, whatever has a need is skipped and nothing of it is ok."""
    env = kit.environment(sources=(SOURCE,))
    for check_result in run.run(
        make_context(env, clones={"sd-scripts": "not cloned"}, engine_problem=NO_ENGINE, gpu_problem="none")
    ):
        assert (check_result.status == "skipped") == bool(REGISTRY[check_result.check].needs), check_result
        assert check_result.status != "skipped" or (check_result.note and check_result.need)


def test_sources_that_nobody_looked_at_are_not_ok(kit: Builders) -> None:
    assert run_check(environment_with_source(kit), "SRC005").status != "ok"


@pytest.mark.parametrize(
    ("check", "changes", "note"),
    [
        ("TOR001", {"channel": "pypi", "torch": make_torch("2.5.9")}, "torch 2.5.9 is not in the facts"),
        ("TOR001", {"channel": "cu117"}, "the index of cu117 is not recorded"),
        ("GPU001", {"gpus": ("B100",)}, "B100: no fact tells its capability"),
        ("GPU001", {"gpus": ("Voodoo 2",)}, "Voodoo 2: no fact tells its capability"),
        (
            "GPU001",
            {"gpus": ("H100",), "torch": make_torch("2.99.0")},
            "H100: no fact tells what this build is compiled for",
        ),
        (
            "GPU001",
            {"gpus": ("H100",), "channel": "pypi", "torch": make_torch("2.99.0")},
            "H100: no fact tells what this build is",
        ),
        ("LCK005", {"channel": "cu117"}, "the index of cu117 is not recorded"),
        (
            "LCK005",
            {},
            "; ".join(
                f"{name}+cu121-py3-none-any.whl has no recorded hash"
                for name in ("torch-2.5.1", "torchvision-0.20.1")
            ),
        ),
    ],
)
def test_what_no_fact_tells_is_unknown_and_never_ok(
    check: str, changes: dict[str, Any], note: str, kit: Builders
) -> None:
    env = kit.environment(**changes)
    lock = kit.lock(env) if check == "LCK005" else None
    check_result = run_check(env, check, **({"locks": lock} if lock else {}))
    assert (check_result.status, "; ".join(check_result.unknown), check_result.findings) == (
        "unknown",
        note,
        (),
    )


def test_an_index_that_the_lab_did_not_publish_is_unknown(kit: Builders) -> None:
    check_result = kit.check_lock("LCK005", published={"cpu": {}})
    assert (check_result.status, check_result.unknown) == ("unknown", ("the index of cu121 is not recorded",))


def test_a_finding_outweighs_what_is_unknown(kit: Builders) -> None:
    check_result = run_check(kit.environment(gpus=("B100", "B200")), "GPU001")
    assert (check_result.status, [finding.about for finding in check_result.findings]) == ("found", ["B200"])
    assert len(check_result.unknown) == 1  # and is told beside it


def test_a_waived_finding_does_not_make_the_unknown_ok(kit: Builders) -> None:
    env = kit.environment(gpus=("B100", "B200"), waivers=(waiver("GPU001", "B200"),))
    assert run_check(env, "GPU001").status == "unknown"


def test_a_local_part_where_none_is_planned_is_no_finding(kit: Builders) -> None:
    """What the probe accepts is accepted; that this platform's architectures are not known is said."""
    env = kit.environment(platform="linux/arm64")
    check_result = kit.check_image("IMG003", env, probe_reports=probe_output(archs=["sm_90"]))
    assert (check_result.status, check_result.findings) == ("unknown", ())


@pytest.mark.parametrize("check", ["DKR001", "DOC001"])
def test_what_could_not_be_rendered_is_not_fresh(check: str, kit: Builders) -> None:
    """Gathering hands over nothing while a lock does not answer its description: then nothing was compared."""
    assert kit.check_lock(check, renderings={}, documents={}).status != "ok"


# --- waivers ---------------------------------------------------------------------------------------------------------


def test_a_waived_finding_is_shown_and_does_not_block(kit: Builders) -> None:
    env = kit.environment(gpus=("B200",), waivers=(waiver("GPU001", "B200"),))
    check_result = run_check(env, "GPU001")
    assert (check_result.status, check_result.findings) == ("waived", ())
    assert [(accepted.finding.about, accepted.waiver.reason) for accepted in check_result.accepted] == [
        ("B200", "known")
    ]
    assert run.blocking_findings([check_result]) == ()
    assert judge.exit_code([check_result]) == 0


@pytest.mark.parametrize(("check", "about"), [("GPU001", "H200"), ("TOR001", "B200"), ("GPU001", "B20")])
def test_a_waiver_is_for_its_check_and_subject_alone(check: str, about: str, kit: Builders) -> None:
    env = kit.environment(gpus=("B200",), waivers=(waiver(check, about),))
    assert run_check(env, "GPU001").status == "found"


def test_what_is_not_waived_stays_a_finding(kit: Builders) -> None:
    env = kit.environment(gpus=("B200", "B300"), waivers=(waiver("GPU001", "B200"),))
    check_result = run_check(env, "GPU001")
    assert (check_result.status, [finding.about for finding in check_result.findings]) == ("found", ["B300"])


@pytest.mark.parametrize(
    ("days", "noticed"), [(-1, False), (0, True), (1, True), (14, True), (15, False), (400, False)]
)
def test_the_end_of_a_waiver_is_told_fourteen_days_ahead(days: int, noticed: bool, kit: Builders) -> None:
    end = TODAY + timedelta(days=days)
    env = kit.environment(waivers=(waiver("GPU001", "B200", end),))
    notice = f"lora: the waiver of GPU001 for B200 ends on {end.isoformat()}"
    assert deviations.ending_waivers(make_context(env), env) == ((notice,) if noticed else ())
    assert (run_check(env, "DEV002").status == "found") == (days < 0)


# --- the runner ------------------------------------------------------------------------------------------------------


@pytest.fixture
def registering() -> Iterator[Callable[..., Any]]:
    """The registering decorator; what it registers is gone after the test."""
    before = dict(REGISTRY)
    yield registry.check
    REGISTRY.clear()
    REGISTRY.update(before)


def test_a_check_that_raises_is_a_failed_check(registering: Callable[..., Any], kit: Builders) -> None:
    def broken(evidence: CheckContext, env: Environment) -> Iterator[Unknown]:
        """Report it."""
        yield Unknown(message="half of it")
        raise KeyError("torch")

    registering("XYZ001", "Breaks")(broken)
    check_result = run_check(kit.environment(), "XYZ001")
    (finding,) = check_result.findings
    assert (check_result.status, finding.location) == ("found", FILE)
    assert finding.message == "the check itself failed: KeyError: 'torch'"
    assert judge.exit_code([check_result]) == FindingsError.exit_code
    assert finding.help


def test_an_id_is_not_used_twice(registering: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"^LCK001 is the id of two checks$"):
        registering("LCK001", "Another")(lambda _evidence, _env: iter(()))


def test_a_check_s_docstring_is_its_remedy_then_its_meaning_example_and_sources(
    registering: Callable[..., Any],
) -> None:
    def two(evidence: CheckContext, env: Environment) -> Iterator[Unknown]:
        """Do this,
        and then that.

        It means this,
        in two lines.

        Example: such
        a line.

        Sources: a document.
        """
        yield from ()

    registering("XYZ002", "Has two lines", "lock", judge=True)(two)
    assert REGISTRY["XYZ002"] == Check(
        id="XYZ002",
        title="Has two lines",
        help="Do this, and then that.",
        meaning="It means this, in two lines.",
        example="such a line.",
        sources="a document.",
        needs=("lock",),
        judge=True,
        run=two,
    )


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ((), "moot"),
        (("ok",), "ok"),
        (("ok", "unknown"), "unknown"),
        (("ok", "unknown", "found"), "found"),
        (("ok", "found"), "found"),
    ],
)
def test_a_judge_s_check_is_ok_only_from_evidence(
    answers: tuple[str, ...], status: str, registering: Callable[..., Any], kit: Builders
) -> None:
    values: dict[str, registry.Answer] = {
        "ok": registry.Ok(about="x", evidence="seen"),
        "unknown": Unknown(message="who knows"),
    }

    def answering_so(evidence: CheckContext, env: Environment) -> Iterator[registry.Answer]:
        """Repair it."""
        del evidence
        yield from (values.get(answer) or registry.finding(env, "here", "wrong") for answer in answers)

    registering("XYZ003", "Says what it is told", judge=True)(answering_so)
    check_result = run_check(kit.environment(), "XYZ003")
    assert (check_result.status, len(check_result.unknown), len(check_result.evidence)) == (
        status,
        answers.count("unknown"),
        answers.count("ok"),
    )


def test_a_warning_is_found_and_stops_no_lock(registering: Callable[..., Any], kit: Builders) -> None:
    def warning(evidence: CheckContext, env: Environment) -> Iterator[registry.Answer]:
        """Repair it."""
        del evidence
        yield registry.finding(env, "here", "doubtful", level="warning")

    registering("XYZ004", "Warns", judge=True)(warning)
    check_result = run_check(kit.environment(), "XYZ004")
    assert (check_result.status, judge.exit_code([check_result]), run.blocking_findings([check_result])) == (
        "found",
        1,
        (),
    )


def test_a_gpu_is_waived_by_any_of_its_names(kit: Builders) -> None:
    env = kit.environment(gpus=("RTX 5090",), waivers=(waiver("GPU001", "GeForce RTX 5090"),))
    assert run_check(env, "GPU001").status == "waived"


def test_a_stale_lock_is_not_believed(kit: Builders) -> None:
    env = kit.environment()
    lock = kit.lock(env)
    assert current_lock(make_context(env, locks=lock), env) == lock
    later = kit.environment(torch=make_torch("2.5.0"))
    assert current_lock(make_context(later, locks=lock), later) is None


def test_every_check_has_a_title_and_a_remedy_that_is_a_sentence() -> None:
    for check in REGISTRY.values():
        assert check.title[0].isalpha()
        assert not check.title.endswith(".")
        assert check.help.endswith("."), check.id


@pytest.mark.parametrize("check", sorted(REGISTRY))
def test_every_check_can_be_explained(check: str) -> None:
    registered = REGISTRY[check]
    assert all((registered.meaning, registered.example, registered.sources))
    text = explain(check.lower())
    assert text.startswith(f"{check}: {registered.title}\n")
    assert registered.help in text


def test_an_id_that_nothing_has_is_refused_with_near_ones() -> None:
    with pytest.raises(InputError, match="did you mean GPU001"):
        explain("GPU01")
    assert explain("ado001").startswith("ADO001: ")


def test_every_check_runs_on_every_environment_in_the_order_of_the_ids(kit: Builders) -> None:
    both = kit.environment(), kit.environment(variant="cpu", channel="cpu")
    pairs = [(check_result.environment, check_result.check) for check_result in run.run(make_context(*both))]
    assert pairs == [(env.name, id_) for env in both for id_ in sorted(REGISTRY)]


def test_the_judge_asks_only_what_needs_nothing_but_the_description(kit: Builders) -> None:
    check_ids = {check_result.check for check_result in run.run(make_context(kit.environment()), judge=True)}
    assert check_ids == {check.id for check in REGISTRY.values() if check.judge}
    assert not any(REGISTRY[check_id].needs for check_id in check_ids)


# --- the exit code ---------------------------------------------------------------------------------------------------


def make_result(status: Any, need: str = "") -> Result:
    return Result(check="IMG001", title="t", environment="lora-gpu", status=status, need=need)


@pytest.mark.parametrize(
    ("status", "need", "require", "code"),
    [
        ("ok", "", (), 0),
        ("waived", "", (), 0),
        ("unknown", "", ("docker",), 0),
        ("found", "", (), 1),
        ("skipped", "docker", (), 0),
        ("skipped", "docker", ("docker",), 1),
        ("skipped", "docker", ("gpu", "network"), 0),
        ("skipped", "gpu", ("docker", "gpu"), 1),
    ],
)
def test_findings_and_skips_of_what_is_required_fail(
    status: str, need: str, require: tuple[str, ...], code: int
) -> None:
    results = [make_result("ok"), make_result(status, need), make_result("ok")]
    assert judge.exit_code(results, require=require) == code


def test_nothing_to_check_is_no_failure() -> None:
    assert judge.exit_code([], require=("docker",)) == 0


@pytest.mark.parametrize("require", ["image", "docker"])
def test_an_image_that_is_required_cannot_be_skipped_for_want_of_an_engine(
    require: str, kit: Builders
) -> None:
    check_result = kit.check_lock("IMG001", engine_problem=NO_ENGINE)
    assert check_result.status == "skipped"
    assert judge.exit_code([check_result], require=(require,)) == 1


def test_the_plan_s_layers_are_those_that_are_locked(kit: Builders) -> None:
    """What the cases above stand on."""
    env = kit.environment()
    assert tuple(layer.name for layer in kit.lock(env).layers) == layer_names(env)


# --- torch from the base, wheels with an ABI -------------------------------------------------------------------------

WHEEL = "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
WHEEL_DIGEST = "cd1a45ebfc1731a13e55ad68e0c9ad92390ddfffba306f9222be67c6d5a805af"
TORCH_FILE = "torch-2.7.1+cu126-cp311-cp311-manylinux_2_28_x86_64.whl"
TORCH_DIGEST = "e1a8465165708c2e2e90786ade8a3e1b1d01eca1f022792cd397caad9d8c21bc"
BASE_LAYER, ATTENTION_LAYER, PLAIN_LAYER = (
    f"{LOCK_DIR}/{name}.txt" for name in ("00-given", "01-attention", "02-training")
)


def environment_with_base_torch(kit: Builders, **changes: Any) -> Environment:
    """An environment whose torch the base brings, with flash-attn first."""
    layers = tuple(
        Layer(name=name, packages=(Requirement(pin),))
        for name, pin in (("attention", "flash-attn==2.8.3"), ("training", "tqdm==4.66.5"))
    )
    values = {"channel": "cu126", "python": Version("3.11"), "layers": layers, **changes}
    family = Torch(version=Version("2.7.1"), companions={}, origin="base")
    return kit.environment(**{"torch": family, **values})


def lock_with_base_torch(kit: Builders, *packages: Artifact, env: Environment | None = None) -> Lock:
    """Its fresh lock, with what is added or replaced."""
    env = env or environment_with_base_torch(kit)
    defaults = (
        kit.artifact("torch", "2.7.1+cu126", filename=TORCH_FILE, sha256=TORCH_DIGEST, by=("lora",)),
        kit.artifact("flash-attn", "2.8.3", filename=WHEEL, sha256=WHEEL_DIGEST, size=None, by=("lora",)),
        kit.artifact("einops", "0.8.1", by=("flash-attn",)),
        kit.artifact("nvidia-cudnn-cu12", "9.5.1.17", by=("torch",)),
        kit.artifact("tqdm", "4.66.5", by=("lora",)),
    )
    by_name = {package.name: package for package in (*defaults, *packages)}
    layers, provided = split_layers(env, list(by_name.values()), uv=UV)
    return Lock(layers=layers, provided=provided)


def replace_base_layer(lock: Lock, **changes: Any) -> Lock:
    assert lock.provided
    return replace(lock, provided=replace(lock.provided, **changes))


@pytest.mark.parametrize("check", ["LCK001", "LCK003", "LCK004", "LCK005"])
def test_a_lock_with_a_given_torch_and_an_abi_wheel_passes(check: str, kit: Builders) -> None:
    check_result = kit.check_lock(check, environment_with_base_torch(kit), locks=lock_with_base_torch(kit))
    assert (check_result.status, check_result.findings, check_result.note) == ("ok", (), "")


@pytest.mark.parametrize("check", ["LCK001", "LCK003", "LCK004"])
def test_an_abi_wheel_beside_an_installed_torch_passes(check: str, kit: Builders) -> None:
    family = Torch(version=Version("2.7.1"), companions={})
    env = environment_with_base_torch(kit, torch=family)
    check_result = kit.check_lock(check, env, locks=lock_with_base_torch(kit, env=env))
    assert (check_result.status, check_result.findings, check_result.note) == ("ok", (), "")


BASE_TORCH_FAILS = [
    Case(
        "LCK001", "without what the base gives",
        lambda kit: kit.check_lock("LCK001", environment_with_base_torch(kit), locks=replace(lock_with_base_torch(kit), provided=None)),
        BASE_LAYER, "is not what the base image is described to bring",
    ),
    Case(
        "LCK001", "with what another base gives",
        lambda kit: kit.check_lock("LCK001", environment_with_base_torch(kit), locks=replace_base_layer(lock_with_base_torch(kit), inputs_digest="sha256:0")),
        BASE_LAYER, "is not what the base image is described to bring",
    ),
    Case(
        "LCK001", "with a given torch that the description installs",
        lambda kit: kit.check_lock(
            "LCK001",
            env := environment_with_base_torch(kit, torch=Torch(version=Version("2.7.1"), companions={})),
            locks=replace(lock_with_base_torch(kit, env=env), provided=lock_with_base_torch(kit).provided),
        ),
        BASE_LAYER, "is not what the base image is described to bring",
    ),
    Case(
        "LCK001", "with a wheel for another torch",
        lambda kit: kit.check_lock(
            "LCK001",
            environment_with_base_torch(kit),
            locks=replace(
                lock_with_base_torch(kit, env=environment_with_base_torch(kit, torch=Torch(version=Version("2.7.0"), companions={}, origin="base"))),
                provided=lock_with_base_torch(kit).provided,
            ),
        ),
        ATTENTION_LAYER, "was locked for another description",
    ),
    Case(
        "LCK003", "torch in a layer over the base's",
        lambda kit: kit.check_lock(
            "LCK003",
            environment_with_base_torch(kit),
            locks=replace_layer(
                lock := lock_with_base_torch(kit), 1,
                packages=(*lock.layers[1].packages, kit.artifact("torch", "2.7.1", filename="torch-2.7.1-py3-none-any.whl")),
            ),
        ),
        PLAIN_LAYER, "torch does not belong into this layer",
    ),
    Case(
        "LCK003", "a base's torch from elsewhere",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_base_layer(lock_with_base_torch(kit), origin="pypi")),
        BASE_LAYER, "its origin is pypi, expected cu126",
    ),
    Case(
        "LCK003", "another build given",
        lambda kit: kit.check_lock(
            "LCK003", environment_with_base_torch(kit),
            locks=replace_base_layer(lock_with_base_torch(kit), packages=(kit.artifact("torch", "2.7.1+cu128", filename=TORCH_FILE),)),
        ),
        BASE_LAYER, "torch 2.7.1+cu128 is not 2.7.1 of cu126",
    ),
    Case(
        "LCK003", "a stranger among what is given",
        lambda kit: kit.check_lock(
            "LCK003", environment_with_base_torch(kit),
            locks=replace_base_layer(
                lock := lock_with_base_torch(kit),
                packages=(*(lock.provided.packages if lock.provided else ()), kit.artifact("triton")),
            ),
        ),
        BASE_LAYER, "triton does not belong into this layer",
    ),
    Case(
        "LCK003", "nothing given",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_base_layer(lock_with_base_torch(kit), packages=())),
        BASE_LAYER, "torch is not locked",
    ),
    Case(
        "LCK003", "a plain layer from an ABI wheel's place",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_layer(lock_with_base_torch(kit), 1, origin="flash-attn")),
        PLAIN_LAYER, "its origin is flash-attn, expected pypi",
    ),
    Case(
        "LCK003", "an ABI wheel from PyPI",
        lambda kit: kit.check_lock("LCK003", environment_with_base_torch(kit), locks=replace_layer(lock_with_base_torch(kit), 0, origin="pypi")),
        ATTENTION_LAYER, "its origin is pypi, expected flash-attn",
    ),
    Case(
        "LCK004", "a wheel for another Python",
        lambda kit: kit.check_lock(
            "LCK004", environment_with_base_torch(kit),
            locks=lock_with_base_torch(
                kit,
                kit.artifact(
                    "flash-attn", "2.8.3", filename=WHEEL.replace("cp311", "cp312"), sha256=WHEEL_DIGEST, by=("lora",)
                ),
            ),
        ),
        ATTENTION_LAYER, f"{WHEEL.replace('cp311', 'cp312')} does not fit Python 3.11 on linux/amd64",
    ),
    Case(
        "LCK004", "a wheel of another version",
        lambda kit: kit.check_lock(
            "LCK004", environment_with_base_torch(kit),
            locks=lock_with_base_torch(
                kit,
                kit.artifact("flash-attn", "2.8.3", filename=WHEEL.replace("2.8.3", "2.8.2"), by=("lora",)),
            ),
        ),
        ATTENTION_LAYER, f"{WHEEL.replace('2.8.3', '2.8.2')} is not flash-attn 2.8.3",
    ),
    Case(
        "LCK004", "a local part that no ABI wheel explains",
        lambda kit: kit.check_lock(
            "LCK004", environment_with_base_torch(kit),
            locks=lock_with_base_torch(kit, kit.artifact("tqdm", "4.66.5", filename="tqdm-4.66.5+cu126-py3-none-any.whl", by=("lora",))),
        ),
        PLAIN_LAYER, "tqdm-4.66.5+cu126-py3-none-any.whl is not tqdm 4.66.5",
    ),
    Case(
        "LCK005", "another hash of what the base brings",
        lambda kit: kit.check_lock(
            "LCK005", environment_with_base_torch(kit),
            locks=lock_with_base_torch(kit, kit.artifact("torch", "2.7.1+cu126", filename=TORCH_FILE, sha256="cd" * 32, by=("lora",))),
        ),
        BASE_LAYER, f"{TORCH_FILE} is locked as {'cd' * 32}, recorded is {TORCH_DIGEST}",
    ),
    Case(
        "LCK005", "another hash of an ABI wheel",
        lambda kit: kit.check_lock(
            "LCK005", environment_with_base_torch(kit),
            locks=lock_with_base_torch(kit, kit.artifact("flash-attn", "2.8.3", filename=WHEEL, sha256="cd" * 32, by=("lora",))),
        ),
        ATTENTION_LAYER, f"{WHEEL} is locked as {'cd' * 32}, recorded is {WHEEL_DIGEST}",
    ),
]  # fmt: skip


@parametrize_cases(BASE_TORCH_FAILS)
def test_a_check_finds_what_is_wrong_with_these_shapes(case: Case, kit: Builders) -> None:
    check_result = case.result(kit)
    assert check_result.status == "found", check_result
    assert (case.location, case.message) in [
        (finding.location, finding.message) for finding in check_result.findings
    ]
