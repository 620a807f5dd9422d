"""Every family of checks; importing this registers them."""

# ruff: noqa: F401
from torchpin.checks import (
    abi,
    age,
    bases,
    clashes,
    contents,
    dependencies,
    deviations,
    gpus,
    images,
    locks,
    sources,
    texts,
    torch,
    upstreams,
)
