"""pyproject.toml of other projects: what it asks for, and uv's and Poetry's settings, each at its place."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.project.poetry import specifier_text
from torchpin.project.pyproject import read_pyproject

CHANNEL = "https://download.pytorch.org/whl/cu128"
TEXT = dedent(f"""\
    [project]
    name = "demo"
    requires-python = ">=3.11"
    dependencies = ["einops==0.8.1",
      "torch<2.7"]
    [project.optional-dependencies]
    Gpu_x = ["torch<2.7", "triton>=3"]
    [dependency-groups]
    dev = ["pytest", {{include-group = "lint"}}]
    lint = ["ruff"]
    [tool.uv]
    constraint-dependencies = ["numpy<2"]
    override-dependencies = ["protobuf==5.29.3"]
    default-groups = ["lint"]
    package = false
    [tool.uv.sources]
    torch = [{{index = "pt", marker = "sys_platform == 'linux'"}}, {{index = "cpu", extra = "Cpu"}}]
    lib = {{git = "https://github.com/a/lib", tag = "v1", subdirectory = "py"}}
    [[tool.uv.index]]
    name = "pt"
    url = "{CHANNEL}"
    explicit = true
    """)


def test_dependencies_extras_and_groups_stand_at_their_places() -> None:
    project = read_pyproject("p/pyproject.toml", TEXT)
    assert [(text, str(position)) for text, position in project.dependencies] == [
        ("einops==0.8.1", "p/pyproject.toml:4:18"),
        ("torch<2.7", "p/pyproject.toml:5:4"),
    ]
    # the same text in another table has another place
    assert [(text, position.line) for text, position in project.extras["gpu-x"]] == [
        ("torch<2.7", 7),
        ("triton>=3", 7),
    ]
    assert [text for text, _ in project.groups["dev"]] == ["pytest", "ruff"]
    assert [text for text, _ in project.required(["GPU-X"], ["lint"], with_project=False)] == [
        "torch<2.7",
        "triton>=3",
        "ruff",
    ]
    assert (project.name, project.requires_python, project.has_build_system) == ("demo", ">=3.11", False)


def test_the_settings_of_uv() -> None:
    uv = read_pyproject("pyproject.toml", TEXT).uv
    assert [(index.name, index.url, index.explicit, index.default) for index in uv.indexes] == [
        ("pt", CHANNEL, True, False)
    ]
    assert [(source.index, source.marker, source.extra) for source in uv.sources["torch"]] == [
        ("pt", "sys_platform == 'linux'", ""),
        ("cpu", "", "cpu"),
    ]
    (source,) = uv.sources["lib"]
    assert (source.git, source.revision, source.subdirectory) == ("https://github.com/a/lib", "v1", "py")
    assert [text for text, _ in uv.constraints + uv.overrides] == ["numpy<2", "protobuf==5.29.3"]
    assert (uv.default_groups, uv.package) == (("lint",), False)
    assert read_pyproject("pyproject.toml", "").uv.default_groups == ("dev",)


def test_groups_that_include_themselves_or_nothing_are_problems() -> None:
    text = '[dependency-groups]\na = ["x", {include-group = "b"}]\nb = [{include-group = "a"}, "y"]\nc = 5\n'
    project = read_pyproject("pyproject.toml", text)
    assert [text for text, _ in project.groups["a"]] == ["x", "y"]
    assert [(problem.position.line, problem.message) for problem in project.problems] == [
        (2, "group a includes itself"),
        (3, "group b includes itself"),
        (4, "group c is not a list of requirements"),
    ]


def test_groups_that_include_each_other_many_times_are_read_once() -> None:
    lines = [
        f'g{n} = ["p{n}", {{include-group="g{n + 1}"}}, {{include-group="g{n + 1}"}}]' for n in range(60)
    ]
    text = "[dependency-groups]\n" + "\n".join([*lines, 'g60 = ["end"]'])
    assert len(read_pyproject("pyproject.toml", text).groups["g0"]) == 61


def test_dependencies_that_setuptools_reads_from_files() -> None:
    text = '[project]\nname = "x"\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = {file = ["base.txt"]}\n'
    assert read_pyproject("pyproject.toml", text).requirement_files == ("base.txt",)


def test_the_dependencies_of_poetry_are_requirements() -> None:
    text = dedent("""\
        [tool.poetry]
        name = "demo"
        [tool.poetry.dependencies]
        python = "^3.11"
        torch = {version = "^2.6", source = "pt", extras = ["opt"], python = ">=3.10,<3.12"}
        both = [{version = "^1", platform = "linux"}, {version = "~2.1", markers = "sys_platform == 'win32'"}]
        lib = {git = "https://github.com/a/lib.git", rev = "abc", optional = true}
        local = {path = "../local"}
        [tool.poetry.extras]
        All = ["Lib"]
        [tool.poetry.group.dev]
        optional = true
        [tool.poetry.group.dev.dependencies]
        pytest = "*"
        [[tool.poetry.source]]
        name = "pt"
        url = "https://download.pytorch.org/whl/cu126"
        priority = "explicit"
        """)
    poetry = read_pyproject("pyproject.toml", text).poetry
    assert poetry
    assert [row.text for row in poetry.dependencies] == [
        "torch[opt]>=2.6,<3.0 ; python_version >= '3.10' and python_version < '3.12'",
        "both>=1,<2 ; sys_platform == 'linux'",
        "both>=2.1,<2.2 ; (sys_platform == 'win32')",
        "lib @ git+https://github.com/a/lib.git@abc",
        "local @ file:../local",
    ]
    assert [(row.source, row.optional, row.position.line) for row in poetry.dependencies][::3] == [
        ("pt", False, 5),
        ("", True, 7),
    ]
    assert (poetry.requires_python, poetry.extras, poetry.optional_groups) == (
        ">=3.11,<4.0",
        {"all": ("lib",)},
        ("dev",),
    )
    assert [(source.name, source.priority) for source in poetry.sources] == [("pt", "explicit")]


@pytest.mark.parametrize(
    ("constraint", "specifier"),
    [
        ("^1.2", ">=1.2,<2.0"), ("^0.0.3", ">=0.0.3,<0.0.4"), ("~1.2.3", ">=1.2.3,<1.3.0"), ("1.2.*", "==1.2.*"),
        ("*", ""), ("2.7.1+cu128", "==2.7.1+cu128"), (">=1,<2 || >=3", ">=1"), ("!=1.5", "!=1.5"),
    ],
)  # fmt: skip
def test_a_constraint_of_poetry_as_specifiers(constraint: str, specifier: str) -> None:
    assert specifier_text(constraint) == specifier


@pytest.mark.parametrize("constraint", ["^", "latest", "1" * 600, "||" * 100])
def test_what_is_no_constraint_is_a_problem(constraint: str) -> None:
    with pytest.raises(ValueError, match="constraint"):
        specifier_text(constraint)
    text = f'[tool.poetry]\n[tool.poetry.dependencies]\nx = "{constraint}"\n'
    (problem,) = read_pyproject("pyproject.toml", text).problems
    assert problem.position.line == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("project = 5", "pyproject.toml:1:1: project: expected a table"),
        ("[project]\ndependencies = 5", "pyproject.toml:2:1: project.dependencies: expected a list of texts"),
        (
            "[project]\ndependencies = [5]",
            "pyproject.toml:2:1: project.dependencies: expected a list of texts",
        ),
        ("tool.uv.index = 5", "pyproject.toml:1:1: tool.uv.index: expected a list of tables"),
        ("[tool.uv]\nsources = {x = 5}", "expected a table, or a list of tables"),
        ("a = 1\nb = ]", "pyproject.toml:2:5: Invalid value (at line 2, column 5)"),
        ("a = " + "[" * 100_000, "pyproject.toml:1:1: it is nested too deep"),
    ],
)
def test_a_value_of_another_type_is_a_problem_with_its_place(text: str, problem: str) -> None:
    problems = [str(row) for row in read_pyproject("pyproject.toml", text).problems]
    assert any(problem in row for row in problems), problems


VALUES = st.recursive(
    st.sampled_from(["5", '"x"', '"a>=1"', "true", "1979-05-27"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(st.sampled_from(["index", "git", "include-group", "file", "version", "url"]), inner).map(
            lambda pair: f"{{{pair[0]} = {pair[1]}}}"
        ),
    ),
    max_leaves=4,
)
KEYS = [
    "project", "project.dependencies", "project.optional-dependencies", "project.optional-dependencies.x", "project.dynamic",
    "dependency-groups", "dependency-groups.a", "tool", "tool.uv", "tool.uv.index", "tool.uv.sources", "tool.uv.sources.x",
    "tool.uv.pip", "tool.uv.default-groups", "tool.uv.find-links", "tool.setuptools.dynamic.dependencies", "tool.poetry",
    "tool.poetry.name", "tool.poetry.dependencies", "tool.poetry.dependencies.x", "tool.poetry.group.a", "tool.poetry.extras",
    "tool.poetry.group.a.dependencies.b", "tool.poetry.source", "tool.poetry.extras.x", "tool.poetry.dev-dependencies",
]  # fmt: skip


@given(st.sampled_from(KEYS), VALUES)
def test_no_value_breaks_it(key: str, value: str) -> None:
    project = read_pyproject("pyproject.toml", f'project.dynamic = ["dependencies"]\n{key} = {value}\n')
    assert all(problem.position.line >= 1 for problem in project.problems)
