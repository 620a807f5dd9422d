"""What the package brings along, and what its index page shows."""

from __future__ import annotations

import re
from pathlib import Path

import torchpin
from torchpin.tools.resources import read_resource, resource_names
from torchpin.tools.uv import UV_VERSION

ROOT = Path(__file__).parents[2]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_version_is_written_once() -> None:
    assert 'dynamic = ["version"]' in PROJECT
    assert f'"{torchpin.__version__}"' not in PROJECT


def test_uv_is_pinned_with_the_hashes_of_the_locked_requirements() -> None:
    pin = read_resource("uv.txt")
    assert pin.startswith(f"uv=={UV_VERSION} \\\n    --hash=sha256:")
    assert pin in (ROOT / "requirements/run.txt").read_text(encoding="utf-8")
    assert f'"uv=={UV_VERSION}"' in PROJECT


def test_what_python_compiles_is_no_resource() -> None:
    folder = ROOT / "src/torchpin/resources/runtime"
    assert resource_names("runtime") == tuple(
        sorted(f"runtime/{path.name}" for path in folder.iterdir() if path.suffix in {".py", ".sh"})
    )


def test_the_readme_names_files_by_addresses_that_hold_on_other_pages() -> None:
    """The page of the package on PyPI shows the README, and has no other file of the repository."""
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    own = "https://github.com/torchpin/torchpin/blob/main/"
    assert [link for link in links if "://" not in link] == []
    paths = [link.removeprefix(own) for link in links if link.startswith(own)]
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []
