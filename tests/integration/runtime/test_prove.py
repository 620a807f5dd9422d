"""The probe and the smoke test in one interpreter: a failure of either fails, and neither gets into the other's output."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.runtime_scripts import RUNTIME

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class Proof(NamedTuple):
    code: int
    document: Path
    stdout: str
    stderr: str


def prove(folder: Path, smoke: str, modules: dict[str, str] | None = None, **expect: object) -> Proof:
    """Run both in a bare environment of this Python, with `modules` beside it."""
    environment = folder / "env"
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", environment), check=True)
    python = environment / "bin" / "python"
    packages = next(environment.glob("lib/python*/site-packages"))
    for name, text in (modules or {}).items():
        (packages / f"{name}.py").write_text(text)
    script = folder / "service" / "smoke.py"
    script.parent.mkdir()
    script.write_text(smoke)
    expectation = folder / "expect.json"
    expectation.write_text(
        json.dumps({"python": PYTHON, "distributions": {}, "imports": [*(modules or {})], **expect})
    )
    document = folder / "proof.json"
    completed = subprocess.run(
        (python, "-B", RUNTIME / "prove.py", document, script, "--no-gpu", "--expect", expectation),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Proof(completed.returncode, document, completed.stdout, completed.stderr)


def test_both_run_in_one_interpreter_and_the_document_is_the_probes_alone(tmp_path: Path) -> None:
    smoke = (
        "import os, sys\nassert sys.modules['slow'].loads == 1\nprint('smoke: ok', __name__, sys.argv, sys.path[0])\n"
        "os.system('echo from a program')\n"
    )
    module = "import sys\nloads = 1\nprint('printed by an import')\n"
    proof = prove(tmp_path, smoke, {"slow": module})
    assert proof.code == 0, proof.stderr
    script = tmp_path / "service" / "smoke.py"
    assert sorted(proof.stdout.splitlines()) == [
        "from a program",
        f"smoke: ok __main__ {[str(script)]} {script.parent}",
    ]
    assert json.loads(proof.document.read_text())["imports"] == {"slow": None}
    assert "printed by an import" in proof.stderr
    assert "probe: ok, 0 distributions, no torch\n" in proof.stderr


def test_a_smoke_test_does_not_run_and_hides_nothing_where_the_probe_fails(tmp_path: Path) -> None:
    proof = prove(tmp_path, "print('ran')\nraise SystemExit(0)\n", {"broken": "1 / 0\n"})
    assert proof.code == 1
    assert "probe: FAIL import broken: ZeroDivisionError: division by zero\n" in proof.stderr
    assert proof.stdout == ""


@pytest.mark.parametrize(
    ("smoke", "code", "message"),
    [
        ("assert 1 == 2, 'another answer'\n", 1, "AssertionError: another answer\nprove: "),
        ("raise SystemExit(7)\n", 7, "probe: ok"),
        ("raise SystemExit('no model')\n", 1, "no model\n"),
        ("def broken(:\n", 1, "SyntaxError: "),
        ("import os\nos._exit(5)\n", 5, "probe: ok"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", -9, "probe: ok"),
        ("import ctypes\nctypes.string_at(0)\n", -11, "Fatal Python error: Segmentation fault"),
    ],
    ids=["exception", "exit code", "exit message", "syntax", "exits at once", "killed", "crash"],
)
def test_a_smoke_test_that_fails_fails_the_proof(tmp_path: Path, smoke: str, code: int, message: str) -> None:
    proof = prove(tmp_path, smoke)
    assert proof.code == code
    assert message in proof.stderr
    assert "runpy" not in proof.stderr.partition("Fatal")[0]  # a traceback begins in the smoke test


def test_an_import_that_ends_the_interpreter_leaves_no_document(tmp_path: Path) -> None:
    """The build looks for the document, so what exits with 0 on import is no proof."""
    proof = prove(tmp_path, "print('ran')\n", {"leaves": "import os\nos._exit(0)\n"})
    assert proof.code == 0
    assert not proof.document.exists()


def test_a_service_may_have_modules_that_are_called_as_the_scripts_are(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "probe.py").write_text("answer = 42\n")
    (tmp_path / "service").rename(tmp_path / "own")
    smoke = f"import sys\nsys.path.insert(0, {str(tmp_path / 'own')!r})\nimport probe\nassert probe.answer == 42\n"
    proof = prove(tmp_path, smoke)
    assert proof.code == 0, proof.stderr


def test_processes_that_the_smoke_test_starts_find_it(tmp_path: Path) -> None:
    smoke = (
        "import multiprocessing\n\n\ndef double(number):\n    return 2 * number\n\n\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        assert pool.map(double, [2]) == [4]\n"
        "    print('smoke: ok')\n"
    )
    proof = prove(tmp_path, smoke)
    assert (proof.code, proof.stdout) == (0, "smoke: ok\n"), proof.stderr


def test_missing_arguments_are_an_error() -> None:
    completed = subprocess.run((sys.executable, "-B", RUNTIME / "prove.py"), capture_output=True, check=False)
    assert completed.returncode == 2
    assert b"usage" in completed.stderr
