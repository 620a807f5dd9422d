"""The build context on disk: git's modes, whatever the umask."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from torchpin.description.read import read_services
from torchpin.errors import ToolError
from torchpin.image.plan import BuildContext
from torchpin.tools import buildx
from torchpin.tools.copied_files import copied_digests

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


COPIED = """\
name: lora
summary: Training
python: "3.10.14"
base: {image: "debian:12"}
torch: {version: "2.5.1"}
variants: {gpu: {channel: cu121, platform: linux/amd64}}
layers: []
files: [{from: app, to: /app, mode: "0775"}]
"""


def test_copied_files_have_their_modes_and_a_change_since_is_an_error(tmp_path: Path) -> None:
    (service,) = read_services({"services/lora/service.yaml": COPIED})
    (tmp_path / "uv").write_text("uv")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "server.py").write_text("server")
    context = BuildContext(files=FILES, uv="1", copied={"files/0": service.files[0]})
    digests = copied_digests(tmp_path, service, context.copied, ())
    arguments = (tmp_path, context, "FROM a\n", tmp_path / "uv")
    with buildx.assemble_context(*arguments, service=service, copied=digests) as folder:
        assert (folder / "files/0/server.py").read_text() == "server"
        assert (folder / "files/0/server.py").stat().st_mode & 0o777 == 0o775
    (tmp_path / "app" / "server.py").write_text("serves")
    with (
        pytest.raises(ToolError, match="app changed while the build was prepared; build again"),
        buildx.assemble_context(*arguments, service=service, copied=digests),
    ):
        pytest.fail("a context with other files was built")
