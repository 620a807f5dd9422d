"""Scripts of a POSIX shell or bash, read on bash's grammar without running them: their commands, and what cannot be followed."""
