"""What is built from a lock: the install plan, the Dockerfile, the build's log."""
