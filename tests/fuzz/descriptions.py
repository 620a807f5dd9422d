"""Descriptions: the reader, the judge, and edits in place."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import date
from typing import Any

import yaml
from hypothesis import strategies as st

from fuzz.harness import Target
from fuzz.texts import FRAGMENTS, fragments, mutated, read_texts, require_located, require_plain
from support.descriptions import LORA, PLAIN, full_text
from torchpin.checks import run
from torchpin.description import edit, read, write
from torchpin.description.environments import select_environments
from torchpin.description.yaml_reader import Loader
from torchpin.errors import InputError
from torchpin.model import Change, Service
from torchpin.workspace import evidence

# of the same name, so that all of them are the description of one folder
TEXTS = tuple(
    re.sub(r"(?m)^name: .*$", "name: lora", text)
    for text in (*read_texts("services/*/service.yaml", "tests/seeds/*.yaml"), full_text(), PLAIN)
)
_PIECES = fragments(
    *("&a ", "*a", "<<: *a", "? ", "!!python/object:os.system ", "!!str ", "!!int ", "---\n", "...\n", "|\n  a", ">-\n", "''"),
    *("torch==2.5.1", "tqdm[a]==1", "a; os_name ~= 'x'", "cu121", "pypi", "cu999", "linux/arm64", "base", "1.0.0.dev0", "1!2.0+cu1"),
    *("name: a\n", "layers:\n", "gpus: [H100]\n", "variants: {}\n", "waivers:\n  - {check: GPU001}\n", "[[[", "{a: {a: {a: "),
)  # fmt: skip
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70_000),
    st.floats(),
    st.dates(date(1, 1, 1)),
    st.sampled_from(FRAGMENTS),
    st.sampled_from(["2.7.1", "2.5.1", "3.12.11", "cu128", "cpu", "torch", "tqdm==1", "GPU001", "B200", "debian:12", "a" * 300]),
    st.text(max_size=10),
)  # fmt: skip
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=4
)  # fmt: skip
_FULL = yaml.safe_load(full_text())


def _locations(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a plain value: of a mapping's key, or of a list's item."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in pairs for place in ((*path, key), *_locations(child, (*path, key)))]


@st.composite
def _trees(draw: st.DrawFn) -> str:
    """A full description with values of any type in up to three places, dumped in any style."""
    root = deepcopy(_FULL)
    for _ in range(draw(st.integers(0, 3))):
        location = draw(st.sampled_from(_locations(root)))
        parent = root
        for key in location[:-1]:
            parent = parent[key]
        if draw(st.booleans()) or isinstance(parent, list):
            parent[location[-1]] = draw(_values)
        else:
            parent[draw(st.text(max_size=6))] = parent.pop(location[-1])
    return str(
        yaml.dump(
            root,
            Dumper=yaml.CSafeDumper,
            sort_keys=draw(st.booleans()),
            allow_unicode=draw(st.booleans()),
            default_flow_style=draw(st.sampled_from([True, False, None])),
            width=draw(st.sampled_from([20, 80, 10_000])),
        )
    )


texts = st.one_of(
    mutated(TEXTS, _PIECES),
    mutated(TEXTS, _PIECES),
    _trees(),
    st.text(alphabet="ab:-[]{}&*!|>?'\"\n #,%@`\\\t~<", max_size=80),
)


def _read(text: str) -> Service | None:
    """The service of a text; None where it is refused as it should be."""
    try:
        (service,) = read.read_services({LORA: text})
    except InputError as error:
        require_located(error, {LORA: text})
        return None
    return service


def _reordered(text: str) -> str:
    """The description with the keys of each mapping in reverse, but for those whose order counts."""
    root = yaml.compose(text, Loader=Loader)
    _reverse(root, {"variants", "reasons"})
    return str(yaml.serialize(root, Dumper=yaml.CSafeDumper, allow_unicode=True, width=10_000))


def _reverse(node: yaml.Node | None, ordered: set[str]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in ordered and isinstance(value, yaml.MappingNode):
                value.value.reverse()  # reversed once more below
            _reverse(value, ordered)
        node.value.reverse()
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _reverse(value, ordered)


def check_reading(text: str) -> None:
    """A description is refused with places, or reads as plain texts that are written back the same, whatever the order of keys."""
    service = _read(text)
    if service is None:
        return
    require_plain(yaml.load(text, Loader=Loader))
    assert _read(write.to_yaml(service)) == service
    assert _read(_reordered(text)) == service


def check_judging(text: str) -> None:
    """No check of the judge stumbles over a description that the reader accepts."""
    service = _read(text)
    if service is None:
        return
    for result in run.run(evidence.from_descriptions(select_environments((service,))), judge=True):
        raised = [reported.message for reported in result.findings if "the check raised" in reported.message]
        assert not raised, raised


_PATHS = ("torch.version", "python", "base.image", "base.digest", "base.rationale", "torch.companions.torchvision", "torch.from",
          "layers[0].packages[0]", "layers[0].packages[1]", "layers[0].packages[+]", "layers[1].packages[0]", "layers[0]", "gpus[0]", "gpus[+]",
          "gpus", "apt[+]", "waivers[+]", "waivers[0]", "waivers[0].reason", "reasons.torch", "reasons.torch.because", "reasons.new",
          "variants.gpu.channel", "variants.gpu.base.digest", "sources[0].tag", "sources[0].commit", "driver", "summary",
          "run.env.TZ", "nothing[0]", "a.b.c", "")  # fmt: skip
_edit_values = st.one_of(
    st.sampled_from(["2.7.1", "3.10", "2024-01-01", "true", "null", "a: b", "a #b", "a,b", "[x]", "*a", "'", '"', "\\", "", " a ", "- a", "é"]),
    st.sampled_from(["tqdm==4.67", "sha256:00", "nvidia/cuda:12.8.1-devel-ubuntu22.04", "B200", "cu128"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
)  # fmt: skip
_mappings = st.sampled_from(
    [
        {"because": "a", "evidence": "b: c"},
        {"check": "GPU001", "about": "H100", "reason": "a, b", "review_by": "2027-01-31"},
    ]
)
_changes = st.builds(
    Change,
    path=st.sampled_from(_PATHS) | st.text(alphabet="ab.[]+0{:#&", max_size=8),
    value=st.none() | _edit_values | _edit_values | _mappings,
)
edits = st.tuples(mutated(TEXTS, _PIECES), st.lists(_changes, min_size=1, max_size=3))


def _comment_lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.lstrip().startswith("#")]


def check_editing(value: tuple[str, list[Change]]) -> None:
    """An edit is refused with its place, or makes the text that was asked for, and keeps every comment line."""
    text, changes = value
    if _read(text) is None:
        return  # only what was read is edited
    try:
        edited = edit.apply_changes(text, changes, file=LORA)
    except InputError as error:
        require_located(error, {LORA: text})
        return
    if all(change.value is not None for change in changes):
        remaining = _comment_lines(edited)
        assert [line for line in _comment_lines(text) if line not in remaining] == []
    if len(changes) == 1 and isinstance(changes[0].value, str) and not changes[0].path.endswith("[+]"):
        assert edit.apply_changes(edited, changes, file=LORA) == edited
        lost = [
            line for line in edit.unified_diff(text, edited, LORA).split("\n") if re.match(r"-(?!--)", line)
        ]
        assert len(lost) <= 1, lost


READING = Target(
    name="description",
    strategy=texts,
    check=check_reading,
    examples=("\ufeff\ufeff" + PLAIN,),  # a mark was passed over by torchpin, and one more by libyaml
)
JUDGING = Target(name="judge", strategy=_trees() | mutated(TEXTS, _PIECES), check=check_judging)
EDITING = Target(
    name="edit",
    strategy=edits,
    check=check_editing,
    examples=(
        # behind a byte order mark every offset was one too small
        ("\ufeff" + PLAIN, [Change(path="torch.version", value="2.7.1")]),
        # what an edit made was no YAML: an exception of PyYAML's
        ("\ufeff" + PLAIN.replace("\n", "\u2028"), [Change(path="gpus[+]", value="B200")]),
        # where YAML alone ends lines, an edit of one line took others with it
        (PLAIN.replace("\n", "\r"), [Change(path="torch.version", value="2.7.1")]),
        # a key that is called as the end of a list is
        (PLAIN, [Change(path="torch.+", value="1")]),
    ),
)
