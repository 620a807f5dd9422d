"""The commands, one a file: read, plan, do, return outcomes. Nothing in these modules prints."""
