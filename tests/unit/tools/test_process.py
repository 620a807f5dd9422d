"""Messages of failed commands, and that unit tests start no process."""

from __future__ import annotations

import pytest

from torchpin.tools import process


def test_unit_tests_touch_no_process() -> None:
    with pytest.raises(AssertionError, match="unit tests touch no process and no network"):
        process.run(("true",))


def test_a_failure_tells_command_code_and_both_streams() -> None:
    assert process.failure_message(("uv", "pip", "a b"), 2, "out\n", "err 1\nerr 2\n") == (
        "`uv pip 'a b'` failed with exit code 2:\n    out\n    err 1\n    err 2"
    )
    assert process.failure_message(("uv",), 1, "", " \n") == "`uv` failed with exit code 1 (no output)"


def test_a_missing_program_is_named_with_the_command_that_helps() -> None:
    assert (
        str(process.command_not_found("git")) == "git is not installed; install it, `invoke doctor` says how"
    )
