"""The variables of a Dockerfile, filled in within bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.project.secret_values import hide_secret
from torchpin.redaction import HIDDEN, is_harmless, names_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

# $X, ${X}, ${X:-default}, ${X:+replacement}; an end that is looked for without limit takes quadratic time where none is
VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])([^}]{0,1000}))?\}|(\w+))")
_MOST_VARIABLES = 10_000  # real files set some dozen; each stage may repeat those of the one before it
# Characters that variables let a file grow by: ten nested lines make gigabytes; a real Dockerfile has some thousand.
_MOST_FILLED_IN = 4_000_000


class BoundError(Exception):
    """A Dockerfile exceeds a bound; the text is its reason."""


def unresolved_variable(text: str) -> str:
    """The first variable in a text, "" for none."""
    match = VARIABLE.search(text)
    return (match[1] or match[4]) if match else ""


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """A text with $X, ${X}, ${X:-d} and ${X:+d} filled in; an unknown variable stays as it is written."""

    def value(match: re.Match[str]) -> str:
        name, operator, alternative = match[1] or match[4], match[2] or "", match[3] or ""
        variable_value = variables.get(name)
        if operator.endswith("-"):
            return variable_value or alternative
        if operator.endswith("+"):
            return alternative if variable_value else ""
        return match[0] if variable_value is None else variable_value

    return VARIABLE.sub(value, text)


class Variables:
    """The variables of a Dockerfile while it is read, and how much they let its text grow."""

    def __init__(self, values: Mapping[str, str] | None = None, filled_in: int = 0) -> None:
        self.values = dict(values or {})
        self._filled_in = filled_in  # characters

    def set(self, pairs: Mapping[str, str]) -> None:
        """Sets them, a secret to ***, so that none is filled in anywhere. Raises BoundError for too many of them."""
        for name, value in pairs.items():
            is_secret = names_secret(name) and not is_harmless(name, value)
            self.values[name] = HIDDEN if is_secret else hide_secret(value)
        if len(self.values) > _MOST_VARIABLES:
            raise BoundError(f"it sets more than {_MOST_VARIABLES} variables")

    def fill_in(self, text: str) -> str:
        """A text with its variables filled in. Raises BoundError before the texts of a file grow beyond memory."""
        if "$" not in text:
            return text
        for match in VARIABLE.finditer(text):  # counted first: the text itself may not fit into memory
            self._filled_in += len(self.values.get(match[1] or match[4], "")) + len(match[3] or "")
            if self._filled_in > _MOST_FILLED_IN:
                raise BoundError(f"its variables fill in more than {_MOST_FILLED_IN} characters")
        return substitute(text, self.values)

    def restarted(self, values: Mapping[str, str]) -> Variables:
        """Those of another stage; what they let the text grow by counts on."""
        return Variables(values, self._filled_in)
