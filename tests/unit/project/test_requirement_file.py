"""Requirement files: lines, options and requirements as pip reads them, each at its place."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.model import Problem
from torchpin.project.included_files import read_requirement_file
from torchpin.project.requirement_file import FileOption, FileRequirement, logical_lines, parse_rows

OTHER = "https://wheels.example/simple"


def rows(text: str) -> list[str]:
    """The rows of a file, as `line:column` and what is there."""
    parts = []
    for row in parse_rows(text, "r.txt"):
        place = f"{row.position.line}:{row.position.column} "
        if isinstance(row, FileRequirement):
            parts.append(place + ("-e " if row.editable else "") + row.text)
        elif isinstance(row, FileOption):
            parts.append(place + f"{row.name} {row.value}".rstrip())
        else:
            parts.append(place + f"! {row.message}")
    return parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch==2.7.1  # why\n\n# nothing\n", ["1:1 torch==2.7.1"]),
        ("\ufefftorch==2.7.1", ["1:1 torch==2.7.1"]),
        ("foo==\\\n1.0", ["1:1 foo==1.0"]),
        ("foo \\\n# a comment ends it\nbar", ["1:1 foo", "3:1 bar"]),
        ("last \\", ["1:1 last"]),
        ("a @ https://x.example/a.zip#sha256=1", ["1:1 a @ https://x.example/a.zip#sha256=1"]),
        (f"-i {OTHER} --pre", [f"1:4 --index-url {OTHER}", "1:21 --pre".replace("21", str(5 + len(OTHER)))]),
        (f"--extra-index-url='{OTHER}'", [f"1:1 --extra-index-url {OTHER}"]),
        (f"--find-link {OTHER}", [f"1:13 --find-links {OTHER}"]),  # pip lets options be shortened
        ("-rcommon.txt", ["1:1 --requirement common.txt"]),
        ("-e .[dev]", ["1:4 -e .[dev]"]),
        ("--no-binary :all:\n--require-hashes", ["1:13 --no-binary :all:", "2:1 --require-hashes"]),
        ("x --pre", ["1:1 x", "1:3 ! --pre is not an option of a requirement; write it on a line of its own"]),
        ("--frozen", ["1:1 ! '--frozen' is not an option of requirement files"]),
        ("-r", ["1:1 ! -r has no value"]),
        ("-i 'open", ["1:1 ! a quote is not closed"]),
        ("--hash=sha256:1", ["1:1 ! --hash stands without a requirement"]),
        ("a\0b", ["1:1 ! it has a NUL character"]),
    ],
)  # fmt: skip
def test_a_line_is_read_as_pip_reads_it(text: str, expected: list[str]) -> None:
    assert rows(text) == expected


def test_a_requirement_has_its_own_options() -> None:
    text = "x==1 \\\n  --hash=sha256:1 \\\n  --hash sha256:2 -C 'a=b c' --config-settings=d=e\n"
    (row,) = parse_rows(text, "r.txt")
    assert isinstance(row, FileRequirement)
    assert (row.text, row.options) == (
        "x==1",
        (
            ("--hash", "sha256:1"),
            ("--hash", "sha256:2"),
            ("--config-settings", "a=b c"),
            ("--config-settings", "d=e"),
        ),
    )


def test_a_variable_stays_as_it_is_written() -> None:
    text = "--extra-index-url https://${HOST}/simple x\n${NAME}==${VERSION}\n"
    assert rows(text) == [
        "1:19 --extra-index-url https://${HOST}/simple",
        "1:42 ! 'x' is not an option of requirement files",
        "2:1 ${NAME}==${VERSION}",
    ]


def test_a_joined_line_keeps_the_places_of_its_parts() -> None:
    (line,) = logical_lines("  torch \\\n    --hash=x  # c\n")
    assert (line.text, line.place(0), line.place(line.text.index("--"))) == (
        "torch     --hash=x",
        (1, 3),
        (2, 5),
    )


def read(texts: dict[str, str], path: str = "a.txt") -> tuple[list[str], list[str], list[str]]:
    """Requirements (`c:` before a constraint), missing names and problems of a file; names are those of files."""
    result = read_requirement_file(path, texts=texts, find=lambda name, _: name if name in texts else None)
    return (
        [f"{'c:' if row.is_constraint else ''}{row.text}" for row in result.requirements],
        [row.name for row in result.missing],
        [str(problem) for problem in result.problems],
    )


def test_what_a_file_includes_stands_in_its_place_and_counts_once() -> None:
    texts = {
        "a.txt": "x\n-r b.txt\n-c c.txt\n-r b.txt\ny\n-r missing.txt\n",
        "b.txt": "b\n-r a.txt\n",
        "c.txt": "c<2\n-r b.txt\n",
    }
    assert read(texts) == (["x", "b", "c:c<2", "c:b", "c:x", "c:y", "y"], ["missing.txt", "missing.txt"], [])


def test_a_chain_of_files_ends_at_a_bound_which_is_said() -> None:
    texts = {f"{number}.txt": f"p{number}\n-r {number + 1}.txt\n" for number in range(300)}
    requirements, _, problems = read(texts, "0.txt")
    assert len(requirements) == 101
    assert problems == ["100.txt:2:4: 101.txt is not read: over 100 files are included"]


HOSTILE = {
    "quotes": "-i " + '"' * 200_001,
    "blanks": "a" + " " * 500_000 + "b\n",
    "joined": "a\\\n" * 200_000,
    "options": "-i x " * 100_000,
    "variables": "${" * 200_000,
    "hashes": "torch==1 " + "--hash=sha256:0 " * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_lines_are_read_in_linear_time(text: str) -> None:
    start = process_time()
    assert list(parse_rows(text, "r.txt"))
    assert process_time() - start < 5


def test_a_line_beyond_a_bound_is_a_problem() -> None:
    (problem,) = parse_rows("a" * 1_000_001 + "\n", "r.txt")
    assert isinstance(problem, Problem)
    assert problem.message == "a line of over 1000000 characters is not read"


@given(st.text(alphabet=st.sampled_from([*"-rice=\"'\\ \n#${}A@/\t\r\0", "\u2028"]), max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    for row in parse_rows(text, "r.txt"):
        assert row.position.line >= 1
        assert row.position.column >= 1
