"""Look-ups in the measured facts, and that the committed ones are valid."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from support.measured import document, use_documents
from torchpin import facts
from torchpin.facts import measured, validate_measured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TODAY = date(2026, 12, 1)
LIBRARY = document(
    "library",
    ["1.0", "1.1", "2.0"],
    python={">=3.9": "*"},
    requires={"torch>=2": "1.1..2.0"},
    imports=[
        {
            "entry": "library",
            "file": "library/a.py",
            "module": "torch.nn",
            "names": ["", "Module"],
            "in": "2.0",
        }
    ],
    checks=[{"needs": "torchao>=0.16", "file": "library/b.py", "raises": "ImportError", "in": "1.0..1.1"}],
    names={
        "library": {"*": ["", "first"], "1.0..1.1": ["old"], "": ["never"], "2.0": ["odd"], "?1.0": ["odd"]}
    },
)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    measured.forget_measured()


def test_the_rows_of_a_release_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_documents(monkeypatch, tmp_path, LIBRARY)
    (row,) = facts.measured_imports("library", Version("2.0+cu128"))
    assert (row.module, row.names, row.file) == ("torch.nn", ("", "Module"), "library/a.py")
    assert list(facts.measured_imports("library", Version("1.0"))) == []
    (check,) = facts.measured_checks("library", Version("1.0"))
    assert (check.needs, check.raises, check.function) == ("torchao>=0.16", "ImportError", "")
    assert facts.measured_requirements("library", Version("1.0")) == ()
    assert facts.measured_requirements("library", Version("1.1")) == ("torch>=2",)
    assert facts.measured_python("library", Version("1.1")) == ">=3.9"
    assert facts.measured_releases("library") == ("1.0", "1.1", "2.0")


@pytest.mark.parametrize("version", ["1.0.1", "2.1", "0.9", "2.0rc1"])
def test_nothing_is_known_of_a_release_that_was_not_measured(
    version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_documents(monkeypatch, tmp_path, LIBRARY)
    assert not facts.is_measured("library", Version(version))
    assert list(facts.measured_imports("library", Version(version))) == []
    assert list(facts.measured_checks("library", Version(version))) == []
    assert facts.provides_name("library", Version(version), "library", "first") is None
    assert not facts.is_measured("other", Version("1.0"))
    assert not facts.is_measured("../library", Version("1.0"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first", (True, True, True)),
        ("old", (True, True, False)),
        ("never", (False, False, False)),
        ("odd", (None, False, True)),
        ("unheard", (None, None, None)),
    ],
)
def test_names_are_there_or_not_or_not_known(
    name: str, expected: tuple[bool | None, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_documents(monkeypatch, tmp_path, LIBRARY)
    versions = [Version(text) for text in LIBRARY["releases"]]
    assert tuple(facts.provides_name("library", version, "library", name) for version in versions) == expected


def test_the_committed_documents_are_valid() -> None:
    documents = measured.measured_documents()
    assert {"peft", "torchao", "torchvision", "basicsr", "huggingface-hub"} <= {*documents}
    assert list(validate_measured.problems(documents, TODAY)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"package": "other"}, "package is 'other'"),
        ({"method": "published"}, "method is not measured"),
        ({"source": " "}, "source is missing"),
        ({"date": "today"}, "is not a date"),
        ({"date": "2027-01-01"}, "is in the future"),
        ({"releases": ["2.0", "1.0"]}, "not versions in ascending order"),
        ({"releases": ["x"]}, "not versions in ascending order"),
        ({"releases": []}, "not versions in ascending order"),
        ({"requires": {"torch>=": "*"}}, "'torch>=' is not a requirement"),
        ({"requires": {"torch": "1.0..9.0"}}, "'1.0..9.0' is not between releases"),
        ({"python": {">=3.9": "x"}}, "'x' is not a range of versions"),
        ({"imports": [{"module": "a"}]}, "is not an import"),
        ({"checks": [{"needs": "a>=1", "in": "*"}]}, "is not a check"),
        ({"names": {"a": {"*": ["b"], "1.0": ["b"]}}}, "a: a name has two ranges"),
        ({"names": {"a b": {"*": ["b"]}}}, "'a b' is not a module"),
        ({"extra": 1}, "its keys are not"),
        ({"names": {"a": {"*": ["x" * 70_000]}}}, "more than 60000"),
    ],
)
def test_problems_of_documents_are_reported(changes: dict[str, Any], message: str) -> None:
    lines = list(validate_measured.problems({"library": {**LIBRARY, **changes}}, TODAY))
    assert any(message in line for line in lines), lines
    assert all(line.startswith("measured/library.json: ") for line in lines)


def test_a_valid_document_has_no_problems() -> None:
    assert list(validate_measured.problems({"library": LIBRARY}, TODAY)) == []
