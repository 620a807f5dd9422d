"""The linter: what rules match in the files of a project, what is ignored, known and fixed of it."""
