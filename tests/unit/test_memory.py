"""What is remembered while an environment is looked at, and that nothing is outside of it."""

from __future__ import annotations

from torchpin.memory import remembered, remembering

CALLS: list[tuple[object, ...]] = []


@remembered
def note_call(*args: object) -> tuple[object, ...]:
    CALLS.append(args)
    return args


def test_the_same_objects_are_computed_once_inside() -> None:
    CALLS.clear()
    first, second = ["a"], ["a"]
    with remembering():
        assert note_call(first) is note_call(first)
        assert note_call(second)[0] is second  # equal, and another object
        assert note_call(first, None) == (first, None)
    assert [(first,), (second,), (first, None)] == CALLS


def test_nothing_is_remembered_outside_or_from_one_to_the_next() -> None:
    CALLS.clear()
    value = ["a"]
    note_call(value)
    for _ in range(2):
        with remembering():
            note_call(value)
    note_call(value)
    assert len(CALLS) == 4


def test_an_argument_that_nobody_else_holds_keeps_its_identity() -> None:
    with remembering():
        results = [note_call([number]) for number in range(200)]
    assert [result[0] for result in results] == [[number] for number in range(200)]
