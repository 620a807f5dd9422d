"""Rows of facts are cited in one form."""

from __future__ import annotations

from dataclasses import replace

from torchpin import facts
from torchpin.facts.rows import cite

IMAGE = "nvidia/cuda:12.4.1-devel-ubuntu22.04"


def test_a_citation_is_the_source_with_its_date() -> None:
    assert cite("NVIDIA's table", "2026-11-22") == "NVIDIA's table (2026-11-22)"
    gpu = facts.gpu("T4")
    assert gpu is not None
    assert gpu.citation == "https://developer.nvidia.com/cuda-gpus (2026-11-22)"


def test_an_index_snapshot_is_cited_like_a_row() -> None:
    snapshot = facts.index_snapshot("cu121")
    assert snapshot is not None
    assert snapshot.citation == f"{snapshot.source} ({snapshot.date})"


def test_a_digest_has_its_own_source_or_that_of_the_tag() -> None:
    row = facts.base_image(IMAGE)
    assert row is not None
    assert row.digest_source
    assert row.digest_citation == f"{row.digest_source} ({row.date})"
    assert replace(row, digest_source="").digest_citation == row.citation


def test_the_requirements_of_a_tag_have_their_own_source() -> None:
    (tag,) = [row for row in facts.source_tags("kohya-ss/sd-scripts") if row.tag == "v0.10.0"]
    assert tag.requirements_source
    assert tag.requirements_citation == f"{tag.requirements_source} ({tag.date})"
