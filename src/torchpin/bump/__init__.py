"""What an update would do: its target, its plan, the predicted lock, the accepted findings."""
