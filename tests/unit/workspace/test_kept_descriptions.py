"""Kept descriptions: equal to parsed ones in every value and position, and parsed anew wherever their text has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchpin.description import read
from torchpin.tools import forked, kept_answers
from torchpin.workspace import kept_descriptions

ROOT = Path(__file__).parents[3]
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text() for path in sorted(ROOT.glob("services/*/service.yaml"))
}
LORA = "services/lora/service.yaml"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were parsed."""
    monkeypatch.setattr(kept_answers, "user_key", lambda: bytes(32))
    names: list[str] = []

    def note(file: str, text: str) -> read.Described:
        names.append(file)
        return read.read_description(file, text)

    monkeypatch.setattr(kept_descriptions, "read_description", note)
    return names


def states(texts: dict[str, str], root: Path) -> list[tuple[str, dict[str, object]]]:
    services, problems = kept_descriptions.read_services(root, texts)
    assert not problems
    return [(repr(service), dict(service.positions)) for service in services]


def expected(texts: dict[str, str]) -> list[tuple[str, dict[str, object]]]:
    return [(repr(service), dict(service.positions)) for service in read.read_services(texts)]


def test_what_has_not_changed_is_not_parsed(tmp_path: Path, parsed: list[str]) -> None:
    assert states(TEXTS, tmp_path) == expected(TEXTS)
    assert parsed == [*TEXTS]
    parsed.clear()
    assert states(TEXTS, tmp_path) == expected(TEXTS)
    assert not parsed


def test_what_has_changed_is_parsed_again(tmp_path: Path, parsed: list[str]) -> None:
    states(TEXTS, tmp_path)
    parsed.clear()
    moved = {**TEXTS, LORA: f"# more\n{TEXTS[LORA]}"}
    assert states(moved, tmp_path) == expected(moved)
    assert parsed == [LORA]


def test_another_torchpin_parses_again(
    tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    states(TEXTS, tmp_path)
    parsed.clear()
    monkeypatch.setattr(kept_descriptions, "code_digest", lambda: "another")
    states(TEXTS, tmp_path)
    assert parsed == [*TEXTS]


def test_problems_are_those_of_a_first_reading(tmp_path: Path, parsed: list[str]) -> None:
    texts = {**TEXTS, LORA: TEXTS[LORA].replace("gpus:", "gpsu:", 1)}
    for _ in range(2):
        services, problems = kept_descriptions.read_services(tmp_path, texts)
        assert (services, problems) == read.read_valid_services(texts)
        assert [*problems] == [LORA]
    assert parsed.count(LORA) == 2


def test_problems_beside_others_are_found_among_kept_ones(tmp_path: Path, parsed: list[str]) -> None:
    texts = {
        LORA: TEXTS[LORA].replace("  gpu: {channel", "  x-gpu: {channel", 1),
        "services/lora-x/service.yaml": TEXTS[LORA].replace("name: lora\n", "name: lora-x\n", 1),
    }
    assert len(kept_descriptions.read_services(tmp_path, {LORA: texts[LORA]})[0]) == 1
    for _ in range(2):
        services, problems = kept_descriptions.read_services(tmp_path, texts)
        assert (services, problems) == read.read_valid_services(texts)
        assert [*problems] == [LORA]  # the second in the order of paths
    assert {*parsed} == texts.keys()


def test_processes_parse_the_same(tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "_process_count", lambda values: min(values, 2))
    monkeypatch.setattr(forked, "_FIRST", 1)
    assert states(TEXTS, tmp_path) == expected(TEXTS)
    assert len(parsed) == 1  # the others not in this process
    assert states(TEXTS, tmp_path) == expected(TEXTS)


def test_a_damaged_file_is_as_none(tmp_path: Path, parsed: list[str]) -> None:
    states(TEXTS, tmp_path)
    file = tmp_path / ".torchpin/kept/descriptions"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    parsed.clear()
    assert states(TEXTS, tmp_path) == expected(TEXTS)
    assert parsed == [*TEXTS]
