"""What to do about a judge's finding in the words of a Dockerfile: requirements, an index and an image, no keys of a description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.lint.registry import replacement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.lint.matches import Edit
    from torchpin.model import Finding, Service

_INDEX = "https://download.pytorch.org/whl"
_NOTE = re.compile(r" \([^()]*(?:would do too|has no code for [^()]*)\)")
_WORDS = (
    (re.compile(r"set `version: \"(.+?)\"` under `torch:`"), r"use `torch==\1`"),
    (re.compile(r"remove (\S+) from `gpus:`"), r"do not compile for \1"),
    (re.compile(r"remove `- (.+?)`"), r"remove `\1`"),
    (re.compile(r"write `- (.+?)`"), r"use `\1`"),
    (re.compile(r"; to keep it against torch's requirement, say why in `overrides:`"), ""),
    (re.compile(r"(remove \S+) from (?:`companions`|its layer)"), r"\1"),
    (re.compile(r"remove the GPU from the description"), "do not compile for it"),
    (re.compile(r"from the variants for"), "from images for"),
    (re.compile(r", or waive this until the service moves"), ""),
    (re.compile(r"waive this"), "ignore this"),
    (re.compile(r"; with `variants`, each has its own"), ""),
)


def stage_help(finding: Finding, service: Service) -> str:
    """The help of a finding about the service that a stage would be."""
    changes = {change.path: change.value for change in finding.fix}
    version = changes.get("torch.version", str(service.torch.version))
    channel = next((value for path, value in changes.items() if path.endswith(".channel")), None)
    image = next((value for path, value in changes.items() if path.endswith(".image")), None)
    note = match[0] if (match := _NOTE.search(finding.help)) else ""
    if channel or "torch.version" in changes:
        compiled = f", or do not compile for {finding.about}" if finding.about in service.gpus else ""
        return (
            f"{_install(str(version), str(channel or service.variants[0].channel), service)}{note}{compiled}"
        )
    if image:
        return f"use `{image}`, the nearest supported tag"
    pins = [_pin(path, str(value)) for path, value in changes.items() if value is not None]
    if any(pins):
        is_new = any(path.endswith("[+]") for path in changes)
        verb = "install" if is_new else "use"
        return f"{verb} {' and '.join(f'`{pin}`' for pin in pins if pin)}{' too' if is_new else ''}{note}"
    return dockerfile_words(finding.help)


def dockerfile_words(text: str) -> str:
    """A help without the keys of a description."""
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text


def _install(version: str, channel: str, service: Service) -> str:
    if service.torch.origin == "base":
        return f"use a base image with torch {version} for {'PyPI' if channel == 'pypi' else channel}"
    if channel == "pypi":
        return f"install `torch=={version}` from PyPI"
    return f"install `torch=={version}` with `--index-url {_INDEX}/{channel}`"


def _pin(path: str, value: str) -> str:
    """A requirement that a change writes, "" for another change."""
    if path.startswith("torch.companions."):
        return f"{path.removeprefix('torch.companions.')}=={value}"
    return value if path.startswith("layers[") else ""


def stage_edits(finding: Finding, service: Service, texts: Mapping[str, str]) -> tuple[Edit, ...]:
    """The edits of requirements by which a finding ends. `texts`: the requirements as they are written, by key path.

    None where a change is of something else, or a requirement is more than a name and a version.
    """
    edits: list[Edit] = []
    for change in finding.fix:
        text, place = texts.get(change.path, ""), service.positions.get(change.path)
        pin = _pin(change.path, str(change.value))
        plain = re.fullmatch(r"[\w.-]+==[\w.]+(?P<local>\+\w+)?", text)
        if not (plain and pin and place):
            return ()
        edits += replacement(str(place), text, f"{pin}{plain['local'] or ''}")
    return tuple(edits)
