"""What fits an environment: torch builds, GPUs, wheels, undeclared requirements, and recommendations."""
