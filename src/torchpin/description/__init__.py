"""service.yaml and torchpin.toml: read, checked, written, edited in place; the environments that follow."""
