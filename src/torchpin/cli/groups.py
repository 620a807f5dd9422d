"""The commands by what they are for; README.md, docs/COMMANDS.md and `torchpin --help` have them in these groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Look at what you have": ("check", "adopt", "judge", "explain", "support"),
    "Describe": ("init", "new", "add", "remove", "schema", "eject"),
    "Lock": ("lock", "outdated", "audit", "export"),
    "Build and run": ("clone", "render", "plan", "build", "bake", "affected", "install", "run", "freeze"),
    "Update": ("bump", "diff"),
    "Verify and document": ("verify", "document", "services", "report", "why"),
    "torchpin itself": ("doctor", "completion", "facts"),
}
