"""`python -m nnexp`."""

import os
import sys

import nnexp

# Python puts the current folder first on the path, where a file click.py would be run for Click.
if not sys.flags.safe_path and sys.path[0] != os.path.dirname(nnexp.__path__[0]):  # noqa: PTH120
    del sys.path[0]

from nnexp.cli import main

if __name__ == "__main__":
    main()
