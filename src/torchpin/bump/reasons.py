"""Reasons that people give after `--reason`: the update's own, and those for what it introduces."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.errors import InputError
from torchpin.redaction import USERINFO, known_forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.bump.model import Opening

# GPU001=TEXT, GPU001:RTX 5090=TEXT, DEP001:a==1=TEXT, torch=TEXT; `torch==2.7.1 is wanted` and `a = b` are plain texts
_KEYED = re.compile(
    r"(?P<key>(?P<check>[A-Z]{2,4}\d{3})(:(?P<subject>(?:[^=]|==)+))?|[A-Za-z][\w.-]*)=(?!=)(?P<text>.*)",
    re.DOTALL,
)

_NO_SUBJECT = re.compile(r"[A-Z]{2,4}\d{3}: ?=(?!=)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reasons:
    """`update`: why it is made; `by_key`: by a finding's `ID` or `ID:SUBJECT`, or by component."""

    update: str = ""
    by_key: Mapping[str, str] = field(default_factory=dict)


def parse_reasons(texts: Sequence[str]) -> Reasons:
    """The reasons of the option's texts, each on one line.

    Raises InputError for two of the same, for an empty one, and for one with a secret.
    """
    update, by_key = "", dict[str, str]()
    for text in (" ".join(text.split()) for text in texts):
        _require_committable(text)
        key, reason = _split_key(text)
        if not key:
            if update and text:
                raise InputError(
                    f"`--reason`: {update!r} and {text!r} are both the reason of the update; write what is for one finding as ID=TEXT, "
                    "and what is for one deviation as COMPONENT=TEXT"
                )
            update = update or text
            continue
        if not reason:
            raise InputError(f"`--reason {key}=`: the reason is empty; write it behind the `=`")
        if key in by_key:
            raise InputError(f"`--reason {key}=` is given twice; give one reason")
        by_key[key] = reason
    return Reasons(update=update, by_key=by_key)


def _require_committable(text: str) -> None:
    """Raises InputError for a text that is not a reason, or that nobody may commit."""
    if not text:
        raise InputError("`--reason`: the reason is empty; write why the update is made")
    if _NO_SUBJECT.match(text):
        raise InputError(f"`--reason {text}`: nothing is named behind the `:`; write ID:SUBJECT=TEXT")
    if known_forms(text) or USERINFO.search(text):
        raise InputError(
            "`--reason`: the text has a secret in it, and reasons are committed; write it without, and revoke it if it is in use"
        )


def _split_key(text: str) -> tuple[str, str]:
    """What a text is about, "" for the update itself, and the reason."""
    match = _KEYED.fullmatch(text)
    if match:
        return match["key"].strip(), match["text"].strip()
    gpu, separator, reason = text.partition("=")  # its capability is a component, too
    is_gpu = bool(separator) and not reason.startswith("=") and facts.gpu(gpu.strip()) is not None
    return (gpu.strip(), reason.strip()) if is_gpu else ("", text)


def assign_reasons(openings: Sequence[Opening], reasons: Reasons, *, is_final: bool = True) -> dict[str, str]:
    """The reason of each opening that has one, by its key.

    The update's own reason is that of an opening only where the update has no other one; it never replaces a reason that is
    there already. Raises InputError for a reason that is about nothing (`is_final` False: of nothing so far), or of several.
    """
    keys = list(dict.fromkeys(opening.key for opening in openings))
    assigned: dict[str, str] = {}
    for name, text in reasons.by_key.items():
        matching = [key for key in keys if _speaks_of(name, key)]
        if len(matching) > 1:
            choices = ", ".join(f"`{reason_option(key)}`" for key in matching)
            raise InputError(
                f"`--reason {name}=`: several findings have this id; give each its own reason: {choices}"
            )
        if not matching and is_final:
            introduced = (
                f"the update introduces {', '.join(keys)}"
                if keys
                else "the update introduces none that needs a reason"
            )
            raise InputError(
                f"`--reason {name}=`: no finding or deviation of this name; {introduced}; nothing was changed"
            )
        assigned |= dict.fromkeys(matching, text)
    new = list(dict.fromkeys(opening.key for opening in openings if not opening.is_review))
    if reasons.update and len(new) == 1 and new[0] not in assigned:
        assigned[new[0]] = reasons.update
    return assigned


def relevant_reasons(openings: Sequence[Opening], texts: Sequence[str]) -> tuple[str, ...]:
    """The texts that are the update's reason or are about one of these openings: for one service of several."""
    return tuple(
        text
        for text in texts
        if not (by_key := parse_reasons([text]).by_key)
        or any(_speaks_of(name, opening.key) for name in by_key for opening in openings)
    )


def reason_option(key: str) -> str:
    """The option that gives a reason for an opening, as it is written in a shell."""
    return f"--reason {quote(f'{key}=TEXT')}"


def _speaks_of(name: str, key: str) -> bool:
    check, _, subject = name.partition(":")
    key_check, separator, key_subject = key.partition(":")
    if not separator:
        return not subject and (
            canonicalize_name(name) == canonicalize_name(key) or facts.is_same_gpu(name, key)
        )
    return check == key_check and (
        not subject or subject == key_subject or facts.is_same_gpu(subject, key_subject)
    )
