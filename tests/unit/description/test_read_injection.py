"""No text of a description breaks out of its place in the Dockerfile or in uv's project."""

from __future__ import annotations

import json
import re
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.descriptions import LORA, PLAIN, full_text, problem_lines, read_service, replace_in_plain
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.dockerfile import render_dockerfile
from torchpin.lock import file_format, uv_project
from torchpin.lock.layers import layer_lock, split_layers
from torchpin.model import Artifact, Environment, Lock, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
TEMPLATE = (ROOT / "src/torchpin/resources/Dockerfile.j2").read_text()


def _text_locations(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a text in a plain value: a leaf, or a key among names (which ends in None)."""
    if isinstance(value, dict):
        named = path in {("variants",), ("run", "env"), ("torch", "companions"), ("reasons",)}
        keys = [(*path, key, None) for key in value] if named else []
        return keys + [
            location for key, child in value.items() for location in _text_locations(child, (*path, key))
        ]
    if isinstance(value, list):
        return [
            location
            for number, child in enumerate(value)
            for location in _text_locations(child, (*path, number))
        ]
    return [path] if isinstance(value, str) else []


FULL = yaml.safe_load(full_text())
LOCATIONS = _text_locations(FULL)


def description_with(location: tuple[Any, ...], text: str) -> str:
    """The full description with another text at one place."""
    root = deepcopy(FULL)
    *parent_path, key = location
    inside = root
    if key is None:
        *parent_path, key = parent_path
        for step in parent_path:
            inside = inside[step]
        inside[text] = inside.pop(key)
    else:
        for step in parent_path:
            inside = inside[step]
        inside[key] = text
    return str(yaml.dump(root, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))


def _fake_lock(env: Environment) -> Lock:
    pins = [f"{name}=={version}" for name, version in env.service.torch.family.items()]
    pins += [str(package) for layer in env.service.layers for package in layer.packages]
    artifacts = [
        Artifact(
            name=canonicalize_name(Requirement(pin).name),
            version="1",
            filename="a.tar.gz",
            sha256="0f" * 32,
        )
        for pin in pins
    ]
    layers = split_layers(env, artifacts, uv="0.13.9")[0]
    return Lock(layers=layers, build=layer_lock(env, "build", artifacts[:1], uv="0.13.9"))


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """Some thousand renderings of one template: compiling it takes twenty times as long as rendering it."""
    compiled: dict[str, Any] = {}
    original: Any = jinja2.Environment.compile

    def compiling(self: jinja2.Environment, source: str, *arguments: Any) -> Any:
        if source not in compiled:
            compiled[source] = original(self, source, *arguments)
        return compiled[source]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", compiling)
        yield


def dockerfile_of(service: Service) -> str:
    env = Environment(service=service, variant=service.variants[0])
    lock = _fake_lock(env)
    assert all(file_format.installer_requirements(layer).isascii() for layer in lock.layers)
    return render_dockerfile(TEMPLATE, plan.image_plan(env, lock))


class Shape(NamedTuple):
    """What an instruction is made of, whatever its words say."""

    name: str
    word_count: int
    options: tuple[str, ...]
    specials: str


def shapes(dockerfile: str) -> list[Shape]:
    """The instructions as Docker reads them: comments out, continued lines joined, quoted words and JSON lists as one."""
    lines = [line for line in re.split(r"\r\n|[\n\r]", dockerfile) if not re.match(r"\s*#|\s*$", line)]
    return [_shape(line) for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines()]


def _shape(instruction: str) -> Shape:
    name = instruction.split(maxsplit=1)[0]
    if name in {"CMD", "ENTRYPOINT", "HEALTHCHECK"}:
        head, bracket, arguments = instruction.partition("[")
        assert all(isinstance(word, str) for word in json.loads(bracket + arguments))
        instruction = head + "json"
    elif name in {"ENV", "LABEL"}:
        instruction = re.sub(r'="(?:[^"\\$]|\\["\\$])*"(?= |$)', "=quoted", instruction)
    tokens = instruction.split()
    options = tuple(word.split("=")[0] for word in tokens if word.startswith("-"))
    return Shape(name, len(tokens), options, "".join(re.findall(r"[^A-Za-z0-9 _./:=@+~%-]", instruction)))


@cache
def _expected_shapes() -> tuple[int, list[Shape]]:
    text = dockerfile_of(read_service(full_text()))
    return len(text.splitlines()), shapes(text)


HOSTILE = (
    ["\nRUN evil", "\r", "\u2028", "\x85", "\x0b", "\x00", "\x7f", '"', "'", "\\", '" \\', "$(evil)", "`evil`", "${PATH}",
     "; evil", "&& evil", "| evil", "<<EOF", "-", " --evil", " #", "{{ 1 }}", ",", "[x]", "*", "/../", "\u0661", "\u00e9"]
)  # fmt: skip


def expect_refused_or_inside(text: str) -> None:
    try:
        service = read_service(text)
    except InputError:
        return
    if service.run.user is None:
        return  # root is no user, and then has no instruction
    dockerfile = dockerfile_of(service)
    assert (len(dockerfile.splitlines()), shapes(dockerfile)) == _expected_shapes()
    env = Environment(service=service, variant=service.variants[0])
    project = tomllib.loads(uv_project.render_uv_project(env, index="https://example.org/whl/cu121"))
    assert project.keys() == {"project", "tool"}
    assert project["project"].keys() == {"name", "version", "requires-python", "dependencies"}
    assert len(project["project"]["dependencies"]) == 5


at_each_location = pytest.mark.parametrize(
    "location", LOCATIONS, ids=lambda location: ".".join(map(str, location))
)


@at_each_location
def test_a_hostile_end_is_refused_or_stays_inside_its_place(location: tuple[Any, ...]) -> None:
    value: Any = FULL
    for step in location:
        value = location[-2] if step is None else value[step]
    for end in HOSTILE:
        expect_refused_or_inside(description_with(location, value + end))


@at_each_location
@settings(max_examples=6)
@given(
    text=st.text(max_size=30)
    | st.tuples(st.sampled_from(HOSTILE), st.sampled_from(["", "a", "/a", "v1", "tqdm==1"])).map("".join)
)
def test_a_text_is_refused_or_stays_inside_its_place(location: tuple[Any, ...], text: str) -> None:
    expect_refused_or_inside(description_with(location, text))


@pytest.mark.parametrize("character", ["\\x9b31m", "\\u202e", "\\u2066", "\\u200f", "\\u061c"])
def test_c1_controls_and_bidirectional_overrides_are_refused(character: str) -> None:
    text = replace_in_plain("summary: Training", f'summary: "a{character}b"')
    (line,) = problem_lines(text)
    assert line.endswith("summary: expected one line of text without control characters")


def test_a_sentence_has_a_visible_character() -> None:
    assert problem_lines(replace_in_plain("summary: Training", 'summary: "\\u200b"')) == [
        f"{LORA}:2:10: summary: '\\u200b' is not a sentence"
    ]


def test_a_text_that_is_too_long_is_refused_before_it_is_parsed() -> None:
    start = process_time()
    assert problem_lines("- a\n" * 1_000_001) == [
        f"{LORA}:1:1: has 4000004 characters, and at most 4000000 are read"
    ]
    assert process_time() - start < 1


def test_a_list_of_50_000_values_is_read_in_seconds() -> None:
    packages = ", ".join(f"p{number}" for number in range(50_000))
    start = process_time()
    assert len(read_service(PLAIN + f"apt: [{packages}]\n").apt) == 50_000
    assert process_time() - start < 10  # two on a slow machine; minutes, where each value was compared to all


@pytest.mark.parametrize(
    ("line_break", "shown"), [("\r", r"'\r'"), ("\x85", r"'\x85'"), ("\u2028", r"'\u2028'")]
)
def test_other_line_ends_are_refused_since_edits_would_lose_lines(line_break: str, shown: str) -> None:
    assert problem_lines(f"# one{line_break}name: x\n") == [
        f"{LORA}:1:6: a line ends with {shown}; save the file with the line ends of Unix or Windows"
    ]
