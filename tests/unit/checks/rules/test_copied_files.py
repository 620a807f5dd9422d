"""FIL001: what `files:` name can be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.checks import run_check
from support.descriptions import PLAIN, read_service
from torchpin.description.environments import select_environments

if TYPE_CHECKING:
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
