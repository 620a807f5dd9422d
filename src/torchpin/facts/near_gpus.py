"""The GPUs near a name that is not in the facts: those of its family with a near number, else those spelled alike."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from torchpin.facts.gpu_names import parse_gpu_name
from torchpin.facts.gpus import known_gpus

if TYPE_CHECKING:
    from torchpin.facts.gpu_names import GpuName

_MOST = 3
_FARTHEST = (
    1000  # as a generation is in GeForce's numbers: the 4090 is near the 5090, the 1070 is not near the 5070
)


def near_gpus(name: str) -> tuple[str, ...]:
    """The names of at most three GPUs, the nearest first; empty where none is near."""
    if slips := _with_a_character_less(name):
        return slips
    written = parse_gpu_name(name)
    distances = {}
    for gpu in known_gpus():
        distance = _distance(written, parse_gpu_name(gpu.name))
        if distance is not None:
            distances[gpu.name] = distance
    if distances:
        return tuple(sorted(distances, key=lambda near: (distances[near], near))[:_MOST])
    spelled = {gpu.name.lower(): gpu.name for gpu in known_gpus()}
    return tuple(spelled[near] for near in get_close_matches(name.lower(), spelled, n=_MOST, cutoff=0.75))


def _with_a_character_less(name: str) -> tuple[str, ...]:
    """The GPUs whose names are a name without one of its characters, as B200 is of b2000."""
    shorter = {f"{name[:place]}{name[place + 1 :]}".lower() for place in range(len(name))}
    return tuple(gpu.name for gpu in known_gpus() if gpu.name.lower() in shorter)[:_MOST]


def _distance(written: GpuName, gpu: GpuName) -> tuple[bool, int, int, int] | None:
    """How far a GPU is from a name: other letters, difference of the numbers, of the lines, of the rest; None: too far."""
    if written.number is None or gpu.number is None:
        return None
    (letters, number), (gpu_letters, gpu_number) = written.number, gpu.number
    is_family = letters == gpu_letters and bool(letters or written.lines & gpu.lines)
    difference = abs(number - gpu_number)
    is_near = is_family and difference <= _FARTHEST
    if not is_near and (number != gpu_number or written.words - gpu.words):
        return None
    other_parts = len(written.suffixes ^ gpu.suffixes) + len(written.words ^ gpu.words)
    return letters != gpu_letters, difference, len(written.lines - gpu.lines), other_parts
