"""`python -m walletd`: the same as the `walletd` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
