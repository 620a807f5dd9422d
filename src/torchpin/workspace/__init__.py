"""The checkout: found, opened, its evidence collected, its files generated and written."""
