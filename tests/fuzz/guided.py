"""One decoder under a coverage-guided fuzzer, in a process of its own: `python -m walletd.tests.fuzz.guided DECODER FOLDER [libFuzzer flags]`.

Atheris ends its process, and instruments every module that is imported under it, so no other process does this work.
"""

import importlib
import sys
from typing import Any


def main() -> None:
    """Search until the flags say that it is enough; what is interesting is kept in FOLDER."""
    name, *flags = sys.argv[1:]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["walletd"]):
        decoders = importlib.import_module("walletd.tests.fuzz.decoders")
    atheris.Setup([sys.argv[0], *flags], decoders.DECODERS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
