"""uv.lock, poetry.lock, pdm.lock, pylock.toml and Pipfile.lock of other projects."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.project.lock_file import select_package
from torchpin.project.markers import MarkerTarget
from torchpin.project.pipfile import read_pipfile, read_pipfile_lock
from torchpin.project.poetry import read_poetry_lock
from torchpin.project.pylock import read_pdm_lock, read_pylock
from torchpin.project.uv_lock import find_root, installed_packages, read_uv_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin.project.lock_file import LockFile

PYPI, CHANNEL = "https://mirror.example/simple", "https://download.pytorch.org/whl"
LINUX = MarkerTarget(python="3.12", machine="x86_64")
UV = dedent(f"""\
    version = 1
    revision = 3
    requires-python = ">=3.11"

    [[package]]
    name = "demo"
    version = "0.1"
    source = {{ virtual = "." }}
    dependencies = [
      {{ name = "einops" }},
      {{ name = "torch", version = "2.7.1", source = {{ registry = "{PYPI}" }}, marker = "sys_platform == 'darwin'" }},
      {{ name = "torch", version = "2.7.1+cu128", source = {{ registry = "{CHANNEL}/cu128" }}, marker = "sys_platform != 'darwin'" }},
      {{ name = "pywin32", marker = "sys_platform == 'win32'" }},
    ]

    [package.optional-dependencies]
    serve = [{{ name = "uvicorn", extra = ["standard"] }}]

    [package.dev-dependencies]
    dev = [{{ name = "pytest" }}]

    [[package]]
    name = "einops"
    version = "0.8.1"
    source = {{ registry = "{PYPI}" }}

    [[package]]
    name = "pytest"
    version = "8.0"
    source = {{ registry = "{PYPI}" }}

    [[package]]
    name = "pywin32"
    version = "300"
    source = {{ registry = "{PYPI}" }}

    [[package]]
    name = "torch"
    version = "2.7.1"
    source = {{ registry = "{PYPI}" }}
    resolution-markers = ["sys_platform == 'darwin'"]

    [[package]]
    name = "torch"
    version = "2.7.1+cu128"
    source = {{ registry = "{CHANNEL}/cu128" }}
    resolution-markers = ["sys_platform != 'darwin'"]
    dependencies = [{{ name = "triton" }}, {{ name = "torch" }}]

    [[package]]
    name = "triton"
    version = "3.3.1"
    source = {{ git = "https://github.com/a/triton?rev=x#abc" }}

    [[package]]
    name = "uvicorn"
    version = "0.30"
    source = {{ registry = "{PYPI}" }}

    [package.optional-dependencies]
    standard = [{{ name = "httptools" }}]

    [[package]]
    name = "httptools"
    version = "0.6"
    source = {{ registry = "{PYPI}" }}
    """)


def installed(lock: LockFile, **options: tuple[str, ...]) -> dict[str, bool]:
    root = find_root(lock, "demo")
    assert root
    rows = installed_packages(
        lock, root, LINUX, extras=options.get("extras", ()), groups=options.get("groups", ())
    )
    return {f"{package.name}=={package.version}": direct for package, direct in rows}


def test_a_sync_installs_what_the_project_requires_on_linux() -> None:
    lock = read_uv_lock("uv.lock", UV)
    assert installed(lock) == {"einops==0.8.1": True, "torch==2.7.1+cu128": True, "triton==3.3.1": False}


def test_extras_and_groups_are_installed_where_they_are_asked_for() -> None:
    lock = read_uv_lock("uv.lock", UV)
    rows = installed(lock, extras=("serve",), groups=("dev",))
    assert {"pytest==8.0": True, "uvicorn==0.30": True, "httptools==0.6": False}.items() <= rows.items()


def test_a_row_has_its_index_or_address_and_line() -> None:
    lock = read_uv_lock("uv.lock", UV)
    row = select_package(lock.rows("Torch"), LINUX)
    assert row
    assert (row.version, row.registry, row.line) == (
        "2.7.1+cu128",
        f"{CHANNEL}/cu128",
        UV[: UV.rindex("2.7.1+cu128")].count("\n"),
    )
    (triton,) = lock.rows("triton")
    assert (triton.registry, triton.address) == ("", "https://github.com/a/triton?rev=x#abc")


def test_a_row_that_depends_on_an_unknown_python_is_not_chosen() -> None:
    text = "".join(
        f'[[package]]\nname = "numpy"\nversion = "{version}"\nsource = {{ registry = "{PYPI}" }}\n'
        f'resolution-markers = ["python_full_version {marker}"]\n'
        for version, marker in (("2.2.0", "< '3.11'"), ("2.4.0", ">= '3.11'"))
    )
    rows = read_uv_lock("uv.lock", text).rows("numpy")
    assert select_package(rows, MarkerTarget()) is None
    assert select_package(rows, LINUX) == rows[1]
    assert select_package(rows, MarkerTarget(python="3.10")) == rows[0]


def test_extras_that_conflict_choose_the_row() -> None:
    rows = "".join(
        f'[[package]]\nname = "torch"\nversion = "2.7.1+{local}"\nsource = {{ registry = "{CHANNEL}/{local}" }}\n'
        for local in ("cpu", "cu128")
    )
    requires = ", ".join(
        f'{{ name = "torch", version = "2.7.1+{local}", marker = "extra == \'extra-4-demo-{local}\'" }}'
        for local in ("cpu", "cu128")
    )
    text = f'[[package]]\nname = "demo"\nversion = "1"\nsource = {{ editable = "." }}\n[package.optional-dependencies]\ncpu = [{requires}]\ncu128 = [{requires}]\n{rows}'
    lock = read_uv_lock("uv.lock", text)
    assert installed(lock, extras=("cu128",)) == {"torch==2.7.1+cu128": True}
    assert installed(lock) == {}


def test_the_packages_of_poetry_s_lock() -> None:
    text = dedent(f"""\
        [[package]]
        name = "Torch"
        version = "2.7.1+cu126"
        groups = ["main"]
        markers = "sys_platform == 'linux'"
        [package.source]
        type = "legacy"
        url = "{CHANNEL}/cu126"
        reference = "pt"
        [[package]]
        name = "lib"
        version = "1.0"
        groups = ["dev"]
        [package.source]
        type = "git"
        url = "https://github.com/a/lib.git"
        [metadata]
        python-versions = ">=3.11"
        """)
    lock = read_poetry_lock("poetry.lock", text)
    assert [
        (row.name, row.version, row.registry, row.address, row.groups, row.line) for row in lock.packages
    ] == [
        ("torch", "2.7.1+cu126", f"{CHANNEL}/cu126", "", ("main",), 2),
        ("lib", "1.0", "", "https://github.com/a/lib.git", ("dev",), 11),
    ]
    assert (lock.packages[0].applies(LINUX), lock.requires_python) == (True, ">=3.11")


def test_the_packages_of_pdm_s_lock() -> None:
    text = '[[package]]\nname = "a"\nversion = "1"\ngroups = ["default", "dev"]\nmarker = "python_version < \'3.9\'"\n'
    (row,) = read_pdm_lock("pdm.lock", text).packages
    assert (row.name, row.version, row.groups, row.applies(LINUX)) == ("a", "1", ("default", "dev"), False)


def test_the_packages_of_a_pylock() -> None:
    text = dedent(f"""\
        lock-version = "1.0"
        created-by = "uv"
        requires-python = ">=3.11"
        [[packages]]
        name = "torch"
        version = "2.7.1+cu128"
        index = "{CHANNEL}/cu128"
        marker = "sys_platform == 'linux'"
        wheels = [{{ url = "https://x.example/torch-2.7.1%2Bcu128-cp311-cp311-linux_x86_64.whl", hashes = {{ sha256 = "00" }} }}]
        [[packages]]
        name = "lib"
        vcs = {{ type = "git", url = "https://github.com/a/lib", commit-id = "{"a" * 40}" }}
        """)
    lock = read_pylock("pylock.toml", text)
    assert lock.problems == ()
    assert [(row.name, row.version, row.registry, row.address, row.line) for row in lock.packages] == [
        ("torch", "2.7.1+cu128", f"{CHANNEL}/cu128", "", 5),
        ("lib", "", "", "https://github.com/a/lib", 11),
    ]


def test_a_pylock_that_is_none_is_a_problem() -> None:
    (problem,) = read_pylock("pylock.toml", 'lock-version = "9.0"\n').problems
    assert problem.message == "Missing required value in 'created-by'"


def test_the_packages_of_a_pipfile_and_its_lock() -> None:
    text = dedent(f"""\
        [[source]]
        name = "first"
        url = "{PYPI}"
        [packages]
        torch = {{version = "==2.7.1", index = "pt", sys_platform = "== 'linux'"}}
        any = "*"
        lib = {{git = "https://github.com/a/lib", ref = "v1"}}
        [requires]
        python_version = "3.11"
        """)
    pipfile = read_pipfile("Pipfile", text)
    assert [(row.text, row.index, row.position.line) for row in pipfile.packages] == [
        ("torch==2.7.1 ; sys_platform == 'linux'", "pt", 5),
        ("any", "", 6),
        ("lib @ git+https://github.com/a/lib@v1", "", 7),
    ]
    assert (pipfile.sources[0][:2], pipfile.requires_python) == (("first", PYPI), "==3.11.*")
    lock = json.dumps(
        {
            "_meta": {"sources": [{"name": "pt", "url": f"{CHANNEL}/cu128"}]},
            "default": {"torch": {"version": "==2.7.1+cu128", "index": "pt"}},
            "develop": {"pytest": {"version": "==8.0"}},
        },
        indent=4,
    )
    rows = read_pipfile_lock("Pipfile.lock", lock).packages
    assert [(row.name, row.version, row.registry, row.groups, row.line) for row in rows] == [
        ("torch", "2.7.1+cu128", f"{CHANNEL}/cu128", ("default",), 11),
        ("pytest", "8.0", "", ("develop",), 17),
    ]


READERS = [read_uv_lock, read_poetry_lock, read_pdm_lock, read_pylock, read_pipfile_lock]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "text", ["package = 5\n", "[[package]]\nname = 5\n", "= broken", "[" * 100_000, '{"default": [' * 3_000]
)
def test_a_lock_of_another_shape_is_empty(read: Callable[[str, str], LockFile], text: str) -> None:
    lock = read("a.lock", text)
    assert lock.packages == ()
    assert all(str(problem).startswith("a.lock:") for problem in lock.problems)


def test_a_format_that_is_not_known_is_said() -> None:
    (problem,) = read_uv_lock("uv.lock", "version = 2\n").problems
    assert str(problem) == "uv.lock:1:1: its format 2 is not the one that is read (1)"


KEYS = [
    "name",
    "version",
    "source",
    "dependencies",
    "groups",
    "markers",
    "marker",
    "resolution-markers",
    "category",
    "vcs",
]
ROW_VALUES = st.sampled_from(
    [
        "5",
        '"a"',
        '["a"]',
        "[5]",
        "{ registry = 5 }",
        '{ git = "a" }',
        '[{ name = "a", extra = 5 }]',
        "{ main = 5 }",
    ]
)


@pytest.mark.parametrize("read", READERS)
@given(st.dictionaries(st.sampled_from(KEYS), ROW_VALUES, max_size=5))
def test_no_row_breaks_it(read: Callable[[str, str], LockFile], row: dict[str, str]) -> None:
    lines = "".join(f"{key} = {value}\n" for key, value in row.items())
    lock = read("a.lock", f"[[package]]\n{lines}")
    assert all(package.applies(LINUX) in {True, False, None} for package in lock.packages)
