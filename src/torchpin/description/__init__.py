"""Descriptions (service.yaml) and settings (torchpin.toml): read, check, write, edit in place; their environments."""
