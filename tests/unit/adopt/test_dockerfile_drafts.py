"""What a Dockerfile says is drafted as BuildKit and the installers would have it; what it does not say is asked for."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest

from torchpin.adopt.draft import Adoption, draft_adoption
from torchpin.description import read
from torchpin.errors import InputError

if TYPE_CHECKING:
    from torchpin.model import Service

CU128 = "--index-url https://download.pytorch.org/whl/cu128"
BASE = "FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04\n"
TORCH = f"RUN pip install torch==2.7.1 {CU128}\n"


def adopted(dockerfile: str, **texts: str) -> Adoption:
    return draft_adoption(
        {"Dockerfile": dockerfile, **{name.replace("__", "/"): text for name, text in texts.items()}}, "x"
    )


def service_of(draft: Adoption) -> Service:
    assert draft.text, draft.missing
    (service,) = read.read_services({"services/x/service.yaml": draft.text})
    return service


def pins_of(service: Service) -> list[str]:
    return [str(pin) for layer in service.layers for pin in layer.packages]


@pytest.mark.parametrize(
    ("dockerfile", "python"),
    [
        (
            ("FROM nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04\nRUN apt-get update && add-apt-repository ppa:deadsnakes/ppa && \\\n"
            "    apt-get install -y python3.12 python3.12-venv && ln -sf /usr/bin/python3.12 /usr/bin/python3\n"
            f"RUN python3.12 -m pip install torch==2.7.1 {CU128}\n"), "3.12",
        ),
        (
            ("FROM nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04\nRUN apt-get install -y python3.11 python3.11-dev\n"
            f"RUN update-alternatives --install /usr/bin/python3 python3 /usr/bin/python3.11 1\n{TORCH}"), "3.11",
        ),
        (f"FROM python:3.11-slim-bookworm\n{TORCH}", "3.11"),
        (f"{BASE}RUN apt-get install -y python3-pip\n{TORCH}", "3.12"),
        ("FROM pytorch/pytorch:2.3.1-cuda12.1-cudnn8-devel\nRUN pip install einops==0.8.1\n", "3.10"),
        (
            ("FROM pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel\nRUN pip install https://e.example/flash_attn-2.7.4.post1"
            "+cu12torch2.6cxx11abiFALSE-cp311-cp311-linux_x86_64.whl\n"), "3.11",
        ),
        (f"FROM example/base:1\nRUN conda create -n a python=3.10\n{TORCH}", "3.10"),
    ],
)  # fmt: skip
def test_the_python_is_that_of_the_installs(dockerfile: str, python: str) -> None:
    version = service_of(adopted(dockerfile)).python
    assert f"{version.major}.{version.minor}" == python


@pytest.mark.parametrize(
    ("dockerfile", "questions"),
    [
        (
            f"FROM example/base:1\n{TORCH}",
            {"python": "no line of Dockerfile says which Python the image has"},
        ),
        (
            f"{BASE}RUN pip install torch==2.99.0\n",
            {"channel": "Dockerfile:2:17: the channel of torch is not known: from PyPI"},
        ),
        (
            f"FROM example/base\n{TORCH}",
            {
                "python": "no line of Dockerfile says which Python the image has",
                "base": "the base image and its tag are not known: Dockerfile:1:1: FROM example/base names none",
            },
        ),
        (
            f"FROM localhost:5000/base\n{TORCH}",
            {
                "python": "no line of Dockerfile says which Python the image has",
                "base": "the base image and its tag are not known: Dockerfile:1:1: FROM localhost:5000/base names none",
            },
        ),
        (
            f"{BASE}ARG V\nRUN pip install torch==$V --index-url https://download.pytorch.org/whl/cu128\n",
            {"torch": "Dockerfile:3:17: `torch==$V` names no release"},
        ),
    ],
)
def test_what_cannot_be_told_is_asked_for(dockerfile: str, questions: dict[str, str]) -> None:
    draft = adopted(dockerfile)
    assert {question.key: question.text for question in draft.questions} == questions
    for question in draft.questions:
        assert f"# - {question}" in draft.text
    with pytest.raises(InputError):  # no description until it is answered
        read.read_services({"services/x/service.yaml": draft.text})


def test_without_a_torch_there_is_no_draft() -> None:
    draft = adopted(f"{BASE}COPY --from=build /out/server /usr/bin/server\n")
    assert draft.text == ""
    assert draft.missing.startswith("Dockerfile has no torch: nothing that it installs is torch")


UV_SYNC = f"{BASE}COPY --from=ghcr.io/astral-sh/uv:0.9.10 /uv /bin/\nCOPY . /app\nRUN cd /app && uv sync\n"
LOCK = '[[package]]\nname = "torch"\nversion = "2.7.1+cu128"\nsource = { registry = "https://download.pytorch.org/whl/cu128" }\n'


@pytest.mark.parametrize(
    ("files", "python"),
    [
        ({".python-version": "3.13\n"}, "3.13"),
        ({"pyproject.toml": '[project]\nrequires-python = "==3.11.*"\ndependencies = ["torch"]\n'}, "3.11"),
        ({"pyproject.toml": '[project]\nrequires-python = ">=3.10"\ndependencies = ["torch"]\n'}, ""),
        ({}, ""),
    ],
)
def test_where_uv_brings_the_python_its_files_say_which(files: dict[str, str], python: str) -> None:
    texts = {
        "Dockerfile": UV_SYNC,
        "pyproject.toml": '[project]\ndependencies = ["torch"]\n',
        "uv.lock": LOCK,
        **files,
    }
    draft = draft_adoption(texts, "x")
    if python:
        assert str(service_of(draft).python).startswith(python)
    else:
        assert [question.key for question in draft.questions] == ["python"]


BUILD_FILES = {
    "compose.yaml": "services:\n  a:\n    build:\n      context: .\n      dockerfile: docker/Dockerfile\n      args: {CUDA: 12.8.1, CHANNEL: cu128}\n",
    "docker-bake.hcl": 'variable "C" { default = "128" }\ntarget "a" {\n  dockerfile = "docker/Dockerfile"\n'
    '  args = { CUDA = "12.8.1", CHANNEL = "cu${C}" }\n}\n',
}  # fmt: skip


@pytest.mark.parametrize("name", BUILD_FILES)
def test_the_arguments_of_a_bake_or_compose_file_are_those_of_the_build(name: str) -> None:
    dockerfile = (
        "ARG CUDA=12.1.1\nFROM nvidia/cuda:${CUDA}-cudnn-runtime-ubuntu24.04\nARG CHANNEL=cu121\nRUN apt-get install -y python3-pip\n"
        "RUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/${CHANNEL}\n"
    )  # fmt: skip
    service = service_of(draft_adoption({"docker/Dockerfile": dockerfile, name: BUILD_FILES[name]}, "x"))
    assert (service.base.image, service.variants[0].channel) == (
        "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04",
        "cu128",
    )


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        (
            "FROM rocm/dev-ubuntu-22.04:6.3.2\nRUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/rocm6.3\n",
            "the base image rocm/dev-ubuntu-22.04:6.3.2 is for AMD GPUs (ROCm)",
        ),
        (
            "FROM ubuntu:22.04\nRUN pip install torch==2.7.1 --index-url https://download.pytorch.org/whl/rocm6.3\n",
            "torch comes from rocm6.3, which has builds for AMD GPUs (ROCm)",
        ),
        ("FROM dustynv/pytorch:2.1-r36.2.0\n", "the base image dustynv/pytorch:2.1-r36.2.0 is for Jetson boards (L4T)"),
        ("FROM nvcr.io/nvidia/l4t-pytorch:r35.2.1-pth2.0-py3\n", "the base image nvcr.io/nvidia/l4t-pytorch:r35.2.1-pth2.0-py3 is for Jetson boards (L4T)"),
        ("FROM intel/intel-extension-for-pytorch:2.7.10-xpu\n", "the base image intel/intel-extension-for-pytorch:2.7.10-xpu is for Intel GPUs (XPU)"),
        ("FROM quay.io/ascend/cann:8.0\n", "the base image quay.io/ascend/cann:8.0 is for Ascend NPUs (CANN)"),
        ("FROM ubuntu:22.04\nRUN pip install torch==2.7.1 torch-npu==2.7.1\n", "torch-npu (Dockerfile:2:30) is for Ascend NPUs (CANN)"),
    ],
)  # fmt: skip
def test_other_hardware_is_named_and_not_drafted(dockerfile: str, reason: str) -> None:
    draft = adopted(dockerfile)
    assert draft.text == ""
    assert draft.missing == f"no description is made for other hardware than NVIDIA's GPUs and CPUs: {reason}"


@pytest.mark.parametrize(
    "image",
    ["nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04", "runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04", "a/hipster:1", "a/linput:1"],
)  # fmt: skip
def test_images_for_nvidia_s_gpus_are_no_other_hardware(image: str) -> None:
    assert "hardware" not in adopted(f"FROM {image}\n{TORCH}").missing


def test_a_publisher_s_own_torch_is_that_of_the_base() -> None:
    image = "nvcr.io/nvidia/pytorch:25.10-py3"
    draft = adopted(f"FROM {image}\nRUN pip install einops==0.8.1\n")
    service = service_of(draft)
    assert (service.torch.origin, str(service.torch.version), str(service.python)) == (
        "base",
        "2.9.0a0",
        "3.12",
    )
    assert service.variants[0].channel == "cu130"
    assert (
        "channel: cu130 (Dockerfile:1:1, nvcr.io/nvidia/pytorch:25.10-py3 has torch 2.9.0a0+145a3a7bda, a build"
        in draft.text
    )
    assert [step for step in draft.steps if "write `version: 2.9.0` under `torch:`" in step]
    other = f"FROM {image}\nRUN pip install torch==2.9.0 --index-url https://download.pytorch.org/whl/cu130\n"
    assert service_of(adopted(other)).torch.origin == "index"


def test_a_base_that_is_named_for_torch_and_not_in_the_facts_is_asked_about() -> None:
    draft = adopted("FROM nvcr.io/nvidia/pytorch:29.01-py3\nRUN pip install accelerate==1.3.0\n")
    assert [question.key for question in draft.questions] == ["python", "torch", "channel"]
    assert "from: base" in draft.text


def test_a_stage_that_is_only_copied_from_is_not_the_image() -> None:
    dockerfile = (
        "FROM nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04 AS build\nRUN apt-get install -y cmake && cmake -B out .\n"
        "FROM unused:1 AS unused\nRUN pip install black==24.1.0\n"
        "FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04\nCOPY --from=build /out/server /usr/bin/server\n"
    )  # fmt: skip
    assert adopted(dockerfile, tests__requirements="torch==2.5.1").text == ""
    service = service_of(adopted(dockerfile + TORCH + "RUN apt-get install -y ffmpeg\n"))
    assert (service.apt, pins_of(service)) == (("ffmpeg",), [])


@pytest.mark.parametrize(
    "args",
    [
        "ARG CUDA=12.8.1\nARG BASE=nvidia/cuda:${CUDA}-cudnn-runtime-ubuntu24.04\nFROM ${BASE}\n",
        "ARG A=12.8 OS=ubuntu24.04\nARG TAG=${A}.1-cudnn-runtime-${OS}\nFROM nvidia/cuda:${TAG:-latest}\n",
    ],
)
def test_global_args_fill_each_other(args: str) -> None:
    assert service_of(adopted(args + TORCH)).base.image == "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04"


@pytest.mark.parametrize(
    "copies",
    [
        "COPY deploy/requirements-gpu.txt requirements.txt\nRUN pip install -r requirements.txt\n",
        "COPY deploy /srv/lists\nWORKDIR /srv\nRUN cd lists && pip install -r requirements-gpu.txt\n",
        "RUN --mount=type=bind,source=deploy/requirements-gpu.txt,target=/tmp/requirements.txt pip install -r /tmp/requirements.txt\n",
    ],
)  # fmt: skip
def test_a_requirement_file_is_the_one_that_was_copied(copies: str) -> None:
    texts = {
        "Dockerfile": BASE + copies,
        "requirements.txt": "black==24.1.0\n",
        "deploy/requirements-gpu.txt": "torch==2.7.1+cu128\neinops==0.8.1\n",
    }
    assert pins_of(service_of(draft_adoption(texts, "x"))) == ["einops==0.8.1"]


def test_a_requirement_file_of_a_clone_is_none_of_the_project() -> None:
    dockerfile = f"{BASE}{TORCH}RUN git clone https://e.example/a/thing && cd thing && pip install -r requirements.txt\n"
    draft = adopted(dockerfile, **{"requirements.txt": "black==24.1.0\n"})
    assert pins_of(service_of(draft)) == []
    message = "requirements.txt is written or cloned while the image is built, so what it holds is not known"
    assert message in [match.finding.message for match in draft.matches]


def test_a_file_that_was_found_by_its_name_alone_is_said() -> None:
    draft = adopted(
        f"{BASE}{TORCH}RUN pip install -r /opt/lists/requirements.txt\n",
        **{"requirements.txt": "einops==0.8.1\n"},
    )
    assert pins_of(service_of(draft)) == ["einops==0.8.1"]
    messages = [match.finding.message for match in draft.matches]
    assert (
        "/opt/lists/requirements.txt is taken to be requirements.txt, by its name alone: no COPY puts a file there"
        in messages
    )
    copied = adopted(
        f"{BASE}{TORCH}COPY . /opt/lists\nRUN pip install -r /opt/lists/requirements.txt\n",
        **{"requirements.txt": ""},
    )
    assert not [match for match in copied.matches if "by its name alone" in match.finding.message]


def test_an_env_is_no_shell() -> None:
    dockerfile = (
        f"{BASE}ENV NVIDIA_REQUIRE_CUDA=cuda>=12.8\nENV TORCH_CUDA_ARCH_LIST=8.0;8.6;9.0+PTX\nENV NOTE=a&b\n"
        f"ARG V=1\nENV OLD some  text QUOTED=no\nENV A=\"x y\" B='$V' C=v$V D=a\\ b\n{TORCH}"
    )
    assert dict(service_of(adopted(dockerfile)).run.env) == {
        "NVIDIA_REQUIRE_CUDA": "cuda>=12.8", "TORCH_CUDA_ARCH_LIST": "8.0;8.6;9.0+PTX", "NOTE": "a&b",
        "OLD": "some  text QUOTED=no", "A": "x y", "C": "v1", "D": "a b",
    }  # fmt: skip


HOSTILE = {
    "a quoted line end in a heredoc": f"{BASE}{TORCH}RUN <<EOF\npip install \"zzz\ndriver: '570.26'\n#\"\nEOF\n",
    "a line end in a command": f"{BASE}{TORCH}CMD [\"a\\ndriver: '570.26'\"]\n",
    "a line end in an address": f"{BASE}{TORCH}RUN git clone \"https://e.example/a\ndriver: '570.26'\"\n",
    "a line end in a package": f"{BASE}{TORCH}RUN <<EOF\napt-get install \"a\ndriver: '570.26'\"\nEOF\n",
    "a next line in a name": f"{BASE}{TORCH}RUN pip install a\u2028driver:1 b\x85driver:2\n",
    "an escape": f"{BASE}{TORCH}RUN pip install \x1b[31mred\n",
    "a key in a volume": f"{BASE}{TORCH}VOLUME [\"/a\\ndriver: '570.26'\"]\n",
    "a key in an image": f"FROM \"a:1\\ndriver: '570.26'\"\n{TORCH}",
    "a key in a variable": f'{BASE}{TORCH}ENV A="b: c" B="- d" C="{{e: f}}" D="# g"\n',
}  # fmt: skip


@pytest.mark.parametrize("dockerfile", HOSTILE.values(), ids=HOSTILE)
def test_no_text_of_a_project_becomes_a_line_or_key_of_the_draft(dockerfile: str) -> None:
    text = adopted(dockerfile).text
    plain = adopted(BASE + TORCH).text
    keys = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    assert {*keys} <= {line.partition(":")[0] for line in plain.splitlines()} | {
        "run",
        "apt",
        "recommends",
        "sources",
    }
    assert all(char.isprintable() or char == "\n" for char in text)
    messages = [match.finding.message for match in adopted(dockerfile).matches]
    assert all(message.isprintable() for message in messages)


def test_no_name_of_a_file_becomes_a_line_of_the_draft() -> None:
    texts = {"a\ndriver: '570.26'\n/Dockerfile": BASE + TORCH}
    text = draft_adoption(texts, "x").text
    assert "driver" not in [line.partition(":")[0] for line in text.splitlines()]


def test_a_dockerfile_of_800_instructions_is_read_in_a_second() -> None:
    lines = [
        f"ARG V{number}=1\nENV E{number}=a${{V{number}:-b}}\nCOPY requirements.txt /r{number}.txt\nRUN pip install -r /r{number}.txt p{number}==1.0"
        for number in range(200)
    ]  # fmt: skip
    text = BASE + TORCH + "\n".join(lines) + "\n"
    start = process_time()
    adopted(text, **{"requirements.txt": "a==1\n"})
    assert process_time() - start < 3  # half a second where nothing else runs


def test_a_python_of_conda_that_is_no_version_is_not_taken() -> None:
    run = "RUN conda create -y -n app python=3.9'stable' && conda run pip install torch==2.4.1\n"
    assert "\npython: '?'\n" in adopted(f"FROM continuumio/miniconda3:24.9.2-0\n{run}").text
