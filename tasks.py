"""The tasks of this repository, for `invoke`. They live in torchpin.tasks, which the `torchpin` command serves too."""

from torchpin.tasks import namespace

__all__ = ["namespace"]
