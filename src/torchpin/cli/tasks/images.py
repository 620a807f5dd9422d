"""The tasks around images and installations: build, install, run, freeze, clone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin.cli.command_line import command
from torchpin.cli.common import (
    JSON,
    LAB,
    ONE_SERVICE,
    OVERWRITE,
    SERVICE,
    VARIANT,
    document_form,
    require_choice,
    single_form,
    task_run,
)

if TYPE_CHECKING:
    from invoke import Context


@command(help={**SERVICE, **LAB})
def clone(_: Context, service: str = "", lab: bool = False) -> None:
    """Clone every source at its tag into third_party/; the tag must be at the recorded commit."""
    from torchpin.commands.clone import clone_workspace
    from torchpin.commands.lab import workspace_for
    from torchpin.commands.selection import Selection

    with (
        task_run() as run,
        workspace_for(Selection(service=service), lab=lab, watcher=run.watcher) as workspace,
    ):
        run.report(clone_workspace(workspace, run.watcher))


@command(
    optional=["sbom", "provenance"],
    help={
        **SERVICE,
        **VARIANT,
        **LAB,
        "full": "with --lab: use the real packages of any size, except torch's family; by default only small ones",
        "keep": "with --lab: leave its folder, with the record, and its image, and say where",
        "platform": "only environments of this platform, such as linux/amd64",
        "push": "push the verified image to build.registry of torchpin.toml, unless it is there already",
        "pull": "with --push: also load an image that is already in the registry; without --push it is always loaded",
        "no_cache": "build even if the image exists, and use no cached layer",
        "full_proof": "import everything again, even what no changed package can affect; --push and --no-cache do so, too",
        "builder": "the buildx builder to use",
        "progress": "auto (live lines on a terminal), plain or json",
        "dry_run": "say what would be built, and with -v by which command, without building",
        **OVERWRITE,
        "sbom": "attest what the image holds, scanned by BuildKit's generator, or by generator=IMAGE; off by default",
        "assemble": "put the image together from the locked wheels, and build only what has to run",
        "provenance": "attest how the image was built: min or max (with build arguments); off by default",
    },
)
def build(  # noqa: PLR0913, PLR0917 - each is an option of the task
    _: Context,
    service: str = "",
    variant: str = "",
    platform: str = "",
    push: bool = False,
    pull: bool = False,
    no_cache: bool = False,
    full_proof: bool = False,
    builder: str = "",
    progress: str = "auto",
    dry_run: bool = False,
    lab: bool = False,
    full: bool = False,
    keep: bool = False,
    overwrite: bool = False,
    sbom: str = "",
    provenance: str = "",
    assemble: bool = False,
) -> None:
    """Build each image from its lock, verify it from the inside, and record its packages."""
    from torchpin.commands.build_images import build_images
    from torchpin.commands.run_buildx import BuildOptions, parse_attestations
    from torchpin.commands.selection import Selection

    with task_run("events" if progress == "json" else "text", progress=progress) as run:
        require_choice("--progress", progress, ("auto", "plain", "json"))
        options = BuildOptions(
            platform=platform,
            builder=builder,
            push=push,
            pull=pull,
            no_cache=no_cache,
            full_proof=full_proof,
            dry_run=dry_run,
            lab=lab,
            full=full,
            keep=keep,
            overwrite=overwrite,
            attestations=parse_attestations(sbom, provenance),
            assemble=assemble,
        )
        run.report(build_images(Selection(service=service, variant=variant), options, run.watcher))


@command(
    help={
        **ONE_SERVICE,
        **VARIANT,
        **LAB,
        "into": "the folder of the environment; .venvs/<environment> if omitted",
        "dry_run": "print the steps without making or fetching anything",
    }
)
def install(
    _: Context, service: str, variant: str = "", into: str = "", dry_run: bool = False, lab: bool = False
) -> None:
    """Install a service from its lock on this machine, without Docker, and verify it."""
    from torchpin.commands.install import InstallOptions, install_workspace
    from torchpin.commands.lab import workspace_for
    from torchpin.commands.selection import Selection

    with task_run() as run:
        options = InstallOptions(into=into, lab=lab, dry_run=dry_run)
        selection = Selection(service=service, variant=variant)
        with workspace_for(selection, lab=lab, watcher=run.watcher, needs=("lock",)) as workspace:
            run.report(install_workspace(workspace, options, run.watcher))


@command(help={**SERVICE, **VARIANT})
def freeze(_: Context, service: str = "", variant: str = "") -> None:
    """Compare the packages of each image with its lock and its freeze record."""
    from torchpin.commands.images import freeze_workspace
    from torchpin.commands.selection import Selection, open_workspace

    with task_run() as run:
        workspace = open_workspace(Selection(service=service, variant=variant), run.watcher)
        run.report(freeze_workspace(workspace, run.watcher))


@command(
    help={
        **ONE_SERVICE,
        **VARIANT,
        "command": "what to run instead of the described command, as one string",
        "dry_run": "print the command without running it",
    }
)
def run(_: Context, service: str, variant: str = "", command: str = "", dry_run: bool = False) -> None:
    """Run the container of a service with its ports, volumes and environment, and the GPUs of this machine."""
    from torchpin.commands.images import run_workspace
    from torchpin.commands.selection import Selection, open_workspace

    with task_run() as current_run:
        workspace = open_workspace(Selection(service=service, variant=variant), current_run.watcher)
        current_run.report(run_workspace(workspace, command=command, dry_run=dry_run))


@command(
    help={
        **SERVICE,
        **VARIANT,
        "link": "also show times at this line speed, such as 1Gbit or 250MB",
        "price": "also show what these times cost at this price per hour, such as 2.5",
        "offline": "ask no registry for the bytes of base images",
        **JSON,
    }
)
def plan(
    _: Context,
    service: str = "",
    variant: str = "",
    link: str = "",
    price: str = "",
    offline: bool = False,
    json: bool = False,
) -> None:
    """Forecast an image's bytes: download, layers, disk, what updates push, and what a host with another image pulls."""
    from torchpin.commands.plan import forecast_bytes
    from torchpin.commands.selection import Selection
    from torchpin.output.answers import print_forecasts
    from torchpin.queries.forecast_text import parse_line

    with task_run(document_form(json=json)) as run:
        line = parse_line(link, price)
        selection = Selection(service=service, variant=variant)
        print_forecasts(forecast_bytes(selection, run.watcher, offline=offline), line, json=json)


@command(
    help={
        **SERVICE,
        **VARIANT,
        "since": "the git revision to compare with; every environment is affected if omitted",
        **JSON,
        "github": "print `matrix` and `count` for $GITHUB_OUTPUT instead of text",
    }
)
def affected(
    _: Context,
    service: str = "",
    variant: str = "",
    since: str = "",
    json: bool = False,
    github: bool = False,
) -> None:
    """List the environments whose image changes since a revision, by what goes into it."""
    from torchpin.commands.affected import list_affected
    from torchpin.commands.selection import Selection
    from torchpin.output.answers import print_affected

    with task_run(document_form(json=json or github)) as run:
        form = single_form(json=json, github=github)
        print_affected(list_affected(Selection(service=service, variant=variant), since, run.watcher), form)


@command(
    help={
        **SERVICE,
        **VARIANT,
        "builder": "the buildx builder to use",
        "push": "push the verified image to build.registry of torchpin.toml, unless it is there already",
        "affected_since": "only environments whose image changes since this git revision",
        "print": "print docker-bake.json and write nothing",
        "run": "build with it, too",
    },
)
def bake(
    _: Context,
    service: str = "",
    variant: str = "",
    builder: str = "",
    push: bool = False,
    affected_since: str = "",
    print: bool = False,  # noqa: A002 - the name of the option
    run: bool = False,
) -> None:
    """Write docker-bake.json, by which `docker buildx bake` builds the images on any builder."""
    from torchpin.commands.bake import BakeOptions, bake_images, print_bake
    from torchpin.commands.selection import Selection
    from torchpin.output.terminal import print_raw

    with task_run("json" if print else "text") as current_run:
        selection = Selection(service=service, variant=variant)
        options = BakeOptions(builder=builder, push=push, since=affected_since, run=run)
        if print:
            print_raw(print_bake(selection, options, current_run.watcher))
        else:
            current_run.report(bake_images(selection, options, current_run.watcher))
