"""What was built and done: freeze records, the log of bumps."""
