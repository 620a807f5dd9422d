"""Images with a torch: pytorch/pytorch, RunPod's, NVIDIA's, AMD's, cloud providers' and vLLM's, by the grammar of their tags."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from packaging.version import Version

from torchpin.facts.image_rows import UNREAD, Reading, read_row, table
from torchpin.facts.rows import cite
from torchpin.facts.torch import release, release_versions, releases
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.facts.load import RawRow

_PYTORCH = re.compile(
    r"(?P<torch>\d+\.\d+(?:\.\d+)?)-cuda(?P<cuda>\d+(?:\.\d+)?)-cudnn(?P<cudnn>\d+)-(?P<variant>devel|runtime)"
)
_PYTORCH_FORM = "tags of pytorch/pytorch are <torch>-cuda<X.Y>-cudnn<major>-<runtime or devel>"
_RUNPOD_LEGACY = re.compile(
    r"(?P<torch>\d+\.\d+\.\d+)-py(?P<python>3\.\d+)-cuda(?P<cuda>\d+\.\d+\.\d+)(?P<cudnn>-cudnn)?-devel(?:-(?P<os>ubuntu\d\d\.04))?"
)
_RUNPOD_FIRST = re.compile(r"(?P<python>3\.\d+)-(?P<torch>\d+\.\d+\.\d+)-(?P<cu>\d{3})(?:-devel)?")
_RUNPOD = re.compile(
    r"(?P<release>\d+\.\d+\.\d+)(?:-(?P<first>ubuntu\d{4}))?-cu(?P<cuda>\d{4})-torch(?P<torch>\d+)(?:-(?P<last>ubuntu\d{4}))?"
)
_RUNPOD_ROCM = re.compile(r".*rocm.*")
_RUNPOD_FORM = "tags of runpod/pytorch are <release>-cu<XYZ>-torch<XYZ>-ubuntu<YYMM> or <torch>-py<X.Y>-cuda<X.Y.Z>-devel-ubuntu<YY.04>"
_RUNPOD_BASE = re.compile(
    r"(?P<release>\d+\.\d+\.\d+)(?:-(?P<first>ubuntu\d{4}))?(?:-cuda(?P<cuda>[\d.]+))?(?:-(?P<last>ubuntu\d{4}|cpu))?"
)
_FIRST_WITH_PYTHON = Version("1.0.2")  # the release of RunPod's images from which `python` is 3.12
_NGC = re.compile(r"(?P<release>\d\d\.\d\d)-py[23](?:-igpu)?")
_ROCM = re.compile(
    r"rocm(?P<rocm>[\d.]+)_(?P<os>ubuntu\d\d\.04)_py(?P<python>3\.\d+)_pytorch_(?:release_)?(?P<torch>\d+\.\d+\.\d+)"
)
_AWS = re.compile(
    r"(?P<version>\d+\.\d+\.\d+)(?:-transformers[\d.]+)?-(?P<kind>gpu|cpu)-py(?P<python>3\d+)(?:-cu(?P<cuda>\d{3}))?-(?P<os>ubuntu\d\d\.04)(?:-\w+)*"
)
_GOOGLE = re.compile(
    r"(?:pytorch|huggingface-pytorch)-[\w-]*?(?:cu(?P<cuda>\d{3})|cpu|gpu)\.(?P<torch>\d-\d+)(?:\.[\w-]+)*?(?:\.ubuntu(?P<os>\d{4}))?\.py(?P<python>3\d+)"
)


def read_pytorch_tag(tag: str) -> Reading:
    """What a tag of pytorch/pytorch says; the row of its series says its system and Python."""
    match = _PYTORCH.fullmatch(tag)
    if tag == "latest" or re.fullmatch(r"\d+\.\d+\.\d+-runtime", tag):  # the latter: for CPUs, linux/arm64
        return UNREAD
    if match is None:
        return Reading(violation=_PYTORCH_FORM, citation=_form_citation())
    series = next(
        (row for row in table()["pytorch_series"] if row["series"] == major_minor(match["torch"])), None
    )
    is_newer = Version(match["torch"]) > release_versions()[-1]
    if series is None or is_newer:
        return Reading(row=_pytorch_row(match.groupdict(), series or {}, listed=False))
    if violation := _pytorch_violation(series, **match.groupdict()):
        return Reading(violation=violation, citation=cite(series["source"], series["date"]))
    return Reading(row=_pytorch_row(match.groupdict(), series, listed=match["cuda"] in series["cuda"]))


def _pytorch_violation(series: RawRow, *, torch: str, cuda: str, cudnn: str, variant: str) -> str:
    """Why PyTorch published no such image of a series; "" where it did, or may have."""
    del variant
    if release(torch) is None:
        versions = [row.version for row in releases() if major_minor(row.version) == series["series"]]
        return f"torch {torch} does not exist; of its series there are {', '.join(versions)}"
    if cudnn != series["cudnn"]:
        return f"the images of torch {torch} have cudnn{series['cudnn']}, not cudnn{cudnn}"
    if cuda not in series["cuda"] and series.get("complete", True):
        return f"the images of torch {torch} are of CUDA {', '.join(series['cuda'])}, not {cuda}"
    return ""


def _pytorch_row(parts: Mapping[str, str], series: RawRow, *, listed: bool) -> RawRow:
    cuda, variant = parts["cuda"], parts["variant"]
    return read_row(
        series.get("os"), series.get("source", ""), listed=listed, cuda=cuda, cudnn=parts["cudnn"],
        variant=variant, torch=f"{parts['torch']}+cu{cuda.replace('.', '')}", python=series.get("python"),
        gate_cuda=cuda if variant == "devel" else None,
    )  # fmt: skip


@cache
def pytorch_tags() -> tuple[str, ...]:
    """The tags of pytorch/pytorch that follow from the releases and their CUDA versions."""
    series = {row["series"]: row for row in table()["pytorch_series"]}
    rows = [
        (row.version, series[major_minor(row.version)])
        for row in releases()
        if major_minor(row.version) in series
    ]
    return tuple(
        f"{version}-cuda{cuda}-cudnn{row['cudnn']}-{variant}"
        for version, row in rows
        for cuda in row["cuda"]
        for variant in ("devel", "runtime")
    )


def read_runpod_tag(tag: str) -> Reading:
    """What a tag of runpod/pytorch says, in each of its schemes."""
    if match := _RUNPOD_LEGACY.fullmatch(tag):
        return Reading(row=_runpod_legacy(match))
    if match := _RUNPOD.fullmatch(tag):
        return _read_runpod(match)
    if match := _RUNPOD_FIRST.fullmatch(tag):
        columns = {
            "torch": f"{match['torch']}+cu{match['cu']}",
            "python": match["python"],
            "variant": "devel",
        }
        cuda = _cuda_minor(match["cu"])
        return Reading(row=read_row(None, listed=False, cuda=cuda, gate_cuda=cuda, **columns))
    if _RUNPOD_ROCM.fullmatch(tag):
        return UNREAD
    return Reading(violation=_RUNPOD_FORM, citation=table()["runpod"][0]["source"])


def _runpod_legacy(match: re.Match[str]) -> RawRow:
    cudnn = "9" if match["cudnn"] else None
    return read_row(
        match["os"], listed=False, cuda=match["cuda"], cudnn=cudnn, torch=match["torch"],
        variant="cudnn-devel" if cudnn else "devel", python=match["python"], gate_cuda=match["cuda"],
    )  # fmt: skip


def _read_runpod(match: re.Match[str]) -> Reading:
    torch = _release_of_code(match["torch"])
    cuda, os = _dotted(match["cuda"]), _ubuntu(match["first"] or match["last"] or "")
    wheels = next(
        (row for row in table()["runpod_wheels"] if (row["cuda"], row["torch"]) == (cuda, torch)), None
    )
    # The wheel may be of another CUDA than the image, so without a row its channel is not known.
    local = f"+{wheels['channel']}" if wheels else ""
    has_python = Version(match["release"]) >= _FIRST_WITH_PYTHON
    row = read_row(
        os, (wheels or {}).get("source", ""), listed=bool(wheels), cuda=cuda, cudnn="9", variant="cudnn-devel",
        torch=f"{torch}{local}" if torch and wheels else None, python="3.12" if has_python else None,
        gate_cuda=cuda, has_torch=True,
    )  # fmt: skip
    return Reading(row=row)


def _release_of_code(code: str) -> str | None:
    """The torch release of a code such as `271`: 2.7.1."""
    return next((row.version for row in releases() if row.version.replace(".", "") == code), None)


def _dotted(code: str) -> str:
    """The CUDA version of a code such as `1281`: 12.8.1; a version stays as it is."""
    return code if "." in code else f"{code[:2]}.{code[2]}.{code[3:] or '0'}"


def _cuda_minor(code: str) -> str:
    """The CUDA version of a code such as `128`: 12.8."""
    return f"{code[:2]}.{code[2]}"


def _ubuntu(code: str) -> str | None:
    return f"{code[:-2]}.{code[-2:]}" if code.startswith("ubuntu") else None


def read_runpod_base_tag(tag: str) -> Reading:
    """What a tag of runpod/base says: `1.0.2-cuda1281-ubuntu2204`, `0.6.2-cuda12.4.1`."""
    match = _RUNPOD_BASE.fullmatch(tag)
    if match is None:
        return UNREAD
    os = _ubuntu(match["first"] or match["last"] or "")
    if match["cuda"] is None:
        return Reading(row=read_row(os, listed=False))
    cuda = _dotted(match["cuda"])
    is_new = "." not in match["cuda"]
    row = read_row(
        os, listed=False, cuda=cuda, cudnn="9" if is_new else None, gate_cuda=cuda,
        variant="cudnn-devel" if is_new else "devel",
    )  # fmt: skip
    return Reading(row=row)


def read_ngc_tag(tag: str) -> Reading:
    """What the row of a release of NVIDIA's PyTorch container says: `25.10-py3`."""
    match = _NGC.fullmatch(tag)
    if match is None:
        return Reading(
            violation="tags of nvcr.io/nvidia/pytorch are <YY.MM>-py3", citation=table()["ngc"][0]["source"]
        )
    row = next((row for row in table()["ngc"] if row["release"] == match["release"]), None)
    if row is None or tag.endswith("-igpu"):
        return UNREAD
    columns = {key: row[key] for key in ("cuda", "python", "torch")}
    return Reading(
        row=read_row(row["os"], row["source"], listed=True, variant="devel", own_build=True, **columns)
    )


def read_rocm_tag(tag: str) -> Reading:
    """What a tag of rocm/pytorch says: torch for AMD's GPUs."""
    match = _ROCM.fullmatch(tag)
    if match is None:
        return UNREAD
    torch = f"{match['torch']}+rocm{major_minor(match['rocm'])}"
    row = read_row(match["os"], listed=False, torch=torch, python=match["python"], own_build=True)
    return Reading(row=row)


def read_vllm_tag(tag: str) -> Reading:
    """What the row of a release of vllm/vllm-openai says."""
    row = next((row for row in table()["vllm"] if f"v{row['release']}" == tag), None)
    if row is None:
        return UNREAD
    return Reading(
        row=read_row(row["os"], row["source"], listed=True, torch=row["torch"], python=row["python"])
    )


def read_aws_tag(repository: str, tag: str) -> Reading:
    """What a tag of AWS's deep learning containers says: `2.6.0-gpu-py312-cu126-ubuntu22.04-ec2`."""
    match = _AWS.fullmatch(tag)
    if match is None or "pytorch" not in repository:
        return UNREAD
    cuda = _cuda_minor(match["cuda"]) if match["cuda"] else None
    local = f"+cu{match['cuda']}" if match["cuda"] else "+cpu"
    row = read_row(
        match["os"], "AWS Deep Learning Containers, list of images", listed=False, cuda=cuda,
        variant="devel" if cuda else "", torch=f"{match['version']}{local}", python=_python(match["python"]),
        own_build=True,
    )  # fmt: skip
    return Reading(row=row)


def read_google_name(repository: str, _: str) -> Reading:
    """What a name of Google's deep learning containers says: `pytorch-cu124.2-4.py310`."""
    match = _GOOGLE.fullmatch(repository.rpartition("/")[2])
    if match is None:
        return UNREAD
    cuda = _cuda_minor(match["cuda"]) if match["cuda"] else None
    os = _ubuntu(f"ubuntu{match['os']}") if match["os"] else None
    row = read_row(
        os, "Google Cloud, deep learning containers", listed=False, cuda=cuda,
        variant="devel" if cuda else "", python=_python(match["python"]), has_torch=True,
    )  # fmt: skip
    return Reading(row=row)


def _python(code: str) -> str:
    return f"{code[0]}.{code[1:]}"


def _form_citation() -> str:
    row = next(row for row in table()["facts"] if row["id"] == "pytorch-scheme")
    return cite(row["source"], row["date"])
