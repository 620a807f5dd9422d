"""The tasks: words to verbs. Options to values, outcomes to the terminal, stops to exit codes."""

from __future__ import annotations

import sys

from invoke import Collection, Program

from torchpin import __version__
from torchpin.cli.files import document, export, lock, render, verify
from torchpin.cli.images import build, clone, freeze, install, run
from torchpin.cli.pins import bump, explain, judge, outdated, support, why
from torchpin.cli.project import adopt, audit, diff, doctor, facts, new, services

sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)  # invoke turns it off: each would compile anew


namespace = Collection(
    *(lock, clone, render, build, install, run, freeze, verify, document, export, new, services, doctor),
    *(judge, explain, why, support, facts, adopt, diff, audit, outdated, bump),
)


def main() -> None:
    """The `torchpin` command."""
    compiled = () if sys.flags.dont_write_bytecode else ("--write-pyc",)
    program = Program(name="torchpin", version=__version__, namespace=namespace)
    program.run([sys.argv[0], *compiled, *sys.argv[1:]])
