"""`install`: the lock, the sources and the verification of an environment on this machine, without Docker."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths, progress
from torchpin.commands.clone import clone
from torchpin.commands.judge import require_compatible
from torchpin.commands.parallel import ignore
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.compat.compiled import compiled_versions
from torchpin.description.environments import native_environment
from torchpin.errors import InputError, ToolError
from torchpin.image import plan
from torchpin.image.steps import layer_steps
from torchpin.lock import cooldown, export
from torchpin.model import Outcome
from torchpin.quantities import count, format_megabytes
from torchpin.tools import files, git_export, package_files, process, uv, uv_install, uv_resolve
from torchpin.tools.scratch import temporary_folder
from torchpin.tools.uv_progress import InstalledPackages
from torchpin.workspace import generated
from torchpin.workspace.workspace import read_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.commands.report import Watcher
    from torchpin.commands.selection import Workspace
    from torchpin.model import Environment, LayerLock, Lock, StatusCallback
    from torchpin.workspace.workspace import Repository

_MARK = ".torchpin-environment"  # in a venv that may be replaced


def install(
    repo: Repository,
    env: Environment,
    *,
    into: Path | None = None,
    show_status: StatusCallback = ignore,
) -> Outcome:
    """Installs a lock into a virtual environment, .venvs/<environment> by default, clones its sources and verifies both.

    On macOS a CPU variant's pins are resolved for that machine first: the same versions, other files, each with its hash.
    Raises FindingsError for incompatible pins, InputError without a script that verifies, ToolError for such a script that is
    a link out of the repository, for another platform and where a tool or the verification fails.
    """
    require_compatible(repo, [env])
    local_env = _local_environment(env)
    if into:
        require_replaceable(into)
    scripts = _verification_scripts(repo, env)
    start = time.monotonic()
    locked = _local_lock(repo, env, local_env, show_status)
    for outcome in clone(repo, [env], show_status=show_status):
        if outcome.code:
            raise ToolError(outcome.detail)
        if outcome.status == "changed":
            show_status(f"{outcome.name}: {outcome.detail}")
    into = (into or repo.root / ".venvs" / env.name).absolute()
    environ = uv.uv_environment(repo.settings)
    with temporary_folder() as folder:
        with progress.step(show_status, f"making {into}"):
            _make_venv(env, into, environ, folder)
        sizes = _write_inputs(repo, local_env, locked, folder, show_status)
        environ |= {"TMPDIR": str(folder), export.FILES_VARIABLE: (folder / "packages").as_uri()}
        for step in layer_steps(env, locked):
            _install_step(repo, step, into, folder, environ, show_status, sizes[step.file])
        _install_sources(repo, env, locked, into, folder, environ, show_status)
        _verify(repo, local_env, locked, into, folder, scripts, show_status)
    for entry in env.service.files:
        show_status(
            f"{entry.origin} stays in the checkout; an image has it as {env.service.path_in_image(entry.target)}"
        )
    detail = f"installed and verified: {into}"
    return Outcome(name=env.name, status="changed", detail=detail, seconds=time.monotonic() - start)


def plan_install(repo: Repository, env: Environment, into: Path | None = None) -> tuple[str, ...]:
    """What `install` would do, a line a step; nothing is made, fetched or resolved. Raises what it would raise before it begins."""
    require_compatible(repo, [env])
    local_env = _local_environment(env)
    if into:
        require_replaceable(into)
    _verification_scripts(repo, env)
    locked = read_lock(repo, env)
    into = (into or repo.root / ".venvs" / env.name).absolute()
    place = "in place of the one there" if (into / "pyvenv.cfg").is_file() else "which does not exist yet"
    platform = local_env.variant.platform
    return (
        *(() if local_env == env else (f"resolve its pins for {platform}: it is locked for {env.variant.platform}",)),
        *(f"clone {source.name} to {source.path}" for source in env.service.sources),
        f"make {into}, {place}",
        *(
            f"install {paths.lock_part(step.file)}: {count(len(layer.packages), 'package')}{_size_note(layer)}"
            for step in layer_steps(env, locked)
            for layer in locked.layers
            if layer.file == step.file
        ),
        *(f"install {source.name}" for source in env.service.sources if source.is_package),
        f"verify it with {paths.smoke_path(env.service.name)}",
    )  # fmt: skip


def require_replaceable(into: Path) -> None:
    """Raises InputError for a venv that `install` did not make: it would be replaced, with all that is in it."""
    is_venv = (into / "pyvenv.cfg").is_file()
    if is_venv and not (into / _MARK).is_file() and not _unfinished(into).is_file():
        raise InputError(
            f"{into} is a virtual environment that `invoke install` did not make; remove it, or choose another folder"
        )


def _unfinished(into: Path) -> Path:
    return into.parent / f".{into.name}.unfinished"


def _make_venv(env: Environment, into: Path, environ: dict[str, str], folder: Path) -> None:
    """An empty venv in place of the one before, or of what was left where making one was stopped.

    uv is started in the temporary folder: it reads the settings of its folder and of those above, and the checkout's
    pyproject.toml and uv.toml have no say in what a lock installs.

    uv clears no folder that is not a venv; the mark beside it says that it is not somebody's.
    """
    unfinished = _unfinished(into)
    is_venv = (into / "pyvenv.cfg").is_file()
    if unfinished.is_file() and not is_venv and not into.is_symlink():
        shutil.rmtree(into, ignore_errors=True)
    if is_venv or not into.exists() or (into.is_dir() and not any(into.iterdir())):
        into.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
    process.run(uv_install.venv_command(env, into), cwd=folder, env=environ, timeout=process.LONG)
    (into / _MARK).touch()
    unfinished.unlink(missing_ok=True)


def _local_environment(env: Environment) -> Environment:
    """The environment as this machine can install it. Raises ToolError where it cannot."""
    local_platform = uv_install.local_platform()
    local_env = native_environment(env, local_platform)
    if local_env is None:
        raise ToolError(
            f"{env.name} is locked for {env.variant.platform}, and this machine is {local_platform or sys.platform}"
        )
    if env.service.torch.origin == "base":
        raise ToolError(
            f"{env.name} takes torch from its base image, so it can only be built; run `invoke build`"
        )
    if env.stage:
        raise ToolError(
            f"{env.name} compiles {', '.join(compiled_versions(env))} in a stage of its image's build, so it can only be built; "
            "run `invoke build`"
        )
    return local_env


def _verification_scripts(repo: Repository, env: Environment) -> tuple[dict[str, str], Path]:
    """The probe with its modules, name to text, and the service's smoke test.

    Neither is a link out of the repository: they are run on this machine, and not in a container.
    """
    name = paths.smoke_path(env.service.name)
    if files.read_inside(repo.root, name) is None:
        raise InputError(f"{name} is missing; it verifies what is installed, so restore it first")
    return generated.runtime_scripts(repo), files.expect_inside(repo.root, name)


def _local_lock(
    repo: Repository, env: Environment, local_env: Environment, show_status: StatusCallback
) -> Lock:
    """The lock, on another platform than the locked one resolved again with the same versions."""
    locked = read_lock(repo, env)
    if local_env == env:
        return locked
    title = f"{env.name} is locked for {env.variant.platform}; resolving its pins for {local_env.variant.platform}"
    with progress.step(show_status, title, total=len(locked.packages), unit="packages") as running:
        return uv_resolve.resolve(
            local_env,
            repo.settings,
            index=None,
            current=locked,
            upstreams=locked.upstreams,
            cutoff=cooldown.locked_cutoff(locked),
            running=running,
        )


def _write_inputs(
    repo: Repository, local_env: Environment, locked: Lock, folder: Path, show_status: StatusCallback
) -> dict[str, dict[str, int]]:
    """Writes the requirement file of each layer and the packages that are in no index; the file sizes of each layer's packages."""
    layers = [*locked.layers, *([locked.build] if locked.build else [])]
    files.write_files({folder / layer.file: export.install_file(layer) for layer in layers})
    for path, (package, file) in plan.context_packages(local_env, locked).items():
        with progress.step(show_status, f"fetching {package.filename}"):
            package_files.copy_package(repo.root, package, file, folder / path, repo.settings)
    return {layer.file: _file_sizes(layer) for layer in layers}


def _install_step(
    repo: Repository,
    step: plan.InstallStep,
    into: Path,
    folder: Path,
    environ: dict[str, str],
    show_status: StatusCallback,
    sizes: Mapping[str, int],
) -> None:
    address = repo.settings.mirrors.get(step.origin) or step.release or step.index
    variable = step.mirror if step.release else "UV_DEFAULT_INDEX"
    if step.own_index and step.builds:
        variable, environ = "UV_INDEX", environ | {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    environ = environ | {
        name: repo.settings.mirrors.get(package, folder_address)
        for package, name, folder_address in step.addresses
    }
    command = uv_install.install_command(step, into, folder)
    title = f"installing {paths.lock_part(step.file)}"
    with progress.step(show_status, title, total=sum(sizes.values()), unit=progress.BYTES) as running:
        # no bound of time: a layer may compile for hours, and uv itself gives up a download that stands still
        completed = process.run(
            command,
            cwd=folder,
            env=environ | ({variable: address} if address else {}),
            check=not step.optional,
            listen=InstalledPackages(running, sizes).read,
        )
        running.result = count(len(sizes), "package")
    if step.release or step.addresses or step.packages:
        uv_install.remove_direct_urls(into)
    if completed.returncode:
        show_status(f"the optional layer {step.file} could not be installed; continuing without it")


def _file_sizes(layer: LayerLock) -> dict[str, int]:
    """The bytes of a layer's files, by package; 0 for one whose size is not locked."""
    return {package.name: package.size or 0 for package in layer.packages}


def _size_note(layer: LayerLock) -> str:
    """`, 104 MB` of downloads; "" where the size of a file is not locked."""
    sizes = [package.size for package in layer.packages]
    return f", {format_megabytes(sum(filter(None, sizes)))}" if all(sizes) else ""


def _install_sources(
    repo: Repository,
    env: Environment,
    locked: Lock,
    into: Path,
    folder: Path,
    environ: dict[str, str],
    show_status: StatusCallback,
) -> None:
    """Installs the sources that are packages, built by what is locked for it: a wheel of the commit, or the clone itself."""
    sources = [source for source in env.service.sources if source.is_package]
    if sources and locked.build:
        process.run(uv_install.tools_command(into, folder), cwd=folder, env=environ)
    for source in sources:
        editable = source.install == "editable"
        checkout = repo.root / source.path if editable else folder / "sources" / source.name
        with progress.step(show_status, f"installing {source.name}") as running:
            if not editable:
                git_export.export_clone(repo.root, source, checkout)
            command = uv_install.source_command(into, checkout, editable=editable)
            process.run(
                command,
                cwd=folder,
                env=environ | {"PYTHONPATH": str(folder / "tools")},
                listen=InstalledPackages(running, {}).read,
            )


def _verify(
    repo: Repository,
    env: Environment,
    locked: Lock,
    into: Path,
    folder: Path,
    scripts: tuple[dict[str, str], Path],
    show_status: StatusCallback,
) -> None:
    """Runs the probe with the plan's expectations, then the service's smoke test, in a native environment."""
    python, (runtime, smoke_script) = str(into / "bin" / "python"), scripts
    expectations = plan.probe_expectations(
        env, locked, home=str(repo.root), has_libraries=not repo.lacks_libraries
    )
    runtime_folder = folder / "runtime"
    files.write_files({runtime_folder / name: text for name, text in runtime.items()})
    files.write_files({folder / "expect.json": json.dumps(expectations)})
    environ = process.plain_environment()  # the probe sees `into` alone
    proof = (
        *(python, "-B", str(runtime_folder / "prove.py"), str(folder / "proof.json"), str(smoke_script)),
        *("--expect", str(folder / "expect.json")),
    )
    environ |= {"TORCHPIN_HOME": str(repo.root), "TORCHPIN_RUNTIME": str(runtime_folder)}
    with progress.step(show_status, f"{env.name}: verifying what is installed"):
        completed = process.run(proof, env=environ, check=False, timeout=process.LONG)
    verdict = [line for line in completed.stderr.splitlines() if line.startswith("probe:")]
    if completed.returncode and any(line.startswith("probe: ok") for line in verdict):
        raise ToolError(
            process.failure_message(proof, completed.returncode, completed.stdout, completed.stderr)
        )
    if completed.returncode or not verdict:
        lines = verdict or completed.stderr.splitlines()[-15:]
        raise ToolError(f"{env.name} does not match its plan:\n" + "\n".join(f"    {line}" for line in lines))
    show_status(verdict[-1])
    show_status(completed.stdout.strip())


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallOptions:
    """`into`: the folder of the environment; .venvs/<environment> when empty."""

    into: str = ""
    lab: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.dry_run and self.lab:
            raise InputError("`--dry-run` conflicts with `--lab`: the lab is made before anything is planned")
        if self.into and self.lab:
            raise InputError("`--into` conflicts with `--lab`: the lab's environment stays in the lab")


def install_workspace(workspace: Workspace, options: InstallOptions, watcher: Watcher) -> CommandReport:
    """Installs the selected environment; in the lab every selected one. Raises InputError for several elsewhere."""
    environments = workspace.environments if options.lab else (workspace.single_environment(),)
    into = Path(options.into).absolute() if options.into else None
    if options.dry_run:
        lines = plan_install(workspace.repo, environments[0], into)
        return CommandReport(summary="\n".join([*(f"would {line}" for line in lines), "nothing was changed"]))
    return report_outcomes(
        install(workspace.repo, env, into=into, show_status=watcher.status) for env in environments
    )
