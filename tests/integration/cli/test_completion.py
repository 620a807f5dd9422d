"""The scripts of completion, run by the real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

_BASH = """
eval "$(PROGRAM completion bash)"
for COMP_LINE; do
    COMP_POINT=${#COMP_LINE}
    _PROGRAM_completion
    echo "${COMPREPLY[*]}"
done
"""
# outside of the line editor zsh has no `compadd`
_ZSH = """
autoload -U compinit && compinit -u -D
source <(PROGRAM completion zsh)
compadd() { echo "$values" }
for line; do
    words=("${(@z)line}") CURRENT=${#words}
    _PROGRAM_completion
done
"""
_FISH = """
PROGRAM completion fish | source
for line in $argv
    complete -C $line | string split --fields 1 \\t | string join ' '
end
true  # `string join` fails where there is nothing to join
"""
_SHELLS = {
    "bash": ("--norc", "-c", _BASH, "bash"),
    "zsh": ("-f", "-c", _ZSH, "zsh"),
    "fish": ("--no-config", "-c", _FISH),
}
_LINES = {
    "judge --service l": "lora",
    "judge --gpu=H10": "--gpu=H100",
    "bump torch==2.7.": "torch==2.7.1 torch==2.7.0",
    "explain GPU00": "GPU001 GPU002 GPU003 GPU004",
    "build --service lora --full-p": "--full-proof",
}


@pytest.mark.parametrize("program", ["torchpin", "invoke"])
@pytest.mark.parametrize("shell", _SHELLS)
def test_a_shell_completes(shell: str, program: str, tmp_path: Path) -> None:
    executable = shutil.which(shell)
    if executable is None:
        (pytest.fail if os.environ.get("TORCHPIN_REQUIRE") else pytest.skip)(f"{shell} is not installed")
    options = [option.replace("PROGRAM", program) for option in _SHELLS[shell]]
    result = subprocess.run(
        [executable, *options, *(f"{program} {line}" for line in _LINES)],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    offered = dict(zip(_LINES, result.stdout.splitlines(), strict=True))
    if shell == "bash":  # it completes what stands behind the last `=` of a word
        expected = {
            line: " ".join(word.rpartition("=")[2] for word in words.split())
            for line, words in _LINES.items()
        }
    else:
        expected = _LINES
    assert (offered, result.stderr) == (expected, "")
