"""What a check means, by its id."""

from __future__ import annotations

import pytest

from torchpin import facts
from torchpin.checks import families
from torchpin.checks.registry import REGISTRY
from torchpin.errors import InputError
from torchpin.queries.explain import explain, explanation_documents, explanations

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


@pytest.mark.parametrize(
    "message",
    [
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "no kernel image is available for execution on the device",
        "No kernel  image",
    ],
)
def test_a_message_or_a_part_of_it_is_explained(message: str) -> None:
    (text,) = explanations([message])
    assert explanations(message.split()) == (text,), "words are joined"
    assert text.startswith("no kernel image is available\n")
    assert "\nFix: choose a channel with code for the GPU" in text
    (fields,) = explanation_documents([message])
    assert (fields["kind"], fields["id"], "GPU001" in fields["checks"]) == ("message", "no-kernel", True)


def test_the_example_of_every_known_message_is_explained() -> None:
    for failure in facts.failures():
        line = next(line for line in failure.example.splitlines() if failure.pattern.search(line))
        assert explanations([line])[0].startswith(f"{failure.title}\n"), failure.id


def test_several_ids_are_explained_each() -> None:
    assert explanations(["gpu001", "ADO001"]) == (explain("GPU001"), explain("ADO001"))
    assert [fields["id"] for fields in explanation_documents(["gpu001", "ADO001"])] == ["GPU001", "ADO001"]


def test_what_is_neither_an_id_nor_a_message_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"'all is well' is neither an id nor a known message; docs/TROUBLESHOOTING\.md"
    ):
        explanations(["all", "is", "well"])
    with pytest.raises(InputError, match="did you mean GPU001"):
        explanations(["GPU01"])
