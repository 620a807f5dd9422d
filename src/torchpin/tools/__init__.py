"""The outside world, a file a tool: processes, files, HTTP, git, uv, Docker, package indexes."""
