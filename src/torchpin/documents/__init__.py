"""The generated sections of the documents."""
