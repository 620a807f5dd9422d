"""Texts whose characters lie in several lines of a file."""

from __future__ import annotations

from torchpin.project.text import Place, PlacedText

_JOINED = PlacedText.of_lines([("RUN pip ", Place(3, 1)), ("", Place(4, 1)), ("install x", Place(5, 5))])


def test_the_place_of_a_character_is_that_in_the_file() -> None:
    assert _JOINED.text == "RUN pip install x"
    assert _JOINED.place(0) == Place(3, 1)
    assert _JOINED.place(7) == Place(3, 8)
    assert _JOINED.place(8) == Place(5, 5)
    assert _JOINED.place(len(_JOINED.text)) == Place(5, 14)


def test_a_part_keeps_its_places() -> None:
    part = _JOINED.part(4, 12)
    assert part.text == "pip inst"
    assert [part.place(offset) for offset in (0, 3, 4, 7)] == [
        Place(3, 5),
        Place(3, 8),
        Place(5, 5),
        Place(5, 8),
    ]
    assert part.part(4, 8).place(0) == Place(5, 5)


def test_an_empty_text_has_a_place() -> None:
    assert PlacedText.of_lines([]).place(0) == Place(1, 1)
    assert _JOINED.part(8, 8).place(0) == Place(5, 5)
