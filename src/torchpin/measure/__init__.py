"""What is read out of a wheel: its METADATA, its table of contents, and the syntax trees of its modules."""
