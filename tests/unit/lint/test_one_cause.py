"""What has one cause is one finding, which names the other places."""

from __future__ import annotations

from torchpin.installs.project import parse_project
from torchpin.lint.scan import find_matches

BASE = "FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04\n"
INDEX = "--index-url https://download.pytorch.org/whl/cu126"
TORCH = f"RUN pip install torch==2.7.1 {INDEX}\n"


def messages(rule: str, text: str, **files: str) -> dict[str, str]:
    """The messages of a rule by place."""
    project = parse_project({"Dockerfile": text, **files})
    return {
        match.finding.location: match.finding.message for match in find_matches(project) if match.id == rule
    }


def test_torch_and_its_companions_without_index_are_one_finding() -> None:
    repeated = "RUN pip install torch==2.8.0 torchvision==0.23.0\nRUN pip install torchaudio==2.8.0\n"
    (message,) = messages("ADO003", BASE + TORCH + repeated).values()
    assert message == (
        "`torch==2.8.0` has no index, so PyPI's build may replace torch from https://download.pytorch.org/whl/cu126; "
        "the same is true of `torchvision==0.23.0` (line 3), `torchaudio==2.8.0` (line 4)"
    )


def test_torch_that_two_stages_replace_is_one_finding() -> None:
    text = f"{BASE.strip()} AS a\n{TORCH}FROM a AS b\nRUN pip install torch==2.8.0\nFROM a\nRUN pip install torch==2.9.0\nCOPY --from=b /x /x\n"
    assert [*messages("ADO003", text)] == ["Dockerfile:4:17"]


def test_what_brings_torch_too_early_is_one_finding_for_each_torch() -> None:
    early = f"RUN pip install timm accelerate\nRUN pip install peft\n{TORCH}"
    assert messages("ADO023", BASE + early) == {
        "Dockerfile:2:17": "`timm` brings PyPI's torch before `torch==2.7.1` (Dockerfile:4:17), and the later step replaces it "
        "in another layer; the same is true of `accelerate` (line 2), `peft` (line 3)"
    }
    two = f"{BASE.strip()} AS a\n{early}{BASE}COPY --from=a /x /x\nRUN pip install timm\nRUN pip install torch {INDEX}\n"
    assert [*messages("ADO023", two)] == ["Dockerfile:2:17", "Dockerfile:7:17"]


def test_many_others_are_counted() -> None:
    early = "RUN pip install peft\n" * 13 + TORCH
    (message,) = messages("ADO023", BASE + early).values()
    assert message.endswith("`peft` (line 12), 2 more")


def test_a_requirement_contradicts_the_first_of_several() -> None:
    text = f"{BASE}RUN pip install 'numpy==1.26.4'\nRUN pip install numpy==1.25.0\nRUN pip install numpy==2.0.0\n"
    assert {place: message.partition(": ")[0] for place, message in messages("ADO004", text).items()} == {
        "Dockerfile:3:17": "`numpy==1.25.0` conflicts with `numpy==1.26.4` (Dockerfile:2:17)",
        "Dockerfile:4:17": "`numpy==2.0.0` conflicts with `numpy==1.26.4` (Dockerfile:2:17)",
    }


def test_a_download_to_standard_output_is_no_file_that_is_run() -> None:
    for option in ("-qO- ", "-q -O - ", "-O- "):
        text = (
            f"{BASE}RUN wget {option}https://x.example/install.sh | sh\nCOPY install.sh .\nRUN ./install.sh\n"
        )
        assert len(messages("ADO007", text)) == 1
    kept = f"{BASE}RUN wget -q https://x.example/install.sh\nRUN ./install.sh\n"
    assert len(messages("ADO007", kept)) == 1


def test_the_value_of_an_option_is_no_package() -> None:
    text = f"{BASE}RUN pip install --resume-retries 999 --default-timeout 60 einops\n"
    assert [*messages("ADO012", text).values()] == ["`einops` is not pinned"]
    assert not messages("ADO008", text)
