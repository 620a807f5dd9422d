"""The build requirements of source distributions, read from their bytes."""

from __future__ import annotations

import io
import re
import sys
import tarfile
import zipfile

from torchpin.errors import ToolError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def build_requirements(content: bytes, filename: str) -> tuple[str, ...]:
    """The build requirements of a source distribution: its `[build-system] requires`, or setuptools as PEP 517 says.

    Raises ToolError for an archive that cannot be read.
    """
    try:
        text = _read_member(content, filename, "pyproject.toml")
        build_system = tomllib.loads(text).get("build-system", {}) if text else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ToolError(f"{filename} cannot be read ({error}); pin a version that has a wheel") from None
    requires = [str(requirement) for requirement in build_system.get("requires", ["setuptools"])]
    if any(re.match(r"setuptools\b", requirement) for requirement in requires):
        requires.append("wheel")  # setuptools before 70.1 has no bdist_wheel of its own
    return tuple(sorted({*requires}))


def _read_member(content: bytes, filename: str, name: str) -> str | None:
    """The text of a file in the top folder of a source archive; None if it has none."""
    if filename.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            paths = [path for path in archive.namelist() if path.split("/")[1:] == [name]]
            return archive.read(paths[0]).decode() if paths else None
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            if member.isfile() and member.name.split("/")[1:] == [name]:
                file = tar.extractfile(member)
                return file.read().decode() if file else None
    return None
