"""The sessions of this repository, for `nox`."""

from torchpin.cli.sessions import verify

__all__ = ["verify"]  # `nox -s verify -- --service NAME` hands arguments on
