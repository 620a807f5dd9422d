"""`judge` on the committed repository and on incompatible pins, and wrong arguments of it and its neighbours."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from support.command_line import DESCRIPTION, fail_if_called, replace_text, run_command, run_process, tree

if TYPE_CHECKING:
    from pathlib import Path


def test_the_judge_is_clean_but_for_waivers_and_says_so_in_every_form(
    committed: Path, tmp_path: Path
) -> None:
    before = tree(committed)
    result = run_process(committed, "judge", "--json", "--html", str(tmp_path / "page.html"))
    assert result.code == 0, result.output
    report = json.loads(result.out)
    assert set(report["services"].values()) == {"ok"}
    assert {row["status"] for row in report["results"]} <= {"ok", "waived", "not applicable"}
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    for form in ("--sarif", "--github"):
        assert run_command(committed, "judge", form).code == 0
    *_, counts, last = run_command(committed, "judge").out.splitlines()
    assert last.startswith("the pins of 5 services can work (")
    assert re.search(r"; \d+ of \d+ packages have measured facts$", counts)
    assert tree(committed) == before


def test_the_judge_asks_no_network_and_no_process(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", fail_if_called)
    monkeypatch.setattr("socket.socket.connect", fail_if_called)
    for arguments in (
        ["judge"],
        ["support", "--every"],
        ["why", "lora", "triton"],
        ["explain", "DEP001"],
        ["facts", "--check"],
    ):
        assert run_command(committed, *arguments).code == 0, arguments


def test_other_machines_can_be_asked_for(committed: Path) -> None:
    result = run_command(committed, "judge", "--service", "lora", "--gpu", "V100", "--driver", "470.57.02")
    assert result.code == 1
    assert "(--gpu V100): torch 2.7.1+cu128 has no code for V100 (compute capability 7.0)" in result.out
    driver = "(--driver 470.57.02): driver 470.57.02 runs CUDA 12.8 only by forward compatibility, with cuda-compat-12-8"
    assert driver in result.out
    assert "the pins of lora cannot work (" in result.out.splitlines()[-1]


def test_pins_that_cannot_work_are_refused_with_place_and_repair_before_anything_is_started(
    copy: Path,
) -> None:
    replace_text(
        copy, DESCRIPTION, 'companions: {torchvision: "0.22.1"', 'companions: {torchvision: "0.19.0"'
    )
    result = run_command(copy, "judge", "--service", "lora")
    assert result.code == 1
    assert re.search(
        rf"{DESCRIPTION}:\d+:\d+: torchvision 0.19.0 does not match torch 2.7.1; it goes with torch==2.4.0",
        result.out,
    )
    locking = run_command(copy, "lock", "--service", "lora", "--recorded")
    assert locking.code == 1
    assert "incompatible pins; nothing was started" in locking.err


def test_safe_repairs_give_back_the_committed_text(copy: Path) -> None:
    before = (copy / DESCRIPTION).read_bytes()
    replace_text(
        copy, DESCRIPTION, 'companions: {torchvision: "0.22.1"', 'companions: {torchvision: "0.19.0"'
    )
    digest = "  digest: sha256:ad6d59a3bbf3e82c1c849c9ac09cfc2a3e0bbb8655042fd899be6681b3fe2a85\n"
    replace_text(copy, DESCRIPTION, digest, "")
    result = run_command(copy, "judge", "--service", "lora", "--fix")
    assert result.code == 0, result.output
    assert "+" + digest in result.out
    assert (copy / DESCRIPTION).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("judge", "--json", "--sarif"), "mutually exclusive"),
        (("explain", "GPU01"), "did you mean GPU001"),
        (("why", "lora", "bitsandbites"), "did you mean bitsandbytes"),
        (("adopt", "services/nowhere"), "not a directory: "),
        (("adopt", "docs"), "no Dockerfile"),
        (("adopt", ".", "--write", "elsewhere"), "--write requires services/NAME"),
        (("facts",), "one of `--check`, `--refresh`, `--measure` and `--partners` is required"),
        (("facts", "--check", "--write"), "require `--refresh`"),
    ],
)
def test_wrong_words_to_the_judge_are_a_sentence(
    arguments: tuple[str, ...], message: str, committed: Path
) -> None:
    result = run_command(committed, *arguments)
    assert result.code == 2, result.output
    assert message in result.err
    assert "Traceback" not in result.output
