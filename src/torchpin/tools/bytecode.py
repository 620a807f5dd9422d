"""Bytecode of wheels, compiled by a Python of this machine for the one of an image, and kept by wheel."""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.assembly.bytecode import TESTS, read_sources
from torchpin.errors import ToolError
from torchpin.tools import process, scratch
from torchpin.tools.cache import partial_file
from torchpin.tools.resources import read_resource
from torchpin.tools.uv import uv_environment, uv_executable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.assembly.wheel import InstalledWheel, VenvLayout
    from torchpin.model import Settings

_SCRIPT = "compile_sources.py"
_DIGEST_SIZE = 32  # bytes of a SHA-256, before what is kept
_SECONDS = 3600


def find_interpreter(python: str, folder: Path, settings: Settings) -> Path:
    """A CPython of a minor version such as `3.11` on this machine, else uv's own build of it, which goes into a folder.

    Raises ToolError where there is none and uv cannot fetch it.
    """
    environment = {**uv_environment(settings), "UV_PYTHON_INSTALL_DIR": str(folder)}
    request = f"cpython@{python}"
    find = (uv_executable(), "python", "find", "--no-project", "--system", "--no-python-downloads", request)
    completed = process.run(find, env=environment, check=False, timeout=process.QUICK)
    if completed.returncode:
        install = (uv_executable(), "python", "install", "--no-bin", request)
        process.run(install, env=environment, timeout=process.LONG)
        completed = process.run(find, env=environment, timeout=process.QUICK)
    return Path(completed.stdout.strip())


@dataclass(frozen=True, kw_only=True)
class BytecodeStore:
    """The bytecode below a folder, of one interpreter."""

    folder: Path
    interpreter: Path

    @cached_property
    def identity(self) -> str:
        """What bytecode depends on beside its source: the release of the Python, how it is called, and what is left out."""
        code = "import sys; print(*sys.version_info[:3], sys.implementation.cache_tag)"
        completed = process.run((str(self.interpreter), "-S", "-c", code), timeout=process.QUICK)
        script = sha256(f"{read_resource(_SCRIPT)}\n{TESTS}".encode()).hexdigest()
        return f"{completed.stdout.strip()} {script}"

    def compiled(self, wheel: InstalledWheel, digest: str, layout: VenvLayout) -> Mapping[str, bytes]:
        """The bytecode of the wheel with a SHA-256, by the path of its source in the image.

        Raises ToolError where the Python fails, or is not of the layout's minor version.
        """
        key = sha256(f"{self.identity}\n{layout.root}\n{layout.python}\n{digest}".encode()).hexdigest()
        path = self.folder / key[:2] / key
        with partial_file(path, lambda: _read(path) is not None) as part:
            if part is not None:
                content = self._compile(wheel, layout)
                part.seek(0)
                part.truncate()
                part.write(sha256(content).digest() + content)
                part.flush()
                path.with_name(f"{path.name}.part").replace(path)
        compiled = _read(path)
        if compiled is None:
            raise ToolError(f"{path} was removed while it was made; try again")
        return compiled

    def _compile(self, wheel: InstalledWheel, layout: VenvLayout) -> bytes:
        if not self.identity.endswith(f"cpython-{layout.python.replace('.', '')} {self.identity[-64:]}"):
            raise ToolError(f"{self.interpreter} is not a CPython {layout.python}, which runs the bytecode")
        with scratch.temporary_folder() as folder:
            script, sources, compiled = folder / _SCRIPT, folder / "sources", folder / "compiled"
            script.write_text(read_resource(_SCRIPT), encoding="utf-8")
            sources.write_bytes(marshal.dumps(read_sources(wheel, layout), 2))
            # a set in bytecode of Python 3.10 is in the order of its hashes
            environment = {"PYTHONHASHSEED": "0"}
            command = (str(self.interpreter), "-S", "-s", "-B", "-W", "ignore", str(script))
            process.run((*command, str(sources), str(compiled)), env=environment, timeout=_SECONDS)
            return compiled.read_bytes()


def _read(path: Path) -> dict[str, bytes] | None:
    """What is kept; None where it is not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, data = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
    if sha256(data).digest() != digest:
        return None
    compiled: dict[str, bytes] = marshal.loads(data)  # noqa: S302 - it is what was written
    return compiled
