"""What the judge says of a stage stands at the lines of the Dockerfile, and rests on nothing that they leave open."""

from __future__ import annotations

import pytest

from torchpin.installs.project import parse_project
from torchpin.lint.judged_stages import judged_matches, without_repeats
from torchpin.lint.scan import find_matches
from torchpin.workspace.evidence import from_descriptions

CUDA = "FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\n"
INDEX = "--index-url https://download.pytorch.org/whl"


def judged(text: str, **files: str) -> list[tuple[str, str]]:
    project = parse_project({"Dockerfile": text, **files})
    return [(match.id, match.finding.location) for match in judged_matches(project, from_descriptions)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{CUDA}RUN pip install torch==2.8.0 {INDEX}/cu124\n", [("TOR001", "Dockerfile:2:17")]),
        (f"{CUDA}RUN pip install torch==2.6.0 {INDEX}/cu124\n", []),
        (f"{CUDA}RUN pip install torch==2.6.0 torchvision==0.20.0 {INDEX}/cu124\n", [("TOR002", "Dockerfile:2:30")]),
        (f"{CUDA}RUN pip install torch==2.6.0 torchvision==0.21.0 {INDEX}/cu124\n", []),
        ("FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu24.04\n", [("BAS001", "Dockerfile:1:1")]),
        (f"FROM python:3.12-alpine3.20\nRUN pip install torch==2.6.0 {INDEX}/cpu\n", [("TOR003", "Dockerfile:2:17")]),
        (f"FROM python:3.14-bookworm\nRUN pip install torch==2.4.1 {INDEX}/cpu\n", [("TOR003", "Dockerfile:2:17")]),
        # another Python is brought: nothing is said of the image's
        (f"FROM python:3.14-bookworm\nRUN uv venv --python 3.11 /v\nRUN uv pip install torch==2.4.1 {INDEX}/cpu\n", []),
        # an index that is not known, and a nightly
        (f"{CUDA}RUN pip install torch==2.8.0 --index-url https://mirror.example.com/torch\n", []),
        (f"{CUDA}RUN pip install torch==2.8.0 {INDEX}/nightly/cu124\n", []),
        # each of two stages for itself
        (f"{CUDA}RUN pip install torch==2.6.0 {INDEX}/cu124\n{CUDA}RUN pip install torchvision==0.20.0 {INDEX}/cu124\n", []),
        # the last pin counts
        (f"{CUDA}RUN pip install torch==2.8.0 {INDEX}/cu124\nRUN pip install torch==2.6.0 {INDEX}/cu124\n", []),
        # the newest GPU that is compiled for needs code in torch; older ones of a list may have none
        (f"{CUDA}ENV TORCH_CUDA_ARCH_LIST='9.0;12.0'\nRUN pip install torch==2.6.0 {INDEX}/cu124\n", [("GPU001", "Dockerfile:3:17")]),
        (f"{CUDA}ENV TORCH_CUDA_ARCH_LIST='3.5;9.0'\nRUN pip install torch==2.6.0 {INDEX}/cu124\n", []),
        (f"{CUDA}RUN pip install torch==2.6.0 {INDEX}/cu124\nRUN cmake -DCMAKE_CUDA_ARCHITECTURES=120 .\n", [("GPU001", "Dockerfile:2:17")]),
        # of another stage nothing is said
        (f"{CUDA}ENV TORCH_CUDA_ARCH_LIST=12.0\nFROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\nRUN pip install torch==2.6.0 {INDEX}/cu124\n", []),
    ],
)  # fmt: skip
def test_a_finding_stands_at_its_line(text: str, expected: list[tuple[str, str]]) -> None:
    assert judged(text) == expected


def test_a_requirement_that_nothing_declares_is_found_in_its_file() -> None:
    files = {"requirements.txt": "transformers==4.46.3\nhuggingface-hub==1.0.1\n"}
    text = f"{CUDA}RUN pip install torch==2.6.0 {INDEX}/cu124\nRUN pip install -r requirements.txt\n"
    places = {place for _, place in judged(text, **files)}
    assert places <= {"requirements.txt:1:1", "requirements.txt:2:1"}
    assert places
    assert judged(text, **{"requirements.txt": "transformers==4.46.3\nhuggingface-hub==0.36.0\n"}) == []


def test_markers_that_exclude_each_other_leave_a_version_open() -> None:
    pins = "'huggingface-hub==1.0.1; python_version < \"3.10\"' 'huggingface-hub==0.36.0; python_version >= \"3.10\"'"
    text = f"{CUDA}RUN pip install torch==2.6.0 {INDEX}/cu124\nRUN pip install transformers==4.46.3 {pins}\n"
    assert judged(text) == []


def test_what_a_rule_says_of_a_place_is_not_said_twice() -> None:
    text = f"{CUDA}RUN pip install torch==2.6.0 {INDEX}/cu124\nRUN pip install triton==3.0.0\n"
    project = parse_project({"Dockerfile": text})
    matches, judged_ = find_matches(project), list(judged_matches(project, from_descriptions))
    assert [match.id for match in judged_] == ["TOR005"]
    assert [match.id for match in matches] == ["ADO018"]
    assert without_repeats(matches, judged_) == []
    assert without_repeats([], judged_) == judged_


def test_a_wheel_of_another_system_is_not_compared() -> None:
    wheel = "https://x.example/a-1.0-cp311-cp311-win_amd64.whl"
    base = "FROM python:3.12-slim-bookworm\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n"
    for marker, found in (("; sys_platform == 'win32'", False), ("; sys_platform == 'linux'", True)):
        texts = {"Dockerfile": base, "requirements.txt": f"a @ {wheel} {marker}\n"}
        ids = {match.id for match in find_matches(parse_project(texts))}
        assert ("ADO010" in ids) == found


PYTORCH = "FROM pytorch/pytorch:2.7.1-cuda12.6-cudnn9-runtime\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{PYTORCH}RUN pip install torch==2.6.0\n", True),
        (f"{PYTORCH}RUN python3 -m venv /v\nENV PATH=/v/bin:$PATH\nRUN pip install torch==2.6.0\n", False),
        (
            f"{PYTORCH}RUN python3 -m venv --system-site-packages /v\nRUN /v/bin/pip install torch==2.6.0\n",
            True,
        ),
        (f"{PYTORCH}RUN pip install xformers==0.0.29.post3\n", True),
        (f"{PYTORCH}RUN pip install xformers==0.0.29.post3 --no-dependencies\n", False),
    ],
)
def test_the_torch_of_the_base_is_replaced_where_pip_sees_it(text: str, expected: bool) -> None:
    ids = {match.id for match in find_matches(parse_project({"Dockerfile": text}))}
    assert ("ADO003" in ids) == expected


@pytest.mark.parametrize(("required", "expected"), [("==3.12.*", False), (">=3.10", True)])
def test_uv_takes_a_python_that_the_project_allows(required: str, expected: bool) -> None:
    wheel = "https://x.example/a-1.0-cp312-cp312-linux_x86_64.whl"
    texts = {
        "Dockerfile": "FROM python:3.10-slim-bookworm\nCOPY . /app\nWORKDIR /app\nRUN uv sync\nRUN uv pip install -r requirements.txt\n",
        "pyproject.toml": f'[project]\nname = "x"\nversion = "1"\nrequires-python = "{required}"\n',
        "requirements.txt": f"a @ {wheel}\n",
    }
    ids = {match.id for match in find_matches(parse_project(texts))}
    assert ("ADO010" in ids) == expected


def test_what_a_lock_has_resolved_is_not_held_against_metadata() -> None:
    rows = {"transformers": "5.4.0", "vllm": "0.19.1"}
    lock = "version = 1\n" + "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n' for name, version in rows.items()
    )
    project = '[project]\nname = "x"\nversion = "1"\ndependencies = ["transformers", "vllm"]\n'
    text = f"{CUDA}RUN pip install torch==2.6.0 {INDEX}/cu124\nCOPY . .\nRUN uv sync\n"
    matches = judged(text, **{"pyproject.toml": project, "uv.lock": lock})
    assert "DEP007" not in {id_ for id_, _ in matches}
    pins = " ".join(f"{name}=={version}" for name, version in rows.items())
    assert "DEP007" in {
        id_ for id_, _ in judged(text.replace("COPY . .\nRUN uv sync", f"RUN pip install {pins}"))
    }
