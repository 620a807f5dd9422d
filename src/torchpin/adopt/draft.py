"""The draft of a description for another project: values come from its files; where they say nothing, the draft asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin import facts
from torchpin.adopt.draft_build import DraftBuild, draft_build
from torchpin.adopt.draft_files import ProjectFolder
from torchpin.adopt.draft_packages import MOST_PACKAGES
from torchpin.adopt.draft_text import NO_VERSION, next_steps, render_draft
from torchpin.adopt.draft_values import DraftAnswers
from torchpin.adopt.draft_variants import (
    choose_builds,
    file_rank,
    merged_layers,
    merged_unpinned,
    variant_rows,
)
from torchpin.description.placeholders import BASE_RATIONALE, summary_placeholder
from torchpin.facts.versions import is_version
from torchpin.installs.project import parse_project
from torchpin.lint import scan
from torchpin.lint.inline_places import file_columns, with_file_columns
from torchpin.model import Base, Service, Torch
from torchpin.project.image_builds import built_texts, inline_builds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.adopt.draft_values import OpenValue
    from torchpin.adopt.draft_variants import ChosenBuilds
    from torchpin.installs.commands import Project
    from torchpin.lint.matches import Match
    from torchpin.project.image_builds import InlineBuild

_MOST_ROUNDS = 8  # builds of one Dockerfile that may be variants
_MOST_DOCKERFILES = 100  # that are looked at, the likeliest first; large repositories have some dozen
# What stands in a description for a value that is asked for, while all else of it is checked.
_ANY_IMAGE, _ANY_PYTHON, _ANY_TORCH = "unknown:unknown", "3.12.11", "2.8.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """`text`: the drafted description; `missing`: why there is none; `matches`: the lines that rules match.

    `questions`: the values that no line gives, "?" in the text, which is not a description until they are answered.
    `unpinned`: the requirements without an exact version, which no layer of the draft has. `steps`: what is left for a person.
    """

    name: str
    text: str
    missing: str
    matches: tuple[Match, ...]
    files: tuple[str, ...]
    unpinned: tuple[str, ...] = ()
    questions: tuple[OpenValue, ...] = ()
    steps: tuple[str, ...] = ()


def draft_adoption(
    texts: Mapping[str, str],
    name: str,
    unreadable: Iterable[tuple[str, str]] = (),
    *,
    answers: DraftAnswers = DraftAnswers(),  # noqa: B008 - it is frozen
    folder: ProjectFolder | None = None,
    copy_to: str = "",
    resolved_later: bool = False,
) -> Adoption:
    """The draft of a project, `{path: text}`, with the matches of the rules in all files.

    `unreadable`: places, as `file:line:column`, that are not text, and why. `folder`: its files, those of `texts` where it is
    None; `copy_to`: where they have to be copied to first. `resolved_later`: the draft does not say which packages have no
    version, since they get one after it is written.
    """
    rounds = [*islice(built_texts(texts), _MOST_ROUNDS)]
    place = folder or ProjectFolder(paths=tuple(texts))
    project = parse_project(rounds[0], unreadable, place.ignored)
    inline = [*islice(inline_builds(texts), _MOST_ROUNDS)]
    inner = [parse_project(row.texts, ignored=place.ignored, dockerfiles=[row.path]) for row in inline]
    later = (parse_project(texts_of_round, ignored=place.ignored) for texts_of_round in rounds[1:])
    having = [variant for variant in (project, *later, *inner) if variant.dockerfiles] or [project]
    builds = [build for variant in having for build in _builds(variant, answers, place)]
    matches = (*scan.find_matches(project), *_inline_matches(zip(inline, inner, strict=True)))
    adoption = Adoption(name=name, text="", missing="", matches=matches, files=tuple(sorted(texts)))
    chosen = choose_builds(builds) if builds else None
    if chosen is None or chosen.main.missing:
        missing = _missing(chosen.main, len(builds)) if chosen else f"there is no Dockerfile {answers.file}"
        return replace(adoption, missing=missing)
    service = _service(name, chosen)
    unpinned = merged_unpinned(chosen.variants)
    unresolved = () if resolved_later else unpinned
    omitted = [*_omitted(chosen, unresolved)]
    draft = render_draft(service, chosen, omitted)
    if not draft.text:
        return replace(adoption, missing=draft.missing, unpinned=unpinned)
    omitted += draft.dropped
    steps = next_steps(
        service, chosen, omitted, unresolved, root=place.root, copy_to=copy_to, is_locked=resolved_later
    )
    text = reduce(file_columns, inline, draft.text)
    return replace(
        adoption, text=text, unpinned=unpinned, questions=chosen.main.questions, steps=steps
    )  # fmt: skip


def _inline_matches(inner: Iterable[tuple[InlineBuild, Project]]) -> Iterable[Match]:
    """The matches in the Dockerfiles that compose files have in them."""
    for build, project in inner:
        matches = scan.find_matches(project)
        yield from (with_file_columns(match, build) for match in matches if match.place[0] == build.path)


def _builds(project: Project, answers: DraftAnswers, folder: ProjectFolder) -> Iterable[DraftBuild]:
    """What the Dockerfiles of a project build; without a Dockerfile, what its lists install."""
    files = sorted(project.dockerfiles, key=file_rank)[:_MOST_DOCKERFILES]
    if answers.file:
        files = [path for path in project.dockerfiles if path == answers.file]
    elif not files:
        files = [""]
    return (draft_build(project, path, folder, answers) for path in files)


def _missing(build: DraftBuild, count: int) -> str:
    note = f"; {count - 1} other builds have none either" if count > 1 else ""
    return f"{build.missing}{note}"


def _omitted(chosen: ChosenBuilds, unpinned: Iterable[str]) -> Iterable[str]:
    """What is left out of the draft: of the main build and of those that became variants."""
    for build in chosen.variants.values():
        yield from build.packages.omitted if build.packages else ()
    yield from (f"{requirement}{NO_VERSION}" for requirement in unpinned)
    main = chosen.main
    for name, build in chosen.variants.items():
        if (build.run, build.files) != (main.run, main.files):
            yield f"how {build.file} starts its image, and its files, as variant {name}: those of {main.file} are drafted"


def _service(name: str, chosen: ChosenBuilds) -> Service:
    """The service of the chosen builds, with a placeholder where a value is open."""
    main, torch = chosen.main, chosen.main.torch
    packages = main.packages
    bases = {variant: _base(build) for variant, build in chosen.variants.items()}
    version = torch.version.value if is_version(torch.version.value) else _ANY_TORCH
    apt = [name for build in chosen.variants.values() if build.packages for name in build.packages.apt]
    return Service(
        name=name,
        summary=summary_placeholder(name),
        python=Version(main.python.value or _ANY_PYTHON),
        base=_base(main),
        torch=Torch(
            version=Version(version),
            companions=torch.companions,
            origin="base" if torch.from_base else "index",
        ),
        variants=variant_rows(chosen, _base(main), bases),
        layers=merged_layers(chosen.variants),
        gpus=main.gpus,
        apt=tuple(sorted(dict.fromkeys(apt))[:MOST_PACKAGES]),
        sources=main.sources,
        files=main.files,
        run=main.run,
        recommends=packages.recommendations if packages else (),
    )


def _base(build: DraftBuild) -> Base:
    """The base image with the digest of its line, else with the one that the facts have for its tag."""
    image, _, digest = (build.image.value or _ANY_IMAGE).partition("@")
    row = facts.base_image(image)
    return Base(
        image=image,
        digest=digest or (row.digest if row else None) or None,
        rationale=BASE_RATIONALE,
    )
