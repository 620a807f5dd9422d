"""Every family of checks; importing this registers them."""

# ruff: noqa: F401
from torchpin.checks.rules import (
    abi,
    base_contents,
    base_image,
    base_packages,
    compiler,
    conflicts,
    cuda_packages,
    cudnn,
    dependencies,
    deviations,
    facts_age,
    generated_files,
    gpus,
    image_and_record,
    lock,
    measured,
    metadata,
    other_channels,
    partners,
    shared_files,
    source_requirements,
    sources,
    torch,
    triton,
)
