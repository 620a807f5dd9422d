"""The indexes of an install in the order of its tool, each with what sets it."""

from __future__ import annotations

from torchpin.model import Position
from torchpin.project.index_list import IndexList, Setting, pip_indexes, read_pip_config, uv_indexes
from torchpin.project.pip_arguments import Argument, PipArguments, parse_arguments
from torchpin.project.pyproject import read_pyproject
from torchpin.project.requirement_file import FileOption
from torchpin.project.text import PlacedText

A, B, C, D = (f"https://{name}.example/simple" for name in "abcd")


def arguments(text: str) -> PipArguments:
    return parse_arguments([Argument(word, "D:9:1") for word in text.split()])


def variables(**values: str) -> dict[str, Setting]:
    return {name: Setting(value, "D:2:1") for name, value in values.items()}


def option(name: str, value: str = "", line: int = 1) -> FileOption:
    return FileOption(name=name, value=value, position=Position(file="r.txt", line=line, column=1))


def urls(indexes: IndexList) -> list[tuple[str, str]]:
    return [(index.kind, index.url) for index in indexes.indexes]


def test_pip_takes_an_option_before_a_variable_and_a_variable_before_its_configuration() -> None:
    config = {"index-url": Setting(C, "D:1:1"), "extra-index-url": Setting(D, "D:1:1")}
    assert urls(pip_indexes(arguments(""), {}, config)) == [("default", C), ("extra", D)]
    set_by_variables = variables(PIP_INDEX_URL=B, PIP_EXTRA_INDEX_URL=f"{A} {B}")
    assert urls(pip_indexes(arguments(""), set_by_variables, config)) == [
        ("default", B),
        ("extra", A),
        ("extra", B),
    ]
    assert urls(pip_indexes(arguments(f"-i {A}"), set_by_variables, config))[0] == ("default", A)


def test_further_indexes_of_pip_s_options_add_up_with_those_of_variables() -> None:
    indexes = pip_indexes(arguments(f"--extra-index-url {B}"), variables(PIP_EXTRA_INDEX_URL=A), {})
    assert urls(indexes) == [("default", ""), ("extra", A), ("extra", B)]
    assert [(index.origin, index.location) for index in indexes.indexes[1:]] == [
        ("PIP_EXTRA_INDEX_URL", "D:2:1"),
        ("--extra-index-url", "D:9:1"),
    ]


def test_an_index_of_a_requirement_file_replaces_all_that_came_before_it() -> None:
    options = [option("--extra-index-url", B), option("--index-url", C), option("--extra-index-url", D)]
    assert urls(pip_indexes(arguments(f"-i {A}"), {}, {}, options)) == [("default", C), ("extra", D)]
    assert urls(pip_indexes(arguments(f"-i {A}"), {}, {}, options[:1])) == [("default", A), ("extra", B)]


def test_without_an_index_only_links_are_looked_at() -> None:
    by_option = pip_indexes(arguments("--no-index -f /wheels"), {}, {})
    assert (by_option.no_index, urls(by_option)) == (True, [("links", "/wheels")])
    assert pip_indexes(arguments(""), variables(PIP_NO_INDEX="1"), {}).no_index
    assert not pip_indexes(arguments(""), variables(PIP_NO_INDEX="0"), {}).no_index
    assert uv_indexes(arguments(""), {}, [], [option("--no-index")]).no_index


def test_uv_looks_at_further_indexes_first_and_at_the_default_one_last() -> None:
    indexes = uv_indexes(arguments(f"--index pt={A} --extra-index-url {B} --default-index {C}"), {})
    assert urls(indexes) == [("extra", A), ("extra", B), ("default", C)]
    assert indexes.indexes[0].name == "pt"


def test_an_option_of_uv_stands_for_its_variable() -> None:
    set_by_variables = variables(UV_INDEX=f"{A} {B}", UV_DEFAULT_INDEX=C, UV_EXTRA_INDEX_URL=D)
    assert urls(uv_indexes(arguments(""), set_by_variables)) == [
        ("extra", A),
        ("extra", B),
        ("extra", D),
        ("default", C),
    ]
    assert urls(uv_indexes(arguments(f"--index {D}"), set_by_variables))[0] == ("extra", D)


def test_the_settings_of_uv_come_behind_options() -> None:
    text = f'[[tool.uv.index]]\nname = "x"\nurl = "{B}"\nexplicit = true\n[[tool.uv.index]]\nurl = "{C}"\ndefault = true\n'
    settings = read_pyproject("pyproject.toml", text).uv
    indexes = uv_indexes(arguments(f"--index {A}"), {}, [settings])
    assert urls(indexes) == [("extra", A), ("extra", B), ("default", C)]
    assert [index.url for index in indexes.implicit] == [A, C]
    named = indexes.named("x")
    assert named
    assert (named.explicit, named.location) == (True, "pyproject.toml:3:8")


def test_the_strategy_and_the_torch_backend_of_uv() -> None:
    set_by_variables = variables(UV_TORCH_BACKEND="cu128", UV_INDEX_STRATEGY="unsafe-best-match")
    indexes = uv_indexes(arguments(""), set_by_variables)
    assert (indexes.strategy, indexes.torch_backend) == ("unsafe-best-match", Setting("cu128", "D:2:1"))
    indexes = uv_indexes(arguments("--torch-backend cpu --index-strategy first-index"), set_by_variables)
    assert (indexes.strategy, indexes.torch_backend) == ("first-index", Setting("cpu", "D:9:1"))


def test_pip_s_configuration_is_read_with_its_places() -> None:
    text = f"[global]\nextra-index-url = {A}\n    {B}\n[install]\nno-index = true\n[list]\nformat = columns\n"
    config = read_pip_config("pip.conf", PlacedText.of_text(text))
    assert config == {
        "extra-index-url": Setting(f"{A}\n{B}", "pip.conf:2:1"),
        "no-index": Setting("true", "pip.conf:5:1"),
    }
    assert urls(pip_indexes(arguments(""), {}, {"extra-index-url": config["extra-index-url"]}))[1:] == [
        ("extra", A),
        ("extra", B),
    ]
    assert read_pip_config("pip.conf", PlacedText.of_text("[[[ no section\nx")) == {}
