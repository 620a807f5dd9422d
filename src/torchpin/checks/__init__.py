"""The checks: their register, what they may look at, how they are run."""
