"""The matches of rules in other projects, line by line, and each rule with a line that it leaves alone."""

from __future__ import annotations

import pytest

from support.adoption import BASE, NAMES, adopt_project
from torchpin.adopt import scan
from torchpin.adopt.project import parse_project

EXPECTED_MATCHES: dict[str, list[tuple[str, str]]] = {
    "arguments": [("ADO008", "Dockerfile:3:1"), ("ADO008", "Dockerfile:7:5"), ("ADO008", "Dockerfile:7:42")],
    "arm64": [("ADO002", "Dockerfile.arm64:3:5")],
    "broken": [("ADO008", "Dockerfile:1:1"), ("ADO008", "Dockerfile:3:1")],
    "conda": [("ADO006", "Dockerfile:1:1"), ("ADO008", "Dockerfile:2:5"), ("ADO006", "Dockerfile:3:17")],
    "documents": [],
    "exec-form": [("ADO012", "Dockerfile:3:1")],
    "extra-index": [("ADO011", "Dockerfile:3:5"), ("ADO004", "requirements.txt:4:1")],
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
    ("ADO011", "RUN pip install torch==2.7.1 --extra-index-url https://download.pytorch.org/whl/cu126\n",
     f"RUN pip install torch==2.7.1 {INDEX}\n"),
    ("ADO012", "RUN pip install tqdm\n", "RUN pip install tqdm==4.66.5\n"),
    ("ADO013", "RUN pip install decord==0.6.0 --no-binary decord\n", "RUN pip install av==1.0 --no-binary av\n"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "wrong", "right"), RULE_EXAMPLES)
def test_a_trap_catches_what_is_wrong_and_leaves_what_is_right(rule: str, wrong: str, right: str) -> None:
    files = {"there.txt": "tqdm==4.66.5\n"}
    assert rule in matched_rule_ids((wrong if wrong.startswith("FROM") else BASE + wrong), **files)
    assert rule not in matched_rule_ids((right if right.startswith("FROM") else BASE + right), **files)


def test_every_trap_has_a_pair_and_tells_what_it_is() -> None:
    rules = scan.registered_rules()
    of_uv_lock = {"ADO014"}  # their pairs are in test_uv_files.py
    assert {rule for rule, _, _ in RULE_EXAMPLES} | of_uv_lock == {rule.id for rule in rules}
    for rule in rules:
        assert all((rule.title, rule.help, rule.meaning, rule.example, rule.sources)), rule.id


@pytest.mark.parametrize("name", NAMES)
def test_a_match_is_a_warning_in_one_form(name: str) -> None:
    for match in adopt_project(name).adoption.matches:
        finding = match.finding
        assert finding.level == "warning"
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
    assert [(match.id, match.finding.location) for match in matches] == [("ADO008", "pyproject.toml:1:1")]
    assert matches[0].finding.message.startswith("cannot be read: ")
