"""Files that mean harm: nothing of them reaches the terminal raw, none is an endless job, and none ends in a traceback."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from torchpin.commands.check import CheckOptions, check
from torchpin.output.answers import print_check_report
from torchpin.output.volume import task_output

BASE = "FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\n"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# a title of the terminal, a colour, C1, bidirectional overrides, further ends of lines
EVIL = "\x1b]0;pwned\x07\x1b[31m\x9b31m\u202e\u2066\u200f\u2028\x85\x0b\x0c"
QUOTED = json.dumps(EVIL)
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 30)
)
MERGES = "x0: &x0 {a: b}\n" + "".join(
    f"x{number}: &x{number} {{<<: [*x{number - 1}, *x{number - 1}], b: *x{number - 1}}}\n"
    for number in range(1, 40)
)
CONDA = BASE + "COPY environment.yml .\nRUN conda env create -f environment.yml\n"

FILES: dict[str, dict[str, str]] = {
    "words": {
        "Dockerfile": f"{BASE}RUN pip install 'a{EVIL}>=1' b{EVIL}>=2 && curl https://x.example/{EVIL} | sh\nCOPY --from={EVIL} a b\n"
        f"{EVIL} x\nRUN git clone https://x.example/{EVIL}\nADD https://x.example/{EVIL} /\nRUN pip install -r {EVIL}.txt\n"
        f"RUN bash {EVIL}.sh\n# torchpin: ignore={EVIL} because {EVIL}\nFROM {EVIL}\n"
    },
    "requirements": {
        "requirements.txt": f"torch{EVIL}==1\n--index-url https://x.example/{EVIL}\n-r {EVIL}\n--{EVIL}\na==1 ; {EVIL}\n"
    },
    "pyproject": {
        "pyproject.toml": f'[project]\nname = "x"\nversion = "1"\ndependencies = [{QUOTED}, "a>=1"]\n[tool.uv]\n'
        f"index-strategy = {QUOTED}\n"
    },
    "conda": {"Dockerfile": CONDA, "environment.yml": json.dumps({"name": EVIL, "dependencies": [EVIL, {"pip": [EVIL]}]})},
    "compose": {
        "compose.yaml": json.dumps({"services": {EVIL: {"build": {"context": EVIL, "dockerfile": EVIL, "args": {EVIL: EVIL}}}}}),
        "Dockerfile": BASE,
    },
    "bake": {
        "docker-bake.json": json.dumps({"target": {EVIL: {"context": EVIL, "dockerfile": EVIL}, "b": {"args": {"X": EVIL}}}}),
        "Dockerfile": f"ARG X\nFROM a:${{X}}\n{BASE}",
    },
    "description": {"services/x/service.yaml": f"torch: {QUOTED}\npython: {QUOTED}\nlayers: {QUOTED}\n{QUOTED}: 1\n"},
    "names": {f"Dockerfile.{EVIL}": "FROM x\n", f"{EVIL}/Dockerfile": "FROM y\n", f"a{EVIL}requirements.txt": "a\n"},
    "nested": {
        "Dockerfile": CONDA, "environment.yml": "a: " + "[" * 5_000, "pyproject.toml": "a = " + "[" * 50_000,
        "uv.lock": "a = " + "{a = " * 5_000, "docker-bake.json": '{"target": ' * 5_000, "compose.yaml": "{a: " * 5_000,
    },
    "laughs": {"Dockerfile": CONDA, "environment.yml": f"{LAUGHS}dependencies: *a29\n", "compose.yaml": f"{MERGES}services: *x39\n"},
    "circles": {
        "Dockerfile": f"{CONDA}COPY . .\nRUN bash a.sh && pip install -r requirements.txt\n",
        "environment.yml": "dependencies: &d\n- *d\n- pip: *d\n", "compose.yaml": "services: &s\n  a: *s\n  b: {build: *s}\n",
        "a.sh": "bash a.sh\nsource b.sh\n", "b.sh": "bash a.sh; bash b.sh; . a.sh\n",
        "requirements.txt": "-r requirements.txt\n-c b/requirements.txt\n", "b/requirements.txt": "-r ../requirements.txt\n",
    },
    "NUL": dict.fromkeys(("Dockerfile", "requirements.txt", "pyproject.toml", "compose.yaml", "uv.lock"), "a\x00b==1\n\x00"),
    "wrong types": {
        "compose.yaml": "services: {a: {build: 5}, b: 7, 5: {build: {context: [1], args: 5}}}", "pyproject.toml": "project = 5\n",
        "docker-bake.json": '{"target": {"a": {"args": 5, "inherits": ["a", 5]}}, "group": 5}', "Dockerfile": BASE, "uv.lock": "package = 5",
    },
    "a long line": {"Dockerfile": f"{BASE}RUN pip install {'a>=1 ' * 200}{'b' * 100_000}\n", "requirements.txt": "a" * 300_000},
}  # fmt: skip


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_nothing_is_passed_on_raw(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(text.encode())
    named = tuple(name for name in files if not name.startswith(EVIL))
    for paths in ((), named):
        report = check(CheckOptions(paths=paths, fix="all", diff=True))
        with task_output("check", verbose=True):
            for form in ("text", "json", "sarif", "github", "markdown"):
                print_check_report(report, form)
        printed = capsys.readouterr()
        assert not RAW.search(printed.out + printed.err)
        assert report.exit_code in {0, 1, 2}


def test_what_is_no_file_of_the_project_is_passed_over_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Dockerfile").write_text(BASE)
    Path("circle").symlink_to(".")
    Path("Dockerfile.gone").symlink_to("nowhere")
    Path("Dockerfile.outside").symlink_to("/etc/passwd")
    Path("Dockerfile.zeros").symlink_to("/dev/zero")
    os.mkfifo("Dockerfile.pipe")
    with Path("requirements.txt").open("wb") as file:
        file.truncate(100_000_000)
    report = check(CheckOptions())
    assert {line.partition(":")[0] for line in report.skipped} == {
        "Dockerfile.gone", "Dockerfile.outside", "Dockerfile.zeros", "Dockerfile.pipe", "requirements.txt",
    }  # fmt: skip
    assert not report.problems
