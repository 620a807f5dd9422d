"""The checkout: find and open it, collect evidence for the checks, generate and write its files."""
