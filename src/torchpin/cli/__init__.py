"""The command line: options in, exit code out."""

import sys

# invoke turns the writing of bytecode off before it loads tasks; then every call would compile all modules anew.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
