"""The software bill of materials of an environment: what its lock, sources and base image give, in standard formats."""
