"""Work on many services or environments of one repository, shared out over processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.tools.forked import share_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from torchpin.workspace.workspace import Repository

    Value = TypeVar("Value")
    Result = TypeVar("Result")


def share_out_reading(
    repo: Repository, work: Callable[[Sequence[Value]], Result], values: Sequence[Value]
) -> list[Result]:
    """`share_out` of work that reads files of a repository: what it reads is noted, in whichever process."""
    noted = {*repo.inputs}

    def work_and_note(share: Sequence[Value]) -> tuple[Result, dict[str, str | None]]:
        result = work(share)
        read = {
            path: text for path, text in repo.inputs.items() if path not in noted or paths.is_document(path)
        }
        return result, read

    results = []
    for result, read in share_out(work_and_note, values):
        results.append(result)
        for path, text in read.items():
            repo.note_input(path, text)
    return results
