"""What is read out of a wheel: its METADATA and its table of contents."""
