"""The requirements files of a source as they are resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.lock.requirement_files import SourceRequirements, read_requirement_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.fixture_types import Environments

    ReadFiles = Callable[..., SourceRequirements]


@pytest.fixture
def read(environment: Environments) -> ReadFiles:
    def read_files(
        files: Mapping[str, str], *names: str, pinned: tuple[str, ...] = (), is_package: bool = False
    ) -> SourceRequirements:
        return read_requirement_files(
            environment(),
            names or ("requirements.txt",),
            folder="third_party/a",
            read=files.get,
            pinned=pinned,
            is_package=is_package,
        )

    return read_files


def problems(result: SourceRequirements) -> list[str]:
    return [str(problem) for problem in result.problems]


def test_lines_are_read_as_pip_reads_them(read: ReadFiles) -> None:
    text = "\ufeffnumpy<2  # why\n\n# all\na==1 \\\n  --hash=sha256:00\nb[x]>=2; python_version > '3'\r\nc"
    result = read({"requirements.txt": text})
    assert result.lines == ["numpy<2", "a==1", "b[x]>=2; python_version > '3'", "c"]
    assert (result.notes, result.problems) == ([], [])


def test_a_line_of_comment_is_not_joined_to_the_next_one(read: ReadFiles) -> None:
    text = "# see \\\na==1\nb \\\n  # why \\\nc\n"
    result = read({"requirements.txt": text})
    assert (result.lines, result.problems) == (["a==1", "b", "c"], [])


def test_included_files_are_followed_inside_the_clone_each_once(read: ReadFiles) -> None:
    files = {
        "requirements/gpu.txt": "-r base.txt\n--requirement=../more.txt\n-c limits.txt\n",
        "requirements/base.txt": "a\n-r gpu.txt\n",
        "requirements/limits.txt": "b<2\n-r deeper.txt\n",
        "requirements/deeper.txt": "d<3\n",
        "more.txt": "c\n",
    }
    assert read(files, "requirements/gpu.txt").lines == ["a", "c", "-c b<2", "-c d<3"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-r ../../secrets.txt", "../../secrets.txt is not in the clone; copy what it pins into a layer"),
        ("-r https://example.org/r.txt", "https:/example.org/r.txt is not in the clone"),
        ("-rnone.txt", "none.txt is not in the clone"),
        ("./wheels/a.whl", "`./wheels/a.whl` installs a folder or a repository"),
        ("-e git+https://example.org/a", "`-e git+https://example.org/a` installs a folder or a repository"),
        ("--editable ./part", "`--editable ./part` installs a folder or a repository"),
        ("--config x", "--config-settings stands without a requirement"),
        ("--frozen", "'--frozen' is not an option of requirement files"),
        ("--no-use-wheel", "`--no-use-wheel` is an option that torchpin does not know"),
        ("a @ git+https://example.org/a", "a comes from an address, git+https://example.org/a; pin a version of it in a layer"),
        ("git+https://example.org/a", "'git+https://example.org/a' is not a requirement"),
        ("a; platform_version != 'x\\x27y\"'", "'a; platform_version != \\'x"),
        ("a; platform_version != 'x\\ny'", "\"a; platform_version != 'x\\\\ny'\" is not a requirement ("),
    ],
)  # fmt: skip
def test_what_no_lock_can_hold_is_refused_with_its_line(read: ReadFiles, line: str, message: str) -> None:
    result = read({"requirements.txt": f"b\n{line}\n"})
    (problem,) = problems(result)
    assert problem.startswith(f"third_party/a/requirements.txt:2:1: {message}")
    assert result.lines == ["b"]


def test_every_problem_is_said_at_once(read: ReadFiles) -> None:
    assert len(problems(read({"requirements.txt": "-r a\n./b\n!\n"}))) == 3


@pytest.mark.parametrize(
    "line",
    [
        "a @ git+https://example.org/a",
        "-e git+https://example.org/a#egg=A",
        "a @ https://example.org/a.whl",
        "z @ https://example.org/z.whl ; sys_platform == 'win32'",
    ],
)
def test_what_is_pinned_or_of_another_platform_may_have_any_address(read: ReadFiles, line: str) -> None:
    assert read({"requirements.txt": line}, pinned=("a",)).problems == []


@pytest.mark.parametrize(
    "line", ["--extra-index-url https://download.pytorch.org/whl/cu128", "-i https://example.org/simple", "--pre"]
)  # fmt: skip
def test_options_that_are_not_used_are_said(read: ReadFiles, line: str) -> None:
    result = read({"requirements.txt": f"{line}\na\n"})
    (note,) = result.notes
    assert note.startswith(f"third_party/a/requirements.txt:1: `{line}` is not used: ")
    assert (result.lines, result.problems) == (["a"], [])


def test_the_source_itself_is_left_to_a_word_of_the_description(read: ReadFiles) -> None:
    files = {"requirements.txt": "-e .\n.[gpu]\n"}
    assert read({"requirements.txt": "-e .\n./\n"}, is_package=True) == SourceRequirements()
    assert read(files, is_package=True).notes == [
        "third_party/a/requirements.txt:2: the extras of `.[gpu]` are left out; pin in a layer what they ask for"
    ]
    assert read(files).notes == [
        f"third_party/a/requirements.txt:{number}: `{line}` is left out; `install: editable` installs the source itself"
        for number, line in ((1, "-e ."), (2, ".[gpu]"))
    ]


def test_files_that_include_each_other_without_end_are_refused(read: ReadFiles) -> None:
    files = {f"r{number}.txt": f"-r r{number + 1}.txt\n" for number in range(99)}
    assert any("more than 50 files are included" in problem for problem in problems(read(files, "r0.txt")))
