"""`services`: a line an environment, in as many words as a terminal has room for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torchpin.commands.services import HEADERS, ServiceRow, service_tables, short_image, state_notes

ROW = ServiceRow(
    environment="lora-gpu", service="lora", variant="gpu", verdict="ok", torch="2.7.1", channel="cu128", cuda="12.8",
    python="3.10.14", base="nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", gpus=("A6000", "H100", "B200"),
    sources=("sd-scripts v0.10.0",), lock="current", image="unknown", record="missing",
)  # fmt: skip
CPU = replace(ROW, environment="lora-cpu", channel="cpu", cuda="", gpus=(), image="built", record="differs")


def test_a_row_says_all_and_then_ever_less() -> None:
    tables = service_tables([ROW, CPU])
    assert tables[0][0] == HEADERS
    assert [rows[0] for _, rows in tables] == [
        ("lora-gpu", "ok", "2.7.1", "12.8", "3.10.14", ROW.base, "A6000, H100, B200", "current", "unknown", "missing"),
        ("lora-gpu", "ok", "2.7.1", "12.8", "3.10.14", ROW.base, "A6000 +2", "current", "unknown", "missing"),
        ("lora-gpu", "ok", "2.7.1", "12.8", "3.10.14", "cuda:12.8.1-c…", "A6000 +2", "current", "unknown", "missing"),
        ("lora-gpu", "ok", "2.7.1", "12.8", "3.10", "cuda:12.8.1", "3", "ok", "?", "-"),
        ("lora-gpu", "ok", "2.7.1", "12.8", "3.10", "3", "ok", "?", "-"),
        ("lora-gpu", "ok", "2.7.1", "12.8", "3", "ok", "?", "-"),
        ("lora-gpu", "ok", "2.7.1", "3", "ok", "?", "-"),
    ]  # fmt: skip
    assert tables[3][1][1] == ("lora-cpu", "ok", "2.7.1", "-", "3.10", "cuda:12.8.1", "-", "ok", "ok", "old")
    assert all(len(headers) == len(row) for headers, rows in tables for row in rows)


@pytest.mark.parametrize(
    ("image", "short"),
    [
        ("ubuntu:22.04", "ubuntu:22.04"),
        ("registry.example:5000/team/base@sha256:ab", "base"),
        ("nvidia/cuda:12.8.1-base@sha256:ab", "cuda:12.8.1-b…"),
    ],
)
def test_an_image_is_cut_at_the_end_of_its_tag(image: str, short: str) -> None:
    assert short_image(image) == short


def test_what_to_run_is_said_once_a_kind() -> None:
    assert state_notes([replace(ROW, image="built")]) == []
    assert state_notes([ROW, CPU, replace(CPU, lock="old", image="missing")]) == [
        "`invoke lock` writes the missing or outdated locks of 1 environment",
        "`invoke build` makes the missing image of 1 environment",
        "no Docker engine: the image of 1 environment was not looked for",
    ]
