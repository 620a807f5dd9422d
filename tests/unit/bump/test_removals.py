"""Which pins are removed, why some cannot be, and what stays that speaks of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.bump.removals import parse_names, remaining_words, removal_changes
from torchpin.description import read
from torchpin.description.edit import apply_changes
from torchpin.errors import InputError

WORDS = DESCRIPTION.rstrip("\n") + (
    "\nimports: [torch, six.moves]\n"
    "recommends: [{component: six, says: any}]\n"
    "reasons: {Six: {because: habit, evidence: none}}\n"
    "waivers: [{check: DEP001, about: six, reason: old, review_by: 2030-01-31}]\n"
)


def removed(text: str, *names: str) -> str:
    (service,) = read.read_services({"services/lora/service.yaml": text})
    return apply_changes(text, removal_changes(service, parse_names(names), {}))


def test_a_pin_is_removed_and_nothing_else() -> None:
    assert removed(DESCRIPTION, "Six") == DESCRIPTION.replace(", six==1.17.0", "")
    assert removed(DESCRIPTION, "torchvision") == DESCRIPTION.replace(
        ', companions: {torchvision: "0.20.1"}', ""
    )


def test_a_layer_goes_with_its_last_package() -> None:
    two = (
        DESCRIPTION
        + "  - name: web\n    packages:\n      - fastapi==0.119.0\n      - uvicorn==0.35.0  # a server\n"
    )
    assert removed(two, "uvicorn", "fastapi") == DESCRIPTION
    assert removed(two, "six", "jinja2", "fastapi") == two.replace(
        "  - {name: training, packages: [jinja2==3.1.2, six==1.17.0]}\n", ""
    ).replace("      - fastapi==0.119.0\n", "")
    bare = DESCRIPTION.partition("layers:")[0]
    assert removed(two, "six", "jinja2", "fastapi", "uvicorn") == f"{bare}layers: []\n"


def test_comments_above_the_only_layer_stay() -> None:
    text = DESCRIPTION.replace("layers:\n", "layers:  # in order\n  # what it trains with\n")
    emptied = removed(text, "six", "jinja2")
    assert emptied.endswith("layers: []  # in order\n  # what it trains with\n")
    assert read_environment(emptied).service.layers == ()


def test_every_pin_of_a_package_goes() -> None:
    text = DESCRIPTION.replace(
        "six==1.17.0", "{pin: six==1.17.0, variants: [gpu]}, {pin: six==1.16.0, variants: [cpu]}"
    ).replace("variants:\n", "variants:\n  cpu: {channel: cpu, platform: linux/amd64}\n")
    (service,) = read.read_services({"services/lora/service.yaml": text})
    assert apply_changes(text, removal_changes(service, ["six"], {})).endswith("packages: [jinja2==3.1.2]}\n")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (DESCRIPTION, "torch", "torch is what the service is built on"),
        (DESCRIPTION, "sixx", r"services/lora/service.yaml: nothing pins sixx \(did you mean 'six'\?\)"),
        (
            DESCRIPTION,
            "markupsafe",
            "markupsafe is not pinned: jinja2 requires it; it goes with what requires it",
        ),
        (
            DESCRIPTION + "overrides: [{package: numpy==1.26.4, because: an ABI, evidence: own run}]\n",
            "numpy",
            "numpy==1.26.4 is an override; remove it there",
        ),
    ],
)
def test_what_nothing_pins_is_refused_with_the_reason(text: str, name: str, message: str) -> None:
    env = read_environment(text)
    lock = make_lock(env, markupsafe="3.0")
    layers = tuple(
        replace(
            layer,
            packages=tuple(
                replace(package, required_by=("jinja2",)) if package.name == "markupsafe" else package
                for package in layer.packages
            ),
        )
        for layer in lock.layers
    )
    with pytest.raises(InputError, match=message):
        removal_changes(env.service, [name], {"lora-gpu": replace(lock, layers=layers)})


@pytest.mark.parametrize("text", ["six==1.17.0", "six[a]", "six>1", "a b", ""])
def test_a_package_is_named_alone(text: str) -> None:
    with pytest.raises(InputError, match="name the package alone"):
        parse_names([text])


def test_what_people_wrote_is_named_and_stays() -> None:
    env = read_environment(WORDS)
    lock = make_lock(env)
    wheels = tuple(
        replace(wheel, installs=("six.py",)) if wheel.name == "six" else wheel for wheel in lock.wheels
    )
    without = make_lock(read_environment(removed(WORDS, "six")))
    without = replace(
        without,
        layers=tuple(
            replace(layer, packages=tuple(row for row in layer.packages if row.name != "six"))
            for layer in without.layers
        ),
    )
    words = remaining_words(
        env.service, ["six"], {"lora-gpu": replace(lock, wheels=wheels)}, {"lora-gpu": without}
    )
    starts = [sentence.partition(";")[0].partition(": ")[2] for sentence in words]
    assert starts == [
        "a reason mentions six",
        "a recommendation mentions six",
        "a waiver mentions six",
        "the verification of the image imports six.moves, which is of six",
    ]
    assert all(sentence.startswith("services/lora/service.yaml:1") for sentence in words)
    assert "reasons: {Six:" in removed(WORDS, "six")


def test_what_another_package_requires_stays_and_that_is_told() -> None:
    env = read_environment(WORDS)
    lock = make_lock(env)
    assert remaining_words(env.service, ["six"], {}, {"lora-gpu": lock}) == (
        "six stays as a dependency in lora-gpu: 1.17.0, which lora requires",
    )
