"""DES: nothing in the description waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.checks.registry import Ok, check, finding
from torchpin.compat.gpus import is_cpu_variant
from torchpin.description.environments import has_other_channel
from torchpin.description.placeholders import BASE_RATIONALE, is_placeholder, summary_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Answer
    from torchpin.model import Environment


@check("DES001", "a text of the description is still a placeholder", judge=True)
def texts_are_written(_: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write the text at the line that the finding names.

    `new` and `adopt` cannot know what a service is for and why it has its base image, so they write a placeholder. The
    summary goes into the documents, the labels of the image and its bill of materials, the rationale into the service's
    page. This is a notice: it fails nothing but under `--strict`.

    Example: `summary: Describe trainer in one line`.

    Sources: OCI image specification, `org.opencontainers.image.description`.
    """
    service = env.service
    if is_placeholder(service.summary, summary_placeholder(service.name)):
        yield finding(
            env,
            service.location("summary"),
            f"`summary: {service.summary}` is still a placeholder",
            help=f"say there in one line what {service.name} is for; documents and the image's labels show it",
            about="summary",
            level="notice",
        )
    else:
        yield Ok(about="summary", evidence=f"{service.location('summary')}: the summary is written")
    path = "base" if env.variant.base is None else f"variants.{env.variant.name}.base"
    if is_placeholder(env.base.rationale, BASE_RATIONALE):
        yield finding(
            env,
            service.location(f"{path}.rationale"),
            f"`rationale: {env.base.rationale}` is still a placeholder",
            help=f"say there why it is {env.base.image}, or remove the line",
            about=f"{path}.rationale",
            level="notice",
        )


@check("DES002", "the description names no GPU", judge=True)
def gpus_are_named(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """List under `gpus:` the GPUs that the service must run on; `judge --gpu NAME` asks about one without listing it.

    Whether torch and the compiled packages have code for a GPU, and which driver it needs, is judged for the GPUs that
    are listed. Where none is, those checks have nothing to judge, and the first run on a GPU finds out. Builds for CPUs
    need no list. This is a notice: it fails nothing but under `--strict`.

    Example: `gpus: []`.

    Sources: the checks GPU001 to GPU004, which go by this list.
    """
    service = env.service
    if context.target_gpus or is_cpu_variant(env) or has_other_channel(env):
        return
    if service.gpus:
        yield Ok(about="gpus", evidence=f"{service.file} names {', '.join(service.gpus)}")
        return
    yield finding(
        env,
        service.location("gpus"),
        f"no GPU is named, so it is not judged whether torch {service.torch.version} has code for yours",
        help=f"list those that {service.name} must run on, such as `gpus: [RTX 4090, H100]`; "
        f"`invoke support --service {service.name} --every` shows which it can run on",
        about="gpus",
        level="notice",
    )
