"""uv's words about packages that cannot be added, as a sentence that names the pin in the way."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from support.small_service import DESCRIPTION, read_environment
from torchpin.bump.no_addition import explain_refusal

ENV = read_environment(DESCRIPTION.replace("six==1.17.0", "pydantic==1.10.2"))
# what uv 0.9 prints, wrapped and indented as the tool hands it on
RANGE = """\
    error: No solution found when resolving dependencies
      cause: Because fastapi>=0.130.0,<=0.135.1 depends on pydantic>=2.7.0 and fastapi>=0.135.2 depends on pydantic>=2.9.0, we can conclude that fastapi>=0.130.0 depends on pydantic>=2.7.0.
             And because lora depends on pydantic==1.10.2 and fastapi>=0.130, we can conclude that your requirements are unsatisfiable."""
ABSENT = "Because nonexistent was not found in the package registry and lora depends on nonexistent, we can conclude"
TOO_NEW = "Because only fastapi<=0.165.0 is available and lora depends on fastapi>=99, we can conclude"
NO_SUCH = "Because there is no version of fastapi==2.1 and lora depends on fastapi==2.1, we can conclude"
EVERY = "Because all versions of strict depend on pydantic>=2 and lora depends on pydantic==1.10.2 and strict, we can conclude"
PINNED = "Because pydantic==1.10.2 depends on typing-extensions<4.0.0 and lora depends on typing-extensions>=4.1, we can conclude"


IN_THE_WAY = (
    "and pydantic==1.10.2 is pinned (services/lora/service.yaml:9:48); move pydantic first "
    "(`invoke bump pydantic==VERSION --service lora`), or ask for another version of"
)
BOTH = "and typing-extensions>=4.1 was requested; ask for a version that both allow"


@pytest.mark.parametrize(
    ("text", "request_", "sentence"),
    [
        (
            RANGE,
            "fastapi>=0.130",
            f"fastapi>=0.135.2 requires pydantic>=2.9.0, {IN_THE_WAY} fastapi",
        ),
        (ABSENT, "nonexistent", "no index has a package nonexistent; check its name"),
        (TOO_NEW, "fastapi>=99", "no release of fastapi is >=99; the index has fastapi<=0.165.0"),
        (NO_SUCH, "fastapi==2.1", "no release of fastapi is ==2.1; choose a version that exists"),
        (
            EVERY,
            "strict",
            f"every release of strict requires pydantic>=2, {IN_THE_WAY} strict",
        ),
        (
            PINNED,
            "typing-extensions>=4.1",
            f"pydantic==1.10.2 requires typing-extensions<4.0.0, {BOTH}",
        ),
        (
            "Because the moon is full, we can conclude that your requirements are unsatisfiable.",
            "fastapi",
            "no release of fastapi goes with the pins of lora-gpu; move the pins that uv names, or ask for another version",
        ),
    ],
)
def test_the_pin_in_the_way_is_named(text: str, request_: str, sentence: str) -> None:
    assert explain_refusal(text, ENV, [Requirement(request_)]) == sentence


def test_a_clause_that_the_pin_fulfils_is_no_reason() -> None:
    text = "Because all versions of loose depend on pydantic>=1 and lora depends on loose, we can conclude"
    assert explain_refusal(text, ENV, [Requirement("loose")]).startswith("no release of loose goes with")


def test_an_index_that_cannot_be_read_is_no_reason_against_a_package() -> None:
    text = "error: Failed to fetch: https://download.pytorch.org/whl/cu121/xformers/ cause: HTTP status 503"
    assert explain_refusal(text, ENV, [Requirement("xformers")]) == ""
