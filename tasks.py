"""The tasks of this repository, for `invoke`. They live in torchpin.cli.main, which the `torchpin` command serves too."""

import sys

from torchpin.cli.entry import invoke_tasks

__all__ = ["namespace"]

namespace = invoke_tasks(sys.argv)
