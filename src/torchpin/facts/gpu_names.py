"""The grammar of GPU names: the model, and what drivers, vendors and clouds write around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BRANDS = {"geforce": "geforce", "quadro": "quadro", "q": "quadro", "tesla": "tesla", "jetson": "jetson"}
_LINES = {"gt", "gtx", "rtx", "mx", "pro"}
_GENERATIONS = {
    "kepler", "maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell",
}  # fmt: skip
_SUFFIXES = {"ti": "ti", "super": "super", "s": "super", "d": "d"}
# What says nothing about the code that a GPU runs: vendor, form, memory, cooling, market, and nouns.
_IGNORED = {
    "nvidia", "corporation", "gpu", "gpus", "graphics", "card", "accelerator", "generation", "lovelace", "tensor",
    "core", "edition", "hgx", "dgx", "grid", "nvgpu", "tegra", "soc", "mig", "me", "all", "standard", "gpu0",
    "sxm", "pcie", "pci", "nvl", "nvlink", "oam", "dgxs", "fhhl", "ac", "lc", "cnx", "mega", "vws", "ndr", "sff",
    "laptop", "mobile", "notebook", "maxq", "maxp", "embedded", "workstation", "server", "ws", "wk", "se", "oem",
    "passive", "sdi", "refresh", "ceo", "mac", "low", "profile", "power", "aio", "developer", "dev",
    "devkit", "kit", "module", "series", "memory", "with", "design",
}  # fmt: skip
_IGNORED_FORMS = re.compile(
    r"sxm\d|hbm\d?e?|g?ddr\dx?|\d+(?:\.\d+)?gbps|\d+(?:\.\d+)?(?:gb|gib|g|mb)|\d+(?:\.\d+)?w"  # memory, watts
    r"|\d+g\.\d+gb(?:\.\w+)?"  # a slice of a GPU (MIG)
    r"|\d{1,2}[abcq]"  # a profile of a virtual GPU, as 8q
    r"|\d{1,2}x|x\d{1,2}|v\d|n[cdv]\d\w*"  # a count, a version, and the sizes of Azure
)
_CHIP = re.compile(r"g[kmpabv]\d{3}|[at][du]\d{3}")  # as ga104; Quadro GP100 is named for its own
_MEMORY_SIZES = {"8", "12", "16", "24", "32", "40", "48", "64", "80", "94", "96", "141", "144", "180", "192", "288"}  # fmt: skip
_BEFORE_MODEL = re.compile(
    r"(nvidia|geforce|quadro|tesla|jetson|gtx|gt|rtx|mx|pro)((?:pro|rtx|gtx|gt|mx|a|titan)?\d?.*)"
)
_AFTER_NUMBER = re.compile(r"(\d{3,4})((?:ti|super|s|d|ada|laptop|mobile|maxq)+)")
_AFTER_MODEL = re.compile(r"([abglhptv]{1,2}\d{1,3}[a-z]?)(sxm\d?|pcie|nvl)")
_PROFILE = re.compile(r"\d{1,2}[abcq]")
_VIRTUAL_MODEL = re.compile(
    r"([ahv]\d{3})(?:dx?|xm?|xl|l)"
)  # before a profile: memory and form, as in A100DX-80C
_AMPERE_MODEL = re.compile(r"a(\d{4})")
_AFTER_AMPERE = {"ada", "blackwell"}  # whose workstation GPUs have numbers without the A
_WORD = re.compile(r"ti|super|s|d|ada|laptop|mobile|maxq")


@dataclass(frozen=True, slots=True)
class GpuName:
    """The parts of a name. `model` and `suffixes` make the GPU; a name may leave out brand, lines and generation."""

    model: frozenset[str]  # as {"a100"}, {"4070"}, {"orin", "nano"}
    suffixes: frozenset[str] = frozenset()  # of ti, super, d
    lines: frozenset[str] = frozenset()  # of gt, gtx, rtx, mx, pro
    brand: str = ""
    generation: str = ""

    @property
    def is_specific(self) -> bool:
        """Whether the name names a model at all: a short number alone does not."""
        alone = not (self.lines or self.brand or self.generation)
        return bool(self.model) and not (alone and all(re.fullmatch(r"\d{1,3}", word) for word in self.model))

    @property
    def number(self) -> tuple[str, int] | None:
        """The letters and the number of a model: `("a", 100)` for A100, `("", 4070)` for RTX 4070; None: it has none."""
        numbers = (re.fullmatch(r"([a-z]*)(\d+)[a-z]*", word) for word in sorted(self.model))
        return next(((match[1], int(match[2])) for match in numbers if match), None)

    @property
    def words(self) -> frozenset[str]:
        """The words of the model without a number: `orin` and `nano`."""
        return frozenset(word for word in self.model if not re.search(r"\d", word))


@lru_cache(maxsize=4096)
def parse_gpu_name(text: str) -> GpuName:
    """The parts of a name such as `NVIDIA A100-SXM4-80GB`, `RTX_4070S_Ti` or `NVIDIA RTX 6000 Ada Generation`."""
    words = [word for token in _tokens(text) for word in _split(token)]
    lines = frozenset(_LINES & set(words))
    model, suffixes = [], set()
    brand, generation = "", ""
    if "pro" in lines:
        words = [
            word for word in words if word != "s"
        ]  # RTX PRO 6000 S: the server's; of GeForce it is SUPER
    for word in words:
        if word in _BRANDS:
            brand = _BRANDS[word]
        elif word in _GENERATIONS:
            generation = word
        elif word in _SUFFIXES:
            suffixes.add(_SUFFIXES[word])
        elif word not in lines and not _is_ignored(word):
            model.append(word)
    if any(_PROFILE.fullmatch(word) for word in words):
        model = _virtual_model(model)
    if generation in _AFTER_AMPERE:
        model = [_AMPERE_MODEL.sub(r"\1", word) if _AMPERE_MODEL.fullmatch(word) else word for word in model]
    return GpuName(
        model=frozenset(_without_details(model)),
        suffixes=frozenset(suffixes),
        lines=lines,
        brand=brand,
        generation=generation,
    )


def _virtual_model(model: list[str]) -> list[str]:
    """The words of a virtual GPU's model, without the number of slices: A100 for those of `A100D-1-20C`."""
    matches = [(_VIRTUAL_MODEL.fullmatch(word), word) for word in model]
    words = [match[1] if match else word for match, word in matches]
    return [word for word in words if not re.fullmatch(r"\d", word)] or words


def _tokens(text: str) -> list[str]:
    plain = re.sub(r"max[\s_-]?([pq])\b", r"max\1", text.lower().replace("®", "").replace("™", ""))
    plain = re.sub(r"(\d)\s+(gb|gbps|w)\b", r"\1\2", re.sub(r"\brev\.?\s*\d\b", "", plain))
    return [token for token in re.split(r"[\s_/,;:()+-]+", plain) if token]


def _split(token: str) -> Iterator[str]:
    """The words of a token that is written together: `rtx4090` is rtx and 4090, `6000ada` is 6000 and ada."""
    if token in _IGNORED or token in _BRANDS or _IGNORED_FORMS.fullmatch(token):
        yield token
    elif (match := _BEFORE_MODEL.fullmatch(token)) and match[2] and re.search(r"\d|titan", match[2]):
        yield match[1]
        yield from _split(match[2])
    elif match := _AFTER_NUMBER.fullmatch(token):
        yield match[1]
        yield from _WORD.findall(match[2])
    elif match := _AFTER_MODEL.fullmatch(token):
        yield from match.groups()
    else:
        yield token


def _is_ignored(token: str) -> bool:
    return token in _IGNORED or _IGNORED_FORMS.fullmatch(token) is not None


def _without_details(model: list[str]) -> list[str]:
    """The words without the chip, and without sizes of memory that lack a unit, as in `A100-80`."""
    words = [word for word in model if not _CHIP.fullmatch(word)] or model
    if any(re.search(r"[a-z]", word) for word in words):
        return [word for word in words if word not in _MEMORY_SIZES]
    return words


def matches(written: GpuName, gpu: GpuName, architecture: str) -> bool:
    """Whether a written name can be one of a GPU's; the brand is left to the caller, since many write a wrong one."""
    return (
        written.model == gpu.model
        and written.suffixes == gpu.suffixes
        and written.lines <= gpu.lines
        and written.generation in {"", gpu.generation, architecture.lower().partition(" ")[0]}
    )
