"""Dockerfiles, rendered from their template, and the lists of their build contexts."""

from __future__ import annotations

import json
import shlex
from functools import cache
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.errors import InputError
from torchpin.lock import sealing
from torchpin.lock.uv_project import quote
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    import jinja2

    from torchpin.image.plan import BuildContext, Image
    from torchpin.model import Source


def _quote_for_dockerfile(value: str) -> str:
    """A double-quoted value of LABEL or ENV, in which no variable is expanded."""
    return quote(value).replace("$", "\\$")


@cache
def _compile_template(template: str) -> jinja2.Template:
    import jinja2

    jinja = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - a Dockerfile is not HTML; description/patterns.py limits the texts
    )
    jinja.filters["word"] = _quote_for_dockerfile
    jinja.filters["shell"] = shlex.join
    jinja.tests["pinned"] = lambda package: "=" in package
    jinja.filters["exec"] = lambda command: json.dumps(list(command), ensure_ascii=False)
    return jinja.from_string(template)


def render_dockerfile(template: str, image: Image) -> str:
    """The Dockerfile of an image. Raises InputError for an error of the template, such as an unknown name.

    A template that copies no files is one, too, where a service has some.
    """
    import jinja2

    if image.files and "image.files" not in template:
        position = Position(file=paths.DOCKERFILE_TEMPLATE, line=1, column=1)
        message = f"has no step for the `files:` of {image.service.file}; loop over image.files, as torchpin's own template does"
        raise InputError(
            "correct the template; nothing was written",
            (Problem(position=position, path="", message=message),),
        )
    try:
        return _compile_template(template).render(image=image)
    except (jinja2.TemplateError, TypeError) as error:
        line = getattr(error, "lineno", None)
        position = Position(file=paths.DOCKERFILE_TEMPLATE, line=line or 1, column=1)
        problem = Problem(position=position, path="", message=f"cannot be rendered: {error}")
        raise InputError("correct the template; nothing was written", (problem,)) from None


def _source_words(source: Source) -> tuple[str, ...]:
    """What decides the files of a source: its address, tag and commit, and which submodules and LFS files come with it."""
    submodules = source.submodules
    if isinstance(submodules, tuple):
        words = tuple(f"submodule={path}" for path in submodules)
    else:
        words = ("submodules",) if submodules else ()
    tag = (source.tag,) if source.tag else ()
    return (source.url, *tag, source.commit, *words, *(("lfs",) if source.lfs else ()))


def render_context_list(context: BuildContext) -> str:
    """The list of a build context, one line a file or source; with the Dockerfile it determines the image.

    Copied files of the repository are named without a digest, which their every edit would change: the image key has it.
    """
    lines = [f"{path}  {sealing.digest(text)}" for path, text in context.files.items()]
    lines += [f"{path}/  {' '.join(_source_words(source))}" for path, source in context.sources.items()]
    lines += [f"{path}  {copied.origin}" for path, copied in context.copied.items()]
    lines += [f"{path}  sha256:{package.sha256}" for path, (package, _) in context.packages.items()]
    lines.append(f"uv  {context.uv}")
    return "# What the image's build reads. Made by `invoke render`; do not edit.\n" + "".join(
        f"{line}\n" for line in sorted(lines)
    )
