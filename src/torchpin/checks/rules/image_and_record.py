"""REC, IMG: freeze records and the probe reports of images match lock and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin import facts, paths
from torchpin.checks.registry import Unknown, check, finding
from torchpin.image import plan
from torchpin.records import freeze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.model import Environment, Finding


@check("REC001", "the freeze record does not match the lock", "lock", "record")
def record_equals_lock(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Build the image again (`invoke build`), which also writes the record.

    The record is the output of `pip freeze` in the built image. It has to match the lock, package by package; only
    packages of optional layers may be missing.

    Example: the record has numpy 2.2.6, and the lock has 1.26.4.

    Sources: the documented update policy: the freeze of the built image is kept.
    """
    for difference in freeze.freeze_differences(str(context.records[env.name]), context.locks[env.name]):
        yield finding(env, paths.freeze_path(env.name), difference, about=difference.split(":")[0])


@check("REC002", "the last update has no freeze record", "bump")
def bump_is_recorded(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Restore the record from git, or build the image again (`invoke build`), which also writes the record.

    The last step of an update records the freeze of the new image. While steps are pending, this check is skipped with
    their numbers.

    Example: all steps of torch==2.7.1 are done according to the log, and the environment has no pip_freeze.txt.

    Sources: records/log.yaml; the documented update policy, step 5.
    """
    if context.records.get(env.name) is None:
        bump = context.bumps[env.name].bump
        message = f"{paths.freeze_path(env.name)} is missing, but the update {bump} is recorded by its log"
        yield finding(env, paths.freeze_path(env.name), message, about=env.name)


@check("IMG001", "the probe of the image does not run", "lock", "image")
def image_is_built(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Build it again without cache (`invoke build --no-cache`).

    Without a report of its probe, nothing is known of what an image holds, whatever its labels say.

    Example: the image was built by hand under the same tag, without the probe.

    Sources: docs/ARCHITECTURE.md, the proof is a stage that is thrown away.
    """
    if not context.probe_reports.get(env.name):
        yield finding(env, env.name, "the image exists, but its probe failed", about=env.name)


@check("IMG002", "the image does not match the lock", "lock", "image")
def image_equals_lock(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Build it again without cache (`invoke build --no-cache`).

    The packages that are installed in the image are compared with the lock, package by package.

    Example: something was installed into the image after its build.

    Sources: uv issue 11932 and docker-stacks issue 1428, which request this comparison.
    """
    frozen = freeze.format_freeze(_probe_report(context, env).get("distributions", {}))
    for difference in freeze.freeze_differences(frozen, context.locks[env.name]):
        yield finding(env, f"image of {env.name}", difference, about=difference.split(":")[0])


@check("IMG003", "the image's torch, CUDA or architectures are not the planned ones", "lock", "image")
def image_torch_is_planned(context: CheckContext, env: Environment) -> Iterator[Finding | Unknown]:
    """Check the channel's mirror and build it again without cache (`invoke build --no-cache`).

    The probe reads torch's version, CUDA and compiled architectures inside the image. A local version that is not the
    channel's means that another build was installed.

    Example: torch 2.5.1+cu124 in an image of the channel cu121.

    Sources: vllm-project/vllm issue 56829.
    """
    expected: dict[str, Any] = plan.probe_expectations(env, context.locks[env.name])["torch"]  # type: ignore[assignment]
    torch = _probe_report(context, env).get("torch") or {}
    version = str(torch.get("version") or "not installed")
    # Where the plan has no local version, wheels of this channel come with and without one.
    if (version if "+" in expected["version"] else version.split("+", maxsplit=1)[0]) != expected["version"]:
        message = f"torch is {version}, expected {expected['version']}"
        yield finding(env, f"image of {env.name}", message, about="version")
    if torch.get("cuda") != expected["cuda"]:
        message = f"the CUDA of torch is {torch.get('cuda') or 'none'}, expected {expected['cuda'] or 'none'}"
        yield finding(env, f"image of {env.name}", message, about="cuda")
    if expected["archs"] is None and expected["cuda"]:
        yield Unknown(message="the architectures of this torch build are not in the facts")
    missing = sorted({*(expected["archs"] or ())} - {*(torch.get("archs") or ())})
    if missing:
        yield finding(
            env, f"image of {env.name}", f"torch has no code for {' '.join(missing)}", about="archs"
        )


@check("IMG004", "the image's sources are not at their commits", "lock", "image")
def image_sources_are_planned(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Run `invoke clone`, then build it again without cache (`invoke build --no-cache`).

    The probe reads the commit of each source with git inside the image.

    Example: sd-scripts is not at the commit of the description.

    Sources: moby issue 49674.
    """
    actual = _probe_report(context, env).get("sources", {})
    expected: dict[str, str] = plan.probe_expectations(env, context.locks[env.name])["sources"]  # type: ignore[assignment]
    for path, commit in expected.items():
        if actual.get(path) != commit:
            yield finding(
                env,
                f"image of {env.name}",
                f"{path} is at {actual.get(path) or 'no commit'}, expected {commit}",
                about=path,
            )


@check("IMG005", "the image is over its budget", "image")
def image_keeps_budget(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Drop packages, choose a smaller base, or raise `budget.image` in the description.

    The size is the one that Docker reports; the budget is the disk space of the machine that pulls the image.

    Example: the budget is 20GB, and the image is 23.1 GB.

    Sources: opendatahub-io/notebooks keeps image sizes within bounds in CI.
    """
    size, budget = context.images[env.name].get("size_bytes", 0), env.service.budget_bytes
    if budget and size > budget:
        yield finding(
            env,
            f"image of {env.name}",
            f"the image is {size / 1e9:.2f} GB, over its budget of {budget / 1e9:.2f} GB",
            about="budget",
        )


def _probe_report(context: CheckContext, env: Environment) -> dict[str, Any]:
    return dict(context.probe_reports.get(env.name) or {})


@check("IMG006", "the image's torch does not run on this machine's GPUs", "lock", "gpu")
def image_runs_here(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Use a machine with a described GPU, or a torch build that has code for this one.

    The probe runs in the image with this machine's GPUs, and reads the capability of each. torch has to have code for it.

    Example: an RTX 5090 in the machine, and an image with torch 2.5.1+cu121.

    Sources: pytorch/pytorch issue 102560: torch reports the architectures of its build without a GPU.
    """
    probe_report = context.gpu_reports[env.name]
    devices = (probe_report.get("gpu") or {}).get("devices") or []
    if not devices:
        yield finding(
            env, f"image of {env.name}", "torch finds no GPU, but this machine has one", about="gpu"
        )
    flags = tuple((probe_report.get("torch") or {}).get("archs") or ())
    # As in GPU001, but with the architectures that torch reports in place of the recorded ones.
    archs = facts.Archs(
        series="", channel="", platform="", sm=tuple(flag for flag in flags if flag.startswith("sm_")),
        ptx=tuple(flag for flag in flags if flag.startswith("compute_")), source="the probe of the image", date="", method="measured", note="",
    )  # fmt: skip
    for device in devices:
        if not facts.runs_on(archs, device["capability"]):
            message = f"torch has no code for {device['name']} (compute capability {device['capability']})"
            yield finding(env, f"image of {env.name}", message, about=device["name"])
