"""REC, IMG: what is recorded, and what an image answers, is what was planned. Pure functions of the probe's document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin import facts
from torchpin.checks.registry import Unknown, check, finding
from torchpin.image import plan
from torchpin.records import freeze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.model import Environment, Finding


@check("REC001", "The freeze record equals the lock", "lock", "record")
def record_equals_lock(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Build the image again (`invoke build`), which reads the record anew.

    The record is what pip freeze said inside the built image. It has to be the lock, package by package; an
    optional layer may be missing as a whole.

    Example: the record has numpy 2.2.6 where the lock says 1.26.4.

    Sources: the documented update policy: the freeze of the built image is kept.
    """
    for difference in freeze.freeze_differences(str(evidence.records[env.name]), evidence.locks[env.name]):
        yield finding(env, f"records/{env.name}/pip_freeze.txt", difference, about=difference.split(":")[0])


@check("REC002", "The last bump is recorded as its log says", "bump")
def bump_is_recorded(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Restore the record from git, or build the image again (`invoke build`), which reads it anew.

    A bump ends with the freeze of the new image. While steps of it are pending, this check is skipped, and says which.

    Example: the log says that all steps of torch==2.7.1 are done, and the environment has no pip_freeze.txt.

    Sources: records/log.yaml; the documented update policy, step 5.
    """
    if evidence.records.get(env.name) is None:
        message = (
            f"the log says that the bump {evidence.bumps[env.name].bump} was recorded, and there is no record"
        )
        yield finding(env, f"records/{env.name}/pip_freeze.txt", message, about=env.name)


@check("IMG001", "The image of this description is built", "lock", "image")
def image_is_built(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Build it again without cache (`invoke build --no-cache`).

    An image whose probe cannot run proves nothing, whatever its label says.

    Example: the image was made by hand under the same tag, without the probe.

    Sources: docs/ARCHITECTURE.md, the probe is the last RUN.
    """
    if not evidence.probe_reports.get(env.name):
        yield finding(env, env.name, "the image is there, but its probe gave no answer", about=env.name)


@check("IMG002", "The image's freeze equals the lock", "lock", "image")
def image_equals_lock(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Build it again without cache (`invoke build --no-cache`).

    The distributions inside the image are compared with the lock, package by package.

    Example: something was installed into the image after its build.

    Sources: uv issue 11932 and docker-stacks issue 1428, which ask for this comparison.
    """
    frozen = "".join(
        f"{name}=={version}\n"
        for name, version in _probe_report(evidence, env).get("distributions", {}).items()
    )
    for difference in freeze.freeze_differences(frozen, evidence.locks[env.name]):
        yield finding(env, f"image of {env.name}", difference, about=difference.split(":")[0])


@check("IMG003", "The image's torch, CUDA and architectures are as planned", "lock", "image")
def image_torch_is_planned(evidence: CheckContext, env: Environment) -> Iterator[Finding | Unknown]:
    """Check the channel's mirror and build it again without cache (`invoke build --no-cache`).

    The probe reads torch's version, CUDA and compiled architectures inside the image. Another local part than the
    channel's means that another build was installed.

    Example: 2.5.1+cu124 in an image that is planned with cu121.

    Sources: vllm-project/vllm issue 56829.
    """
    expected: dict[str, Any] = plan.probe_expectations(env, evidence.locks[env.name])["torch"]  # type: ignore[assignment]
    torch = _probe_report(evidence, env).get("torch") or {}
    version = str(torch.get("version"))
    if (version if "+" in expected["version"] else version.split("+", maxsplit=1)[0]) != expected["version"]:
        message = f"torch version is {version}, planned is {expected['version']}"
        yield finding(env, f"image of {env.name}", message, about="version")
    if torch.get("cuda") != expected["cuda"]:
        message = f"torch CUDA is {torch.get('cuda')}, planned is {expected['cuda']}"
        yield finding(env, f"image of {env.name}", message, about="cuda")
    if expected["archs"] is None and expected["cuda"]:
        yield Unknown(message="what this build should be compiled for is not in the facts")
    missing = sorted({*(expected["archs"] or ())} - {*(torch.get("archs") or ())})
    if missing:
        yield finding(
            env, f"image of {env.name}", f"torch has no code for {' '.join(missing)}", about="archs"
        )


@check("IMG004", "The image's sources are at their commits", "lock", "image")
def image_sources_are_planned(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke clone`, then build it again without cache (`invoke build --no-cache`).

    The probe asks git inside the image for the commit of each source.

    Example: sd-scripts is at another commit than the description records.

    Sources: moby issue 49674.
    """
    actual = _probe_report(evidence, env).get("sources", {})
    expected: dict[str, str] = plan.probe_expectations(env, evidence.locks[env.name])["sources"]  # type: ignore[assignment]
    for path, commit in expected.items():
        if actual.get(path) != commit:
            yield finding(
                env,
                f"image of {env.name}",
                f"{path} is at {actual.get(path)}, planned is {commit}",
                about=path,
            )


@check("IMG005", "The image keeps its budget", "image")
def image_keeps_budget(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Drop packages, choose a smaller base, or raise `budget.image` in the description.

    The image's size is what Docker says of it; the budget is the disk of the machine that pulls it.

    Example: budget 20GB, the image has 23.1 GB.

    Sources: opendatahub-io/notebooks keeps image sizes within bounds in CI.
    """
    size, budget = evidence.images[env.name].get("size_bytes", 0), env.service.budget_bytes
    if budget and size > budget:
        yield finding(
            env,
            f"image of {env.name}",
            f"{size / 1e9:.2f} GB is more than the budget of {budget / 1e9:.2f} GB",
            about="budget",
        )


def _probe_report(evidence: CheckContext, env: Environment) -> dict[str, Any]:
    return dict(evidence.probe_reports.get(env.name) or {})


@check("IMG006", "The image's torch runs on this machine's GPUs", "lock", "gpu")
def image_runs_here(evidence: CheckContext, env: Environment) -> Iterator[Finding]:
    """Use a machine with a described GPU, or a torch build that has code for this one.

    The image was started with this machine's GPUs, and its probe compared each card's capability with what its
    torch is compiled for.

    Example: an RTX 5090 in the machine, and an image with torch 2.5.1+cu121.

    Sources: pytorch/pytorch issue 102560: the build tells its architectures without a GPU.
    """
    probe_report = evidence.gpu_reports[env.name]
    devices = (probe_report.get("gpu") or {}).get("devices") or []
    if not devices:
        yield finding(
            env, f"image of {env.name}", "torch sees no GPU although the machine has one", about="gpu"
        )
    flags = tuple((probe_report.get("torch") or {}).get("archs") or ())
    archs = facts.Archs(
        series="", channel="", platform="", sm=tuple(flag for flag in flags if flag.startswith("sm_")),
        ptx=tuple(flag for flag in flags if flag.startswith("compute_")), source="the image's own answer", date="", method="measured", note="",
    )  # fmt: skip
    for device in devices:
        if not facts.runs_on(archs, device["capability"]):
            message = f"torch has no code for {device['name']} (capability {device['capability']})"
            yield finding(env, f"image of {env.name}", message, about=device["name"])
