"""A wheel's file name that somebody recommends, against a version."""

from __future__ import annotations

from torchpin.compat.recommendations import satisfies


def test_a_recommended_file_is_a_deviation_by_its_version_alone() -> None:
    name = "flash_attn-2.8.3+cu12torch2.7cxx11abiFALSE-cp310-cp310-linux_x86_64.whl"
    assert satisfies(name, "2.8.3")
    assert satisfies(f"https://example.org/{name.replace('+', '%2B')}", "2.8.3")
    assert not satisfies(name, "2.8.2")
    assert not satisfies("nothing.whl", "2.8.3")
