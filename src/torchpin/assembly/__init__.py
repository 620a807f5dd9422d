"""Images without a build: what a wheel installs, the layers that follow from it, and the image that they make."""
