"""Secrets in another project's words: what a draft leaves out, since it is committed, and what no finding repeats.

Where it is in doubt whether a value is a secret, it counts as one.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from torchpin.facts.secrets import secret_options
from torchpin.redaction import HIDDEN, is_harmless, known_forms, names_secret, redact_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.model import Run

_KEPT_WORDS = 10_000  # the same are asked for by each rule
_BETWEEN = "\x1f"  # stands between the words of a command; a blank for regular expressions
_ADDRESS = "an address with credentials or a query"
_RUN = re.compile(r"\S+")
# An address that can have a secret in its path alone: a host, a port, a path with a tag, a fragment.
_PLAIN_ADDRESS = re.compile(
    r"://(?:git@)?(?:[\w.*-]|\$\{?\w+\}?)*(?:\[[0-9a-fA-F:]*\])?(?::(?:\d+|\$\{?\w+\}?)(?![\w.%-]))?"
    r"(?:/[^\s?#@\"'<>\\]*(?:(?<=[\w/])@[\w./+-]+)?)?(?:#[\w.=&/:+%\[\],-]*)?"
)
_USERINFO = re.compile(r"(?<![\w.+%-])(?!(?:mailto|pkg|npm):)[\w.+%-]{1,64}:(?!//)\S{1,200}@(?!sha\d+:)\S*")
_NAME = re.compile(r"(?<![\w-])-{0,2}[A-Za-z_][\w.-]*")
# Between a name and its value: the end of a string or of an index, a sign or a blank, and the start of a string.
_GIVEN = re.compile(
    r"[\\\"'\])}]{0,6}(?P<sign>[ \t\r\n]{0,9}(?:=>|:=|:|,|=(?!=)|==(?= ?[\"']))[ \t\r\n]{0,9}|\s{1,9})"
    r"[({\[]{0,4}(?P<quote>\\?[\"'])?(?=[^\s\"',;)}\]\\&|<>])"
)
_LONGEST_HARMLESS = 200  # characters
_DEFAULT = re.compile(r"(\w+):?[-=]([^}\s]{1,1000})")  # of ${NAME:-value}
_VALUE_END = re.compile(r"[\s\"',;)}\]\\]")
_OPTION = re.compile(r"(?:-[A-Za-z]|--[A-Za-z][\w-]*)(?=[=\s]|$)")
_FILE = re.compile(r"\.(?:py|sh|js|jsonl?|ya?ml|toml|txt|conf|cfg|ini|pem|crt|bin|git)$")
_WORD = re.compile(r"(?:[^\s\"';]|\"[^\"\x1f]*\"?|'[^'\x1f]*'?)+|;")
_OPERATORS = {"&&", "||", ";", "|"}


class _Secret(NamedTuple):
    """A part of a text that is a secret, or may be one; `label` says what it is."""

    start: int
    end: int
    label: str


def without_secrets(run: Run, omitted: list[str]) -> Run:
    """The settings without values that are secrets; what was left out is added to `omitted`."""
    secret_variables = [name for name, value in run.env.items() if is_secret(name, value)]
    omitted += [
        f"the value of {name}, which may be a secret; set it when the container starts"
        for name in secret_variables
    ]
    secret = secret_argument(run.command)
    if secret:
        omitted.append(f"the command, since it holds {secret}; read it from a variable instead")
    return replace(
        run,
        env={name: value for name, value in run.env.items() if name not in secret_variables},
        command=() if secret else run.command,
    )


def is_secret(name: str, value: str) -> bool:
    """Whether the value of a variable is, or may be, a secret."""
    return (names_secret(name) and not is_harmless(name, value)) or bool(secret_argument((value,)))


def secret_argument(arguments: Sequence[str]) -> str:
    """What the words of a command hold that is, or may be, a secret, such as `the value of --token`; "" for nothing."""
    secret = next(_secrets(arguments, prose=True), None)
    if secret:
        return secret.label
    return _ADDRESS if any(redact_credentials(argument) != argument for argument in arguments) else ""


def hide_secrets(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a command with *** in the place of what is, or may be, a secret."""
    redacted = [redact_credentials(word) for word in words]
    text = _BETWEEN.join(redacted)
    parts, position = [], 0
    for secret in sorted(_secrets(redacted, prose=False)):
        if secret.start >= position:
            parts += [text[position : secret.start], HIDDEN]
        position = max(position, secret.end)
    hidden = tuple(("".join(parts) + text[position:]).split(_BETWEEN))
    return hidden if len(hidden) == len(words) else (HIDDEN,) * len(words)


@lru_cache(maxsize=_KEPT_WORDS)
def hide_secret(word: str) -> str:
    """A word without what is, or may be, a secret."""
    return hide_secrets((word,))[0]


def _secrets(words: Sequence[str], *, prose: bool) -> Iterator[_Secret]:
    """The secrets in words, as parts of the words joined; `prose`: any word may name what follows it."""
    text = _BETWEEN.join(words)
    for form in known_forms(text):
        group = "before" if "before" in form.pattern.groupindex else None
        for match in form.pattern.finditer(text):
            yield _Secret(match.end(group) if group else match.start(), match.end(), form.id)
    yield from _named_values(text, prose=prose)
    position, positions = 0, []
    for word in words:
        positions.append((position, word))
        if "://" in word or "@" in word:
            yield from (_shift(secret, position) for secret in _addresses(word))
        if any(char.isspace() for char in word):
            inner = [(match.start(), match[0]) for match in _WORD.finditer(word)]
            yield from (_shift(secret, position) for secret in _option_values(inner))
        position += len(word) + 1
    yield from _option_values(positions)


def _shift(secret: _Secret, distance: int) -> _Secret:
    return _Secret(secret.start + distance, secret.end + distance, secret.label)


def _addresses(word: str) -> Iterator[_Secret]:
    """The addresses of a word that are not plain, and what is written as `user:password@host`."""
    last_at = word.rfind("@")
    for run in _RUN.finditer(word):
        run_at, position = run[0].rfind("@"), run[0].find("://")
        while position >= 0:
            match = _PLAIN_ADDRESS.match(run[0], position)
            after = match.end() if match else position + 3
            if run_at >= after or run[0][after : after + 1] in {"?", "#", ":", "<", "@"}:
                # a password may have a blank: it goes on to the `@`
                yield _Secret(run.start() + position + 3, max(run.end(), last_at), _ADDRESS)
                break
            position = run[0].find("://", after)
    if ":" in word:
        yield from (_Secret(*match.span(), _ADDRESS) for match in _USERINFO.finditer(word))


def _named_values(text: str, *, prose: bool) -> Iterator[_Secret]:
    position = 0  # the end of what is a secret already
    for match in _NAME.finditer(text):
        if match.start() < position or not names_secret(match[0]):
            continue
        before = text[max(0, match.start() - 2) : match.start()]
        if before.endswith(("$", "${")):
            default = _DEFAULT.match(text, match.start()) if before.endswith("{") else None
            if default and names_secret(default[1]) and not is_harmless(default[1], default[2]):
                yield _Secret(*default.span(2), f"the value of {default[1]}")
            continue
        assignment = _GIVEN.match(text, match.end())
        if assignment and (assignment["sign"].strip() or _can_name_the_next(match[0], before, prose=prose)):
            for secret in _named_value(text, match[0], assignment):
                position = secret.end
                yield secret


def _can_name_the_next(name: str, before: str, *, prose: bool) -> bool:
    """Whether a name can tell what follows it behind a blank: an option, a variable, and in prose all but paths."""
    is_word = before[-1:] != "/" and name != "pwd" and not _FILE.search(name)  # no path and no command
    return name.startswith("-") or name.isupper() or (prose and is_word)


def _named_value(text: str, name: str, assignment: re.Match[str]) -> Iterator[_Secret]:
    """The value behind a name; none for an option that follows, and for what is none of a secret."""
    start = assignment.end()
    if not assignment["sign"].strip() and not assignment["quote"] and _OPTION.match(text, start):
        return
    if assignment["quote"]:
        end = text.find(assignment["quote"], start)
    elif ":" in assignment["sign"] or _BETWEEN in assignment["sign"]:
        end = text.find(_BETWEEN, start)
    else:
        match = _VALUE_END.search(text, start)
        end = match.start() if match else -1
    end = len(text) if end < 0 else end
    # a long value is not looked at, which would take quadratic time where many names share its end
    if end - start > _LONGEST_HARMLESS or not is_harmless(name, text[start:end]):
        yield _Secret(start, end, f"the value of {name}")


def _option_values(words: Sequence[tuple[int, str]]) -> Iterator[_Secret]:
    """The values of short options that are secrets. `words`: each with its place."""
    programs: set[str] = set()
    for (start, word), (next_start, following) in pairwise([*words, (0, "")]):
        if not word.startswith("-"):
            if word in _OPERATORS:
                programs = set()
            programs.add(posixpath.basename(word))
            continue
        for option in secret_options():
            if word == option.option:
                value_start, value = next_start, following
            elif word.startswith(f"{option.option}=") and option.option.startswith("--"):
                value_start, value = start + len(option.option) + 1, word[len(option.option) + 1 :]
            elif option.attached and word.startswith(option.option):
                value_start, value = start + len(option.option), word[len(option.option) :]
            else:
                continue
            plain = value.strip("\"'")
            if (
                plain
                and option.applies(programs)
                and not option.harmless.fullmatch(plain)
                and not is_harmless("", plain)
            ):
                yield _Secret(value_start, value_start + len(value), f"the value of {option.option}")
