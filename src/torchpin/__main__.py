"""`python -m torchpin`: the `torchpin` command."""

from torchpin.cli.entry import main

if __name__ == "__main__":
    main()
