"""Sources that are packages: a tool with a submodule and requirements, and a node that lies in the tool's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.git_repositories import git
from torchpin.model import Source

if TYPE_CHECKING:
    from pathlib import Path

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=61", "torch"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.{number}"
dependencies = {dependencies}

[tool.setuptools]
py-modules = ["{module}"]
"""


def _commit(folder: Path, files: dict[str, str]) -> str:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        (folder / name).write_text(text)
    return _save(folder)


def _save(folder: Path) -> str:
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


def make_sources(folder: Path) -> tuple[Source, Source]:
    """A wheel and an editable source, each at a commit without a tag.

    The tool asks for imagesize in a file, the node for six in its pyproject.toml; torch is needed by both builds.
    """
    _commit(folder / "data", {"data.txt": "data\n"})
    tool = {
        "pyproject.toml": _PYPROJECT.format(name="My.Tool", number=2, module="my_tool", dependencies="[]")
    }
    _commit(
        folder / "tool",
        {**tool, "my_tool.py": "import torch\n", "requirements.txt": "imagesize>=1.4,<1.4.2\n"},
    )
    address = (folder / "data").as_uri()
    git(folder / "tool", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", address, "data")
    commit = _save(folder / "tool")
    node = _PYPROJECT.format(name="node", number=3, module="my_node", dependencies='["six==1.16.0"]')
    node_commit = _commit(folder / "node", {"pyproject.toml": node, "my_node.py": "import six\n"})
    return (
        Source(
            name="tool", url=(folder / "tool").as_uri(), commit=commit, path="third_party/tool", to="tool",
            requirements=("requirements.txt",), install="wheel", submodules=True,
        ),
        Source(
            name="node", url=(folder / "node").as_uri(), commit=node_commit, path="third_party/node", to="tool/nodes/node",
            install="editable",
        ),
    )  # fmt: skip
