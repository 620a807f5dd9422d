"""torchpin: one description per GPU service; its lock, image, verification, documents and records follow from it."""

__version__ = "0.1.0"
