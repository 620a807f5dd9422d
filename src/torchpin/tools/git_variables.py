"""The variables that git reads: those of another repository are unset once, before a thread starts; the rest is passed to git."""

from __future__ import annotations

import os

# A git hook or an editor's terminal may set these for another repository.
_OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_PREFIX")  # fmt: skip
OVERRIDES = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",  # `git status` does not rewrite the index
    # a transfer that stands still ends, under 1000 bytes a second for a minute
    "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
    "GIT_HTTP_LOW_SPEED_TIME": "60",
}


def settle_variables() -> None:
    """Unsets what points to another repository: GitPython reads it in this process, which all threads share.

    For the start of a program only; from then on nothing changes a variable of the process.
    """
    for name in _OF_ANOTHER_REPOSITORY:
        os.environ.pop(name, None)
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # else GitPython cannot be imported without git


def git_variables() -> dict[str, str]:
    """The variables for a git that is started: this machine's, less those of another repository; it asks for no password."""
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    return inherited | OVERRIDES
