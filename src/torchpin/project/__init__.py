"""Another project as its files describe it: Dockerfiles, shell commands, requirement files, lock files."""
