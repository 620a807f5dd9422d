"""Contexts, environments and locks for the tests of checks, and the result of one check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from torchpin.checks import families, run
from torchpin.checks.context import CheckContext
from torchpin.model import Environment, Lock, Position, Source, Torch, Waiver
from torchpin.records.bump_log import BumpEntry, PolicyStep, ServiceChange

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.checks.registry import Result

assert families  # importing it registers the checks

TODAY = date(2026, 12, 1)
UV = "0.13.9"
FILE = "services/lora/service.yaml"
LOCK_DIR = "lockfiles/lora-gpu"
TORCH_LAYER = f"{LOCK_DIR}/00-torch.requirements.txt"
TRAINING_LAYER = f"{LOCK_DIR}/02-training.requirements.txt"
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
    "findings": [],
}
LOCK_FILES = {"00-torch.requirements.txt": "", "licenses.txt": "", "wheels.txt": ""}
NO_ENGINE = "no Docker engine at unix:///var/run/docker.sock"
GLOBAL_FIELDS = {
    "documents",
    "document_problems",
    "standing_sections",
    "published",
    "engine_problem",
    "gpu_problem",
    "orphans",
    "policy",
}  # not by environment


@dataclass(frozen=True)
class Builders:
    """The builders of conftest in one value."""

    environment: Environments
    lock: Locks
    artifact: Artifacts

    def check_lock(self, check: str, env: Environment | None = None, **context: Any) -> Result:
        """The result of a check on an environment with a current lock."""
        env = env or self.environment()
        lock = context.pop("locks", None) or self.lock(env)
        return run_check(
            env,
            check,
            **{"locks": lock, "lock_files": LOCK_FILES, **context},
        )

    def check_image(self, check: str, env: Environment | None = None, **context: Any) -> Result:
        """The result of a check on an environment with a current lock and an image that matches it."""
        return self.check_lock(
            check, env, **{"images": {"size_bytes": 10**9}, "probe_reports": PROBE_OUTPUT, **context}
        )


DONE = PolicyStep(state="done", when="2026-11-24T12:00:00Z", who="somebody")
BUMPED = BumpEntry(bump="torch==2.7.1", why="B200", services={"lora": ServiceChange()}, steps=(DONE,) * 5)
PENDING = replace(BUMPED, steps=(DONE, DONE, PolicyStep(), PolicyStep(), PolicyStep()))


def make_context(*environments: Environment, **context: Any) -> CheckContext:
    """The context of the first environment: the values of its fields are given without the environment's name."""
    name = environments[0].name
    values: dict[str, Any] = {
        key: value if key in GLOBAL_FIELDS else {name: value} for key, value in context.items()
    }
    return CheckContext(environments=environments, today=TODAY, uv=UV, **values)


def run_check(env: Environment, check: str, **context: Any) -> Result:
    """The result of one check on an environment, by the runner."""
    (check_result,) = run.run(make_context(env, **context), ids=(check,))
    return check_result


def judge_check(
    env: Environment, check: str, lock: Lock | None = None, *, today: date = TODAY, **context: Any
) -> Result:
    """The result of one check of the judge on an environment, with a lock or without."""
    locks = {env.name: lock} if lock else {}
    judge_context = CheckContext(environments=(env,), today=today, uv=UV, locks=locks, **context)
    (check_result,) = run.run(judge_context, judge=True, ids=(check,))
    return check_result


def replace_layer(lock: Lock, number: int, **changes: Any) -> Lock:
    layers = list(lock.layers)
    layers[number] = replace(layers[number], **changes)
    return replace(lock, layers=tuple(layers))


def make_positions(path: str, line: int = 7, column: int = 3) -> dict[str, Position]:
    return {path: Position(file=FILE, line=line, column=column)}


def make_torch(version: str, **companions: str) -> Torch:
    return Torch(
        version=Version(version),
        companions={name: Version(companion_version) for name, companion_version in companions.items()},
    )


def waiver(check: str, about: str, review_by: date = TODAY) -> Waiver:
    return Waiver(check=check, about=about, reason="known", review_by=review_by)


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
