"""What the files of an adopted project ask for, and its service does not have."""

from __future__ import annotations

import pytest

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.compat.project_requirements import (
    addition_command,
    missing_packages_text,
    unmet_requirements,
)


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
