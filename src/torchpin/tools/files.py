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


def read_inside(root: Path, path: str) -> str | None:
    """A file's text, None if it does not exist. Raises ToolError as `read_text` does, and for a link out of the root."""
    expect_inside(root, path)
    return read_text(root / path)


def expect_inside(root: Path, path: str) -> None:
    """Raises ToolError, with both names, when a link leads from a path in `root` to a place outside of it."""
    target = Path(os.path.realpath(root / path))
    if target.is_relative_to(os.path.realpath(root)):
        return
    parts = [root / part for part in (*reversed(Path(path).parents), Path(path))]
    link = next((part for part in parts[1:] if part.is_symlink()), root / path)
    raise ToolError(
        f"{link} is a link out of {root}, to {os.path.realpath(link)}; replace it with a plain file or folder"
    )


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
