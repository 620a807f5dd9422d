"""The tasks of this repository, for `invoke`. They live in torchpin.cli.main, which the `torchpin` command serves too."""

from torchpin.cli.main import namespace

__all__ = ["namespace"]
