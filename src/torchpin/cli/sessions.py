"""The sessions for a repository's noxfile.py. They run in the environment that torchpin is installed in."""

from __future__ import annotations

import sys

import nox


@nox.session(venv_backend="none")
def verify(session: nox.Session) -> None:
    """All checks on the committed files; arguments go to `torchpin verify`: `-- --service NAME --json`."""
    session.run(sys.executable, "-m", "torchpin", "verify", *session.posargs)
