"""Every family of rules; importing this registers them."""

# ruff: noqa: F401
from torchpin.lint.rules import (
    downloads,
    early_torch,
    floating,
    indexes,
    pins,
    shell_commands,
    torch_steps,
    unreadable_lines,
    uv_lock,
    wheels,
)
