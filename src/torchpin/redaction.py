"""Secrets in texts: user information and queries of addresses, values whose name or form shows that they are secret."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchpin.facts.secrets import SecretForm

# A quote within a word is part of a password, one at its end is not.
USERINFO = re.compile(r"(?<=://)(?:[^\s/?#'\"<>]|'(?=\w))*@")
# A password with `/`, `?` or `#`: what stands behind the colon is no port, so the user information goes on to an `@`.
_BROKEN_USERINFO = re.compile(
    r"(?<=://)[^\s\x00-\x1f/?#@:'\"<>\\]{0,200}:(?!\d{0,5}(?:[\s\x00-\x1f/?#'\"<>\\)\]},;.|`]|$))"
    r"(?:[^\s\x00-\x1f<>\"'\\]|'(?=\w)){1,200}@"
)
# `user:password@host`, the usual form of a proxy. `image:tag@sha256:…`, a package's `pkg:…@1` and an address are none.
_BARE_USERINFO = re.compile(
    r"(?:(?<=[A-Za-z]:/)(?!/)|(?<![^\s=\"'(<\[{,`|])(?!(?:mailto|pkg|npm|file|sip):))[\w.+%-]{1,64}:(?!//)[^\s\x00-\x1f@/\"<>\\]{1,128}@"
    r"(?!sha\d+:)(?=[A-Za-z0-9\[])"
)
# A fragment stays but for its secrets: it holds a hash or a part's name. Control characters end an address, since styles
# of a terminal and the escapes of JSON follow it. What has no query is matched too, so that no character is looked at twice.
_ADDRESS = re.compile(
    r"(://[^\s\x00-\x1f\x7f'\"<>`\\?#]*)(\?(?:[^\s\x00-\x1f\x7f'\"<>`\\#]|[\"'](?=\w))*)?(#[^\s\x00-\x1f\x7f'\"<>`\\]*)?"
)
_PARAMETER = re.compile(r"([\w.~%-]+)=[^&;]+")
# An address inside of another one, percent-encoded.
_ENCODED_USERINFO = re.compile(
    r"(?<=%3a%2f%2f)(?:[^\s'\"<>%/?&#]|%(?!40|2f|3f|23)[0-9a-f]{2})*%40", re.IGNORECASE
)
_ENCODED_QUERY = re.compile(
    r"(%3a%2f%2f(?:[^\s'\"<>%&]|%(?!3f|23)[0-9a-f]{2})*)(%3f[^\s'\"<>&]*)?", re.IGNORECASE
)
# Headers as programs print them that are asked to say everything, also inside of JSON.
_HEADER = re.compile(
    r"\b((?:(?:proxy-)?authorization|(?:private|job|deploy|x(?:-[a-z]{1,20}){0,4})-(?:token|key|secret))"
    r"[\\'\"]{0,2}[ \t]?:[ \t]{0,4}[\\'\"]{0,2}(?:(?:basic|bearer|digest|negotiate|token)[ \t]{1,4})?)[^\s'\"\\]+|"
    r"\b((?:set-)?cookie[\\'\"]{0,2}[ \t]?:[ \t]{0,4}[\\'\"]{0,2})[^\r\n'\"\\]+",
    re.IGNORECASE,
)
# How uv's traces write the parts of an address.
_PART = re.compile(r"\b((?:query|password|username): (?:Some\()?\")[^\"]+")
_PUNCTUATION = ".,:;)]}"  # of the sentence that an address ends
# `NAME=value`, also in a query without its address.
_NAMED_VALUE = re.compile(
    r"(?<![\w$.-])([A-Za-z_-][\w.-]{0,80}=[\"']?)(?!=)([^\s\x00-\x1f&;'\"<>`\\)}\]]{1,2000})"
)
# What a text without any secret mostly lacks, so that the table is not read for it.
_SUSPECT = re.compile(r"[=@]|[A-Za-z0-9_.-]{16}|/t/")
HIDDEN = "***"  # stands where the value of a secret was


def redact_credentials(text: str) -> str:
    """A text without the user names, tokens, passwords and queries of the addresses in it, and without known secrets.

    Known are headers, values of a `NAME=value` whose name shows it, and the forms that services give to their tokens.
    """
    if "://" in text:
        text = _BROKEN_USERINFO.sub("", USERINFO.sub("", text))
        text = _ADDRESS.sub(_without_query, text)
    if "@" in text and ":" in text:
        text = _BARE_USERINFO.sub("", text)
    if "%3" in text:
        text = _ENCODED_QUERY.sub(r"\1", _ENCODED_USERINFO.sub("", text))
    if ":" in text:
        text = _HEADER.sub(lambda match: f"{match[1] or match[2]}{HIDDEN}", text)
        text = _PART.sub(rf"\1{HIDDEN}", text)
    if _SUSPECT.search(text):
        text = hide_forms(_NAMED_VALUE.sub(_without_named_value, text))
    return text


def _without_query(match: re.Match[str]) -> str:
    query = match[2] or ""
    ending = query[len(query.rstrip(_PUNCTUATION)) :]
    fragment = _PARAMETER.sub(_without_secret, match[3] or "")
    return match[1] + (ending if len(ending) < len(query) - 1 else query) + fragment


def _without_secret(match: re.Match[str]) -> str:
    return f"{match[1]}={HIDDEN}" if names_secret(match[1]) else match[0]


def _without_named_value(match: re.Match[str]) -> str:
    name = match[1].rstrip("\"'=")
    return f"{match[1]}{HIDDEN}" if names_secret(name) and not is_harmless(name, match[2]) else match[0]


def hide_forms(text: str) -> str:
    """A text without the values whose form shows that they are secret."""
    for form in known_forms(text):
        text = form.pattern.sub(lambda match: f"{match.groupdict().get('before') or ''}{HIDDEN}", text)
    return text


def known_forms(text: str) -> list[SecretForm]:
    """The forms of secrets that a text has."""
    from torchpin.facts.secrets import form_hint, secret_forms  # here, since most texts need no table

    if not form_hint().search(text):
        return []
    return [
        form
        for form in secret_forms()
        if any(hint in text for hint in form.hints) and form.pattern.search(text)
    ]


@lru_cache(maxsize=10_000)
def names_secret(name: str) -> bool:
    """Whether the name of a variable or an option says that its value is a secret; TOKENIZERS and KEYRING do not."""
    from torchpin.facts.secrets import secret_name

    return bool(secret_name().search(_words(name)))


def is_harmless(name: str, value: str) -> bool:
    """Whether a value is none of a secret, whatever its name says: a switch, a measure, the place of a file, a reference."""
    from torchpin.facts.secrets import harmless_values

    words = _words(name)
    return not value or any(
        row.name.search(words) and row.value.fullmatch(value) for row in harmless_values()
    )


def _words(name: str) -> str:
    """The words of a name in capitals, separated by blanks."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name[:200]).upper()
    return re.sub(r"[^A-Z0-9]+", " ", words).strip()
