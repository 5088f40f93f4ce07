"""Kills of the real server for as long as is asked: `python -m walletd.tests.crash --seconds N [--kills K] [--seed S] [--processes P] [--report FILE]`.

Exits with 1 when anything that was promised did not hold, or when a long run never met a kind of moment that it aims at.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

from .campaign import Tally, run_campaign


def run(seed: int, kills: int | None, seconds: float, processes: int) -> Tally:
    """Campaigns side by side, of seeds that follow one another; all they did."""
    total = Tally(kinds={}, figures={}, found=[])
    each = None if kills is None else -(-kills // processes)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=context) as pool:
        for one in [pool.submit(run_campaign, seed + index, each, seconds) for index in range(processes)]:
            total.merge(one.result())
    return total


def summary(tally: Tally, seconds: float) -> dict[str, Any]:
    """The figures that are reported."""
    figures: dict[str, Any] = {"kills": tally.kills, "kills_a_second": round(tally.kills / seconds, 2)}
    figures |= {name: round(value, 1) for name, value in sorted(tally.figures.items())}
    return figures | {f"killed: {name}": count for name, count in sorted(tally.kinds.items())}


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.crash", description="Kills of the real server.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--kills", type=int, help="end after so many")
    parser.add_argument("--seed", type=int, help="repeats the choices of an earlier run, though not its timing")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000
    began = time.monotonic()
    tally = run(seed, given.kills, given.seconds, given.processes)
    seconds = time.monotonic() - began
    figures = summary(tally, seconds)
    for name, value in figures.items():
        print(f"{name:58} {value:>12,}")
    found = tally.found + [f"no kill ever fell into: {kind}" for kind in tally.never]
    print("found:", *(found or ["nothing"]), sep="\n  ")
    if given.report is not None:
        with given.report.open("a") as file:
            line = {"suite": "crash", "seconds": round(seconds, 1), "figures": figures, "found": found}
            file.write(json.dumps(line) + "\n")
    print(f"seed: {seed}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
