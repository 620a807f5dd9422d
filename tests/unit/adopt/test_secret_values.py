"""A draft, the rules' matches and the judge's results hold no secret of the project that is adopted."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest

from support.adoption import BASE
from torchpin.commands import adopt
from torchpin.errors import InputError
from torchpin.output.adoption import print_draft

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
    "a personal access token": "ENV GITHUB_PAT=c4n4ry DB_PASS=c4n4ry MYSQL_PWD=c4n4ry WEBHOOK=https://h/c4n4ry\n",
    "a password that is not encoded": "ENV A=postgres://u:can#c4n4ry@h/db B=postgres://u:can/c4n4ry@h/db\n",
    "a proxy without a scheme": "ENV http_proxy=user:c4n4ry@proxy:3128\n",
    "a connection": 'ENV OPTIONS="Server=x;Pwd=c4n4ry;User=a"\n',
    "a proxy of pip": "RUN pip install foo==1 --proxy u:c4n4ry@proxy:1\n",
    "an unknown option of pip": "RUN pip install --password c4n4ry foo\n",
    "a certificate of pip": "RUN pip install --client-cert c4n4ry --keyring-provider c4n4ry foo\n",
    "a default of pip": "RUN pip install ${HF_TOKEN:-c4n4ry}\n",
    "conda's option": "RUN conda install --token c4n4ry numpy\n",
    "conda's setting": "RUN conda install token=c4n4ry numpy\n",
    "a clone by ssh": "RUN git clone u:c4n4ry@github.com:a/b.git\n",
    "a clone with a slash": 'RUN git clone "https://u:a/c4n4ry@h/a/b.git"\n',
    "a wheel with a quote": 'RUN pip install "https://u:it\'s-c4n4ry@h/x.whl"\n',
    "a wheel with a fragment": 'RUN pip install "https://u:a#c4n4ry@h/x.whl"\n',
    "a wheel with a blank": 'RUN pip install "https://u:p c4n4ry@h/x.whl"\n',
    "a wheel with an escaped blank": "RUN pip install https://u:p\\ c4n4ry@h/x.whl\n",
    "a wheel with a sign": 'RUN pip install "https://u:a<c4n4ry@h/x.whl"\n',
    "a query with a quote": 'RUN pip install "https://h/x?a=\'c4n4ry"\n',
    "a query with a sign": 'RUN pip install "https://h/x?a=<c4n4ry"\n',
    "an address with one slash": "RUN pip install https:/u:c4n4ry@h/x.whl\n",
    "an argument's secret": "ARG GH_PAT=c4n4ry\nRUN pip install https://h/$GH_PAT/x.whl\n",
    "a hidden failure": "RUN curl -u user:c4n4ry https://h || true\nRUN HF_TOKEN=c4n4ry pip install x || true\n",
    "a stage's image": "COPY --from=https://u:c4n4ry@h/x /a /b\n",
    "a line without its continuation": "ENV A=1\n  HF_TOKEN=C4N4RY\nHF_TOKEN=c4n4ry B=c4n4ry\n",
    "a requirement with an option": 'RUN pip install "foo==1 --config-settings=API_KEY=c4n4ry"\n',
    "a shell's option": 'CMD ["sh", "-c", "serve --api-key c4n4ry"]\n',
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
        assert CANARY not in output.lower()


@pytest.mark.parametrize(
    "image", ["https://u:c4n4ry@h/x:1", "u:c4n4ry@h/x:1", "h/$A_TOKEN:1", "h/x:$A_TOKEN"]
)
def test_no_secret_of_a_base_image_comes_out(image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"ARG A_TOKEN=c4n4ry\nFROM {image}\nRUN pip install torch==2.5.1\n")
    outputs = []
    try:
        adopted = adopt.adopt(tmp_path)
        outputs += [adopted.adoption.text, adopted.adoption.missing, printed(adopted, json=True)]
    except InputError as error:
        outputs.append(str(error))
    assert outputs
    assert CANARY not in "".join(outputs)


@pytest.mark.parametrize(
    "line",
    [
        "foo==1 --proxy u:c4n4ry@proxy:1",
        "foo==1 --config-settings=API_KEY=c4n4ry",
        "u:c4n4ry@github.com:a/b.git",
        "https://u:a/c4n4ry@h/x.whl",
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
        "# - left out: the value of HF_TOKEN, which may be a secret; set it when the container starts\n"
        in text
    )
    assert "# - left out: the command, since it holds the value of --token; read it from a variable" in text
    assert "TOKENIZERS_PARALLELISM" in text
