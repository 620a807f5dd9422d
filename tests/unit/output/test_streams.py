"""A guarded stream takes everything; what was lost is told at the end."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from torchpin.output import streams

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def output() -> Iterator[tuple[int, int]]:
    """A pipe whose end for writing is a guarded stdout: the ends for reading and writing.

    Not a fixture: pytest sets its own stdout between a fixture and its test.
    """
    reader, writer = os.pipe()
    file = streams._GuardedFile(writer, "w", closefd=False)
    old = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "_guarded", {"stdout": file})
        patch.setattr(sys, "stdout", streams._text_stream(file, old))
        yield reader, writer
    os.close(writer)


def test_what_can_be_written_is_and_the_exit_code_stays() -> None:
    with output() as (reader, _):
        sys.stdout.write("tqdm …\n")
        assert streams.output_exit_code(1) == 1
        assert os.read(reader, 100) == b"tqdm \\u2026\n"
        os.close(reader)


@pytest.mark.parametrize(("exit_code", "expected"), [(0, 141), (1, 141), (2, 2), (3, 3), (130, 130)])
def test_a_reader_that_is_gone_gives_the_exit_code_of_sigpipe(
    exit_code: int, expected: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with output() as (reader, _):
        os.close(reader)
        sys.stdout.write("lost")
        sys.stdout.flush()
        sys.stdout.write("lost too")
        assert streams.output_exit_code(exit_code) == expected
        assert streams.output_exit_code(0) == 0, "it is told once"
    assert capfd.readouterr() == ("", "")


def test_another_error_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    with output() as (reader, _):
        streams._guarded["stdout"].error = OSError(28, "No space left on device")
        assert streams.output_exit_code(1) == 3
        os.close(reader)
    message = "standard output: No space left on device; what was printed is incomplete\n"
    assert capsys.readouterr().err == message


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    text = "x" * 300_000  # more than a pipe holds
    received = bytearray()

    def read_all(reader: int) -> None:
        while len(received) < len(text) and (part := os.read(reader, 65536)):
            received.extend(part)

    with output() as (reader, writer):
        os.set_blocking(writer, False)
        thread = Thread(target=read_all, args=(reader,), daemon=True)
        thread.start()
        sys.stdout.write(text)
        assert streams.output_exit_code(0) == 0
        thread.join(timeout=10)
        os.close(reader)
    assert received.decode() == text


def test_outside_of_a_program_of_ours_nothing_is_guarded() -> None:
    assert streams.output_exit_code(1) == 1
