"""The page of bumps tells which steps of the policy are pending."""

from __future__ import annotations

from dataclasses import replace

from support.bumps import ENTRY, STEP
from torchpin.documents import bumps


def test_the_page_tells_what_is_pending() -> None:
    text = bumps.section([ENTRY])
    assert "pending: 3 (rebuild the image)" in text
    assert "all done" in bumps.section([replace(ENTRY, steps=(STEP,) * 5)])
