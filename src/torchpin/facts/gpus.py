"""GPUs by their many names, and the drivers of CUDA versions."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from torchpin.facts.archs import toolkits_of
from torchpin.facts.gpu_names import GpuName, matches, parse_gpu_name
from torchpin.facts.load import RawRow, Table, build_row, load_table
from torchpin.facts.rows import BaseImage, Driver, Gate, Gpu
from torchpin.facts.versions import major_minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A capability instead of a name: 6.1, sm_61, compute_61, sm61; a bare number needs its dot, since 4090 is a GPU.
_CAPABILITY = re.compile(
    r"(?:sm_?|compute_?|(?:compute capability|cc) ?)(\d+)\.?(\d)[af]?|(\d+)\.(\d)", re.IGNORECASE
)
_PREFIXED_BRANDS = {"Quadro"}  # the others are left out of a GPU's own name: RTX 4090, P4


@cache
def gpus() -> tuple[Gpu, ...]:
    """The GPUs with facts of their own: those that are common."""
    return tuple(_build_gpu(row) for row in load_table("gpus")["gpus"])


@cache
def known_gpus() -> tuple[Gpu, ...]:
    """Every GPU in the facts."""
    return tuple(dict.fromkeys(row for raw in _rows() for row, _ in _entries(raw)))


def _rows() -> tuple[RawRow, ...]:
    table = load_table("gpus")
    return (*table["gpus"], *table["families"])


def _entries(row: RawRow, words: frozenset[str] = frozenset()) -> Iterator[tuple[Gpu, GpuName]]:
    """The GPUs of a row of the section `gpus` or `families`, with each of their names, read.

    `words`: only of names that contain these, since reading all takes longer than a judgement may.
    """
    for name in _names(row):
        if not words or all(word in name.lower() for word in words):
            yield _entry(row, name)


def _entry(row: RawRow, name: str) -> tuple[Gpu, GpuName]:
    brand = row.get("brand", "")
    full_name = f"{brand} {name}" if brand in _PREFIXED_BRANDS else name if brand else row.get("name", name)
    return _build_gpu({**row, "name": full_name}), parse_gpu_name(f"{brand} {name}")


def _names(row: RawRow) -> tuple[str, ...]:
    return tuple(row["names"].split(", ")) if "names" in row else (row["name"], *row.get("aliases", ()))


@cache
def _lowercase_names() -> tuple[tuple[str, RawRow, str], ...]:
    """Every name in lower case, with its row and as it is written there."""
    return tuple((name.lower(), row, name) for row in _rows() for name in _names(row))


def _build_gpu(row: RawRow) -> Gpu:
    toolkits = toolkits_of(row["capability"]) if row.get("capability") else None
    return build_row(Gpu, {"min_toolkit": toolkits.min_toolkit if toolkits else None, **row})


@cache
def gpu(name: str) -> Gpu | None:
    """A GPU by a name, as nvidia-smi, a vendor or a cloud writes it, or by a capability such as `sm_61`.

    A name of another vendor gives a GPU of that vendor. None: not in the facts, or the name of several that run different code.
    """
    return capability_gpu(name) or _instance_gpu(name) or foreign_gpu(name) or _single(gpu_candidates(name))


def own_gpu_names(names: Iterable[str]) -> tuple[str, ...]:
    """GPUs by the names that the facts have for them, each once; names that are not in the facts as they are written."""
    return tuple(dict.fromkeys(row.name if (row := gpu(name)) else name for name in names))


def gpu_candidates(name: str) -> tuple[Gpu, ...]:
    """The GPUs that a name can be of: more than one for a name such as `RTX 4000`, which several have."""
    written = parse_gpu_name(name)
    if not written.is_specific:
        return ()
    names = _lowercase_names()
    for word in written.model:
        names = tuple(entry for entry in names if word in entry[0])
    entries = (_entry(row, name) for _, row, name in names)
    matching = [(row, parts) for row, parts in entries if matches(written, parts, row.architecture)]
    branded = [(row, parts) for row, parts in matching if parts.brand == written.brand]
    # Many write a wrong brand, as Quadro RTX A6000 and Tesla A100: it counts where it tells GPUs apart.
    chosen = branded if written.brand and branded else matching
    return tuple(dict.fromkeys(row for row, _ in chosen))


def _single(candidates: tuple[Gpu, ...]) -> Gpu | None:
    """The first of several names of one kind of GPU."""
    kinds = {(row.capability, row.machine) for row in candidates}
    return candidates[0] if len(kinds) == 1 else None


def capability_gpu(name: str) -> Gpu | None:
    """The GPU that stands for a capability, where the name is one and a toolkit is known to compile for it."""
    match = _CAPABILITY.fullmatch(name.strip())
    if match is None:
        return None
    capability = ".".join(part for part in match.groups() if part)
    toolkits = toolkits_of(capability)
    if toolkits is None:
        return None
    machines = {row.machine for row in known_gpus() if row.capability == capability}
    return Gpu(
        name=f"sm_{capability.replace('.', '')}",
        architecture=toolkits.architecture,
        capability=capability,
        min_toolkit=toolkits.min_toolkit,
        machine=machines.pop() if len(machines) == 1 else "x86_64",
        source=toolkits.source,
        date=toolkits.date,
        method=toolkits.method,
    )


def _instance_gpu(name: str) -> Gpu | None:
    """The GPU of a cloud's machine type, as `g5.xlarge`, where its name does not contain the GPU's."""
    text = name.strip().lower()
    for row in load_table("gpus")["instances"]:
        if re.fullmatch(row["pattern"], text):
            return _single(gpu_candidates(row["gpu"]))
    return None


def foreign_gpu(name: str) -> Gpu | None:
    """A GPU of another vendor than NVIDIA; None where the name is not known to be one."""
    for row in load_table("gpus")["vendors"]:
        if re.search(row["pattern"], name.lower()):
            return build_row(Gpu, {**row, "name": name, "architecture": row["vendor"], "capability": None})
    return None


def is_same_gpu(name: str, other: str) -> bool:
    """Whether two names are of one GPU; names that are not in the facts have to be equal."""
    row = gpu(name)
    return name == other or (row is not None and gpu(other) == row)


def names_gpu(row: RawRow, name: str) -> bool:
    """Whether a row of the section `gpus` or `families` has a GPU of a name."""
    written = parse_gpu_name(name)
    entries = _entries(row, written.model)
    return any(matches(written, parts, entry.architecture) for entry, parts in entries)


def gpu_name_problems(table: Table) -> Iterator[str]:
    """A message for each name that names no model, or two GPUs though nothing tells them apart."""
    taken: dict[tuple[GpuName, str], str] = {}
    for section in ("gpus", "families"):
        for entry, parts in chain.from_iterable(map(_entries, table.get(section, ()))):
            if not parts.is_specific:
                yield f"{entry.name} names no model"
            # A name that GPUs of two capabilities have, such as GT 730, is in two families, and so means neither.
            capability = "" if section == "gpus" else entry.capability or ""
            key = (replace(parts, brand="") if section == "gpus" else parts, capability)
            other = taken.setdefault(key, entry.name)
            if other != entry.name or (section == "families" and (parts, "") in taken):
                yield f"{entry.name} and {taken.get((parts, ''), other)} have one name"


def driver(cuda: str) -> Driver | None:
    """The drivers of a CUDA version: `12.1` is the first toolkit, `12.1.1` its update 1. None: not in the facts."""
    # A version without update, such as 12.1, is update 0.
    major, minor, update = (*cuda.split("."), "0", "0")[:3]
    tables = load_table("drivers")
    family = next((row["min_driver"] for row in tables["families"] if row["family"] == f"{major}.x"), None)
    for row in tables["toolkits"]:
        if row["cuda"] == f"{major}.{minor}" and str(row["update"]) == update:
            return build_row(Driver, {**row, "cuda": cuda, "toolkit": row["driver"], "family": family})
    return None


def gate(cuda: str) -> Gate | None:
    """The driver requirement of the nvidia/cuda images of a CUDA version such as `12.8.1`; None: not in the facts.

    The patch releases of a CUDA minor share it, but for those with a row of their own.
    """
    rows = {row["cuda"]: row for row in load_table("drivers")["gates"]}
    row = rows.get(cuda) or rows.get(major_minor(cuda))
    return build_row(Gate, row) if row else None


def image_gate(image: BaseImage | None) -> Gate | None:
    """The driver requirement of an image that is built on one of nvidia/cuda; None: it has none, or it is not in the facts."""
    return gate(image.gate_cuda) if image and image.gate_cuda else None
