"""Secrets in texts: the user information and queries of addresses, and the names of variables that hold one."""

from __future__ import annotations

import re

USERINFO = re.compile(r"(?<=://)[^\s/?#'\"<>]*@")
# A fragment stays: it holds a hash or a part's name. Control characters end an address, since styles of a terminal and
# the escapes of JSON follow it. What has no query is matched too, so that no character is looked at twice.
_QUERY = re.compile(r"(://[^\s\x00-\x1f\x7f'\"<>`\\?#]*)(\?[^\s\x00-\x1f\x7f'\"<>`\\#]*)?")
_PUNCTUATION = ".,:;)]}"  # of the sentence that an address ends
_SECRET_NAME = re.compile(
    r"TOKEN(?!I[ZS])|KEY(?!RING|BOARD|CHAIN)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL", re.IGNORECASE
)
HIDDEN = "***"  # stands where the value of a secret was


def redact_credentials(text: str) -> str:
    """A text without the user names, tokens, passwords and queries of the addresses in it."""
    return _QUERY.sub(_without_query, USERINFO.sub("", text)) if "://" in text else text


def _without_query(match: re.Match[str]) -> str:
    query = match[2] or ""
    ending = query[len(query.rstrip(_PUNCTUATION)) :]
    return match[1] + (ending if len(ending) < len(query) - 1 else query)


def names_secret(name: str) -> bool:
    """Whether the name of a variable or an option says that its value is a secret; TOKENIZERS and KEYRING do not."""
    return bool(_SECRET_NAME.search(name))
