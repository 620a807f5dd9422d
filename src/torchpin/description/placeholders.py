"""The texts that stand in a new description until a person replaces them."""

from __future__ import annotations

BASE_RATIONALE = "Explain why this base image."


def summary_placeholder(name: str) -> str:
    return f"Describe {name} in one line"


def is_placeholder(text: str, placeholder: str) -> bool:
    """Whether a text is still a placeholder, with or without its full stop."""
    return text.strip().removesuffix(".") == placeholder.removesuffix(".")
