"""What patterns leave out is what docker-py says, whether or not it is asked."""

from __future__ import annotations

import sys

import pytest
from docker.utils.build import PatternMatcher
from hypothesis import given
from hypothesis import strategies as st

from torchpin.tools.ignore_patterns import ignore_matcher

NAMES = ["a", "b", "x.pyc", "__pycache__", "models", ".dockerignore"]
WORDS = [*NAMES, "*", "**", "*.pyc", "*.p*", "m*", "?", "[ab]", "..", "."]
PATTERNS = st.builds(
    lambda head, words, tail: head + "/".join(words) + tail,
    st.sampled_from(["", "!", "/", "**/", " "]),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)


def left_out(patterns: list[str], path: str) -> bool:
    return bool(PatternMatcher(patterns).matches(path))  # type: ignore[arg-type] # as the stubs have it


@given(st.lists(PATTERNS, min_size=1, max_size=4), PATHS)
def test_paths_are_left_out_as_docker_py_says(patterns: list[str], path: str) -> None:
    assert ignore_matcher(patterns)(path) == left_out(patterns, path)


@pytest.mark.parametrize("path", ["a/x.pyc/b", "__pycache__/a", "a/__pycache__", "models/a", "a/models"])
def test_folders_leave_out_what_is_in_them(path: str) -> None:
    patterns = ["**/__pycache__", "**/*.pyc", "models", "models/"]
    assert ignore_matcher(patterns)(path) == left_out(patterns, path)


def test_docker_py_is_not_imported_for_a_path_that_no_pattern_can_mean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "docker"]:
        monkeypatch.setitem(sys.modules, name, None)
    matches = ignore_matcher(["**/__pycache__", "**/*.pyc", "models", "output/"])
    assert not matches("app/main.py")
    with pytest.raises(ImportError):
        matches("app/models")
