"""Writes the parts of the documentation that are made from the command line and the facts, or compares them.

python site/write.py [--check]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from commands import COMMANDS, commands_text
from picture import PICTURE, picture_text
from readme import README, readme_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[1]
FILES: Mapping[str, Callable[[], str]] = {COMMANDS: commands_text, PICTURE: picture_text}


def outdated_files(root: Path) -> list[str]:
    """The paths whose text is out of date."""
    return [path for path, text in FILES.items() if (root / path).read_text(encoding="utf-8") != text()]


def main() -> None:
    for path, text in FILES.items():
        (ROOT / path).write_text(text(), encoding="utf-8")
    (ROOT / README).write_text(readme_text(ROOT), encoding="utf-8")


if __name__ == "__main__":
    main()
