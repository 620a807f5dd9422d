"""Values to the texts that tools read: the throw-away uv project, Dockerfiles, build contexts, exports."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.lock import file_format, layers
from torchpin.model import Mark, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2

    from torchpin.image.plan import Context, Image
    from torchpin.model import Environment, Lock


def _quoted(value: str) -> str:
    """A double-quoted TOML or JSON string."""
    return json.dumps(value, ensure_ascii=False)


def uv_project(env: Environment, *, index: str | None, pins: Iterable[str] | None = None) -> str:
    """The uv project that one resolution answers: exact pins, torch and companions from one explicit index.

    `index` is the channel's address (or its mirror's); None takes all from PyPI. `pins` None: the described ones.
    """
    service = env.service
    lines = [
        "[project]",
        f"name = {_quoted(service.name)}",
        'version = "0"',
        f'requires-python = "=={service.python.major}.{service.python.minor}.*"',
        "dependencies = [",
        *(f"  {_quoted(one)}," for one in (layers.pins(env, {}) if pins is None else pins)),
        "]",
    ]
    if index:
        name = _quoted(env.variant.channel)
        lines += [
            "[[tool.uv.index]]",
            f"name = {name}",
            f"url = {_quoted(index)}",
            "explicit = true",
            "[tool.uv.sources]",
        ]
        lines += [f"{package} = {{ index = {name} }}" for package in service.torch.family]
    return "\n".join([*lines, ""])


def _dockerfile_string(value: str) -> str:
    """A double-quoted word of LABEL or ENV, in which nothing is expanded."""
    return _quoted(value).replace("$", "\\$")


@cache
def _compiled(template: str) -> jinja2.Template:
    import jinja2

    jinja = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - a Dockerfile is no HTML; what may stand in a description is limited by its reader
    )
    jinja.filters["word"] = _dockerfile_string
    jinja.filters["exec"] = lambda command: json.dumps(list(command), ensure_ascii=False)
    return jinja.from_string(template)


def dockerfile(template: str, image: Image) -> str:
    """The Dockerfile of an image. A name that the template misspells stops the rendering."""
    import jinja2

    try:
        return _compiled(template).render(image=image)
    except (jinja2.TemplateError, TypeError) as error:
        line = getattr(error, "lineno", None)
        where = Mark(file="docker/Dockerfile.j2", line=line or 1, column=1)
        problem = Problem(where=where, path="", message=f"cannot be rendered: {error}")
        raise InputError("Correct the template; nothing was written.", (problem,)) from None


def context_list(context: Context) -> str:
    """What a build context holds, one line each: with the Dockerfile, all that decides about the image."""
    lines = [f"{path}  {file_format.digest(text)}" for path, text in context.files.items()]
    lines += [
        f"{path}/  {source.url} {source.tag} {source.commit}" for path, source in context.sources.items()
    ]
    lines.append(f"uv  {context.uv}")
    return "# What the image's build reads. Made by `invoke render`; do not edit.\n" + "".join(
        f"{x}\n" for x in sorted(lines)
    )


def requirements(env: Environment, lock: Lock) -> str:
    """The whole lock as one hashed requirements file, layers in install order."""
    parts = [
        f"# {env.name}: Python {env.service.python}, {env.variant.platform}. Install with --no-deps --require-hashes."
    ]
    if lock.given:
        parts.append("# torch and its companions are the base image's, and not in this file")
    for layer in lock.layers:
        origin = f"the {layer.origin} index" if layer.origin != "pypi" else "PyPI"
        if layer.origin in facts.abi_packages():
            variable = layers.mirror_variable(layer.origin)
            origin = (
                f"the releases of {layer.origin}: set {variable} to where they (or a mirror's copies) lie"
            )
        parts += [f"# {layer.name}, from {origin}", plan.installable(layer).rstrip("\n")]
    return "\n".join([*(part for part in parts if part), ""])
