"""The lab: a scratch copy of the monorepo in which torch, sources and base are tiny stand-ins and all else is real."""

from __future__ import annotations

import io
import os
import platform
import shutil
import tempfile
import time
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat import wheels
from torchpin.description import environments as description_environments
from torchpin.description import write
from torchpin.errors import InputError, ToolError
from torchpin.lab import base_image, stub_wheels
from torchpin.lab.engine import extend
from torchpin.lab.reduce import lab_packages, reduce_service
from torchpin.tools import index_server, process, uv_install
from torchpin.tools.files import read_text, write_files
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchpin.model import Environment, Lock, Service, Source
    from torchpin.workspace.workspace import Repository

    Say = Callable[[str], None]

PREFIX = "torchpin-lab"  # of every image; each lab has its own name below it, so two do not meet
_COPIED = ("docker/Dockerfile.j2", "docker/runtime", "requirements")
_SMOKE = '''"""The lab's smoke test: the stand-in torch is what was installed."""

import torch

assert torch.__torchpin_standin__
print("smoke: ok, torch", torch.__version__, "is the lab's stand-in")
'''


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A scratch repository ready to be locked and built, and whose it is a copy of. `engine`: with Docker; else `why` not."""

    repo: Repository
    original: Repository
    environments: tuple[Environment, ...]
    engine: bool
    why: str = ""


@contextmanager
def opened(
    repo: Repository,
    environments: tuple[Environment, ...],
    *,
    beside: Sequence[Environment] = (),
    docker: bool = True,
    say: Say,
) -> Iterator[Lab]:
    """A lab for these environments; everything it makes is gone at the end, in the engine too.

    `beside`: the environments as a bump will have them, whose torch is served as well.

    Raises ToolError where the machine is no Linux: the stand-ins are Linux wheels.
    """
    if not uv_install.platform_here().startswith("linux/"):
        raise ToolError(
            "The lab's stand-ins are Linux wheels: try it on Linux, on an x86_64 or aarch64 machine."
        )
    reduced = {env.name: _lock(repo, env) for env in environments}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torchpin-lab-")))
        prefix = f"{PREFIX}/{os.getpid()}-{time.monotonic_ns() % 10**9}"
        base, why = (
            stack.enter_context(
                base_image.standing(environments[0].service, prefix, folder / "monorepo" / "docker", say)
            )
            if docker
            else ("", "the native way was asked for")
        )
        if not base:
            say(f"lab: {why}; the native environment stands in for the image")
        python = base_image.python_of(base) if base else platform.python_version()
        scratch = folder / "monorepo"
        _copy(repo.root, scratch)
        origins = {
            s.name: _origin(folder, s, reduced[e.name], lab_packages(e.service, reduced[e.name]))
            for e in environments
            for s in e.service.sources
        }
        commits = {name: commit for name, (_, commit) in origins.items()}
        services = tuple(
            reduce_service(env.service, env, reduced[env.name], base=base, python=python, commits=commits)
            for env in {env.service.name: env for env in reversed(environments)}.values()
        )
        served = _stand_ins((*description_environments.environments(services), *_beside(services, beside)))
        if base:
            services = tuple(_on_own_base(folder, one, base, prefix, served) for one in services)
        for service in services:
            place = scratch / "services" / service.name
            write_files({place / "service.yaml": write.description(service), place / "smoke.py": _SMOKE})
        address = stack.enter_context(index_server.serve(served))
        mirrors = {
            name: f"{address}/{name}/{'files' if name in facts.abi_packages() else ''}" for name in served
        }
        mirrors |= {name: url for name, (url, _) in origins.items()}
        kept = {name: url for name, url in repo.settings.mirrors.items() if name in {"pypi", "python"}}
        found = workspace.opened(scratch, prefix=prefix)
        settings = replace(repo.settings, mirrors=kept | mirrors, registry="", network="host")
        published = {
            channel: {name: {f.filename: f.sha256 for f in files} for name, files in rows.items()}
            for channel, rows in served.items()
        }
        lab = replace(found, settings=settings, published=published)
        say(f"lab: stand-in torch on {address}, Python {python}, {'base ' + base if base else 'no image'}")
        chosen = {env.name for env in environments}
        yield Lab(
            repo=lab,
            original=repo,
            environments=tuple(
                env for env in description_environments.environments(lab.services) if env.name in chosen
            ),
            engine=bool(base),
            why=why,
        )


def keep_logs(lab: Lab) -> tuple[Path, ...]:
    """Takes the build logs out of a lab that ends, for who wants to know why a build failed."""
    kept = lab.original.root / ".torchpin" / "logs"
    logs = sorted((lab.repo.root / ".torchpin" / "logs").glob("*.log"))
    write_files({kept / f"lab-{log.name}": read_text(log) for log in logs})
    return tuple(kept / f"lab-{log.name}" for log in logs)


def _lock(repo: Repository, env: Environment) -> Lock:
    try:
        return workspace.lock(repo, env)
    except InputError as error:
        raise InputError(
            f"{error}\nThe lab takes its reduced package list from the committed lock."
        ) from None


def _copy(root: Path, scratch: Path) -> None:
    for name in _COPIED:
        place = root / name
        if place.is_dir():
            shutil.copytree(place, scratch / name)
        else:
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(place, scratch / name)
    (scratch / "services").mkdir()


# --- descriptions ----------------------------------------------------------------------------------------------------


def _on_own_base(
    folder: Path,
    service: Service,
    base: str,
    prefix: str,
    served: Mapping[str, Mapping[str, Sequence[index_server.File]]],
) -> Service:
    """A service whose torch comes from its base gets a base that brings the stand-ins of torch's family."""
    if service.torch.origin != "base":
        return service
    tree, tag = folder / f"{service.name}-site", f"{prefix}/base-{service.name}:1"
    for name, version in service.torch.family.items():
        for file in served[service.variants[0].channel][name]:
            if not file.filename.split("-")[1].startswith(str(version)):
                continue  # of another service on the same channel
            with zipfile.ZipFile(io.BytesIO(file.content or b"")) as wheel:
                wheel.extractall(tree)
    extend(base, tag, tree)
    return replace(service, base=replace(service.base, image=tag))


def _beside(services: Sequence[Service], beside: Sequence[Environment]) -> tuple[Environment, ...]:
    """The lab's own environments with the torch and the channel that a bump gives them."""
    here = {env.name: env for env in description_environments.environments(services)}
    return tuple(
        replace(
            here[env.name],
            service=replace(here[env.name].service, torch=env.service.torch),
            variant=replace(here[env.name].variant, channel=env.variant.channel),
        )
        for env in beside
        if env.name in here and env.service.torch.origin == "index"
    )


def _stand_ins(environments: tuple[Environment, ...]) -> dict[str, dict[str, list[index_server.File]]]:
    """The lab's index: per channel, stand-ins for torch and companions of each environment."""
    channels: dict[str, dict[str, list[index_server.File]]] = {}
    for env in environments:
        torch, channel = env.service.torch, env.variant.channel
        compiled = facts.compiled(
            str(torch.version), channel, description_environments.MACHINES[env.variant.platform]
        )
        release = facts.release(str(torch.version))
        files = stub_wheels.torch_family(
            version=str(torch.version),
            local=channel if env.variant.platform == "linux/amd64" else None,
            companions={name: str(version) for name, version in torch.companions.items()},
            cuda=description_environments.cuda(env),
            archs=compiled.sm if compiled else (),
            cudnn=_cudnn(release.cudnn) if release and description_environments.cuda(env) else None,
            python_tag=f"cp{env.service.python.major}{env.service.python.minor}",
            platform=f"linux_{description_environments.MACHINES[env.variant.platform]}",
        )
        packages = channels.setdefault(channel, {})
        for file in files:
            have = packages.setdefault(canonicalize_name(file.filename.split("-")[0]), [])
            if file.filename not in {one.filename for one in have}:
                have.append(file)
        for name, wheel in wheels.abi_wheels(env).items():
            channels.setdefault(name, {}).setdefault(name, []).append(_abi_stand_in(name, wheel))
    return channels


def _abi_stand_in(name: str, wheel: facts.Wheel) -> index_server.File:
    """A stand-in under the very name of an ABI wheel, whose metadata says the plain version, as the real one's does."""
    module = name.replace("-", "_")
    modules = {f"{module}/__init__.py": f'__version__ = "{wheel.version}"\n'}
    _, content = stub_wheels.wheel(module, wheel.version, tag="py3-none-any", modules=modules)
    return replace(
        stub_wheels.published(f"{module}-{wheel.version}-py3-none-any.whl", content), filename=wheel.filename
    )


def _cudnn(version: str | None) -> int | None:
    """9.1.0.70 as torch answers it: 90100; 8.9.2.26: 8902. cuDNN's own arithmetic changed with 9."""
    parts = [int(part) for part in (version or "").split(".")[:3] if part.isdigit()]
    if len(parts) != 3:  # noqa: PLR2004 - major, minor, patch
        return None
    major, minor, patch = parts
    return major * (10000 if major >= 9 else 1000) + minor * 100 + patch  # noqa: PLR2004 - cuDNN 9


# --- sources ---------------------------------------------------------------------------------------------------------


def _origin(folder: Path, source: Source, lock: Lock, names: frozenset[str]) -> tuple[str, str]:
    """A small bare repository in place of a source: its address and the commit of the tag. The same input, the same commit."""
    upstream = next((one for one in lock.upstreams if one.source == source.name), None)
    lines = [line for line in (upstream.requirements if upstream else ()) if _name(line) in names]
    work, bare = folder / f"{source.name}-work", folder / f"{source.name}.git"
    files = {work / "README.md": f"A stand-in for {source.name} {source.tag}.\n"}
    if source.requirements:
        files[work / source.requirements] = "".join(f"{line}\n" for line in lines)
    write_files(files)
    stamp = "2000-01-01T00:00:00+0000"
    person = {"NAME": "torchpin lab", "EMAIL": "lab@localhost"}
    own = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in person.items()}
    dates = {
        "GIT_AUTHOR_DATE": stamp,
        "GIT_COMMITTER_DATE": stamp,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for command in (
        ("git", "init", "--quiet", "--initial-branch=main", str(work)),
        ("git", "-C", str(work), "add", "."),
        ("git", "-C", str(work), "commit", "--quiet", "--message", f"Stand-in for {source.tag}"),
        ("git", "-C", str(work), "tag", source.tag),
        ("git", "clone", "--quiet", "--bare", str(work), str(bare)),
    ):
        process.run(command, env=clean | own | dates)
    commit = process.run(("git", "-C", str(bare), "rev-parse", "HEAD"), env=clean).stdout.strip()
    shutil.rmtree(work)
    return f"file://{bare}", commit


def _name(line: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""
