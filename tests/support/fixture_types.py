"""The types of the builders that `tests/unit/conftest.py` gives as fixtures."""

from __future__ import annotations

from collections.abc import Callable

from torchpin.model import Artifact, Environment, Lock, Service

Artifacts = Callable[..., Artifact]
Environments = Callable[..., Environment]
Locks = Callable[..., Lock]
Services = Callable[..., Service]
