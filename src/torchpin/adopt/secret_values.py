"""What a draft leaves out of another project's run settings, since a draft is committed: values that are secrets."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.redaction import names_secret, redact_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.model import Run

_ASSIGNMENT = re.compile(r"([\w-]+)=")


def without_secrets(run: Run, omitted: list[str]) -> Run:
    """The settings without values that are secrets; what was left out is added to `omitted`."""
    secret_names = [
        name for name, value in run.env.items() if value and (names_secret(name) or secret_argument((value,)))
    ]
    omitted += [
        f"the value of {name}, which is a secret; set it when the container starts" for name in secret_names
    ]
    secret = secret_argument(run.command)
    if secret:
        omitted.append(f"the command, since it holds the value of {secret}; read it from a variable instead")
    return replace(
        run,
        env={name: value for name, value in run.env.items() if name not in secret_names},
        command=() if secret else run.command,
    )


def secret_argument(arguments: Sequence[str]) -> str:
    """The first option or variable of a command that is given a secret, or that an address has one; "" for none."""
    for argument, following in zip(arguments, (*arguments[1:], ""), strict=False):
        names = [match[1] for match in _ASSIGNMENT.finditer(argument)]
        if argument.startswith("-") and "=" not in argument and following:
            names.append(argument)
        secret = next(filter(names_secret, names), "")
        if secret:
            return secret
        if redact_credentials(argument) != argument:
            return "an address with credentials or a query"
    return ""
