"""Generated files: documents, Dockerfiles and context lists.

What writes documents is imported where it is needed: most commands render, or look at what is rendered, alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.assembly.prefix import SHARED, installed_by_running, prefix_context, prefix_plan
from torchpin.description.environments import select_environments
from torchpin.description.read import description_error
from torchpin.documents import markdown
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list, render_dockerfile
from torchpin.memory import remembered
from torchpin.model import Position, Problem
from torchpin.tools import resources
from torchpin.tools.copied_files import copied_digests
from torchpin.workspace import apt_keys, workspace
from torchpin.workspace.bumps import read_bumps
from torchpin.workspace.shared_work import share_out_reading

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, MutableMapping, Sequence

    from torchpin.documents.service_parts import ServiceParts
    from torchpin.model import Environment, Lock, Service
    from torchpin.records.bump_log import BumpEntry
    from torchpin.workspace.workspace import Repository

OF_ALL_SERVICES = (paths.PINNING, paths.DEVIATIONS, paths.GPUS)  # documents in which every service is shown
_FORMER_BUMPS = "bumps"  # a section of DEVIATIONS.md that was there once


@remembered
def service_pages(repo: Repository) -> Mapping[str, str]:
    """The pages of services that torchpin has written, by service; a file without a section of its name is not one."""
    pages: dict[str, str] = {}
    for file in sorted((repo.root / paths.SERVICE_PAGES).glob("*.md")):
        path = paths.page_path(file.stem)
        if file.stem in markdown.section_lines(path, repo.text(path) or ""):
            pages[file.stem] = path
    return pages


def document_paths(repo: Repository) -> tuple[str, ...]:
    """The paths that documents have or may have: what is not torchpin's has no generated sections."""
    files = sorted((repo.root / paths.SERVICE_PAGES).glob("*.md"))
    names = (*(service.name for service in repo.services), *(file.stem for file in files))
    return *paths.DOCUMENTS, *dict.fromkeys(map(paths.page_path, names))


def standing_sections(repo: Repository, *, leaving: str = "") -> tuple[Problem, ...]:
    """The sections of services without a description that still have a lock, a rendering or a record.

    `leaving` is a service whose folders are about to be removed.
    """
    places = {(name, path) for name, path in service_pages(repo).items()}
    places |= {(name, paths.DEVIATIONS) for name in section_names(repo)}
    described = {service.name for service in repo.services} | {leaving}
    names = {name for name, _ in places} | described
    folders = {
        workspace.service_of_folder(folder, names): folder for folder in workspace.orphaned_folders(repo)
    }
    return tuple(
        _problem(
            repo,
            path,
            name,
            f"the section {name!r} has no description, but {folders[name]} still stands; restore "
            f"{paths.description_path(name)}, or run `invoke remove --service {name}`",
        )
        for name, path in sorted(places)
        if name in folders and name not in described
    )


def section_names(repo: Repository) -> set[str]:
    """The services that have a section in DEVIATIONS.md."""
    names = {*markdown.section_lines(paths.DEVIATIONS, repo.text(paths.DEVIATIONS) or "")}
    return names - ({_FORMER_BUMPS} - {service.name for service in repo.services})


def stray_pages(repo: Repository) -> tuple[Problem, ...]:
    """The pages of services that are no longer described, which hold text that somebody wrote: they are not removed."""
    return tuple(
        _problem(
            repo,
            path,
            name,
            f"no service {name!r} is described, and the page has text of its own; move that text, then run "
            f"`invoke remove --service {name} --everything`",
        )
        for name, path in _pages_without_service(repo).items()
        if has_prose(repo, name)
    )


def has_prose(repo: Repository, service: str) -> bool:
    """Whether the page of a service holds more than its generated section and its first opening."""
    from torchpin.documents import service_page

    path = paths.page_path(service)
    text = markdown.remove_section(path, repo.text(path) or "", service).replace("\r\n", "\n")
    return text.strip() not in {"", service_page.page_opening(service).strip()}


def _pages_without_service(repo: Repository) -> dict[str, str]:
    described = {service.name for service in repo.services} | repo.broken.keys()
    return {name: path for name, path in service_pages(repo).items() if name not in described}


def _problem(repo: Repository, path: str, section: str, message: str) -> Problem:
    line = markdown.section_lines(path, repo.text(path) or "")[section]
    return Problem(position=Position(file=path, line=line, column=1), path="", message=message)


def expected_documents(
    repo: Repository,
    unwritten: Mapping[str, Lock],
    *,
    strict: bool = False,
    leaving: str = "",
    without: Collection[str] = (),
    known_parts: MutableMapping[str, ServiceParts] | None = None,
) -> dict[str, str | None]:
    """The up-to-date documents, path to text, None for one that goes; `unwritten` are locks that are not written yet.

    Empty while an environment has no current lock, a description cannot be read, or a section would go whose service still
    has a lock; with `strict` InputError is raised then. `leaving` is a service whose folders are about to be removed.
    `without`: services that have no current lock; the documents that show all services are then left as they are.
    `known_parts`: what documents say of services, by name, as far as it is known; what is missing is added.
    """
    from torchpin.description.schema import schema_text

    if repo.broken and strict:
        raise description_error(problem for problems in repo.broken.values() for problem in problems)
    if repo.broken:
        return {}
    standing = standing_sections(repo, leaving=leaving)
    if standing and strict:
        raise InputError(
            "no section of a service goes before its lock and record; nothing was written", standing
        )
    if standing:
        return {}
    services = [service for service in repo.services if service.name not in without]
    parts = _all_parts(
        repo, services, unwritten, known_parts if known_parts is not None else {}, strict=strict
    )
    if parts is None:
        return {}
    documents: dict[str, str | None] = {
        path: markdown.splice_sections(path, repo.text(path) or opening, generated)
        for path, (opening, generated) in _sections(parts).items()
        if not (without and path in OF_ALL_SERVICES)
    }
    documents[paths.SCHEMA] = schema_text()
    gone = (path for name, path in _pages_without_service(repo).items() if not has_prose(repo, name))
    return documents | dict.fromkeys(gone)


def unlocked_services(repo: Repository) -> dict[str, str]:
    """The services that have an environment without a current lock, each with the reason of the first."""
    reasons: dict[str, str] = {}
    for service in repo.services:
        try:
            _current_locks(repo, service, {}, strict=True)
        except InputError as error:
            reasons[service.name] = str(error)
    return reasons


def _all_parts(
    repo: Repository,
    services: Sequence[Service],
    unwritten: Mapping[str, Lock],
    known_parts: MutableMapping[str, ServiceParts],
    *,
    strict: bool,
) -> dict[str, ServiceParts] | None:
    """What the documents say of each of the services; None, or with `strict` an InputError, where one has no current lock."""
    parts: dict[str, ServiceParts] = {}
    try:
        log = read_bumps(repo)
    except InputError:
        if any(_current_locks(repo, service, unwritten, strict=strict) is None for service in services):
            return None
        raise
    missing = [service for service in services if service.name not in known_parts]
    for shared in share_out_reading(repo, lambda share: _parts_of(repo, share, unwritten, log), missing):
        for name, part in shared.items():
            known_parts[name] = part
    for service in services:
        if (
            service.name not in known_parts
            and _current_locks(repo, service, unwritten, strict=strict) is None
        ):
            return None
        parts[service.name] = known_parts[service.name]
    return parts


def _parts_of(
    repo: Repository, services: Sequence[Service], unwritten: Mapping[str, Lock], log: Sequence[BumpEntry]
) -> dict[str, ServiceParts]:
    """What the documents say of those of the services that have current locks."""
    from torchpin.documents.service_parts import service_parts

    parts: dict[str, ServiceParts] = {}
    for service in services:
        locks = _current_locks(repo, service, unwritten, strict=False)
        if locks is not None:
            records = {name: repo.text(paths.freeze_path(name)) for name in locks}
            parts[service.name] = service_parts(service, locks, records, log)
    return parts


def _current_locks(
    repo: Repository, service: Service, unwritten: Mapping[str, Lock], *, strict: bool
) -> dict[str, Lock] | None:
    """The locks of a service by environment; None, or with `strict` an InputError, where one is missing or out of date."""
    locks: dict[str, Lock] = {}
    for env in select_environments([service]):
        try:
            locks[env.name] = unwritten[env.name] if env.name in unwritten else workspace.read_lock(repo, env)
        except InputError:
            if strict:
                raise
            return None
    return locks


def _sections(parts: Mapping[str, ServiceParts]) -> dict[str, tuple[str, dict[str, str]]]:
    """Each document's text above its sections, for a new one, and its generated sections by name."""
    from torchpin.checks.run import registered_checks
    from torchpin.documents import checks, deviations, gpus, pinning, service_page, troubleshooting
    from torchpin.documents.service_reference import SERVICE_OPENING, reference_sections
    from torchpin.lint import scan

    pages = {
        paths.page_path(name): (service_page.page_opening(name), {name: part.page})
        for name, part in parts.items()
    }
    rows = [row for part in parts.values() for row in part.rows]
    return {
        paths.PINNING: (pinning.PINNING_OPENING, pinning.sections_of(rows)),
        paths.DEVIATIONS: (
            deviations.DEVIATIONS_OPENING,
            {name: part.deviations for name, part in parts.items()},
        ),
        paths.GPUS: (gpus.GPUS_OPENING, gpus.sections_of([part.gpus for part in parts.values()])),
        paths.TROUBLESHOOTING: (
            troubleshooting.TROUBLESHOOTING_OPENING,
            troubleshooting.troubleshooting_sections(),
        ),
        paths.SERVICE_REFERENCE: (SERVICE_OPENING, reference_sections()),
        paths.CHECKS: (
            checks.CHECKS_OPENING,
            checks.check_sections(registered_checks(), scan.registered_rules()),
        ),
        **pages,
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
    copied: dict[str, str]  # the digests of copied files, by their path in the context
    image_key: str
    is_finished: bool = True  # without it only what has to run is built, and others may have the same


def environment_files(repo: Repository, env: Environment, lock: Lock) -> dict[str, str]:
    """All files that are generated from an environment's lock, path to text: the rendered files and the SBOM."""
    return {
        **_render_texts(repo, env, lock)[0],
        paths.sbom_path(env.name): sbom_text(env, lock),
    }


def sbom_text(env: Environment, lock: Lock) -> str:
    """The software bill of materials of an environment, in CycloneDX."""
    from torchpin.sbom.cyclonedx_bom import cyclonedx_text  # slow to import
    from torchpin.sbom.inventory import environment_inventory

    return cyclonedx_text(environment_inventory(env, lock))


def render_environment(repo: Repository, env: Environment, lock: Lock) -> Rendering:
    """Render an environment's Dockerfile and context list, and read the repository's files that its image gets a copy of.

    Raises InputError when its smoke test is missing, and for files that cannot be copied.
    """
    return _rendering(repo, env, *_render_texts(repo, env, lock))


def committed_rendering(repo: Repository, env: Environment, lock: Lock) -> Rendering:
    """The same of the committed files, where these are known to be as they would be rendered; no template is read.

    Raises InputError as `render_environment` does.
    """
    files = {path: repo.text(path) or "" for path in paths.rendered_paths(env.name)}
    return _rendering(repo, env, files, _build_context(repo, env, lock))


def _rendering(
    repo: Repository, env: Environment, files: dict[str, str], context: plan.BuildContext
) -> Rendering:
    dockerfile, listing = files.values()
    copied = copied_digests(repo.root, env.service, context.copied, context.left_out)
    return Rendering(
        files=files,
        dockerfile=dockerfile,
        context=context,
        copied=copied,
        image_key=plan.image_key(env, dockerfile, listing, copied),
    )


def render_prefix(repo: Repository, env: Environment, lock: Lock) -> Rendering:
    """Render what is built of an image that is assembled: the same template without wheels. No file of it is committed."""
    own_template = repo.text(paths.DOCKERFILE_TEMPLATE) is not None
    image = prefix_plan(env, lock, own_template=own_template)
    dockerfile = render_dockerfile(dockerfile_template(repo), image)
    context = prefix_context(
        _build_context(repo, env, installed_by_running(lock)), dockerfile, finished=image.finished
    )
    copied = copied_digests(repo.root, env.service, context.copied, context.left_out)
    name = "" if image.finished else SHARED
    listing = render_context_list(context)
    return Rendering(
        files={},
        dockerfile=dockerfile,
        context=context,
        copied=copied,
        image_key=plan.image_key(env, dockerfile, listing, copied, name=name),
        is_finished=image.finished,
    )


def _render_texts(repo: Repository, env: Environment, lock: Lock) -> tuple[dict[str, str], plan.BuildContext]:
    """An environment's Dockerfile and context list by path, and the context that they are of."""
    context = _build_context(repo, env, lock)
    dockerfile = render_dockerfile(dockerfile_template(repo), plan.image_plan(env, lock))
    listing = render_context_list(context)
    return dict(zip(paths.rendered_paths(env.name), (dockerfile, listing), strict=True)), context


def _build_context(repo: Repository, env: Environment, lock: Lock) -> plan.BuildContext:
    path = paths.smoke_path(env.service.name)
    smoke = repo.text(path)
    if smoke is None:
        raise InputError(f"{path} is missing; it runs inside the image as its smoke test")
    return plan.build_context(
        env,
        lock,
        runtime=runtime_scripts(repo),
        smoke=smoke,
        keys=apt_keys.read_keys(repo, env),
        has_libraries=not repo.lacks_libraries,
    )
