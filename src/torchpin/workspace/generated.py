"""Generated files: documents, Dockerfiles and context lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt import scan
from torchpin.checks.run import registered_checks
from torchpin.description.environments import select_environments
from torchpin.documents import bumps, checks, deviations, markdown, pinning
from torchpin.documents.gpus import GPUS_OPENING, gpu_sections
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list, render_dockerfile
from torchpin.model import Position, Problem
from torchpin.tools import resources
from torchpin.workspace import workspace
from torchpin.workspace.bumps import read_bumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository

_BUMPS = "bumps"
OTHER_SECTIONS = frozenset({pinning.CONTENTS, _BUMPS})  # of the pages of services, but of none of them


def standing_sections(repo: Repository, *, leaving: str = "") -> tuple[Problem, ...]:
    """The sections of services without a description that still have a lock, a rendering or a record.

    `leaving` is a service whose folders are about to be removed.
    """
    lines = {
        path: markdown.section_lines(path, repo.text(path) or "")
        for path in (paths.PINNING, paths.DEVIATIONS)
    }
    described = {service.name for service in repo.services} | OTHER_SECTIONS | {leaving}
    names = {name for section_lines in lines.values() for name in section_lines} | described
    folders = {
        workspace.service_of_folder(folder, names): folder for folder in workspace.orphaned_folders(repo)
    }
    return tuple(
        Problem(
            position=Position(file=path, line=line, column=1),
            path="",
            message=f"the section {name!r} has no description, but {folders[name]} still stands; restore "
            f"{paths.description_path(name)}, or run `invoke remove --service {name}`",
        )
        for path, section_lines in lines.items()
        for name, line in section_lines.items()
        if name in folders and name not in described
    )


def expected_documents(
    repo: Repository, unwritten: Mapping[str, Lock], *, strict: bool = False, leaving: str = ""
) -> dict[str, str]:
    """The up-to-date documents, path to text; `unwritten` are locks that are not written yet.

    Empty while an environment has no current lock, or a section would go whose service still has one; with `strict`
    InputError is raised then. `leaving` is a service whose folders are about to be removed.
    """
    standing = standing_sections(repo, leaving=leaving)
    if standing and strict:
        raise InputError(
            "no section of a service goes before its lock and record; nothing was written", standing
        )
    if standing:
        return {}
    locked: dict[str, Lock] = {}
    for env in select_environments(repo.services):
        try:
            locked[env.name] = (
                unwritten[env.name] if env.name in unwritten else workspace.read_lock(repo, env)
            )
        except InputError:
            if strict:
                raise
            return {}
    return {
        path: markdown.splice_sections(path, repo.text(path) or opening, generated)
        for path, (opening, generated) in _sections(repo, locked).items()
    }


def _sections(repo: Repository, locked: Mapping[str, Lock]) -> dict[str, tuple[str, dict[str, str]]]:
    """Each document's text above its sections, for a new one, and its generated sections by name."""
    records = {name: repo.text(paths.freeze_path(name)) for name in locked}
    log = read_bumps(repo)
    bumped = {_BUMPS: bumps.section(log)} if log else {}
    return {
        paths.PINNING: (pinning.PINNING_OPENING, pinning.pinning_sections(repo.services, locked, records)),
        paths.DEVIATIONS: (
            deviations.DEVIATIONS_OPENING,
            deviations.deviation_sections(repo.services, locked) | bumped,
        ),
        paths.GPUS: (GPUS_OPENING, gpu_sections(repo.services, locked)),
        paths.CHECKS: (
            checks.CHECKS_OPENING,
            checks.check_sections(registered_checks(), scan.registered_rules()),
        ),
    }


def runtime_scripts(repo: Repository) -> dict[str, str]:
    """The scripts that every image contains, name to text: torchpin's own, and the repository's, which win by their names."""
    own = {path.name for path in (repo.root / paths.RUNTIME).glob("*") if path.suffix in {".py", ".sh"}}
    packaged = {name.rpartition("/")[2]: name for name in resources.resource_names("runtime")}
    scripts = {}
    for name in sorted(own | packaged.keys()):
        text = repo.text(f"{paths.RUNTIME}/{name}")
        if text is None and name in packaged:
            text = resources.read_resource(packaged[name])
        scripts[name] = text or ""
    return scripts


def dockerfile_template(repo: Repository) -> str:
    """The template of Dockerfiles: the repository's own where it has one, else torchpin's."""
    text = repo.text(paths.DOCKERFILE_TEMPLATE)
    return resources.read_resource("Dockerfile.j2") if text is None else text


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """The rendered build of an environment."""

    files: dict[str, str]  # path to text: the Dockerfile and the context list
    dockerfile: str
    context: plan.BuildContext  # of the files in the context list
    image_key: str


def environment_files(repo: Repository, env: Environment, lock: Lock) -> dict[str, str]:
    """All files that are generated from an environment's lock, path to text: the rendered files and the SBOM."""
    return {
        **render_environment(repo, env, lock).files,
        paths.sbom_path(env.name): sbom_text(env, lock),
    }


def sbom_text(env: Environment, lock: Lock) -> str:
    """The software bill of materials of an environment, in CycloneDX."""
    from torchpin.sbom.cyclonedx_bom import cyclonedx_text  # slow to import
    from torchpin.sbom.inventory import environment_inventory

    return cyclonedx_text(environment_inventory(env, lock))


def render_environment(repo: Repository, env: Environment, lock: Lock) -> Rendering:
    """Render an environment's Dockerfile and context list. Raises InputError when its smoke test is missing."""
    path = paths.smoke_path(env.service.name)
    smoke = repo.text(path)
    if smoke is None:
        raise InputError(f"{path} is missing; it runs inside the image as its smoke test")
    context = plan.build_context(env, lock, runtime=runtime_scripts(repo), smoke=smoke)
    dockerfile = render_dockerfile(dockerfile_template(repo), plan.image_plan(env, lock))
    listing = render_context_list(context)
    files = dict(zip(paths.rendered_paths(env.name), (dockerfile, listing), strict=True))
    return Rendering(
        files=files,
        dockerfile=dockerfile,
        context=context,
        image_key=plan.image_key(env, dockerfile, listing),
    )
