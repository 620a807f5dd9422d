"""The lock: its layers, its file format, its exports."""
