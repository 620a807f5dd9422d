"""Dockerfiles and requirement files of other projects: read, drafted as a description, matched against rules."""
