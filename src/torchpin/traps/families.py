"""Every family of traps; importing this registers them."""

from torchpin.traps import pins, shell, unread, wheels  # noqa: F401
