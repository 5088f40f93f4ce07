"""Power cuts, faults of the disk and rot, for as long as there is time.

`python -m walletd.tests.power [--seconds N] [--seed S] [--cuts N] [--processes N] [--only PART,...] [--report FILE]`. Exits with 1 when something was
found; each finding begins with the place that makes it again: `--replay 17:1:203:4` for a cut, `--replay 17:full:31` for a fault,
`--replay 17:31` for rot.
"""

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from .cuts import Cuts, Place, workplace
from .faults import KINDS, Faults
from .rot import Rot
from .share import SHARES, Task, work
from .sqlite_layer import UNREACHABLE, make_layer


def replay(place: str) -> int:
    """Make one finding again; returns the exit code."""
    layer = make_layer()
    assert layer is not None, UNREACHABLE
    with workplace() as folder:
        if place.count(":") == 3:
            Cuts(layer, Path(folder)).replay(Place.read(place))
            print("nothing found")
            return 0
        if place.count(":") == 1:
            seed, n = place.split(":")
            Rot(Path(folder)).replay(int(seed), int(n))
            print("nothing found")
            return 0
        seed, name, n = place.split(":")
        faults = Faults(layer, Path(folder))
        faults.strike(int(seed), next(kind for kind in KINDS if kind.name == name), int(n))
    print("\n".join(faults.found) or "nothing found")
    return 1 if faults.found else 0


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.power", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="for everything together (default 120)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000 * 1000, help="the first seed")
    parser.add_argument("--cuts", type=int, default=1 << 60, help="at most so many power cuts")
    parser.add_argument("--processes", type=int, default=2, help="beside each other (default 2)")
    parser.add_argument("--only", default=",".join(SHARES), help=f"parts, of {', '.join(SHARES)}")
    parser.add_argument("--report", type=Path, help="file to append the findings to, as one JSON line")
    parser.add_argument("--replay", metavar="PLACE", help="make one finding again, and nothing else")
    given = parser.parse_args(arguments)
    if make_layer() is None:
        print(UNREACHABLE)
        return 1
    if given.replay is not None:
        return replay(given.replay)
    parts = tuple(given.only.split(","))
    if unknown := set(parts) - set(SHARES):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    count, started = given.processes, time.monotonic()
    tasks = [Task(given.seed, given.seconds, -(-given.cuts // count), parts, index, count) for index in range(count)]
    figures: Counter[str] = Counter()
    found: list[str] = []
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        for done in pool.map(work, tasks):
            figures.update(done.figures)
            found += done.found
    spent = time.monotonic() - started
    print(f"seed {given.seed}: {', '.join(f'{name} {number}' for name, number in figures.items())} in {spent:.0f} s")
    print("\n".join(found) or "nothing found")
    if given.report is not None:
        line = {"suite": "power", "seconds": round(spent, 1), "figures": dict(figures), "found": found}
        with given.report.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
