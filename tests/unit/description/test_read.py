"""Descriptions are read to services, and a text that is not a description is an input error."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from support.descriptions import (
    LORA,
    PLAIN,
    full_text,
    lora_service,
    problem_lines,
    read_service,
    replace_in_plain,
)
from torchpin.errors import InputError
from torchpin.model import Health, Run, Variant, Waiver


def test_the_real_lora_service_reads() -> None:
    service = lora_service()
    assert (service.name, service.python) == ("lora", Version("3.10.14"))
    assert service.torch.family == {
        "torch": Version("2.7.1"),
        "torchvision": Version("0.22.1"),
        "torchaudio": Version("2.7.1"),
    }
    assert service.variants == (Variant(name="gpu", channel="cu128", platform="linux/amd64"),)
    assert [layer.name for layer in service.layers] == ["training", "tools", "analysis", "utilities"]
    assert service.sources[0].tag == "v0.10.0"
    assert service.run.freeze == "/workspace/lora_training/logs/pip_freeze.txt"
    assert service.budget_bytes == 50 * 10**9
    assert (service.reasons[0].component, service.waivers) == ("sd-scripts", ())


def test_a_waiver_has_its_date() -> None:
    waivers = "waivers: [{check: GPU001, about: B200, reason: later, review_by: 2027-02-22}]\n"
    waiver = Waiver(check="GPU001", about="B200", reason="later", review_by=date(2027, 2, 22))
    assert read_service(PLAIN + waivers).waivers == (waiver,)


def test_a_value_keeps_where_it_stands() -> None:
    position = read_service(PLAIN).positions["torch.version"]
    assert (str(position), PLAIN[position.start : position.end]) == (f"{LORA}:6:12", '"2.5.1"')


def test_a_value_behind_a_byte_order_mark_keeps_where_it_stands() -> None:
    text = "\ufeff" + PLAIN
    position = read_service(text).positions["torch.version"]
    assert (text[position.start : position.end], position.line, position.column) == ('"2.5.1"', 6, 12)


def test_what_is_left_out_has_its_plain_value() -> None:
    service = read_service(PLAIN)
    assert (service.sources, service.apt, service.run, service.budget_bytes) == ((), (), Run(), None)


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "yes", "Yes", "on", "ON"])
def test_every_yaml_spelling_of_true_is_true(word: str) -> None:
    assert read_service(PLAIN + f"    optional: {word}\n").layers[0].optional


@pytest.mark.parametrize("word", ["false", "False", "no", "Off"])
def test_every_yaml_spelling_of_false_is_false(word: str) -> None:
    assert not read_service(PLAIN + f"    optional: {word}\n").layers[0].optional


def test_an_image_has_no_bytecode_unless_that_is_asked_for() -> None:
    assert read_service(PLAIN + "run: {bytecode: true}\n").run.bytecode is True
    assert read_service(PLAIN + "run: {bytecode: false}\n").run.bytecode is False
    assert read_service(PLAIN + "run: {ports: [80]}\n").run.bytecode is False


@pytest.mark.parametrize(("run", "compiles"), [("true", True), ("false", False)])
def test_whether_kernels_are_compiled_has_three_answers(run: str, compiles: bool) -> None:
    assert read_service(PLAIN + f"run: {{compiles: {run}}}\n").run.compiles is compiles
    assert read_service(PLAIN + "run: {ports: [80]}\n").run.compiles is None


def test_an_anchor_stands_for_its_value() -> None:
    text = PLAIN + 'run: {command: [&word python], health: {command: [*word, "-V"]}}\n'
    assert read_service(text).run.health == Health(command=("python", "-V"))


def test_the_user_root_is_no_user() -> None:
    assert read_service(PLAIN + "run: {user: root}\n").run.user is None


@pytest.mark.parametrize(
    ("text", "size"), [("0.29GB", 290_000_000), ("50GB", 50 * 10**9), ("1.5TB", 15 * 10**11), ("0MB", 0)]
)
def test_a_budget_is_its_bytes(text: str, size: int) -> None:
    assert read_service(PLAIN + f"budget: {{image: {text}}}\n").budget_bytes == size


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: expected a mapping of keys, found an empty file"),
        ("# only a comment\n", "1:1: expected a mapping of keys, found an empty file"),
        ("- a\n", "1:1: expected a mapping of keys, found a list"),
        ("lora", "1:1: expected a mapping of keys, found 'lora'"),
        ("a: b\n\tc: d\n", "2:1: invalid YAML: found a tab character that violates indentation"),
        (
            "a:\n  - b\n  c: d\n",
            "3:3: invalid YAML: did not find expected '-' indicator; check the indentation of line 3",
        ),
        ("a: *b\n", "1:4: invalid YAML: found undefined alias"),
        ("a: 1\n--- \nb: 1\n", "2:1: expected one YAML document, found another"),
        ("a: \x00", "1:1: invalid YAML: control characters are not allowed at character 3"),
        ("a: " + "[" * 100_000, "1:67: nested deeper than 64 levels"),
        ("a: &x [*x, " + "[" * 99 + "]" * 99 + "]", "1:74: nested deeper than 64 levels"),
        ("\n".join(" " * depth + "- " for depth in range(300)), "65:65: nested deeper than 64 levels"),
    ],
)
def test_what_is_no_description_is_refused_with_one_problem(text: str, problem: str) -> None:
    assert problem_lines(text) == [f"{LORA}:{problem}"]


def test_a_value_that_holds_itself_is_refused() -> None:
    assert problem_lines(replace_in_plain("[tqdm==4.66.5]", "&a [*a]")) == [
        f"{LORA}:12:15: layers[0].packages[0]: expected text, found a list"
    ]


@settings(max_examples=120)
@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>?'\"\n #,%@`\\\t~<", max_size=80))
@example("? ? a")
@example('"\\x0')
@example("a: !<x>")
def test_no_text_raises_anything_but_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        read_service(text)


@settings(max_examples=100)
@given(st.data())
def test_no_change_of_a_description_raises_anything_but_an_input_error(data: st.DataObject) -> None:
    text = full_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    inserted = data.draw(
        st.text(max_size=8) | st.sampled_from(["[]", "{}", "~", "''", "1", "\n", ": ", "- "])
    )
    with suppress(InputError):
        read_service(text[:start] + inserted + text[end:])
