"""Secrets in texts: the user information and queries of addresses, and the names of variables that hold one."""

from __future__ import annotations

import re

USERINFO = re.compile(r"(?<=://)[^\s/?#'\"<>]*@")
# A fragment stays but for its secrets: it holds a hash or a part's name. Control characters end an address, since styles
# of a terminal and the escapes of JSON follow it. What has no query is matched too, so that no character is looked at twice.
_ADDRESS = re.compile(
    r"(://[^\s\x00-\x1f\x7f'\"<>`\\?#]*)(\?[^\s\x00-\x1f\x7f'\"<>`\\#]*)?(#[^\s\x00-\x1f\x7f'\"<>`\\]*)?"
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
_PUNCTUATION = ".,:;)]}"  # of the sentence that an address ends
_SECRET_NAME = re.compile(
    r"TOKEN(?!I[ZS])|KEY(?!RING|BOARD|CHAIN)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL", re.IGNORECASE
)
HIDDEN = "***"  # stands where the value of a secret was


def redact_credentials(text: str) -> str:
    """A text without the user names, tokens, passwords and queries of the addresses in it, and without secret headers."""
    if "://" in text:
        text = _ADDRESS.sub(_without_query, USERINFO.sub("", text))
    if "%3" in text:
        text = _ENCODED_QUERY.sub(r"\1", _ENCODED_USERINFO.sub("", text))
    return _HEADER.sub(lambda match: f"{match[1] or match[2]}{HIDDEN}", text) if ":" in text else text


def _without_query(match: re.Match[str]) -> str:
    query = match[2] or ""
    ending = query[len(query.rstrip(_PUNCTUATION)) :]
    fragment = _PARAMETER.sub(_without_secret, match[3] or "")
    return match[1] + (ending if len(ending) < len(query) - 1 else query) + fragment


def _without_secret(match: re.Match[str]) -> str:
    return f"{match[1]}={HIDDEN}" if names_secret(match[1]) else match[0]


def names_secret(name: str) -> bool:
    """Whether the name of a variable or an option says that its value is a secret; TOKENIZERS and KEYRING do not."""
    return bool(_SECRET_NAME.search(name))
