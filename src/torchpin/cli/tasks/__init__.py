"""The tasks, a file a group: their options, and the command that each of them calls."""
