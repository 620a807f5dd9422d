"""Descriptions are edited at their nodes' places, and nothing else of them changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from torchpin.description import edit
from torchpin.errors import InputError
from torchpin.model import Change

ROOT = Path(__file__).parents[3]
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
    after = edit.apply_changes(text, [change(path, value)], file="f")
    return [
        line
        for line in edit.unified_diff(text, after, "f").splitlines()
        if not line.startswith(("---", "+++", "@@"))
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
    after = edit.apply_changes(TEXT, [change("base.digest", "sha256:00")])
    assert (
        "image: nvidia/cuda:12.1.1-devel-ubuntu22.04   # the base\n  digest: sha256:00\n  rationale" in after
    )
    flow = 'base: {image: "ubuntu:22.04", rationale: why}\n'
    assert edit.apply_changes(flow, [change("base.digest", "sha256:00")]) == (
        'base: {image: "ubuntu:22.04", digest: sha256:00, rationale: why}\n'
    )


def test_several_edits_are_made_at_the_places_of_the_text_as_it_was() -> None:
    after = edit.apply_changes(
        TEXT,
        [
            change("layers[0].packages[0]", None),
            change("layers[0].packages[1]", "tqdm==4.67.1"),
            change("torch.version", "2.7.1"),
            change("gpus[0]", None),
        ],
    )
    parsed = yaml.safe_load(after)
    assert (parsed["layers"][0]["packages"], parsed["torch"]["version"], parsed["gpus"]) == (
        ["tqdm==4.67.1"],
        "2.7.1",
        ["H100"],
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.at.all", "does not exist: a parent key is missing"),
        ("gpus[7]", "does not exist"),
        ("layers", "is not a plain value on one line"),
        ("", "does not exist: a parent key is missing"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_its_place(path: str, message: str) -> None:
    with pytest.raises(InputError) as excinfo:
        edit.apply_changes(TEXT, [change(path, "x")], file="services/lora/service.yaml")
    assert excinfo.value.problems[0].message == message
    assert str(excinfo.value).startswith("services/lora/service.yaml:")


@pytest.mark.parametrize("value", ["&anchor x", "|\n  several\n  lines\n"])
def test_an_anchor_and_a_text_of_several_lines_are_left_to_people(value: str) -> None:
    with pytest.raises(InputError, match="by hand"):
        edit.apply_changes(f"a: {value}", [change("a", "y")])


def test_line_ends_and_a_missing_last_newline_stay() -> None:
    assert edit.apply_changes("a: b\r\nc: d\r\n", [change("e", "f")]) == "a: b\r\nc: d\r\ne: f\r\n"
    assert edit.apply_changes("a: b", [change("c", "d")]) == "a: b\nc: d"


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


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
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
            edited = edit.apply_changes(text, [change(path, "another==1.0")])
        except InputError:
            assert "." in path or "\n" in node.value or node.start_mark.line != node.end_mark.line
            continue
        changed = [
            number
            for number, (a, b) in enumerate(zip(text.splitlines(), edited.splitlines(), strict=True))
            if a != b
        ]
        assert changed == [node.start_mark.line], path
        restored = edit.apply_changes(edited, [change(path, node.value)])
        is_same_text = restored == text
        assert is_same_text or yaml.compose(restored, Loader=yaml.SafeLoader) is not None
        assert edit.apply_changes(restored, [change(path, node.value)]) == restored
        tried += 1
    assert tried > 10


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_appended_and_removed_again_leaves_the_text_as_it_was(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    count = len(yaml.safe_load(text)["layers"][0]["packages"])
    appended = edit.apply_changes(text, [change("layers[0].packages[+]", "zzz==1.0")])
    assert edit.apply_changes(appended, [change(f"layers[0].packages[{count}]", None)]) == text
    base = yaml.safe_load(text)["base"]
    if "digest" not in base:
        pinned = edit.apply_changes(text, [change("base.digest", "sha256:00")])
        assert edit.apply_changes(pinned, [change("base.digest", None)]) == text


FILES_WITH_WAIVERS = [
    path for path in FILES if {"waivers", "reasons"} <= {*yaml.safe_load(path.read_text(encoding="utf-8"))}
]
WAIVER = {"check": "GPU001", "about": "B200", "reason": "wanted: later", "review_by": "2027-01-31"}
REASON = {"because": "It is so (really); see what is read.", "evidence": "METADATA of torch 2.7.1"}


def mapping_change(path: str, value: dict[str, str] | str | None) -> Change:
    return Change(path=path, value=value)


def test_a_waiver_and_a_reason_are_added_with_what_holds_them() -> None:
    after = edit.apply_changes(
        TEXT, [mapping_change("waivers[+]", WAIVER), mapping_change("reasons.torch", REASON)]
    )
    assert after == TEXT + (
        "\nreasons:\n  torch:\n    because: It is so (really); see what is read.\n    evidence: METADATA of torch 2.7.1\n"
        '\nwaivers:\n  - check: GPU001\n    about: B200\n    reason: "wanted: later"\n    review_by: 2027-01-31\n'
    )


def test_several_of_the_same_kind_keep_their_order() -> None:
    second_waiver = WAIVER | {"about": "H200"}
    changes = [
        mapping_change("waivers[+]", WAIVER),
        mapping_change("waivers[+]", second_waiver),
        mapping_change("reasons.a", REASON),
        mapping_change("reasons.b", REASON),
    ]
    description = yaml.safe_load(edit.apply_changes(TEXT, changes))
    assert [waiver["about"] for waiver in description["waivers"]] == ["B200", "H200"]
    assert [*description["reasons"]] == ["a", "b"]


def test_a_mapping_takes_the_place_of_another() -> None:
    before = edit.apply_changes(
        TEXT, [mapping_change("reasons.a", REASON), mapping_change("reasons.b", REASON)]
    )
    after = edit.apply_changes(before, [mapping_change("reasons.a", {"because": "new", "evidence": "seen"})])
    assert edit.unified_diff(before, after, "f").splitlines()[3:] == [
        "-    because: It is so (really); see what is read.",
        "-    evidence: METADATA of torch 2.7.1",
        "+    because: new",
        "+    evidence: seen",
    ]


def test_the_last_entry_goes_with_what_held_it() -> None:
    with_both = edit.apply_changes(
        TEXT, [mapping_change("waivers[+]", WAIVER), mapping_change("reasons.torch", REASON)]
    )
    description = yaml.safe_load(
        edit.apply_changes(
            with_both, [mapping_change("waivers[0]", None), mapping_change("reasons.torch", None)]
        )
    )
    assert description == yaml.safe_load(TEXT)


@pytest.mark.parametrize("path", FILES_WITH_WAIVERS, ids=lambda path: path.parent.name)
def test_what_is_added_to_a_real_description_is_removed_without_a_trace(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    number = len(data["waivers"])
    added = edit.apply_changes(
        text, [mapping_change("waivers[+]", WAIVER), mapping_change("reasons.new", REASON)]
    )
    assert (
        edit.apply_changes(
            added, [mapping_change(f"waivers[{number}]", None), mapping_change("reasons.new", None)]
        )
        == text
    )


def test_the_line_ends_of_a_text_stay() -> None:
    text = TEXT.replace("\n", "\r\n")
    after = edit.apply_changes(
        text, [mapping_change("waivers[+]", WAIVER), mapping_change("reasons.torch", REASON)]
    )
    assert after.count("\n") == after.count("\r\n")
    assert after.startswith(text)


def test_a_byte_order_mark_is_kept_and_moves_nothing() -> None:
    changes = [change("torch.version", "2.7.1"), change("gpus[+]", "B200")]
    assert edit.apply_changes("\ufeff" + TEXT, changes) == "\ufeff" + edit.apply_changes(TEXT, changes)


def test_an_edit_that_would_be_no_yaml_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match=r"^f:1:1: torch\.\{: cannot be edited in place"):
        edit.apply_changes(TEXT.removeprefix("# What it is.\n"), [change("torch.{", "1")], file="f")
