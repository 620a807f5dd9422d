"""Which options of `build` go together."""

from __future__ import annotations

import pytest

from torchpin.commands.run_buildx import BuildOptions
from torchpin.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": True}, "`--keep` is about the lab; pass `--lab` too"),
        ({"full": True}, "`--full` is about the lab; pass `--lab` too"),
        ({"lab": True, "push": True}, "`--push` conflicts with `--lab`"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options: dict[str, bool], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BuildOptions(**options)  # type: ignore[arg-type]


def test_a_lab_may_be_full_and_kept_and_a_dry_run() -> None:
    options = BuildOptions(lab=True, full=True, keep=True, dry_run=True)
    assert (options.lab, options.full, options.keep) == (True, True, True)
