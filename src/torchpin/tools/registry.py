"""Images in a registry: whether a tag is there, and which image key its image has; asked by buildx, with docker's credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torchpin.errors import ToolError
from torchpin.parsing import parse_json
from torchpin.redaction import redact_credentials
from torchpin.tools.docker import KEY_LABEL
from torchpin.tools.process import QUICK, run

if TYPE_CHECKING:
    from collections.abc import Mapping

# What registries answer for an image that they do not have, or of which they do not say whether they do; 500 is what one of
# them says of a tag that a full disk left without content. Another push repairs that, or says what is wrong.
_ABSENT = re.compile(
    r"not found|manifest unknown|name unknown|denied|unauthorized|insufficient_scope|forbidden"
    r"|unexpected status[^:]*: (?:40[134]|500)\b|: 500 Internal Server Error",
    re.IGNORECASE,
)


def registry_key(tag: str) -> str | None:
    """The image key of a tag in its registry; None where there is no such image, or none that this machine may read.

    Raises ToolError where the registry cannot be queried.
    """
    command = ("docker", "buildx", "imagetools", "inspect", tag, "--format", "{{json .Image}}")
    completed = run(command, check=False, timeout=QUICK)
    if completed.returncode == 0:
        return parse_key(completed.stdout)
    problem = _last_line(completed.stderr)
    if _ABSENT.search(problem):
        return None
    raise ToolError(f"{tag.partition('/')[0]} cannot be queried for images: {problem}")


def parse_key(text: str) -> str | None:
    """The image key in an image's configuration, or in those of several platforms that agree; None where there is none."""
    try:
        document = parse_json(text)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    images = [document] if "config" in document else [*document.values()]
    keys = {_label(image) for image in images}
    return keys.pop() if len(keys) == 1 else None


def _label(image: Any) -> str | None:
    config = image.get("config") if isinstance(image, dict) else None
    labels: Mapping[str, Any] | None = config.get("Labels") if isinstance(config, dict) else None
    key = labels.get(KEY_LABEL) if isinstance(labels, dict) else None
    return key if isinstance(key, str) else None


def retag(source: str, tag: str) -> None:
    """Gives an image of a registry another tag there, without its blobs. Raises ToolError with the registry's message."""
    completed = run(
        ("docker", "buildx", "imagetools", "create", "--tag", tag, source), check=False, timeout=QUICK
    )
    if completed.returncode:
        raise ToolError(f"{tag} could not be set to {source}: {_last_line(completed.stderr)}")


def _last_line(stderr: str) -> str:
    lines = [line for line in redact_credentials(stderr).splitlines() if line.strip()]
    return lines[-1].strip().removeprefix("ERROR: ") if lines else "no output"
