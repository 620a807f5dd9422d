"""What the files of an adopted project ask for, and its service does not have."""

from __future__ import annotations

import pytest

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.compat.project_requirements import (
    addition_command,
    file_ranges,
    missing_packages_text,
    ranges_in_the_way,
    unmet_requirements,
)
from torchpin.compat.recommendations import list_recommendations


def described(*rows: tuple[str, str, str]) -> str:
    lines = (f'  - {{component: {name}, says: "{says}", by: "{by}"}}\n' for name, says, by in rows)
    return DESCRIPTION.rstrip("\n") + "\nrecommends:\n" + "".join(lines)


@pytest.mark.parametrize(
    ("by", "missing"),
    [
        ("requirements.txt", True),
        ("server/pyproject.toml", True),
        ("docker/Dockerfile.gpu", True),
        ("validation report", False),
        ("the page of Wan2.2", False),
    ],
)
def test_what_a_file_asks_for_is_missing_and_what_somebody_recommends_is_not(by: str, missing: bool) -> None:
    env = read_environment(described(("web", "any", by)))
    assert [row.component for row in unmet_requirements(env, None)] == ["web"] * missing


def test_what_is_pinned_or_no_package_is_not_missing_and_a_lock_may_bring_it() -> None:
    rows = ("Jinja2", "torch", "python", "cuda", "RTX 4090", "six")
    env = read_environment(described(*((name, "any", "requirements.txt") for name in rows)))
    without_lock = {row.component for row in unmet_requirements(env, None)}
    assert "six" not in {row.component for row in unmet_requirements(env, make_lock(env))}
    assert without_lock <= {"six"}


def test_the_command_has_the_versions_that_are_asked_for() -> None:
    rows = (("web", "any"), ("rows", "<2,>=1"), ("cells", "1.4"))
    env = read_environment(described(*((*row, "requirements.txt") for row in rows)))
    unmet = unmet_requirements(env, None)
    assert addition_command(env, unmet) == "invoke add lora web 'rows<2,>=1' cells==1.4"
    text = "no layer has web, rows<2,>=1 and cells==1.4, which requirements.txt asks for"
    assert missing_packages_text(unmet) == text


def test_a_constraint_is_no_package_to_install_and_counts_where_others_bring_its_package() -> None:
    env = read_environment(
        described(("rich", "<14", "constraint of constraints.txt"), ("idna", "<3", "list.txt"))
    )
    assert [row.component for row in unmet_requirements(env, None)] == ["idna"]
    assert {*list_recommendations(env, None)} == {"idna"}
    ranges = [(str(requirement), file) for requirement, file in file_ranges(env)]
    assert ranges == [("rich<14", "constraints.txt"), ("idna<3", "list.txt")]


@pytest.mark.parametrize(
    ("component", "says", "by"),
    [
        ("jinja2", "<4", "requirements.txt"),  # pinned
        ("torch", "<3", "requirements.txt"),  # of the channel
        ("python", "<3.13", "requirements.txt"),
        ("idna", "any", "requirements.txt"),
        ("idna", "2.x / 3.x", "requirements.txt"),  # alternatives are no range of pip's
        ("idna", "<3", "validation report"),
        ("idna", "idna-3.0-py3-none-any.whl", "requirements.txt"),
    ],
)
def test_what_is_pinned_or_no_range_of_a_file_bounds_no_lock(component: str, says: str, by: str) -> None:
    assert file_ranges(read_environment(described((component, says, by)))) == ()


def test_a_reason_lets_a_lock_leave_the_range() -> None:
    text = described(("idna", "<3", "requirements.txt"))
    explained = read_environment(text + "reasons:\n  idna: {because: 3 works too, evidence: its tests}\n")
    assert file_ranges(explained) == ()


def test_a_range_that_leaves_no_solution_is_named_with_its_place() -> None:
    env = read_environment(described(("idna", "<3", "requirements.txt"), ("rich", "<14", "list.txt")))
    output = "web==1 depends on idna>=3 and idna<3, we can conclude that web==1 cannot be used."
    line = DESCRIPTION.rstrip("\n").count("\n") + 3
    assert ranges_in_the_way(env, output) == (
        f"idna<3 is what requirements.txt allows (services/lora/service.yaml:{line}:5): pin what goes with it, or say under "
        "`reasons:` why idna may be another version"
    )
    assert ranges_in_the_way(env, "idna<3.1 is not there") == ""
