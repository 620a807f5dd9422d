"""What another project installs: its commands and files as install steps, each package with its place and origin."""
