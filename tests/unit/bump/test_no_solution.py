"""What uv says of pins without a solution, as a sentence with what would free them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.bumps import plans
from torchpin.bump.no_solution import explain_no_solution

HEAD = "lora-gpu cannot be locked:\n    error: No solution found when resolving dependencies\n      cause: "


@pytest.mark.parametrize(
    ("uv_text", "sentence"),
    [
        (
            (
                "Because transformers==4.54.1 depends on tqdm>=4.70,<5.0 and lora depends on transformers==4.54.1, we can conclude "
                "that lora depends on tqdm>=4.70,<5.0.\n         And because lora depends on tqdm==4.67.1, we can conclude that your "
                "requirements are unsatisfiable."
            ),
            (
                "transformers==4.54.1 requires tqdm<5.0,>=4.70, and tqdm==4.67.1 is pinned (services/lora/service.yaml:54:9); "
                "move tqdm to <5.0,>=4.70 or leave tqdm where it is"
            ),
        ),
        (
            "Because tool[audio]==0.10.0 depends on torch==2.8.0 and lora depends on torch==2.5.1, we can conclude",
            (
                "tool[audio]==0.10.0 requires torch==2.8.0, and torch==2.5.1 is pinned (services/lora/service.yaml:12:12); "
                "bump torch==2.8.0 with it or take another version of tool"
            ),
        ),
        (
            "Because there is no version of tqdm==4.67.1 and lora depends on tqdm==4.67.1, we can conclude that your",
            "the index has no tqdm==4.67.1; choose a version of tqdm that exists",
        ),
        (
            (
                "Because aa==1.0 depends on shared>=2 and lora depends on aa==1.0, we can conclude that lora depends on shared>=2. And "
                "because bb==1.0 depends on shared<2, we can conclude that"
            ),
            (
                "aa==1.0 requires shared>=2, and bb==1.0 requires shared<2: no shared is both; move aa or bb to a version that goes "
                "with the other"
            ),
        ),
    ],
)  # fmt: skip
def test_the_pins_that_contradict_each_other_are_named(uv_text: str, sentence: str) -> None:
    lora = plans("tqdm==4.67.1", services=("lora",))["lora"]
    assert explain_no_solution(f"{HEAD}{uv_text}", lora) == sentence


@pytest.mark.parametrize(
    "uv_text",
    [
        "",
        "Request failed after 3 retries",
        "Because aa==1.0 depends on shared>=2 and bb==1.0 depends on shared<3, we can conclude that",
        "Because transformers==4.54.1 depends on tqdm>=4.27 and there is no version of other==1.0, we can",
        "Because aa==1.0 depends on tqdm and lora depends on aa==1.0, we can conclude that",
        "aa==1!x depends on tqdm>=>",
    ],
)
def test_what_contradicts_nothing_is_left_to_uv_s_own_words(uv_text: str) -> None:
    lora = plans("tqdm==4.67.1", services=("lora",))["lora"]
    assert explain_no_solution(f"{HEAD}{uv_text}", lora) == ""


def test_a_torch_that_a_partner_allows_is_named() -> None:
    seedvr = plans("torch==2.8.0", services=("seedvr",))["seedvr"]
    text = "Because xformers==0.0.31 depends on torch==2.7.1 and seedvr depends on xformers==0.0.31, we can conclude"
    assert explain_no_solution(text, replace(seedvr)).endswith(
        "bump torch==2.7.1 with it or take xformers==0.0.32.post2, which goes with torch 2.8.0"
    )
