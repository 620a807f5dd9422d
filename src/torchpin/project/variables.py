"""The variables of a Dockerfile, filled in within bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from torchpin.project.expansion import expand
from torchpin.project.secret_values import hide_secret
from torchpin.redaction import HIDDEN, is_harmless, names_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.project.text import Place

_VARIABLE = re.compile(r"\$(?:\{(\w+)|(\w+))")
_MOST_VARIABLES = 10_000  # real files set some dozen; each stage may repeat those of the one before it
# Characters that variables let a file grow by: ten nested lines make gigabytes; a real Dockerfile has some thousand.
_MOST_FILLED_IN = 4_000_000


# Variables that installers read; the first 200 of them are kept with their places.
_SETTINGS = re.compile(
    r"(?:PIP|UV|POETRY|PDM|PIPENV|CONDA|TORCH|PYTORCH|CMAKE|NVCC|CUDA|VIRTUAL)_\w+|PATH|\w+_CUDA_ARCH\w*"
)
_MOST_SETTINGS = 200


class EnvironmentSetting(NamedTuple):
    """The value of a variable, and the line that sets it, None where the build does."""

    value: str
    place: Place | None


class BoundError(Exception):
    """A Dockerfile exceeds a bound; the text is its reason."""


def unresolved_variable(text: str) -> str:
    """The first variable in a text, "" for none."""
    match = _VARIABLE.search(text)
    return (match[1] or match[2]) if match else ""


class Variables:
    """The variables of a Dockerfile while it is read, and how much they let its text grow."""

    def __init__(
        self,
        values: Mapping[str, str] | None = None,
        filled_in: int = 0,
        settings: Mapping[str, EnvironmentSetting] | None = None,
    ) -> None:
        self.values = dict(values or {})
        self.settings: Mapping[str, EnvironmentSetting] = settings or {}  # replaced and never changed
        self._filled_in = filled_in  # characters

    def set(self, pairs: Mapping[str, str], place: Place | None = None) -> None:
        """Sets them, a secret to ***, so that none is filled in anywhere. Raises BoundError for too many of them."""
        settings = {}
        for name, value in pairs.items():
            is_secret = names_secret(name) and not is_harmless(name, value)
            self.values[name] = HIDDEN if is_secret else hide_secret(value)
            if _SETTINGS.fullmatch(name) and (name in self.settings or len(self.settings) < _MOST_SETTINGS):
                settings[name] = EnvironmentSetting(self.values[name], place)
        if settings:
            self.settings = {**self.settings, **settings}
        if len(self.values) > _MOST_VARIABLES:
            raise BoundError(f"it sets more than {_MOST_VARIABLES} variables")

    def fill_in(self, text: str) -> str:
        """A word of a shell, whose quotes are gone, with its variables filled in. Raises BoundError, as `expand` does."""
        return expand(text, self.values, quotes=False, spend=self._spend) if "$" in text else text

    def expand(self, word: str, escape: str = "\\") -> str:
        """A word of an instruction with its variables filled in, without quotes and escapes.

        Raises BoundError before the texts of a file grow beyond memory.
        """
        return expand(word, self.values, escape=escape, spend=self._spend)

    def restarted(
        self, values: Mapping[str, str], settings: Mapping[str, EnvironmentSetting] | None = None
    ) -> Variables:
        """Those of another stage; what they let the text grow by counts on."""
        return Variables(values, self._filled_in, settings)

    def _spend(self, characters: int) -> None:
        self._filled_in += characters
        if self._filled_in > _MOST_FILLED_IN:
            raise BoundError(f"its variables fill in more than {_MOST_FILLED_IN} characters")
