"""The commands, one a file: read, plan, do, answer with outcomes. Nothing in these modules prints."""
