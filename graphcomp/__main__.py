"""`python -m graphcomp`, the same as the command `graphcomp`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
