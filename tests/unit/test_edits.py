"""Descriptions are edited at their nodes' places, and nothing else of them changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from torchpin.description import edit
from torchpin.errors import InputError
from torchpin.model import Change

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("services/*/service.yaml"), *ROOT.glob("tests/seeds/*.yaml")])
TEXT = """\
# What it is.
name: lora   # its folder's

base:
  image: nvidia/cuda:12.1.1-devel-ubuntu22.04   # the base
  rationale: Ünïcode, and more

# about torch
torch:
  version: "2.5.1"      # the channel says the build
  companions: {torchvision: "0.20.1", torchaudio: '2.5.1'}

gpus: [A6000, H100]

layers:
  - name: training
    packages:
      # above
      - accelerate==0.25.0
      - tqdm==4.66.5   # beside
  - name: empty
    packages: []
"""


def change(path: str, value: str | None) -> Change:
    return Change(path=path, value=value)


def lines(path: str, value: str | None, text: str = TEXT) -> list[str]:
    """The lines that an edit takes away and brings."""
    after = edit.edited(text, [change(path, value)], file="f")
    return [
        one
        for one in edit.difference(text, after, "f").splitlines()
        if not one.startswith(("---", "+++", "@@"))
    ]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("torch.version", "2.7.1",
         ['-  version: "2.5.1"      # the channel says the build', '+  version: "2.7.1"      # the channel says the build']),
        ("torch.companions.torchaudio", "2.7.1",
         ["-  companions: {torchvision: \"0.20.1\", torchaudio: '2.5.1'}", "+  companions: {torchvision: \"0.20.1\", torchaudio: '2.7.1'}"]),
        ("layers[0].packages[0]", "accelerate==0.26.0", ["-      - accelerate==0.25.0", "+      - accelerate==0.26.0"]),
        ("base.rationale", "3.10", ["-  rationale: Ünïcode, and more", '+  rationale: "3.10"']),
        ("gpus[1]", "B200", ["-gpus: [A6000, H100]", "+gpus: [A6000, B200]"]),
        ("base.digest", "sha256:00", ["+  digest: sha256:00"]),
        ("torch.from", "base", ["+  from: base"]),
        ("torch.companions.torchtext", "0.1", [
            "-  companions: {torchvision: \"0.20.1\", torchaudio: '2.5.1'}",
            "+  companions: {torchvision: \"0.20.1\", torchaudio: '2.5.1', torchtext: \"0.1\"}"]),
        ("layers[0].packages[+]", "setuptools==81.0.0", ["+      - setuptools==81.0.0"]),
        ("layers[1].packages[+]", "einops==0.8.0", ["-    packages: []", "+    packages: [einops==0.8.0]"]),
        ("gpus[+]", "B200", ["-gpus: [A6000, H100]", "+gpus: [A6000, H100, B200]"]),
        ("layers[0].packages[1]", None, ["-      - tqdm==4.66.5   # beside"]),
        ("gpus[0]", None, ["-gpus: [A6000, H100]", "+gpus: [H100]"]),
        ("gpus[1]", None, ["-gpus: [A6000, H100]", "+gpus: [A6000]"]),
        ("base.rationale", None, ["-  rationale: Ünïcode, and more"]),
        ("layers[0]", None, ["-  - name: training", "-    packages:", "-      # above", "-      - accelerate==0.25.0", "-      - tqdm==4.66.5   # beside"]),
    ],
)  # fmt: skip
def test_an_edit_is_the_least_difference(path: str, value: str | None, expected: list[str]) -> None:
    assert lines(path, value) == expected


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("layers[0].packages[1]", "- diffusers[torch]==0.33.0   # beside"),
        ("layers[0].packages[+]", "- diffusers[torch]==0.33.0"),
        ("gpus[0]", 'gpus: ["diffusers[torch]==0.33.0", H100]'),
    ],
)
def test_an_extra_is_quoted_only_within_brackets(path: str, written: str) -> None:
    assert lines(path, "diffusers[torch]==0.33.0")[-1].removeprefix("+").strip() == written


def test_a_digest_goes_behind_its_image() -> None:
    after = edit.edited(TEXT, [change("base.digest", "sha256:00")])
    assert (
        "image: nvidia/cuda:12.1.1-devel-ubuntu22.04   # the base\n  digest: sha256:00\n  rationale" in after
    )
    flow = 'base: {image: "ubuntu:22.04", rationale: why}\n'
    assert edit.edited(flow, [change("base.digest", "sha256:00")]) == (
        'base: {image: "ubuntu:22.04", digest: sha256:00, rationale: why}\n'
    )


def test_several_edits_are_made_at_the_places_of_the_text_as_it_was() -> None:
    after = edit.edited(
        TEXT,
        [
            change("layers[0].packages[0]", None),
            change("layers[0].packages[1]", "tqdm==4.67.1"),
            change("torch.version", "2.7.1"),
            change("gpus[0]", None),
        ],
    )
    read = yaml.safe_load(after)
    assert (read["layers"][0]["packages"], read["torch"]["version"], read["gpus"]) == (
        ["tqdm==4.67.1"],
        "2.7.1",
        ["H100"],
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere.at.all", "leads nowhere: a key on the way is missing"),
        ("gpus[7]", "leads nowhere"),
        ("layers", "is no plain value on one line"),
        ("", "leads nowhere: a key on the way is missing"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_its_place(path: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        edit.edited(TEXT, [change(path, "x")], file="services/lora/service.yaml")
    assert caught.value.problems[0].message == why
    assert str(caught.value).startswith("services/lora/service.yaml:")


@pytest.mark.parametrize("value", ["&anchor x", "|\n  several\n  lines\n"])
def test_an_anchor_and_a_text_of_several_lines_are_left_to_people(value: str) -> None:
    with pytest.raises(InputError, match="by hand"):
        edit.edited(f"a: {value}", [change("a", "y")])


def test_line_ends_and_a_missing_last_newline_stay() -> None:
    assert edit.edited("a: b\r\nc: d\r\n", [change("e", "f")]) == "a: b\r\nc: d\r\ne: f\r\n"
    assert edit.edited("a: b", [change("c", "d")]) == "a: b\nc: d"


def scalars(node: yaml.Node, path: str = "") -> list[tuple[str, yaml.ScalarNode]]:
    """Every value on one line with its key path."""
    if isinstance(node, yaml.MappingNode):
        return [
            row
            for key, value in node.value
            for row in scalars(value, f"{path}.{key.value}" if path else key.value)
        ]
    if isinstance(node, yaml.SequenceNode):
        return [row for n, value in enumerate(node.value) for row in scalars(value, f"{path}[{n}]")]
    assert isinstance(node, yaml.ScalarNode)
    return [(path, node)]


@pytest.mark.parametrize("file", FILES, ids=lambda one: f"{one.parent.name}/{one.name}")
def test_every_value_of_every_description_is_changed_and_changed_back(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    tried = 0
    for path, node in scalars(root):
        if (
            not path.replace("[", ".").replace("]", "").replace(".", "").replace("-", "").isalnum()
            and "_" not in path
        ):
            continue  # a key with a dot in it, such as a file's name
        try:
            other = edit.edited(text, [change(path, "another==1.0")])
        except InputError:
            assert "." in path or "\n" in node.value or node.start_mark.line != node.end_mark.line
            continue
        changed = [
            n for n, (a, b) in enumerate(zip(text.splitlines(), other.splitlines(), strict=True)) if a != b
        ]
        assert changed == [node.start_mark.line], path
        again = edit.edited(other, [change(path, node.value)])
        same = again == text
        assert same or yaml.compose(again, Loader=yaml.SafeLoader) is not None
        assert edit.edited(again, [change(path, node.value)]) == again
        tried += 1
    assert tried > 10


@pytest.mark.parametrize("file", FILES, ids=lambda one: f"{one.parent.name}/{one.name}")
def test_what_is_appended_and_removed_again_leaves_the_text_as_it_was(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    count = len(yaml.safe_load(text)["layers"][0]["packages"])
    more = edit.edited(text, [change("layers[0].packages[+]", "zzz==1.0")])
    assert edit.edited(more, [change(f"layers[0].packages[{count}]", None)]) == text
    base = yaml.safe_load(text)["base"]
    if "digest" not in base:
        pinned = edit.edited(text, [change("base.digest", "sha256:00")])
        assert edit.edited(pinned, [change("base.digest", None)]) == text


# --- mappings, and what holds them -----------------------------------------------------------------------------------

ACCEPTING = [
    path for path in FILES if {"waivers", "reasons"} <= {*yaml.safe_load(path.read_text(encoding="utf-8"))}
]
WAIVER = {"check": "GPU001", "about": "B200", "reason": "wanted: later", "review_by": "2027-01-31"}
REASON = {"because": "It is so (really); see what is read.", "evidence": "METADATA of torch 2.7.1"}


def put(path: str, value: dict[str, str] | str | None) -> Change:
    return Change(path=path, value=value)


def test_a_waiver_and_a_reason_are_added_with_what_holds_them() -> None:
    after = edit.edited(TEXT, [put("waivers[+]", WAIVER), put("reasons.torch", REASON)])
    assert after == TEXT + (
        "\nreasons:\n  torch:\n    because: It is so (really); see what is read.\n    evidence: METADATA of torch 2.7.1\n"
        '\nwaivers:\n  - check: GPU001\n    about: B200\n    reason: "wanted: later"\n    review_by: 2027-01-31\n'
    )


def test_several_of_the_same_kind_keep_their_order() -> None:
    other = WAIVER | {"about": "H200"}
    changes = [
        put("waivers[+]", WAIVER),
        put("waivers[+]", other),
        put("reasons.a", REASON),
        put("reasons.b", REASON),
    ]
    found = yaml.safe_load(edit.edited(TEXT, changes))
    assert [one["about"] for one in found["waivers"]] == ["B200", "H200"]
    assert [*found["reasons"]] == ["a", "b"]


def test_a_mapping_takes_the_place_of_another() -> None:
    before = edit.edited(TEXT, [put("reasons.a", REASON), put("reasons.b", REASON)])
    after = edit.edited(before, [put("reasons.a", {"because": "new", "evidence": "seen"})])
    assert edit.difference(before, after, "f").splitlines()[3:] == [
        "-    because: It is so (really); see what is read.",
        "-    evidence: METADATA of torch 2.7.1",
        "+    because: new",
        "+    evidence: seen",
    ]


def test_the_last_entry_goes_with_what_held_it() -> None:
    with_both = edit.edited(TEXT, [put("waivers[+]", WAIVER), put("reasons.torch", REASON)])
    found = yaml.safe_load(edit.edited(with_both, [put("waivers[0]", None), put("reasons.torch", None)]))
    assert found == yaml.safe_load(TEXT)


@pytest.mark.parametrize("path", ACCEPTING, ids=lambda path: path.parent.name)
def test_what_is_added_to_a_real_description_is_removed_without_a_trace(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    number = len(data["waivers"])
    added = edit.edited(text, [put("waivers[+]", WAIVER), put("reasons.new", REASON)])
    assert edit.edited(added, [put(f"waivers[{number}]", None), put("reasons.new", None)]) == text


def test_the_line_ends_of_a_text_stay() -> None:
    text = TEXT.replace("\n", "\r\n")
    after = edit.edited(text, [put("waivers[+]", WAIVER), put("reasons.torch", REASON)])
    assert after.count("\n") == after.count("\r\n")
    assert after.startswith(text)
