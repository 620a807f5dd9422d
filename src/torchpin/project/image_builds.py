"""Dockerfiles as bake and compose files have them built: with their arguments, and up to their targets.

A build's Dockerfile is a text of its own, in which arguments have the values of the build and what comes after its target
is left out; all other lines stay as and where they are.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.bake_file import is_bake_file, read_bake_file
from torchpin.project.compose_file import is_compose_file, read_compose_file
from torchpin.project.dockerfile import parse_instructions
from torchpin.project.stages import parse_stages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.project.image_build import BuildFile
    from torchpin.project.inline_dockerfile import InlineDockerfile
    from torchpin.project.stages import BuildInputs

_MOST_BUILDS = 50  # of one Dockerfile with different arguments; a further one is as the file says
_PLAIN = re.compile(r"[\w.,:/@+=~-]*")  # a value that needs no quotes in a Dockerfile


def is_build_file(path: str) -> bool:
    """Whether a path has the name of a bake or compose file."""
    name = posixpath.basename(path)
    return is_bake_file(name) or is_compose_file(name)


def read_build_file(path: str, text: str, current: str = "") -> BuildFile:
    """The builds of a bake or compose file, with paths by `current` as in `project_paths`."""
    if is_bake_file(posixpath.basename(path)):
        return read_bake_file(path, text, current)
    return read_compose_file(path, text, current=current)


def built_texts(texts: Mapping[str, str], current: str = "") -> list[dict[str, str]]:
    """The texts of a project, once for each round of builds: a Dockerfile with several builds has another text in each.

    `current`: the folder that the paths of `texts` are relative to, where some are outside of it. A Dockerfile that no bake or compose file names is the same in the first round, and left out of the others.
    """
    builds: dict[str, list[str]] = {}
    for path in sorted(texts):
        for build in read_build_file(path, texts[path], current).builds if is_build_file(path) else ():
            if build.dockerfile in texts and not build.inline:
                text = built_text(texts[build.dockerfile], build.inputs)
                file_texts = builds.setdefault(build.dockerfile, [])
                if text not in file_texts and len(file_texts) < _MOST_BUILDS:
                    file_texts.append(text)
    first = {**texts, **{path: variants[0] for path, variants in builds.items()}}
    rounds = [first]
    for number in range(1, max(map(len, builds.values()), default=1)):
        present = {path: variants[number] for path, variants in builds.items() if number < len(variants)}
        others = {
            path: text for path, text in texts.items() if path not in builds and not _is_dockerfile(path)
        }
        rounds.append(others | present)
    return rounds


class InlineBuild(NamedTuple):
    """A Dockerfile in a compose file at `path`; `texts`: those of the project with it as the only Dockerfile, at that path."""

    path: str
    dockerfile: InlineDockerfile
    texts: dict[str, str]


def inline_builds(texts: Mapping[str, str], current: str = "") -> Iterator[InlineBuild]:
    """The Dockerfiles that compose files have in them, each built with its arguments; `current` as in `built_texts`."""
    others = {path: text for path, text in texts.items() if not _is_dockerfile(path)}
    for path in filter(is_build_file, sorted(texts)):
        built: set[str] = set()
        for build in read_build_file(path, texts[path], current).builds:
            text = built_text(build.placed.text, build.inputs) if build.placed else ""
            if build.placed and text not in built and len(built) < _MOST_BUILDS:
                built.add(text)
                yield InlineBuild(path, build.placed, {**others, path: text})


def _is_dockerfile(path: str) -> bool:
    return re.search(r"dockerfile|containerfile", posixpath.basename(path), re.IGNORECASE) is not None


def built_text(text: str, inputs: BuildInputs) -> str:
    """A Dockerfile with the arguments of a build as its defaults, and without the stages after its target."""
    values = {name: value for name, value in inputs.args if _PLAIN.fullmatch(value)}
    lines = text.split("\n")
    for instruction in parse_instructions(text):
        if instruction.keyword != "ARG" or instruction.end != instruction.line:
            continue
        names = [word.partition("=")[0] for word in instruction.text.split()]
        if len(names) == 1 and names[0] in values:
            lines[instruction.line - 1] = f"ARG {names[0]}={values[names[0]]}"
    stages = parse_stages(text)
    target = next((stage for stage in stages if stage.name and stage.name == inputs.target.lower()), None)
    following = stages[target.number + 1 :] if target else ()
    return "\n".join(lines[: following[0].start.line - 1] if following else lines)
