"""Addresses of an index and of a file on a mirror."""

from __future__ import annotations

CU121 = "https://download.pytorch.org/whl/cu121"
ADDRESS = "https://user:SECRET@mirror.example/a-1-py3-none-any.whl"
