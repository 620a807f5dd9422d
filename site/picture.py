"""docs/images/torch-builds.svg: which torch releases have code for which GPU, by channel, from the facts."""

from __future__ import annotations

from html import escape

from torchpin import facts
from torchpin.documents.gpus import build_ranges
from torchpin.facts.versions import major_minor

PICTURE = "docs/images/torch-builds.svg"
# The best known GPU of each generation, the oldest first.
GPUS = ("V100", "T4", "A100", "RTX 4090", "H100", "B200", "RTX 5090")
CHANNELS = ("cu118", "cu121", "cu124", "cu126", "cu128", "cu129", "cu130", "cu132")
_TITLE = "Which torch releases have code for which GPU"
_LEFT, _TOP, _WIDTH, _HEIGHT, _GAP, _MARGIN = 92, 118, 98, 36, 5, 20
# Both schemes bring their own background, since a page may be dark where the system is light.
_STYLE = """\
text { font: 15px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.title { font-size: 18px; font-weight: 600; }
.small { font-size: 13px; fill: #59636e; }
.head { font-weight: 600; }
.cell { text-anchor: middle; }
.page { fill: #ffffff; stroke: #d1d9e0; }
.yes { fill: #b7e4c7; }
.no { fill: #f0f2f4; }
.none { fill: #59636e; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
.small, .none { fill: #9198a1; }
.page { fill: #0d1117; stroke: #3d444d; }
.yes { fill: #14532d; }
.no { fill: #1c2128; }
}"""


def release_range(gpu: str, channel: str) -> str:
    """The series of torch on a channel with code for a GPU, `2.7-2.11`; empty without any."""
    gpu_facts = facts.gpu(gpu)
    if gpu_facts is None:
        message = f"{gpu} is not in the facts"
        raise ValueError(message)
    releases = build_ranges(gpu_facts).get(channel)
    if releases is None:
        return ""
    first, last = map(major_minor, releases)
    return first if first == last else f"{first}\N{EN DASH}{last}"


def picture_text() -> str:
    """The picture as SVG."""
    width = _LEFT + len(GPUS) * _WIDTH + _MARGIN
    height = _TOP + len(CHANNELS) * _HEIGHT + 38
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="title">',
        f'<title id="title">{_TITLE}, by channel</title>',
        f"<style>\n{_STYLE}\n</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"/>',
        _text(_MARGIN, 36, _TITLE, "title"),
        _text(
            _MARGIN,
            60,
            "By channel of PyTorch's index, on x86_64; from the file lists and compiled architectures",
            "small",
        ),
        *(_text(_center(column), _TOP - 28, gpu, "cell head") for column, gpu in enumerate(GPUS)),
        *(
            _text(_center(column), _TOP - 10, _architecture(gpu), "cell small")
            for column, gpu in enumerate(GPUS)
        ),
    ]
    for row, channel in enumerate(CHANNELS):
        parts.append(_text(_MARGIN, _TOP + row * _HEIGHT + 21, channel, "head"))
        parts += [_cell(row, column, release_range(gpu, channel)) for column, gpu in enumerate(GPUS)]
    note = "\N{EN DASH}: no build of this channel has code for the GPU; the first kernel fails"
    return "\n".join([*parts, _text(_MARGIN, height - 14, note, "small"), "</svg>\n"])


def _architecture(gpu: str) -> str:
    gpu_facts = facts.gpu(gpu)
    return (gpu_facts.architecture if gpu_facts else "").removesuffix(" Lovelace")


def _center(column: int) -> float:
    return _LEFT + column * _WIDTH + (_WIDTH - _GAP) / 2


def _cell(row: int, column: int, releases: str) -> str:
    left, top = _LEFT + column * _WIDTH, _TOP + row * _HEIGHT
    box = f'<rect class="{"yes" if releases else "no"}" x="{left}" y="{top}" width="{_WIDTH - _GAP}" height="{_HEIGHT - _GAP}" rx="5"/>'
    return box + _text(
        _center(column), top + 21, releases or "\N{EN DASH}", "cell" if releases else "cell none"
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{style}">{escape(text)}</text>'
