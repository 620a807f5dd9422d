"""Answers of earlier runs, each under the digest of all that it rests on; what somebody else may have written is not read."""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchpin.errors import ToolError
from torchpin.model import Settings
from torchpin.paths import KEPT
from torchpin.tools.cache import cache_folder
from torchpin.tools.files import make_work_folder, read_bytes
from torchpin.tools.packing import pack

if TYPE_CHECKING:
    from collections.abc import Collection

_KEY_BYTES = 32
_MOST_BYTES = 256_000_000  # a thousand services have some ten million


def digest(*parts: str | bytes) -> str:
    """The digest of texts, in their order; each counts with its length, so that no two lists are alike."""
    hasher = hashlib.blake2b(digest_size=20)
    for part in parts:
        content = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        hasher.update(b"%d:" % len(content))
        hasher.update(content)
    return hasher.hexdigest()


class KeptAnswers:
    """The answers of one kind for one repository, a file below .torchpin/kept.

    An entry is read only where its digest is the one that is requested. The file bears a code made with a key of this user
    that is in no repository: a checkout can bring any file along, and this one is unpickled. Whatever is wrong with it,
    it is as if there were none; where it cannot be written, nothing is kept.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self._root, self._kind = root, kind
        self._key = user_key()
        self._entries: dict[str, tuple[str, bytes]] = self._read() if self._key else {}
        self._is_changed = False

    def get(self, name: str, key: str) -> Any | None:
        """The answer that was kept under a name with this digest, else None."""
        entry = self._entries.get(name)
        if entry is None or entry[0] != key:
            return None
        try:
            return pickle.loads(entry[1])  # noqa: S301 - its code was verified
        except Exception:  # noqa: BLE001 - of another version of a class, say; whatever it is, it is no answer
            return None

    def put(self, name: str, key: str, answer: object) -> None:
        self._entries[name] = (key, pack(answer))
        self._is_changed = True

    def save(self, names: Collection[str] | None = None) -> None:
        """Writes the file where an answer is new; with `names`, what is not of these is left out."""
        if names is not None and not self._entries.keys() <= {*names}:
            self._entries = {name: entry for name, entry in self._entries.items() if name in names}
            self._is_changed = True
        if not self._is_changed or not self._key:
            return
        content = pickle.dumps(self._entries, protocol=5)
        with suppress(OSError, ToolError):
            folder = make_work_folder(self._root) / Path(KEPT).name
            folder.mkdir(exist_ok=True)
            _replace(folder / self._kind, _code(self._key, self._kind, content) + content)

    def _read(self) -> dict[str, tuple[str, bytes]]:
        try:
            stored = read_bytes(self._root / KEPT / self._kind, follow=False, most_bytes=_MOST_BYTES) or b""
            code, content = stored[:_KEY_BYTES], stored[_KEY_BYTES:]
            if not hmac.compare_digest(code, _code(self._key, self._kind, content)):
                return {}
            entries: dict[str, tuple[str, bytes]] = pickle.loads(content)  # noqa: S301 - its code was verified
        except Exception:  # noqa: BLE001 - see the class
            return {}
        return entries


def _code(key: bytes, kind: str, content: bytes) -> bytes:
    return hashlib.blake2b(content, key=key, person=kind.encode()[:16], digest_size=_KEY_BYTES).digest()


def _replace(path: Path, content: bytes) -> None:
    """Writes a file whole, by a rename: who reads at the same time has the former one or this one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def user_key() -> bytes:
    """The key of this user, which is made on first use; empty where there is no place for one that is the user's alone."""
    try:
        # not that of the settings, which a checkout can bring along
        folder = cache_folder(Settings())
        path = folder / "key"
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(path, secrets.token_bytes(_KEY_BYTES))  # mkstemp makes files that are the user's alone
            key = path.read_bytes()
        status = path.stat()
    except (OSError, RuntimeError):
        return b""
    is_private = status.st_uid == os.getuid() and not status.st_mode & 0o077
    return key if is_private and len(key) == _KEY_BYTES else b""
