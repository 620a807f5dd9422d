"""The lock: its layers, file format, source distributions, uv project and exports."""
