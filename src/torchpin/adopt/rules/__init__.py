"""Every family of rules; importing this registers them."""

# ruff: noqa: F401
from torchpin.adopt.rules import pins, shell_commands, unreadable_lines, uv_lock, wheels
