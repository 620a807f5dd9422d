"""Where packages are reached, as uv's variables: out of its own configuration files, of which all else is left out.

A machine says where an index is and how to get in; what is resolved is the description's alone. So a cut-off, a strategy,
constraints or further indexes of a person's `uv.toml` change no lock.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torchpin.description.toml_lines import find_key, key_lines
from torchpin.errors import InputError
from torchpin.model import Position, Problem
from torchpin.parsing import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# uv's keys, the variables of the same meaning, and the type of their values
_SCALARS: tuple[tuple[str, str, type], ...] = (
    ("keyring-provider", "UV_KEYRING_PROVIDER", str),
    ("http-proxy", "HTTP_PROXY", str),
    ("https-proxy", "HTTPS_PROXY", str),
    ("python-install-mirror", "UV_PYTHON_INSTALL_MIRROR", str),
    ("python-downloads-json-url", "UV_PYTHON_DOWNLOADS_JSON_URL", str),
    ("cache-dir", "UV_CACHE_DIR", str),
    ("link-mode", "UV_LINK_MODE", str),
    ("native-tls", "UV_SYSTEM_CERTS", bool),
    ("system-certs", "UV_SYSTEM_CERTS", bool),
    ("offline", "UV_OFFLINE", bool),
    ("no-cache", "UV_NO_CACHE", bool),
    ("concurrent-downloads", "UV_CONCURRENT_DOWNLOADS", int),
    ("concurrent-builds", "UV_CONCURRENT_BUILDS", int),
    ("concurrent-installs", "UV_CONCURRENT_INSTALLS", int),
)
_EXPECTED = {str: "a text", bool: "true or false", int: "a number"}
_LISTS = {"allow-insecure-host": ("UV_INSECURE_HOST", " "), "no-proxy": ("NO_PROXY", ",")}
_IN_PIP = ("index-url", "keyring-provider", "link-mode")  # which `[pip]` may have, too
# uv's variables of the same kind; every other one is kept from uv.
_REACHING = re.compile(
    r"UV_(?:DEFAULT_INDEX|INDEX_URL|INDEX_[A-Z0-9_]+_(?:USERNAME|PASSWORD)|KEYRING_PROVIDER|CREDENTIALS_DIR|API_KEY|AUTH_TOKEN"
    r"|GITHUB_TOKEN|NATIVE_TLS|SYSTEM_CERTS|INSECURE_HOST|HTTP_TIMEOUT|HTTP_CONNECT_TIMEOUT|REQUEST_TIMEOUT|HTTP_RETRIES"
    r"|CONCURRENT_(?:DOWNLOADS|BUILDS|INSTALLS)|CACHE_DIR|NO_CACHE|OFFLINE|LINK_MODE|LOCK_TIMEOUT|STACK_SIZE"
    r"|(?:S3|GCS|AZURE)_ENDPOINT_URL|ASTRAL_MIRROR_URL|PYTHON_(?:INSTALL_DIR|INSTALL_MIRROR|CACHE_DIR|DOWNLOADS|DOWNLOADS_JSON_URL|SEARCH_PATH))"
)


def reaching_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """A machine's variables, of those of uv only what tells where and how packages are reached."""
    return {
        name: value
        for name, value in environ.items()
        if (not name.startswith("UV_") and name != "VIRTUAL_ENV") or _REACHING.fullmatch(name)
    }


def parse_uv_settings(files: Sequence[tuple[str, str]]) -> dict[str, str]:
    """uv's variables from its configuration files, each its place and text; the first that has a key wins, lists are joined.

    Raises InputError, with file:line:column, for invalid TOML and for a key of these whose value has another type.
    """
    variables: dict[str, str] = {}
    problems: list[Problem] = []
    for file, text in files:
        try:
            tables = parse_toml(text)
        except ValueError as error:
            problems.append(_problem(file, text, (), f"invalid TOML: {error}"))
            continue
        for variable, value in _file_variables(file, text, tables, problems):
            joint = next((joint for name, joint in _LISTS.values() if name == variable), "")
            if variable not in variables:
                variables[variable] = value
            elif joint:
                variables[variable] += joint + value
    if problems:
        raise InputError("uv is configured there; correct it, or set UV_NO_CONFIG=1", problems)
    return variables


def _file_variables(
    file: str, text: str, tables: Mapping[str, Any], problems: list[Problem]
) -> Iterable[tuple[str, str]]:
    """The variables of one file; what is wrong with it is added to the problems."""
    pip = tables.get("pip", {})
    values = {**tables, **{key: pip[key] for key in _IN_PIP if isinstance(pip, dict) and key in pip}}
    for key, variable, kind in _SCALARS:
        value = values.get(key)
        if value is not None and type(value) is not kind:  # true is an int, too
            problems.append(_problem(file, text, (key,), f"{key}: expected {_EXPECTED[kind]}"))
        elif value is not None:
            yield variable, str(value).lower() if kind is bool else str(value)
    for key, (variable, joint) in _LISTS.items():
        items = values.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            problems.append(_problem(file, text, (key,), f"{key}: expected a list of texts"))
        elif items:
            yield variable, joint.join(items)
    if index := _default_index(file, text, values, problems):
        yield "UV_DEFAULT_INDEX", index


def _default_index(file: str, text: str, values: Mapping[str, Any], problems: list[Problem]) -> str:
    """The address of the default index, as `name=address` where it has a name; "" without one."""
    rows = values.get("index", [])
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or row.get("default") is not True:
            continue  # a further index: it would change what is resolved
        url, name = row.get("url"), row.get("name")
        if not isinstance(url, str):
            problems.append(_problem(file, text, ("index",), "index: the default index has no url"))
            return ""
        if row.get("format", "simple") != "simple":
            message = "index: the default index is a list of files; torchpin reads indexes with a page a package (PEP 503)"
            problems.append(_problem(file, text, ("index",), message))
            return ""
        return f"{name}={url}" if isinstance(name, str) else url
    url = values.get("index-url", "")
    if not isinstance(url, str):
        problems.append(_problem(file, text, ("index-url",), "index-url: expected an address"))
        return ""
    return url


def _problem(file: str, text: str, names: tuple[str, ...], message: str) -> Problem:
    line, column = find_key(key_lines(text), names) if names else (0, 0)
    return Problem(position=Position(file=file, line=line, column=column), path="", message=message)
