"""What this machine has to get in with at a server: variables, netrc, and what `uv auth login` stored.

It is sent to the server, and written nowhere.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from functools import lru_cache
from netrc import NetrcParseError, netrc
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from torchpin.errors import ToolError
from torchpin.parsing import parse_json
from torchpin.tools import process
from torchpin.tools.uv import uv_environment, uv_executable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Settings

_SEGMENTS = 4  # of a path, which tell the index: a server may have several, each with its own credentials
_INDEX_NAME = re.compile(
    r"[A-Za-z0-9._-]+=(?=[A-Za-z][A-Za-z0-9+.-]*://)"
)  # before an address, for UV_INDEX_<NAME>_…
_FINDING_UV = Lock()  # sysconfig, by which it is found, is not thread-safe
_SECONDS = 30.0  # for uv, which may open a keyring


def authorization(url: str) -> str:
    """The Authorization header for an address, "" where this machine has nothing for it."""
    parts = urlsplit(url)
    folder = "/".join(parts.path.split("/")[:-1][: _SEGMENTS + 1])
    return _authorization(f"{parts.scheme}://{parts.netloc}{folder}/")


@lru_cache(maxsize=1024)
def _authorization(url: str) -> str:
    return _of_netrc(urlsplit(url).hostname or "") or _of_uv(url)


def with_known(url: str) -> str:
    """An address with the user and password that this machine has for it, for what cannot look them up itself."""
    scheme, separator, rest = url.partition("://")
    if scheme not in {"http", "https"} or "@" in rest.split("/")[0]:
        return url
    kind, _, token = authorization(url).partition(" ")
    if kind != "Basic":
        return url
    user, _, password = b64decode(token).decode(errors="replace").partition(":")
    return f"{scheme}{separator}{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _of_netrc(host: str) -> str:
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        entry = netrc(path).authenticators(host) if path.is_file() else None
    except (NetrcParseError, OSError, UnicodeDecodeError):  # uv passes such a file over, too
        return ""
    return basic(entry[0], entry[2] or "") if entry else ""


def basic(user: str, password: str) -> str:
    """The header of a user and a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _of_uv(url: str) -> str:
    """The header out of uv's store, by the credential helper that uv is to other programs; "" where it has none."""
    with _FINDING_UV:
        executable = uv_executable()
    command = (
        executable,
        "auth",
        "helper",
        "--protocol",
        "bazel",
        "--preview-features",
        "auth-helper",
        "get",
    )
    request = f'{{"uri": "{quote(url, safe=":/@%+~.-_")}"}}'
    try:
        completed = process.run(
            command, env={**os.environ, "UV_NO_CONFIG": "1"}, text=request, check=False, timeout=_SECONDS
        )
        headers = parse_json(completed.stdout)["headers"] if completed.returncode == 0 else {}
        return str(headers.get("Authorization", [""])[0])
    except (ToolError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""


def default_index(settings: Settings) -> str | None:
    """The address that stands for PyPI on this machine, which may have credentials; None for PyPI itself."""
    variables = uv_environment(settings)
    address = variables.get("UV_DEFAULT_INDEX")
    if not address:
        return None
    name = _INDEX_NAME.match(address)
    return with_index_credentials(name[0][:-1], address[name.end() :], variables) if name else address


def with_index_credentials(name: str, url: str, environ: Mapping[str, str]) -> str:
    """An index's address with the user and password that UV_INDEX_<NAME>_… give for its name, where it has none itself."""
    variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
    user, password = (environ.get(f"UV_INDEX_{variable}_{what}", "") for what in ("USERNAME", "PASSWORD"))
    scheme, separator, rest = url.partition("://")
    if not (user or password) or not separator or "@" in rest.split("/")[0]:
        return url
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"
