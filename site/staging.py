"""The pages of the documentation site: copied from the repository, with links that hold on the site.

    python site/staging.py FOLDER

A page reads the same on GitHub and on the site: what a link names is a page of the site, or else a file on GitHub.
"""

from __future__ import annotations

import argparse
import os.path
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from torchpin import paths
from torchpin.parsing import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CONFIGURATION = "site/zensical.toml"
GITHUB = "https://github.com/torchpin/torchpin/blob/main/"
RAW = "https://raw.githubusercontent.com/torchpin/torchpin/main/"
# Files outside docs/, by their place on the site.
OTHER_FILES = {
    "index.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "DEVIATIONS.md": "DEVIATIONS.md",
    "extra.css": "site/extra.css",
}
_FENCE = re.compile(r"^ *(```+|~~~+)")
_CODE_OR_LINK = re.compile(
    r"(?P<code>`+[^`]*`+)|(?P<before>\]\(|\b(?:src|srcset|href)=\")(?P<target>[^)\s\"]+)"
)


def site_files(root: Path) -> dict[str, str]:
    """The files of the site below docs/, place on the site to path in the repository."""
    docs = root / "docs"
    files = {
        path.relative_to(docs).as_posix(): path.relative_to(root).as_posix()
        for path in sorted(docs.rglob("*"))
        if path.is_file()
    }
    return {**files, **OTHER_FILES}


class BrokenLinkError(Exception):
    """The links that name nothing in the repository, a line each."""


def staged_texts(root: Path) -> dict[str, str]:
    """The texts of all pages with their links for the site, by place. Raises BrokenLinkError."""
    files = site_files(root)
    places = {path: place for place, path in files.items()}
    texts, problems = {}, []
    for place, path in files.items():
        if place.endswith(".md"):
            lines = []
            for number, line in enumerate(_lines(root / path), start=1):
                text, broken = _relink(line, place, path, root, places)
                lines.append(text)
                problems += [f"{path}:{number}: {target} is not in the repository" for target in broken]
            texts[place] = "".join(lines)
    if problems:
        raise BrokenLinkError("\n".join(problems))
    return texts


def _lines(page: Path) -> Iterator[tuple[str, bool]]:
    """The lines of a page, and whether they are text, not the inside of a block."""
    fence = ""
    for line in page.read_text(encoding="utf-8").splitlines(keepends=True):
        match = _FENCE.match(line)
        if match and not fence:
            fence = match[1]
        elif match and match[1].startswith(fence):
            fence = ""
        yield line, not (fence or match)


def _relink(
    line: tuple[str, bool], place: str, path: str, root: Path, places: dict[str, str]
) -> tuple[str, list[str]]:
    """A line with the links of the site, and the links that name nothing."""
    text, is_text = line
    broken: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        target = site_target(match["target"], place, path, root, places)
        if target is None:
            broken.append(match["target"])
        return f"{match['before']}{target}"

    return (_CODE_OR_LINK.sub(replace, text) if is_text else text), broken


def site_target(target: str, place: str, path: str, root: Path, places: dict[str, str]) -> str | None:
    """What a link of a page becomes on the site; None where it names nothing in the repository."""
    committed = next(
        (target.removeprefix(start) for start in (GITHUB, RAW) if target.startswith(start)), None
    )
    if committed is None and (re.match(r"[a-z]+:", target) or target.startswith("#")):
        return target
    named, hash_, anchor = (target if committed is None else committed).partition("#")
    file = os.path.normpath(Path(path).parent / named) if committed is None else named
    if file in places:
        return os.path.relpath(places[file], Path(place).parent) + hash_ + anchor
    return f"{GITHUB}{file}{hash_}{anchor}" if (root / file).exists() else None


def configuration(root: Path) -> dict[str, Any]:
    """The configuration of the site, with the pages of the services in its navigation."""
    settings: dict[str, Any] = parse_toml((root / CONFIGURATION).read_text(encoding="utf-8"))
    pages = sorted(
        path.relative_to(root / "docs").as_posix() for path in (root / paths.SERVICE_PAGES).glob("*.md")
    )
    for entry in settings["project"]["nav"]:
        if "Services" in entry:
            entry["Services"] += pages
    return settings


def stage(root: Path, folder: Path) -> None:
    """Writes the configuration and all files of the site; what was in the folder is removed. Raises BrokenLinkError."""
    texts = staged_texts(root)
    shutil.rmtree(folder, ignore_errors=True)
    for place, path in site_files(root).items():
        file = folder / "docs" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        if place in texts:
            file.write_text(texts[place], encoding="utf-8")
        else:
            shutil.copyfile(root / path, file)
    (folder / "zensical.toml").write_text(tomli_w.dumps(configuration(root)), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Stage the pages of the documentation site in a folder.")
    parser.add_argument("folder", type=Path)
    try:
        stage(ROOT, parser.parse_args().folder)
    except BrokenLinkError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
