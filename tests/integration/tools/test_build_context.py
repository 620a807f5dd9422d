"""The build context on disk: git's modes, whatever the umask."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from torchpin.image.plan import BuildContext
from torchpin.tools import buildx

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "runtime/start.sh": "#!/bin/sh\n",
    "runtime/probe.py": "import os\n",
    "layers/a.txt": "",
    "expect.json": "{}",
}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_a_build_context_has_git_s_modes(tmp_path: Path, umask: int) -> None:
    uv = tmp_path / "uv"
    uv.write_bytes(b"\x7fELF")
    uv.chmod(0o600)
    before = os.umask(umask)
    try:
        with buildx.assemble_context(tmp_path, BuildContext(files=FILES, uv="1"), "FROM a\n", uv) as context:
            modes = {
                path.relative_to(context).as_posix(): path.stat().st_mode & 0o777
                for path in (context, *context.rglob("*"))
            }
    finally:
        os.umask(before)
    assert modes == {
        **dict.fromkeys((".", "runtime", "layers", "runtime/start.sh", "uv"), 0o755),
        **dict.fromkeys(("runtime/probe.py", "layers/a.txt", "expect.json", "Dockerfile"), 0o644),
    }


def test_a_context_s_files_have_the_time_at_which_they_were_written(tmp_path: Path) -> None:
    """With one time for all, buildx would take a file of the same size for the one that it has sent before."""
    (tmp_path / "uv").write_bytes(b"\x7fELF")
    began = time.time() - 1
    context = BuildContext(files=FILES, uv="1")
    with buildx.assemble_context(tmp_path, context, "FROM a\n", tmp_path / "uv") as folder:
        assert all((folder / name).stat().st_mtime > began for name in FILES)
