"""What others wrote is read within bounds: small files that grow, and long ones in linear time."""

from __future__ import annotations

from time import process_time

import pytest

from support.adoption import BASE
from torchpin.adopt.draft import draft_adoption
from torchpin.installs.project import parse_project

NESTED = "ENV A0=xxxxxxxxxx\n" + "".join(
    f"ENV A{number}={f'${{A{number - 1}}}' * 10}\n" for number in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BASE + NESTED, "its variables fill in more than 4000000 characters"),
        (BASE * 201, "it has more than 200 stages"),
        (
            BASE + "".join(f"ENV A{number}=1\n" for number in range(10_001)),
            "it sets more than 10000 variables",
        ),
        ("#" * 4_000_001, "the Dockerfiles up to it have over 4000000 characters"),
    ],
)
def test_a_dockerfile_beyond_a_bound_is_not_read_and_named(text: str, reason: str) -> None:
    project = parse_project({"Dockerfile": text})
    assert (project.dockerfiles, project.unreadable) == ((), (("Dockerfile", reason),))


LONG = {
    "words": BASE + "RUN pip install \\\n" + "".join(f"  p{number}==1.0 \\\n" for number in range(20_000)) + "  a\n",
    "lines": BASE + "".join(f"RUN pip install p{number}==1.0\n" for number in range(10_000)),
    "quotes": BASE + "RUN " + '"' * 100_000 + "(a" * 50_000 + "\n",
    "flags": BASE + "RUN " + "--mount=a " * 20_000 + "pip install torch\n",
    "nested JSON": BASE + "RUN " + "[" * 100_000 + "\n",
    "open variables": BASE + "ENV A=" + "${a-" * 20_000 + "\n",
    "redirections": BASE + "RUN pip install " + "a>1 " * 20_000 + "\n",
    "commands": BASE + "RUN " + "git clone https://x.example/y; " * 10_000 + "\n",
}  # fmt: skip


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_dockerfile_is_read_in_seconds(text: str) -> None:
    start = process_time()
    draft_adoption({"Dockerfile": text}, "x")
    assert process_time() - start < 20  # a few on a slow machine; minutes, where a reader is quadratic


def test_packages_beyond_the_bound_are_counted_in_the_draft() -> None:
    packages = " ".join(f"p{number}==1" for number in range(2_005))
    text = draft_adoption({"Dockerfile": BASE + f"RUN pip install torch==2.7.1 {packages}\n"}, "x").text
    assert "# - left out: 5 packages beyond the first 2000 packages or 100 installs\n" in text


def test_a_line_that_is_no_requirement_is_cut() -> None:
    (match,) = draft_adoption({"requirements.txt": "a" * 100_000}, "x").matches
    assert match.finding.message == f"`{'a' * 80}…` is not a valid requirement"


def test_files_that_include_each_other_are_read_once() -> None:
    texts = {
        f"{number}-requirements.txt": f"-r {number + 1}-requirements.txt\n" * 2 for number in range(1_500)
    }
    assert draft_adoption(texts, "x").files


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("uv.lock", "version=1\npackage=5\n", (2, "package: expected a list of tables")),
        ("uv.lock", "package = [5]\n", (1, "package: expected a list of tables")),
        ("pyproject.toml", "a = " + "[" * 100_000, (1, "it is nested too deep")),
    ],
)
def test_a_table_of_another_shape_is_named(name: str, text: str, reason: tuple[int, str]) -> None:
    assert parse_project({name: text}).unreadable == ((f"{name}:{reason[0]}:1", reason[1]),)


@pytest.mark.parametrize(
    "text", ["project = 5\n", "[project]\ndependencies = 5\n", "[project]\ndependencies = [5]\n"]
)
def test_dependencies_of_another_type_are_none(text: str) -> None:
    assert draft_adoption({"Dockerfile": BASE, "pyproject.toml": text}, "x").missing
