"""Projects of others: what is caught in them, line by line, and the description that is drafted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.adopt import dockerfile, installs, scan
from torchpin.adopt.draft import draft_adoption
from torchpin.commands import adopt
from torchpin.description import read
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.commands.adopt import Adopted
    from torchpin.model import Service

PROJECTS = Path(__file__).parents[1] / "adopt"
NAMES = sorted(path.name for path in PROJECTS.iterdir())

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

WITH_DRAFT = {name for name in NAMES if name not in {"arguments", "broken", "conda", "lists-only"}}
BASE = "FROM nvidia/cuda:12.6.3-base-ubuntu22.04\n"


def adopt_project(name: str) -> Adopted:
    return adopt.adopt(PROJECTS / name)


def drafted_service(name: str) -> Service:
    draft = adopt_project(name).adoption
    (described,) = read.read_services({f"services/{draft.name}/service.yaml": draft.text})
    return described


def matched_rule_ids(text: str, **other_files: str) -> list[str]:
    """The ids that are caught in a Dockerfile."""
    return [
        match.id for match in scan.find_matches(installs.parse_project({"Dockerfile": text, **other_files}))
    ]


def test_there_are_more_than_a_dozen_projects() -> None:
    assert len(NAMES) > 12
    assert sorted(EXPECTED_MATCHES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_caught_is_exactly_this(name: str) -> None:
    matches = [(match.id, match.finding.location) for match in adopt_project(name).adoption.matches]
    assert matches == EXPECTED_MATCHES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_draft_is_accepted_by_the_reader_or_it_is_said_why_there_is_none(name: str) -> None:
    outcome = adopt_project(name)
    assert bool(outcome.adoption.text) == (name in WITH_DRAFT)
    assert bool(outcome.adoption.missing) != bool(outcome.adoption.text)
    assert bool(outcome.results) == bool(outcome.adoption.text)
    if outcome.adoption.text:
        assert drafted_service(name).name == outcome.adoption.name


def test_what_can_be_read_is_drafted() -> None:
    training = drafted_service("training-unquoted")
    assert (training.base.image, str(training.torch.version), training.variants[0].channel) == (
        "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04", "2.5.1", "cu121",
    )  # fmt: skip
    assert {name: str(version) for name, version in training.torch.companions.items()} == {
        "torchaudio": "2.5.1"
    }
    assert training.apt == ("ffmpeg", "git", "sox")
    assert (training.run.command, training.run.ports, dict(training.run.env)) == (
        ("python", "app.py"), (8000,), {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def test_torch_of_the_base_is_the_base_s() -> None:
    restoration = drafted_service("restoration")
    assert (restoration.torch.origin, str(restoration.torch.version), str(restoration.python)) == (
        "base",
        "2.7.1",
        "3.11",
    )
    assert [str(pin) for layer in restoration.layers for pin in layer.packages] == ["flash-attn==2.8.3"]


def test_constraints_and_locks_give_the_versions_that_requirements_leave_open() -> None:
    pins = {str(pin) for layer in drafted_service("documents").layers for pin in layer.packages}
    assert {"numpy==1.26.4", "transformers==4.49.0", "docstrange==1.1.6"} <= pins
    assert "tqdm==4.67.1" in {
        str(pin) for layer in drafted_service("uv-lock").layers for pin in layer.packages
    }


def test_a_clone_at_a_known_tag_is_a_source_with_its_commit() -> None:
    (source,) = drafted_service("source").sources
    assert (source.name, source.tag, source.commit[:12]) == ("sd-scripts", "v0.10.0", "966e9d7f6bb4")


def test_without_an_index_torch_is_pypi_s() -> None:
    assert drafted_service("plain-pypi").variants[0].channel == "pypi"


def test_what_is_left_out_stands_above_the_draft() -> None:
    text = adopt_project("restoration").adoption.text
    assert "# - left out: xformers (no version)\n" in text


@pytest.mark.parametrize(
    ("name", "check", "about"),
    [
        ("training-unquoted", "BAS001", "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"),
        ("documents", "DEP004", "opencv"),
        ("plain-pypi", "DEP001", "transformers-accelerate"),
        ("plain-pypi", "BAS003", "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"),
        ("extra-index", "BAS001", "nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04"),
    ],
)
def test_the_judge_judges_the_draft(name: str, check: str, about: str) -> None:
    assert (check, about) in [
        (result.check, finding.about) for result in adopt_project(name).results for finding in result.findings
    ]


# --- each trap, caught and not ---------------------------------------------------------------------------------------

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
    assert {rule for rule, _, _ in RULE_EXAMPLES} == {*scan.registered_rules()}
    for rule_id, rule in scan.registered_rules().items():
        assert all((rule.title, rule.help, rule.meaning, rule.example, rule.sources)), rule_id


# --- nothing crashes -------------------------------------------------------------------------------------------------

LINES = st.lists(
    st.one_of(
        st.sampled_from([
            "FROM ubuntu:22.04", "FROM ${X:-a} AS b", "RUN <<EOF", "EOF", "RUN pip install a>=1 \\", "  'b", "ARG X=1",
            "ENV A", "# escape=`", 'RUN ["a"', "COPY --from=0 a b", "RUN a || (b; c) | d && e >f 2>&1 <g", "\\",
        ]),
        st.text(max_size=30),
    ),
    max_size=12,
)  # fmt: skip


@given(LINES, st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(lines: list[str], requirements: str, toml: str) -> None:
    text = "\n".join(lines)
    texts = {"Dockerfile": text, "requirements.txt": requirements, "pyproject.toml": toml, "uv.lock": toml}
    draft = draft_adoption(texts, "any")
    assert isinstance(draft.text, str)
    assert all(match.finding.location.count(":") >= 2 for match in draft.matches)


def test_a_word_keeps_its_place_and_whether_it_was_quoted() -> None:
    (instruction,) = dockerfile.parse_instructions("RUN pip install \\\n  # why\n  'a>=1' b>2\n")
    (command,) = dockerfile.parse_commands(instruction)
    assert [(token.text, token.line, token.column, token.is_unquoted) for token in command.argv][2:] == [
        ("a>=1", 3, 3, False),
        ("b", 3, 10, True),
    ]
    assert [(operator, token.text) for operator, token in command.redirects] == [(">", "2")]


def test_a_table_that_is_no_toml_is_said() -> None:
    matches = scan.find_matches(installs.parse_project({"Dockerfile": BASE, "pyproject.toml": "[project\n"}))
    assert [(match.id, match.finding.location) for match in matches] == [("ADO008", "pyproject.toml:1:1")]


def test_where_there_is_nothing_to_read_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Dockerfile"):
        adopt.adopt(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        adopt.adopt(tmp_path / "gone")


def test_a_file_that_is_no_text_is_skipped_and_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(BASE)
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe")
    assert adopt.adopt(tmp_path).skipped == ("requirements.txt",)
