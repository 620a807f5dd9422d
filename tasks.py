"""The tasks of this repository, for `invoke`. They live in torchpin.cli.main, which the `torchpin` command serves too."""

import sys

from torchpin.cli.main import namespace
from torchpin.cli.program import check_invoke

__all__ = ["namespace"]

check_invoke(namespace, sys.argv)
