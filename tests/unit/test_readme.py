"""The screens and figures of README.md: how they are read and replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import readme

ROOT = Path(__file__).parents[2]
TEXT = """\
# a
## In ten seconds

```console
$ torchpin init
$ torchpin check
one
two
$ git status
```

## Set up

```console
$ torchpin check
other
```
"""


def test_a_screen_is_a_command_with_what_is_below_it() -> None:
    assert readme.screens(TEXT) == {"torchpin init": "", "torchpin check": "one\ntwo\n", "git status": ""}


def test_only_what_is_shown_is_replaced() -> None:
    outputs = {"torchpin init": "done\n", "torchpin check": "three\n", "git status": "clean\n"}
    assert readme.with_screens(TEXT, outputs) == TEXT.replace("one\ntwo\n", "three\n")


def test_the_figures_of_the_readme_are_those_of_the_benchmarks() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    benchmarks = (ROOT / "docs/BENCHMARKS.md").read_text(encoding="utf-8")
    assert readme.with_figures(text, benchmarks) == text, "run `nox -s docs -- --write`"


def test_a_figure_is_the_median_of_its_side() -> None:
    rows = [
        f"| {work} | {side} | {seconds} s (1 s to 9 s) | 3 | 1 s |"
        for work, seconds in (("cold build", 5), ("one leaf pin moved", 2))
        for side in ("pip recipe", "uv's guide", "torchpin")
    ]
    rows[1] = rows[1].replace("cold build", "")  # as the page has it: the work stands in its first row
    text = "\n## Images of a real service\n" + "\n".join(rows) + "\n"
    assert "| torchpin, verification included | 5 s | 2 s |" in readme.figures(text)
    with pytest.raises(KeyError):
        readme.figures(text.replace("uv's guide", "other"))


def test_the_corpus_has_the_figures_of_its_results() -> None:
    results = (ROOT / "docs/PEERS.md").read_text(encoding="utf-8")
    projects = re.search(r"over (\d+) projects", results)
    traps = re.search(
        r"^\| \*\*all traps\*\* \| (\d+) \| \*\*(\d+)\*\* \| \*\*(\d+)\*\*", results, re.MULTILINE
    )
    assert projects
    assert traps
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"our corpus of {projects[1]} projects with {traps[1]} such traps" in text
    assert f"`torchpin check` names {traps[2]}, hadolint {traps[3]}" in text
