"""Text files, read and written whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_text(path: Path) -> str | None:
    """A file's text, or None if it does not exist. Raises ToolError for a directory or a file that is not UTF-8."""
    try:
        return path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise ToolError(f"{path} is a directory, not a file; move it away, then try again") from None
    except UnicodeDecodeError:
        raise ToolError(f"{path} is not UTF-8 text; save it as UTF-8, then try again") from None


def write_files(files: Mapping[Path, str | None]) -> tuple[Path, ...]:
    """Write all files or, if staging one fails, none, and return the paths that changed; None removes a file.

    Texts that differ are staged in temporary files in the same folders, then renamed. Raises ToolError for a file that
    cannot be read or written.
    """
    changed = {path: text for path, text in files.items() if read_text(path) != text}
    staged: dict[Path, Path] = {}
    try:
        for path, text in changed.items():
            if text is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                staged[path] = Path(name)
                with os.fdopen(handle, "wb") as file:
                    file.write(text.encode())
                # mkstemp creates files with mode 0600
                staged[path].chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        for path in changed:
            if path in staged:
                staged.pop(path).replace(path)
            else:
                path.unlink()
    except OSError as error:
        raise ToolError(f"{error.filename}: {error.strerror}; no partial file was kept") from None
    finally:
        for leftover in staged.values():
            leftover.unlink(missing_ok=True)
    return tuple(sorted(changed))
