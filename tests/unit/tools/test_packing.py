"""Packed values are the values, whatever kind of class they are of."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest
from packaging.requirements import Requirement

from torchpin.checks.registry import Ok, Result
from torchpin.model import Finding, Package, PackageFile
from torchpin.tools.packing import pack
from torchpin.workspace import kept_descriptions  # noqa: F401 - says how requirements and views are packed


@dataclass
class Open:
    """A class without slots."""

    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Computed:
    """A class with a field that its constructor does not take."""

    name: str
    length: int = field(init=False, default=7)


FINDING = Finding(location="a:1:2", message="wrong", help="correct it")
RESULT = Result(
    check="A",
    title="a",
    environment="a-gpu",
    status="ok",
    findings=(FINDING,),
    evidence=(Ok(about="torch", evidence="fits"),),
)


@pytest.mark.parametrize(
    "value", [RESULT, Open(["a"]), Computed(name="a"), MappingProxyType({"A": "1"}), {1: (2, None)}]
)
def test_a_packed_value_is_the_value(value: object) -> None:
    restored = pickle.loads(pack(value))
    assert restored == value
    assert type(restored) is type(value)
    assert repr(restored) == repr(value)


def test_values_that_are_the_same_object_stay_so() -> None:
    first, second = pickle.loads(pack([FINDING, FINDING]))
    assert first is second


@pytest.mark.parametrize(
    "text", ["torch==2.5.1", 'Foo_Bar[b,a]==1.0; python_version < "3.12"', "a<2,>=1.post1"]
)
def test_a_requirement_keeps_its_spelling(text: str) -> None:
    pin = Requirement(text)
    restored = pickle.loads(pack(pin))
    assert (restored, str(restored), restored.extras) == (pin, str(pin), pin.extras)
    assert restored.specifier.prereleases == pin.specifier.prereleases
    restored.extras.add("more")
    assert pickle.loads(pack(pin)).extras == pin.extras


def test_what_a_package_has_beside_its_pin_stays() -> None:
    file = PackageFile(url="https://example.com/a-1.whl", sha256="0" * 64)
    package = Package("a==1", variants=("gpu",), file=file)
    restored = pickle.loads(pack(package))
    assert (restored, restored.variants, restored.file) == (package, ("gpu",), file)
