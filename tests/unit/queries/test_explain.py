"""What a check means, by its id."""

from __future__ import annotations

import pytest

from torchpin.checks import families
from torchpin.checks.registry import REGISTRY
from torchpin.errors import InputError
from torchpin.queries.explain import explain

assert families  # importing it registers the checks


@pytest.mark.parametrize("check", sorted(REGISTRY))
def test_every_check_can_be_explained(check: str) -> None:
    registered = REGISTRY[check]
    assert all((registered.meaning, registered.example, registered.sources))
    text = explain(check.lower())
    assert text.startswith(f"{check}: {registered.title}\n")
    assert registered.help in text


def test_an_id_that_nothing_has_is_refused_with_near_ones() -> None:
    with pytest.raises(InputError, match="did you mean GPU001"):
        explain("GPU01")
    assert explain("ado001").startswith("ADO001: ")


def test_the_page_names_its_address_and_the_messages_that_it_prevents() -> None:
    text = explain("GPU001")
    assert "\nMessages that it prevents: no kernel image is available; " in text
    assert text.endswith("\nPage: https://github.com/torchpin/torchpin/blob/main/docs/CHECKS.md#gpu001\n")
    assert "Messages that it prevents" not in explain("LCK007")
