"""FIL: what `files:` name can be copied, and the keys of system packages are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.checks import run_check
from support.descriptions import PLAIN, read_service
from torchpin.checks.run import run
from torchpin.description.environments import select_environments
from torchpin.tools.files import write_files
from torchpin.workspace.evidence import for_judge
from torchpin.workspace.workspace import open_repository

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.checks.registry import Result
    from torchpin.model import Environment


def described(files: str = "files: [{from: a.py, to: a.py}, {from: app, to: /app}]\n") -> Environment:
    (env,) = select_environments([read_service(PLAIN + files)])
    return env


def test_what_is_there_is_ok_and_says_where_it_goes() -> None:
    env = described()
    result = run_check(env, "FIL001", file_problems=("", ""))
    assert result.status == "ok"
    assert [answer.evidence for answer in result.evidence] == [
        "a.py can be copied to /opt/lora/a.py", "app can be copied to /app",
    ]  # fmt: skip


def test_what_is_missing_is_a_warning_at_its_place_with_what_to_do() -> None:
    env = described()
    result = run_check(env, "FIL001", file_problems=("a.py does not exist; did you mean b.py?", ""))
    (finding,) = result.findings
    assert (result.status, finding.level, finding.about) == ("warning", "warning", "a.py")
    assert finding.location == "services/lora/service.yaml:13:16"
    assert (finding.message, finding.help) == ("a.py does not exist", "did you mean b.py?")


def test_without_files_or_where_nobody_looked_there_is_nothing_to_judge() -> None:
    assert run_check(described(""), "FIL001").status == "not applicable"
    assert run_check(described(), "FIL001").status == "not applicable"


KEYS = """\
apt_repositories:
  - {name: node, url: "https://deb.nodesource.com", suite: nodistro, components: [main], key: keys/node.asc}
apt: [nodejs]
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "keys/node.asc is missing"),
        ("mQINBF", "keys/node.asc does not begin with -----BEGIN PGP PUBLIC KEY BLOCK-----"),
    ],
)
def test_a_key_that_cannot_be_used_is_a_warning_at_its_place(
    text: str | None, problem: str, tmp_path: Path
) -> None:
    """As the judge reads it out of a checkout."""
    result = judge_keys(tmp_path, text)
    (finding,) = result.findings
    assert (result.status, finding.level, finding.message) == ("warning", "warning", problem)
    assert finding.location == "services/lora/service.yaml:14:95"
    assert finding.help == "save the repository's key there, ASCII-armored"


def test_a_key_that_is_there_is_ok(tmp_path: Path) -> None:
    result = judge_keys(tmp_path, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    assert result.status == "ok"
    assert [answer.evidence for answer in result.evidence] == [
        "keys/node.asc signs https://deb.nodesource.com"
    ]


def test_without_repositories_of_packages_there_is_no_key_to_judge() -> None:
    assert run_check(described(""), "FIL002").status == "not applicable"


def judge_keys(root: Path, key: str | None) -> Result:
    """FIL002 of a checkout with this key."""
    files = {"services/lora/service.yaml": PLAIN + KEYS} | ({} if key is None else {"keys/node.asc": key})
    write_files({root / path: text for path, text in files.items()})
    repo = open_repository(root)
    context = for_judge(repo, select_environments(repo.services))
    (result,) = run(context, judge=True, ids=("FIL002",))
    return result
