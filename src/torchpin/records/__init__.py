"""What was built and updated: freeze records and the update log."""
