"""What packages that go with some releases of torch only ask of it, and which of them come from torch's channel."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from torchpin.facts.load import build_row, load_table
from torchpin.facts.package_rows import ChannelPackage, Partner, UndeclaredRequirement

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def partners() -> Mapping[str, tuple[Partner, ...]]:
    """The rows about each partner by its normalized name; what a project publishes stands before what METADATA declare."""
    tables = load_table("partners")
    rows: dict[str, list[Partner]] = {}
    for section in ("published", "declared"):
        for row in tables[section]:
            partner = build_row(Partner, {**row, "declared": section == "declared"})
            rows.setdefault(partner.package, []).append(partner)
    return {name: tuple(partner_rows) for name, partner_rows in rows.items()}


@cache
def partner_requirements() -> tuple[UndeclaredRequirement, ...]:
    """The versions that pin one release of torch, as requirements; without the packages that come from torch's channel."""
    return tuple(
        UndeclaredRequirement(
            id=f"{name}-{version}",
            when=f"{name}=={version}",
            needs=f"torch{row.torch}",
            because=row.because or "it pins this torch; another torch is replaced",
            seen=True,
            source=row.source,
            date=row.date,
            method=row.method,
        )
        for name, rows in partners().items()
        if name not in channel_packages()
        for row in rows
        if row.torch.startswith("==") and not row.torch.endswith("*")
        for version in row.versions
    )


@cache
def channel_packages() -> Mapping[str, ChannelPackage]:
    """The packages beside torch that have builds for each channel, by name."""
    return {row["package"]: build_row(ChannelPackage, row) for row in load_table("partners")["channels"]}
