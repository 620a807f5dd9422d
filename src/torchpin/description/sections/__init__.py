"""One file a section of a description: its keys, what no shape says of them, the values that it makes, and how they are written."""
