"""Whether the machine was quiet while something was measured: what else ran on it, and what its host took away.

A figure from a noisy machine is a lower bound at best, so every result carries these hints.
"""

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

LOAD_MAX: Final = 0.5
"""A one-minute load average above this, before anything was started, means that others are at work."""

OTHERS_MAX: Final = 0.2
"""Cores that other programs, and the system's own work for the load, may use during most runs."""

STEAL_MAX: Final = 0.02
"""The share of processor time that a host may keep from its guest before it shows."""


class Watch(msgspec.Struct, frozen=True):
    """The state of the machine when a measurement began."""

    load: tuple[float, float, float] | None
    times: tuple[float, float] | None
    at: float

    @classmethod
    def begin(cls) -> "Watch":
        """Now."""
        return cls(_load(), _times(), time.monotonic())

    def end(self, others_cores: Sequence[float | None] = ()) -> dict[str, Any]:
        """What is known of the time since the beginning. `others_cores`: what other programs used in each of the runs."""
        others = [cores for cores in others_cores if cores is not None]
        now, steal = _times(), None
        if self.times is not None and now is not None and now[1] > self.times[1]:
            steal = (now[0] - self.times[0]) / (now[1] - self.times[1])
        return {
            "load_before": None if self.load is None else list(self.load),
            "steal_share": steal,
            "others_cores": statistics.median(others) if others else None,
            "seconds": time.monotonic() - self.at,
            "is_quiet": None
            if self.load is None
            else self.load[0] <= LOAD_MAX
            and (steal or 0.0) <= STEAL_MAX
            and statistics.median(others or [0.0]) <= OTHERS_MAX,
        }


def sentence(noise: dict[str, Any]) -> str:
    """The hints in words."""
    if noise["is_quiet"] is None:
        return "whether the machine was quiet is unknown here"
    steal = "unknown" if noise["steal_share"] is None else f"{noise['steal_share']:.1%}"
    state = "quiet" if noise["is_quiet"] else "NOISY"
    others = "" if noise["others_cores"] is None else f", {noise['others_cores']:.2f} cores used by others"
    return f"the machine was {state}: load average {noise['load_before'][0]:.2f} before{others}, {steal} of its time taken by its host"


def _load() -> tuple[float, float, float] | None:
    try:
        return os.getloadavg()
    except OSError:
        return None


def _times() -> tuple[float, float] | None:
    """(stolen, all) processor time of the machine since it started."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return None
    return float(fields[7]), float(sum(fields))
