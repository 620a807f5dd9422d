"""A draft, the rules' matches and the judge's results hold no secret of the project that is adopted."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest

from support.adoption import BASE
from torchpin.commands import adopt
from torchpin.output.answers import print_draft

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "c4n4ry"
TORCH = f"{BASE}RUN pip install torch==2.5.1\n"
KNOWN_TAG = "https://c4n4ry@github.com/kohya-ss/sd-scripts"
WAYS_IN = {
    "a clone with user information": "RUN git clone https://c4n4ry@github.com/a/b\n",
    "a clone with a query": "RUN git clone https://github.com/a/b?token=c4n4ry\n",
    "a clone at a tag": f"RUN git clone -b v0.9.1 {KNOWN_TAG}\n",
    "a requirement": "RUN pip install git+https://u:c4n4ry@github.com/a/b\n",
    "an address of a wheel": "RUN pip install https://h.example/a-1-py3-none-any.whl?sig=c4n4ry\n",
    "an index": "RUN pip install -i https://u:c4n4ry@h.example/simple numpy==1.26.4\n",
    "an extra index": "RUN pip install --extra-index-url https://h.example/simple?k=c4n4ry numpy\n",
    "a variable": "ENV HF_TOKEN=c4n4ry\n",
    "a variable's address": "ENV STORE=redis://:c4n4ry@h.example/0\n",
    "a variable within a variable": "ENV OPTIONS=--api-key=c4n4ry\n",
    "a secret in a path": "ARG API_KEY=c4n4ry\nRUN git clone https://h.example/$API_KEY/b\n",
    "a secret by another name": "ARG A_TOKEN=c4n4ry\nARG B=$A_TOKEN\nRUN pip install -i https://$B.example/ x\n",
    "an option of the command": 'CMD ["serve", "--token", "c4n4ry"]\n',
    "an option with its value": 'CMD ["serve", "--api-key=c4n4ry"]\n',
    "a shell's command": 'CMD ["sh", "-c", "HF_TOKEN=c4n4ry serve"]\n',
    "an address in the command": 'CMD ["serve", "https://h.example/?sig=c4n4ry"]\n',
    "a download": "RUN curl -L https://c4n4ry@h.example/x?y=c4n4ry | sh\n",
}


def printed(adopted: adopt.Adopted, *, json: bool) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        print_draft(adopted, json=json)
    return out.getvalue()


@pytest.mark.parametrize("lines", WAYS_IN.values(), ids=WAYS_IN)
def test_no_secret_of_a_dockerfile_comes_out(lines: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(TORCH + lines)
    adopted = adopt.adopt(tmp_path)
    assert adopted.adoption.text
    for output in (adopted.adoption.text, printed(adopted, json=False), printed(adopted, json=True)):
        assert CANARY not in output


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://u:c4n4ry@h.example/simple",
        "--extra-index-url https://h.example/simple?k=c4n4ry",
        "x @ https://c4n4ry@h.example/x-1-py3-none-any.whl?sig=c4n4ry",
        "-e git+https://c4n4ry@h.example/x",
    ],
)
def test_no_secret_of_a_requirement_file_comes_out(line: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"{TORCH}RUN pip install -r requirements.txt\n")
    (tmp_path / "requirements.txt").write_text(f"{line}\nnumpy==1.26.4\n")
    adopted = adopt.adopt(tmp_path)
    for output in (adopted.adoption.text, printed(adopted, json=False), printed(adopted, json=True)):
        assert CANARY not in output


def test_a_line_says_what_was_left_out(tmp_path: Path) -> None:
    lines = 'ENV HF_TOKEN=c4n4ry TOKENIZERS_PARALLELISM=false\nCMD ["serve", "--token", "c4n4ry"]\n'
    (tmp_path / "Dockerfile").write_text(TORCH + lines)
    text = adopt.adopt(tmp_path).adoption.text
    assert (
        "# - left out: the value of HF_TOKEN, which is a secret; set it when the container starts\n" in text
    )
    assert "# - left out: the command, since it holds the value of --token; read it from a variable" in text
    assert "TOKENIZERS_PARALLELISM" in text
