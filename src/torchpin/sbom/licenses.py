"""What a package's statements about its license mean: an SPDX expression where they are one, else the names as stated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.model import LicenseStatement

NOT_STATED = "LicenseRef-not-stated"  # in an expression about many packages
_MOST_PARENTHESES = 20  # of an expression: its parser is recursive
LICENSE_REF = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
# Classifiers that name exactly one license of SPDX's list; `BSD License` or `Apache Software License` could be several.
_EXACT_CLASSIFIERS = {
    "OSI Approved :: Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "OSI Approved :: GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "OSI Approved :: GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "OSI Approved :: Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "OSI Approved :: ISC License (ISCL)": "ISC",
    "OSI Approved :: MIT License": "MIT",
    "OSI Approved :: MIT No Attribution License (MIT-0)": "MIT-0",
    "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class License:
    """A license as an SPDX expression, else by the names that its package gives it; neither is unknown."""

    expression: str = ""
    names: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The expression, or a LicenseRef made of the names; "" if unknown."""
        if self.expression or not self.names:
            return self.expression
        return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(self.names)).strip("-")


UNKNOWN = License()


def interpret_statement(statement: LicenseStatement | None) -> License:
    """The license that a statement gives.

    Of its parts the first that there is: License-Expression; License, if that is SPDX's; the classifiers; License as a name.
    """
    if statement is None:
        return UNKNOWN
    for text in (statement.expression, statement.text):
        expression = spdx_expression(text)
        if expression:
            return License(expression=expression)
    if len(statement.classifiers) == 1 and statement.classifiers[0] in _EXACT_CLASSIFIERS:
        return License(expression=_EXACT_CLASSIFIERS[statement.classifiers[0]])
    names = tuple(name.rpartition(" :: ")[2] for name in statement.classifiers)
    given_names = statement.expression or statement.text
    return License(names=(statement.expression,) if statement.expression else names or (given_names,))


@cache
def spdx_expression(text: str) -> str:
    """A text as an SPDX expression, with identifiers in SPDX's spelling; "" if it is none."""
    from cyclonedx.spdx import fixup_id
    from license_expression import ExpressionError, LicenseSymbol, Licensing

    if not text.strip() or text.count("(") > _MOST_PARENTHESES:
        return ""
    licensing = Licensing()
    try:
        parsed = licensing.parse(text, strict=False)
    except ExpressionError:
        return ""
    symbols = {
        symbol: symbol.key for symbol in licensing.license_symbols(parsed, unique=True, decompose=True)
    }
    spelled = {
        symbol: key if LICENSE_REF.fullmatch(key) else fixup_id(key) for symbol, key in symbols.items()
    }
    if not all(spelled.values()):
        return ""
    substitutes = {symbol: LicenseSymbol(key) for symbol, key in spelled.items()}
    return str(parsed.subs(substitutes).render("{symbol.key}"))


def joint_expression(licenses: Iterable[License]) -> str:
    """The licenses of several packages as one expression, each once; what no package states is a reference too."""
    references = sorted({stated.reference or NOT_STATED for stated in licenses})
    return " AND ".join(f"({text})" if " OR " in text else text for text in references)
