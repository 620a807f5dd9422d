"""The matches of rules in other projects, line by line, and each rule with a line that it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.adoption import BASE, NAMES, adopt_project
from torchpin.installs.project import parse_project
from torchpin.lint import scan
from torchpin.lint.directives import INVALID, INVALID_DESCRIPTION, UNUSED

if TYPE_CHECKING:
    from torchpin.checks.registry import Check

EXPECTED_MATCHES: dict[str, list[tuple[str, str]]] = {
    "arguments": [("ADO008", "Dockerfile:3:1"), ("ADO012", "Dockerfile:7:42"), ("ADO012", "Dockerfile:7:42")],
    "arm64": [("ADO002", "Dockerfile.arm64:3:5")],
    "broken": [
        ("ADO008", "Dockerfile:1:1"),
        ("ADO008", "Dockerfile:2:1"),
        ("ADO008", "Dockerfile:3:1"),
    ],
    "conda": [("ADO006", "Dockerfile:1:1"), ("ADO006", "Dockerfile:3:17")],
    "documents": [],
    "exec-form": [("ADO012", "Dockerfile:3:1")],
    "extra-index": [("ADO004", "requirements.txt:4:1")],
    "heredoc": [("ADO007", "Dockerfile:7:1")],
    "lists-only": [("ADO008", "more/requirements-extra.txt:2:1")],
    "multi-stage": [("ADO006", "docker/Dockerfile:5:1")],
    "plain-pypi": [("ADO005", "Dockerfile:2:18")],
    "restoration": [
        ("ADO010", "Dockerfile.pytorch:3:17"),
        ("ADO012", "Dockerfile.pytorch:5:17"),
        ("ADO012", "Dockerfile.pytorch:5:30"),
        ("ADO012", "Dockerfile.pytorch:5:40"),
        ("ADO003", "Dockerfile.pytorch:5:51"),
        ("ADO012", "Dockerfile.pytorch:5:51"),
        ("ADO012", "Dockerfile.pytorch:5:60"),
    ],
    "source": [("ADO006", "Dockerfile:3:5"), ("ADO008", "Dockerfile:5:5"), ("ADO006", "Dockerfile:6:17")],
    "training-quoted": [],
    "training-unquoted": [
        ("ADO012", "Dockerfile.gpu:6:17"),
        ("ADO001", "Dockerfile.gpu:6:27"),
        ("ADO002", "Dockerfile.gpu:8:5"),
    ],
    "uv-lock": [
        ("ADO012", "pyproject.toml:8:4"),
        ("ADO004", "pyproject.toml:9:4"),
        ("ADO012", "pyproject.toml:9:4"),
    ],
    "video-stages": [
        ("ADO013", "serverless/Dockerfile:3:42"),
        ("ADO012", "serverless/Dockerfile:5:32"),
        ("ADO004", "serverless/Dockerfile:9:32"),
        ("ADO012", "serverless/Dockerfile:9:32"),
        ("ADO013", "serverless/Dockerfile:9:72"),
        ("ADO012", "serverless/Dockerfile:9:84"),
        ("ADO009", "serverless/Dockerfile:10:5"),
    ],
}


def matched_rule_ids(text: str, **other_files: str) -> list[str]:
    """The ids of the rules that match in a Dockerfile."""
    return [match.id for match in scan.find_matches(parse_project({"Dockerfile": text, **other_files}))]


def test_there_are_more_than_a_dozen_projects() -> None:
    assert len(NAMES) > 12
    assert sorted(EXPECTED_MATCHES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_caught_is_exactly_this(name: str) -> None:
    matches = [(match.id, match.finding.location) for match in adopt_project(name).adoption.matches]
    assert matches == EXPECTED_MATCHES[name]


INDEX = "--index-url https://download.pytorch.org/whl/cu126"
RULE_EXAMPLES = [
    ("ADO001", "RUN pip install lightning>=2.0.0\n", "RUN pip install 'lightning>=2.0.0'\n"),
    ("ADO001", "RUN pip install numpy<2\n", 'RUN ["pip", "install", "numpy<2"]\n'),
    ("ADO001", "RUN pip3 install -U a==1 b>1\n", "RUN pip3 install a==1 b==1 > log\n"),
    ("ADO002", "RUN python patch.py || true\n", "RUN python patch.py || exit 1\n"),
    ("ADO002", "RUN pip install a==1 || :\n", "RUN rm -rf /tmp/x || true\n"),
    ("ADO002", "RUN git clone https://x.example/y; exit 0\n", "RUN git clone https://x.example/y && exit 0\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install torchvision==0.22.1\n",
     f"RUN pip install torch==2.7.1 torchvision==0.22.1 {INDEX}\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install -U torch\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install 'torch>=2.0'\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install xformers\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install xformers==0.0.31\n"),
    ("ADO004", "RUN pip install 'numpy<2'\nRUN pip install opencv-python==4.12.0.88\n",
     "RUN pip install 'numpy<2'\nRUN pip install opencv-python==4.11.0.86\n"),
    ("ADO004", "RUN pip install a==1\nRUN pip install a==2\n", "RUN pip install a==1\nRUN pip install 'a>=1'\n"),
    ("ADO005", "RUN pip install torch==2.5.1\n", f"RUN pip install torch==2.7.1 {INDEX}\n"),
    ("ADO003", "FROM nvcr.io/nvidia/pytorch:25.10-py3\nRUN pip install torch==2.8.0\n",
     "FROM nvcr.io/nvidia/pytorch:25.10-py3\nRUN pip install tqdm==4.66.5\n"),
    ("ADO005", "FROM nvcr.io/nvidia/cuda:12.1.1-devel-ubi9\nRUN pip install torch==2.5.1\n",
     "FROM nvcr.io/nvidia/cuda:12.4.1-devel-ubi9\nRUN pip install torch==2.5.1\n"),
    ("ADO006", "FROM ubuntu\n", "FROM ubuntu:22.04\n"),
    ("ADO006", "RUN pip install flash-attn\n", "RUN pip install flash-attn==2.8.3\n"),
    ("ADO006", "RUN pip install git+https://x.example/y/z\n", "RUN pip install git+https://x.example/y/z@v1\n"),
    ("ADO006", "RUN git clone https://x.example/y/z\n", "RUN git clone https://x.example/y/z && git -C z checkout v1\n"),
    ("ADO007", "RUN curl -fsSL https://x.example/i | bash\n", "RUN curl -fsSL https://x.example/i -o i && sha256sum -c i\n"),
    ("ADO008", "RUN pip install -r gone.txt\n", "RUN pip install -r there.txt\n"),
    ("ADO008", "NONSENSE x\n", "LABEL x=y\n"),
    ("ADO009", "RUN python -c 'import torch; assert torch.cuda.is_available()'\n", "RUN python -c 'import torch'\n"),
    ("ADO009", "RUN nvidia-smi\n", "CMD nvidia-smi\n"),
    ("ADO010", "FROM pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel\nRUN pip install https://x.example/flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp311-cp311-linux_x86_64.whl\n",
     "FROM pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel\nRUN pip install https://x.example/flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl\n"),
    ("ADO010", "FROM pytorch/pytorch:2.4.1-cuda12.1-cudnn9-devel\nRUN pip install https://x.example/flash_attn-2.8.3+cu12torch2.5cxx11abiFALSE-cp311-cp311-linux_x86_64.whl\n",
     "FROM pytorch/pytorch:2.4.1-cuda12.1-cudnn9-devel\nRUN pip install https://x.example/flash_attn-2.8.3+cu12torch2.4cxx11abiFALSE-cp311-cp311-linux_x86_64.whl\n"),
    ("ADO011", "RUN pip install torch --extra-index-url https://download.pytorch.org/whl/cu126\n",
     "RUN pip install torch==2.7.1 --extra-index-url https://download.pytorch.org/whl/cu126\n"),
    ("ADO011", "RUN pip install 'torchaudio<3' --extra-index-url=https://download.pytorch.org/whl/cu126\n",
     "RUN uv pip install torch --extra-index-url https://download.pytorch.org/whl/cu126\n"),
    ("ADO012", "RUN pip install tqdm\n", "RUN pip install tqdm==4.66.5\n"),
    ("ADO013", "RUN pip install decord==0.6.0 --no-binary decord\n", "RUN pip install av==1.0 --no-binary av\n"),
    ("ADO002", "RUN uv pip sync x.txt || echo failed\n", "RUN uv pip uninstall x || echo not there\n"),
    ("ADO002", "RUN sudo apt-get install -y x || true\n", "RUN sudo apt-get purge -y x || true\n"),
    ("ADO002", "RUN make || echo failed\n", "RUN make || (echo failed; exit 2)\n"),
    ("ADO002", "RUN pip install a==1 || echo no && true\n", "RUN pip install a==1 || exit\n"),
    ("ADO003", f"RUN pip install torch {INDEX}\nRUN pip install 'torch<2.6'\n",
     f"RUN pip install torch {INDEX}\nRUN pip install 'torch>=2.0.0' einops==0.8.1\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install -U torch\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install -U torch==2.7.1\n"),
    ("ADO003", f"RUN pip install torch==2.5.1 {INDEX}\nRUN pip install 'xformers>=0.0.28,<0.0.31'\n",
     f"RUN pip install torch==2.5.1 {INDEX}\nRUN pip install 'xformers>=0.0.28,<0.0.29'\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install xformers==0.0.29.post1\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install --no-deps xformers==0.0.29.post1\n"),
    ("ADO003", "FROM pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel\nRUN pip install torchaudio==2.8.0\n",
     "FROM pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel\nRUN pip install torch torchvision\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install torch==2.6.0\n",
     f"FROM ubuntu:24.04 AS a\nRUN pip install torch==2.7.1 {INDEX}\nFROM ubuntu:24.04 AS b\nRUN pip install torch==2.6.0\n"),
    ("ADO004", "RUN pip install a==1\nRUN pip install a==2\n",
     "FROM ubuntu:24.04 AS x\nRUN pip install a==1\nFROM ubuntu:24.04 AS y\nRUN pip install a==2\n"),
    ("ADO004", "FROM ubuntu:24.04 AS x\nRUN pip install a==1\nFROM x\nRUN pip install a==2\n",
     "FROM ubuntu:24.04 AS x\nRUN pip install a==1\nFROM x\nRUN pip install 'a<2'\n"),
    ("ADO004", "RUN pip install 'a==1; python_version > \"3.8\"' 'a==2; python_version > \"3.9\"'\n",
     "RUN pip install 'a==1; python_version < \"3.10\"' 'a==2; python_version >= \"3.10\"'\n"),
    ("ADO004", "RUN pip install 'a==1; sys_platform != \"win32\"' a==2\n",
     "RUN pip install 'a==1; sys_platform == \"darwin\"' a==2\n"),
    ("ADO004", "RUN pip install a==1 a==2\n", "RUN pip install a==1 'a==2; extra == \"dev\"'\n"),
    ("ADO006", "FROM example/serve-nightly:latest-gpu\n", "FROM example/serve-nightly:nightly-20250101\n"),
    ("ADO006", "FROM example/serve:main-base\n", "FROM example/serve:main-4f0c9a1\n"),
    ("ADO006", "ARG REF=main\nRUN git clone https://x.example/y.git --branch $REF\n",
     "ARG REF=v1.2\nRUN git clone https://x.example/y.git --branch $REF\n"),
    ("ADO006", "RUN pip install git+https://x.example/y.git@main#egg=y\n", "RUN pip install git+https://x.example/y.git@v1.0#egg=y\n"),
    ("ADO006", "RUN git clone https://x.example/y.git && git -C y checkout master\n",
     "WORKDIR /w\nRUN git clone https://x.example/y.git\nWORKDIR /w/y\nRUN git checkout 0123abc\n"),
    ("ADO006", "RUN git clone https://x.example/y.git\nRUN cd /other && git checkout v1\n",
     "RUN git clone https://x.example/y.git /opt/z\nRUN cd /opt/z && git reset --hard 0123abc\n"),
    ("ADO007", "RUN curl -o /tmp/i.sh https://x.example/i.sh\nRUN bash /tmp/i.sh -y\n",
     "RUN curl -o /tmp/i.sh https://x.example/i.sh\nRUN echo '0ddf  /tmp/i.sh' | sha256sum -c && bash /tmp/i.sh\n"),
    ("ADO007", "RUN wget https://x.example/tool && chmod +x tool && ./tool\n", "RUN wget https://x.example/tool.tgz && tar xf tool.tgz\n"),
    ("ADO007", 'RUN sh -c "$(curl -fsSL https://x.example/i.sh)"\n', 'RUN sh -c "curl -fsSL https://x.example/i.sh"\n'),
    ("ADO002", "RUN pip install a==1 | tee log\n", 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN pip install a==1 | tee log\n'),
    ("ADO002", "RUN <<EOF\nset +e\npip install a==1\necho done\nEOF\n", "RUN <<EOF\nset +e\nset -e\npip list | cat\nEOF\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install --force-reinstall torch==2.7.1\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install --force-reinstall a==1\n"),
    ("ADO003", "FROM continuumio/miniconda3:24.7.1-0\nRUN conda install pytorch=2.4.1\nRUN pip install torch==2.6.0\n",
     "FROM continuumio/miniconda3:24.7.1-0\nRUN conda install pytorch=2.4.1\nRUN pip install 'torch>=2.0'\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install -r other.txt\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN sed -i /torch/d other.txt && pip install -r other.txt\n"),
    ("ADO003", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install torchao==0.3.0\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install torchao\n"),
    ("ADO004", "RUN pip install a==1+x\nRUN pip install a==1+y\n", "RUN pip install a==1\nRUN pip install a==1+y\n"),
    ("ADO004", "RUN pip install torch==2.6.0+cu124 --index-url https://download.pytorch.org/whl/cu126\n",
     "RUN pip install torch==2.6.0+cu126 --index-url https://download.pytorch.org/whl/cu126\n"),
    ("ADO005", "RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cpu\n",
     "FROM ubuntu:24.04\nRUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/cpu\n"),
    ("ADO006", f"RUN pip install 'torch>=2.4,<2.6' {INDEX}\n", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install 'torch>=2.4'\n"),
    ("ADO006", "RUN pip install torch\n", "RUN echo torch==2.7.1 > c.txt && pip install torch -c pinned-constraints.txt\n"),
    ("ADO006", "RUN pip install https://x.example/y/archive/refs/heads/work.zip\n", "RUN pip install https://x.example/y/archive/v1.2.zip\n"),
    ("ADO007", "RUN bash <(curl -fsSL https://x.example/i)\n", "RUN diff <(curl -fsSL https://x.example/i) i\n"),
    ("ADO007", "RUN curl -fsSLo /usr/local/bin/tool https://x.example/tool && chmod +x /usr/local/bin/tool && /usr/local/bin/tool x\n",
     "RUN curl -fsSLo /tmp/tool.json https://x.example/tool.json && /usr/local/bin/tool /tmp/tool.json\n"),
    ("ADO010", "RUN apt-get install -y python3-pip\nRUN pip3 install https://x.example/a-1.0-cp311-cp311-linux_x86_64.whl\n",
     "RUN apt-get install -y python3-pip\nRUN pip3 install https://x.example/a-1.0-cp310-cp310-linux_x86_64.whl\n"),
    ("ADO010", "FROM python:3.11-slim\nRUN pip install https://x.example/a-1.0-cp310-cp310-linux_x86_64.whl\n",
     "FROM python:3.11-slim\nRUN uv venv --python 3.10 /v && /v/bin/pip install https://x.example/a-1.0-cp310-cp310-linux_x86_64.whl\n"),
    ("ADO010", "FROM --platform=linux/arm64 ubuntu:24.04\nRUN pip install https://x.example/flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp312-cp312-linux_x86_64.whl\n",
     "FROM --platform=linux/arm64 ubuntu:24.04\nRUN pip install https://x.example/flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp312-cp312-linux_aarch64.whl\n"),
    ("ADO015", "ADD https://x.example/model.bin /models/\n", "ADD model.bin /models/\n"),
    ("ADO015", "ADD https://x.example/y.git#main /src\n", f"ADD https://x.example/y.git#{'a' * 40} /src\n"),
    ("ADO016", "ENV UV_INDEX_STRATEGY=unsafe-best-match\n", "ENV UV_INDEX_STRATEGY=first-index\n"),
    ("ADO016", "RUN uv pip install --index-strategy=unsafe-any-match a==1\n", "RUN uv pip install --index-strategy first-index a==1\n"),
    ("ADO017", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install torchaudio==2.7.1 --index-url https://download.pytorch.org/whl/cpu\n",
     f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install torchaudio==2.7.1 {INDEX}\n"),
    ("ADO018", f"RUN pip install torch==2.7.1 {INDEX}\nRUN pip install nvidia-nccl-cu12==2.20.5\n",
     f"RUN pip install triton==3.0.0\nRUN pip install torch==2.7.1 {INDEX}\n"),
    ("ADO019", "RUN uv pip install --no-deps a==1\n", "RUN pip install --no-deps -e .\n"),
    ("ADO024", "FROM python:3.11-bookworm\nRUN python3.12 -m pip install a==1\n", "FROM python:3.11-bookworm\nRUN python3.11 -m pip install a==1\n"),
    ("ADO023", f"RUN pip install timm\nRUN pip install torch==2.7.1 {INDEX}\n",
     f"RUN pip install transformers\nRUN pip install torch==2.7.1 {INDEX}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "wrong", "right"), RULE_EXAMPLES)
def test_a_trap_catches_what_is_wrong_and_leaves_what_is_right(rule: str, wrong: str, right: str) -> None:
    files = {
        "there.txt": "tqdm==4.66.5\n",
        "pinned-constraints.txt": "torch==2.7.1\n",
        "other.txt": "torch==2.6.0\n",
    }
    assert rule in matched_rule_ids((wrong if wrong.startswith("FROM") else BASE + wrong), **files)
    assert rule not in matched_rule_ids((right if right.startswith("FROM") else BASE + right), **files)


def test_every_trap_has_a_pair_and_tells_what_it_is() -> None:
    rules = scan.registered_rules()
    others = {"ADO014", INVALID, UNUSED, INVALID_DESCRIPTION}  # of uv.lock, of comments and of descriptions
    assert {rule for rule, _, _ in RULE_EXAMPLES} | others == {rule.id for rule in rules}
    for rule in rules:
        assert all((rule.title, rule.help, rule.meaning, rule.example, rule.sources)), rule.id


PROJECT_RULES = [
    rule for rule in scan.registered_rules() if rule.id not in {INVALID, UNUSED, INVALID_DESCRIPTION}
]


@pytest.mark.parametrize("rule", PROJECT_RULES, ids=lambda rule: rule.id)
def test_the_examples_of_a_page_are_what_it_says(rule: Check) -> None:
    wrong, right = (
        {match.id for match in scan.find_matches(parse_project(files))} for files in (rule.wrong, rule.right)
    )
    assert rule.id in wrong
    assert rule.id not in right


@pytest.mark.parametrize("name", NAMES)
def test_a_match_is_in_one_form(name: str) -> None:
    for match in adopt_project(name).adoption.matches:
        finding = match.finding
        assert not finding.message.endswith("."), finding
        assert finding.help


def test_a_message_and_its_help_quote_the_line() -> None:
    project = parse_project({"Dockerfile": BASE + "RUN pip install lightning>=2.0.0\n"})
    (match, *_) = [match for match in scan.find_matches(project) if match.id == "ADO001"]
    assert match.finding.message == (
        "`lightning>=2.0.0` is not quoted: the shell redirects the output to the file `=2.0.0`, and any version of lightning may be installed"
    )
    assert match.finding.help == "quote it: `'lightning>=2.0.0'`"


def test_a_table_that_is_no_toml_is_said() -> None:
    matches = scan.find_matches(parse_project({"Dockerfile": BASE, "pyproject.toml": "[project\n"}))
    assert [(match.id, match.finding.location) for match in matches] == [("ADO008", "pyproject.toml:1:9")]
    assert matches[0].finding.message.startswith("cannot be read: ")


def test_a_message_shows_the_controls_of_a_line_and_stays_on_one() -> None:
    text = BASE + "RUN <<EOF\npip install \"zzz\ndriver: '570'\n#\" 'evil\x1b[2J\x07>=1'\nEOF\n"
    messages = [match.finding.message for match in scan.find_matches(parse_project({"Dockerfile": text}))]
    assert any("zzz\\ndriver: '570'\\n#" in message for message in messages)
    assert any("evil\\x1b[2J\\x07" in message for message in messages)
    assert all(message.isprintable() for message in messages)


ARMS = {
    "if": 'RUN if [ -n "$D" ]; then {} ; else {} ; fi\n',
    "elif": 'RUN if [ -n "$D" ]; then {} ; elif [ -f /x ]; then {} ; fi\n',
    "case": 'RUN case "$D" in a) {} ;; *) {} ;; esac\n',
    "test": "RUN [ -f /x ] && {} || {}\n",
    "fallback": "RUN {} || {}\n",
}


@pytest.mark.parametrize("arms", ARMS.values(), ids=ARMS)
def test_arms_that_exclude_each_other_are_no_contradiction(arms: str) -> None:
    first, second = "pip install einops==0.8.1", "pip install einops==0.7.0"
    base = "FROM python:3.11.9-slim\nARG D\n"
    assert "ADO004" not in matched_rule_ids(base + arms.format(first, second))
    assert "ADO004" in matched_rule_ids(base + arms.format(first, "true") + f"RUN {second}\n")
    assert "ADO004" in matched_rule_ids(base + arms.format(f"{first} && {second}", "true"))


def test_the_arm_that_the_default_of_an_arg_chooses_is_the_one_that_is_read() -> None:
    text = (
        "FROM python:3.11.9-slim\nARG D=gpu\n"
        'RUN if [ "$D" = gpu ]; then pip install einops; else pip install tqdm; fi\n'
    )
    matches = scan.find_matches(parse_project({"Dockerfile": text}))
    assert [match.finding.message for match in matches if match.id == "ADO012"] == ["`einops` is not pinned"]
