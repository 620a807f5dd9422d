"""`adopt` on a project of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.command_line import ROOT, run_command

if TYPE_CHECKING:
    from pathlib import Path


def test_a_project_of_others_is_adopted_once(copy: Path) -> None:
    project = ROOT / "tests/adopt/training-unquoted"
    result = run_command(copy, "adopt", str(project), "--write", "services/voice")
    assert result.code == 1
    assert "warning[ADO001] Dockerfile.gpu:6:27: " in result.err
    text = (copy / "services/voice/service.yaml").read_text(encoding="utf-8")
    assert result.out.startswith(text)
    second = run_command(copy, "adopt", str(project), "--write", "services/voice")
    assert (second.code, second.err) == (2, "services/voice already exists; choose another name\n")
    assert json.loads(run_command(copy, "adopt", str(project), "--json").out)["matches"][0]["id"] == "ADO012"
