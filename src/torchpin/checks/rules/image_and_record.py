"""REC, IMG: freeze records and the probe reports of images match lock and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torchpin import facts, paths
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat.compiled import compiled_versions
from torchpin.image import plan
from torchpin.records import freeze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment, Finding


@check("REC001", "the freeze record does not match the lock", "lock", "record")
def record_equals_lock(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Build the image again (`invoke build`), which also writes the record.

    The record is the output of `pip freeze` in the built image. It has to match the lock, package by package; only
    packages of optional layers may be missing.

    Example: the record has numpy 2.2.6, and the lock has 1.26.4.

    Sources: the documented update policy: the freeze of the built image is kept.
    """
    record, compiled = str(context.records[env.name]), compiled_versions(env)
    for difference in freeze.freeze_differences(record, context.locks[env.name], compiled):
        yield finding(env, paths.freeze_path(env.name), difference, about=difference.split(":")[0])


@check("REC002", "the last update has no freeze record", "bump")
def bump_is_recorded(context: CheckContext, env: Environment) -> Iterator[Finding]:
    """Restore the record from git, or build the image again (`invoke build`), which also writes the record.

    The last step of an update records the freeze of the new image. While steps are pending, this check is skipped with
    their numbers.

    Example: all steps of torch==2.7.1 are done according to its record, and the environment has no pip_freeze.txt.

    Sources: records/bumps; the documented update policy, step 5.
    """
    if context.records.get(env.name) is None:
        bump = context.bumps[env.name].bump
        message = f"{paths.freeze_path(env.name)} is missing, but all steps of the update {bump} are done"
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
    for difference in freeze.freeze_differences(frozen, context.locks[env.name], compiled_versions(env)):
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


def _file_findings(context: CheckContext, env: Environment, id: str) -> Iterator[Answer]:
    """What the probe found about the installed files of an image under one id.

    A note is about a part that few use: it is evidence, and no finding. An image whose proof had an error is not tagged.
    """
    report = _probe_report(context, env)
    if report and "findings" not in report:  # without any report IMG001 has its finding
        yield Unknown(message="the probe of this image did not examine its files; build it again")
    for entry in report.get("findings", ()):
        if entry["id"] != id:
            continue
        if entry["level"] == "note":
            yield Ok(about=entry["about"], evidence=entry["message"])
        else:
            yield finding(
                env,
                f"image of {env.name}",
                entry["message"],
                help=entry["help"],
                about=entry["about"],
                level="error" if entry["level"] == "error" else "warning",
            )


@check("IMG007", "an installed library needs another one that the image does not have", "image")
def image_libraries_resolve(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Add the system package that has the library to `apt`, or pin the package that brings it.

    The probe reads the headers of every shared library in the environment, and loads none. A library that another one
    needs has to be in the environment, where the loader looks, or in the folders that the file names; what the driver
    brings comes from the host. Of libraries for several versions of CUDA or FFmpeg one has to be usable. Nothing of a
    package can be loaded: an error in the proof if the description names the package, by a pin or an import, else a
    warning. It needs another CUDA than the environment has: a warning. A part that can be left out, such as numba's
    tbbpool, is evidence only.

    Example: cv2/cv2.abi3.so of opencv-python needs libGL.so.1, and the base image is python:3.11-slim.

    Sources: ld.so(8); glibc's loader message ("cannot open shared object file"); own run of 2026-11-26 on torch 2.8.0 with
    onnxruntime-gpu 1.27.0, whose CUDA provider needs libcublas.so.13.
    """
    yield from _file_findings(context, env, "IMG007")


@check("IMG008", "an installed library needs a newer glibc or libstdc++ than the image has", "image")
def image_system_is_new_enough(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Choose a base image with a newer system, or a build of the package for this one.

    A library lists the versions of the symbols that it needs, such as GLIBC_2.38. manylinux wheels say so in their name;
    others, such as linux_x86_64, do not.

    Example: flash_attn_2_cuda needs GLIBC_2.32, and Ubuntu 20.04 has 2.31.

    Sources: the symbol versions in the ELF files (.gnu.version_r); Dao-AILab/flash-attention issue 1708.
    """
    yield from _file_findings(context, env, "IMG008")


@check("IMG009", "two packages installed different files under one name", "image")
def image_files_have_one_owner(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Keep one of the two packages.

    The probe compares the records of the installed packages. Where two have the same path with different hashes, the one
    that was installed last has overwritten the other. Files beside the code, such as tests/ or LICENSE, are evidence only.

    Example: onnxruntime and onnxruntime-gpu both install onnxruntime/capi/onnxruntime_pybind11_state.so.

    Sources: the RECORD files of wheels (PyPA, recording installed projects); DEP004 says it before the build where it can.
    """
    yield from _file_findings(context, env, "IMG009")


@check("IMG010", "kernels are compiled at run time, and the image's C compiler does not work", "image")
def image_compiles(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Add gcc and libc6-dev to `apt`, or say `compiles: false` under `run`.

    Where the description says `compiles: true`, the probe compiles a small module with Python.h, as triton does when a
    kernel first runs.

    Example: gcc without libc6-dev, which is only a recommendation: stdlib.h is missing.

    Sources: triton, runtime/build.py; pytorch/pytorch issue 116696.
    """
    if env.service.run.compiles:
        yield from _file_findings(context, env, "IMG010")


@check("IMG011", "a compiled package has no code for a described GPU", "image")
def image_code_runs_on_gpus(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Add the architecture to TORCH_CUDA_ARCH_LIST under `build.env`, or to the variable that the project reads instead.

    Of each package that the image's build compiles, the probe reads the headers of the GPU code in its libraries. Machine
    code runs on its own major capability, from its minor on; PTX on its capability and every higher one; code for an
    architecture such as sm_90a on that one alone. A package without GPU code is not judged. Projects with a list of their own,
    such as flash-attn's FLASH_ATTN_CUDA_ARCHS, do not read TORCH_CUDA_ARCH_LIST.

    Example: flash-attn compiled for sm_80 and sm_90, and RTX 5090 (12.0) under `gpus`.

    Sources: NVIDIA's compatibility guides; the headers of fat binaries as nvcc 13.5 writes them, own run of 2026-11-26.
    """
    if env.stage:
        yield from _file_findings(context, env, "IMG011")


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
