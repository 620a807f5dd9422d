"""The target of an update: one exact pin, in each of its forms."""

from __future__ import annotations

import pytest

from torchpin.bump.target import parse_target
from torchpin.errors import InputError


@pytest.mark.parametrize(
    ("text", "kind", "name", "to"),
    [
        ("torch==2.7.1", "torch", "torch", "2.7.1"),
        ("Python==3.11.9", "python", "python", "3.11.9"),
        ("python=3.11.9", "python", "python", "3.11.9"),
        ("torch == 2.7", "torch", "torch", "2.7.0"),
        ("tqdm==v4.67.1", "package", "tqdm", "4.67.1"),
        ("base=localhost:5000/a/cuda:12.8", "base", "base", "localhost:5000/a/cuda:12.8"),
        ("Hugging_Face.Hub==0.34.4", "package", "hugging-face-hub", "0.34.4"),
        ("base=nvidia/cuda:12.8.1-devel-ubuntu22.04", "base", "base", "nvidia/cuda:12.8.1-devel-ubuntu22.04"),
        ("sd-scripts@v0.10.1", "source", "sd-scripts", "v0.10.1"),
    ],
)
def test_each_kind_is_read(text: str, kind: str, name: str, to: str) -> None:
    requested = parse_target(text)
    assert (requested.kind, requested.name, requested.to) == (kind, name, to)


@pytest.mark.parametrize(
    "text",
    [
        *("torch", "torch>=2.7", "torch==2.7.*", "torch==2.7.1+cu128", "", "a b", "==1"),
        *("base=", "base=nvidia/cuda", "base=localhost:5000/cuda", "base=nvidia/cuda:12@sha256:abc"),
    ],
)
def test_what_is_no_exact_pin_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"; for example torch==2\.7\.1|pass `--channel cu128`"):
        parse_target(text)
