"""Every fuzz target holds for its examples and for some drawn inputs, and what does not hold is noticed and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from fuzz import harness
from fuzz.crashes import Crash, crash_key, write_crash
from fuzz.harness import Target, bounded, property_test
from fuzz.run import Counts, parse_counts
from fuzz.targets import TARGETS
from fuzz.texts import mutated, require_located, require_plain
from torchpin.errors import InputError
from torchpin.model import Position, Problem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_promises_holds(name: str) -> None:
    property_test(TARGETS[name])()


def _refuse_long_texts(text: str) -> None:
    if len(text) > 3:
        raise KeyError(text)


def test_an_input_that_raises_another_exception_is_noticed() -> None:
    target = Target(name="broken", strategy=st.text(alphabet="a"), check=_refuse_long_texts)
    with pytest.raises(KeyError, match="aaaa"):
        property_test(target)()


def test_examples_come_first_whatever_the_strategy_draws() -> None:
    target = Target(name="broken", strategy=st.just("a"), check=_refuse_long_texts, examples=("known",))
    with pytest.raises(KeyError, match="known"):
        property_test(target)()


def test_the_fuzzer_draws_from_bytes_what_the_unit_test_checks() -> None:
    values: list[Any] = []
    target = Target(name="text", strategy=st.integers(0, 255), check=lambda value: None)
    fuzz = property_test(target, observe=values.append).hypothesis.fuzz_one_input
    fuzz(bytes(range(64)))
    assert len(values) == 1
    assert 0 <= values[0] <= 255


def _run_forever() -> None:
    while True:
        pass


def test_the_time_of_an_input_is_bounded() -> None:
    with bounded(cpu_seconds=60):
        assert sum(range(1_000))
    with pytest.raises(AssertionError, match=r"took more than 0\.1 s of CPU time"), bounded(cpu_seconds=0.1):
        _run_forever()


def test_the_memory_of_an_input_is_bounded() -> None:
    with pytest.raises(AssertionError, match=r"took \d+ bytes of memory"), bounded(memory_bytes=1_000_000):
        assert b"x" * harness._largest_size()


def _error(line: int, column: int, message: str = "wrong") -> InputError:
    return InputError(
        "x", [Problem(position=Position(file="f", line=line, column=column), path="", message=message)]
    )


def test_a_place_that_is_not_in_the_text_is_noticed() -> None:
    require_located(_error(2, 1), {"f": "a\nb"})
    for error in (_error(9, 1), _error(1, 9), _error(0, 1), _error(1, 1, "\x1b[31m"), InputError("x")):
        with pytest.raises(AssertionError):
            require_located(error, {"f": "a\nb"})


@pytest.mark.parametrize("value", ["a\x9b", {"a\n": 1}, [("\u202e",)]])
def test_a_control_character_anywhere_in_a_value_is_noticed(value: Any) -> None:
    require_plain({"a": ["é", 1, None]})
    with pytest.raises(AssertionError):
        require_plain(value)


def test_mutations_change_a_text_and_leave_it_as_it_is() -> None:
    drawn: set[str] = set()
    target = Target(name="mutated", strategy=mutated(["a: 1\nb: 2\n"], st.just("!")), check=drawn.add)
    settings(max_examples=100)(property_test(target))()
    assert "a: 1\nb: 2\n" in drawn
    assert any("!" in text for text in drawn)
    assert any("\r" in text for text in drawn)


def _crash(value: str, line_offset: int = 0) -> Crash:
    try:
        _refuse_long_texts(value)
    except KeyError as error:
        return Crash(target="lock", key=crash_key(error), value=value, data=value.encode(), error=error)
    raise AssertionError(value)


def test_a_failing_input_is_kept_with_the_way_to_repeat_it(tmp_path: Path) -> None:
    write_crash(tmp_path, _crash("longer text"))
    description = write_crash(tmp_path, _crash("text"))
    data_file = description.with_suffix(".bin")
    assert sorted(tmp_path.iterdir()) == [data_file, description]
    text = description.read_text()
    assert text.startswith("KeyError at ")
    assert f"nox -s fuzz -- --target lock --repeat {data_file}\n" in text
    assert "value = 'text'\n" in text
    assert "in _refuse_long_texts" in text
    assert data_file.read_bytes() == b"text"


LOG = """\
INFO: Instrumenting torchpin
#2\tINITED cov: 10 ft: 12 corp: 2/64b exec/s: 0 rss: 200Mb
#1024\tNEW    cov: 376 ft: 400 corp: 62/9kb lim: 8192 exec/s: 24 rss: 300Mb L: 100/8192 MS: 1 EraseBytes-
#2584\tDONE   cov: 377 ft: 401 corp: 63/9kb lim: 8192 exec/s: 28 rss: 300Mb
Done 2584 runs in 91 second(s)
"""


def test_the_counts_are_those_of_the_last_line_of_progress() -> None:
    assert parse_counts(LOG) == Counts(executed=2584, edges=377, corpus=63)
    uncovered = "#2\tINITED exec/s: 0 rss: 70Mb\n#64\tpulse  corp: 1/1b lim: 64\n"
    assert parse_counts(uncovered) == Counts(executed=64, corpus=1)
    assert parse_counts("ModuleNotFoundError: atheris") == Counts()
