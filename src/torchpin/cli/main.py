"""The tasks, for `invoke` and for the `torchpin` command."""

from __future__ import annotations

import sys

from invoke import Collection

from torchpin import __version__
from torchpin.cli.program import torchpin_program
from torchpin.cli.tasks.images import affected, bake, build, clone, freeze, install, plan, run
from torchpin.cli.tasks.lock_and_documents import document, export, lock, render, verify
from torchpin.cli.tasks.pins import add, bump, explain, judge, outdated, support, why
from torchpin.cli.tasks.project import (
    adopt,
    audit,
    check,
    completion,
    diff,
    doctor,
    eject,
    facts,
    init,
    new,
    remove,
    report,
    schema,
    services,
)

namespace = Collection(
    *(
        lock,
        clone,
        render,
        build,
        bake,
        affected,
        plan,
        install,
        run,
        freeze,
        verify,
        document,
        export,
        init,
        eject,
        new,
        schema,
        completion,
        remove,
        services,
        report,
        doctor,
    ),
    *(judge, explain, why, support, facts, adopt, check, diff, audit, outdated, add, bump),
)


def main() -> None:
    """The `torchpin` command."""
    compiled = () if sys.flags.dont_write_bytecode else ("--write-pyc",)
    words = sys.argv[1:]
    if words[:1] in (["help"], ["version"]):  # as git and uv have them
        words[0] = f"--{words[0]}"
    torchpin_program(namespace, __version__).run([sys.argv[0], *compiled, *words])
