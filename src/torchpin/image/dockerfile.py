"""Values to the texts that tools read: the throw-away uv project, Dockerfiles, build contexts, exports."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.lock.uv_project import quote
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    import jinja2

    from torchpin.image.plan import BuildContext, Image


def _quote_for_dockerfile(value: str) -> str:
    """A double-quoted word of LABEL or ENV, in which nothing is expanded."""
    return quote(value).replace("$", "\\$")


@cache
def _compile_template(template: str) -> jinja2.Template:
    import jinja2

    jinja = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - a Dockerfile is no HTML; what may stand in a description is limited by its reader
    )
    jinja.filters["word"] = _quote_for_dockerfile
    jinja.filters["exec"] = lambda command: json.dumps(list(command), ensure_ascii=False)
    return jinja.from_string(template)


def render_dockerfile(template: str, image: Image) -> str:
    """The Dockerfile of an image. A name that the template misspells stops the rendering."""
    import jinja2

    try:
        return _compile_template(template).render(image=image)
    except (jinja2.TemplateError, TypeError) as error:
        line = getattr(error, "lineno", None)
        position = Position(file="docker/Dockerfile.j2", line=line or 1, column=1)
        problem = Problem(position=position, path="", message=f"cannot be rendered: {error}")
        raise InputError("Correct the template; nothing was written.", (problem,)) from None


def render_context_list(context: BuildContext) -> str:
    """What a build context holds, one line each: with the Dockerfile, all that decides about the image."""
    lines = [f"{path}  {file_format.digest(text)}" for path, text in context.files.items()]
    lines += [
        f"{path}/  {source.url} {source.tag} {source.commit}" for path, source in context.sources.items()
    ]
    lines.append(f"uv  {context.uv}")
    return "# What the image's build reads. Made by `invoke render`; do not edit.\n" + "".join(
        f"{line}\n" for line in sorted(lines)
    )
