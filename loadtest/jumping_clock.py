"""Runs a server whose clock jumps ahead by a day and an hour at each SIGUSR1: what lives for a day expires while one looks.

It is started as `python jumping_clock.py serve …` instead of `python -m walletd serve …`. The server knows nothing of it: it asks the time,
and gets another one.
"""

import runpy
import signal
import time
from typing import Final

JUMP_S: Final = 25 * 3600


class Clock:
    """The system's time, plus what was jumped."""

    def __init__(self) -> None:
        self._time_ns = time.time_ns
        self._ahead_s = 0

    def jump(self, number: int, frame: object) -> None:
        """Go ahead. A handler of signals."""
        self._ahead_s += JUMP_S

    def time_ns(self) -> int:
        """As `time.time_ns`."""
        return self._time_ns() + self._ahead_s * 1_000_000_000

    def time(self) -> float:
        """As `time.time`."""
        return self.time_ns() / 1e9


def main() -> None:
    """Run the server under a clock of this kind."""
    clock = Clock()
    time.time_ns = clock.time_ns
    time.time = clock.time
    signal.signal(signal.SIGUSR1, clock.jump)
    runpy.run_module("walletd", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
