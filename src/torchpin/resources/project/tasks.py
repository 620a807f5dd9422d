"""The tasks of this repository, for `invoke`; `torchpin` has the same."""

import sys

from torchpin.cli.entry import invoke_tasks

namespace = invoke_tasks(sys.argv)  # tasks of your own go behind: invoke_tasks(sys.argv, my_task)
