"""The engine in simulation: `python -m walletd.tests.simulation --seconds N | --schedules N [--seed S] [--processes N] [--report FILE] [--trace]`.

Schedule number i has the seed S + i. `--seed S --schedules 1 --trace` replays one and prints its steps.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from .campaign import FAILURES_MAX, Tally, hush, run_processes, run_seeds
from .checkers import judge
from .kinds import LONG_ENOUGH
from .schedule import Schedule

_PROGRESS_INTERVAL_S: Final = 10.0


def main() -> int:
    """Run a campaign, or one seed with its trace. The exit code is 1 when something was found."""
    given = _arguments()
    if given.trace:
        return _trace(given.seed)
    started = time.monotonic()
    total = _campaign(given, started)
    seconds = round(time.monotonic() - started, 1)
    figures: dict[str, Any] = {
        "schedules": total.schedules,
        "schedules_per_s": round(total.schedules / max(seconds, 0.1)),
        "schedules_per_cpu_s": round(total.schedules / max(total.cpu_s, 0.001)),
        "processes": given.processes,
        "lives": total.lives,
        "attempts": total.attempts,
        "acknowledged": total.acknowledged,
        "records": total.records,
        "steps": total.steps,
        "reached": dict(sorted(total.reached.items())),
    }
    found = total.found()
    _print(figures, seconds, found)
    if given.report is not None:
        line = {"suite": "simulation", "seconds": seconds, "figures": figures, "found": found}
        with given.report.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    if total.failures:
        print(f"failing seed: {min(total.failures)[0]}")
    return 1 if found else 0


def _campaign(given: argparse.Namespace, started: float) -> Tally:
    total, told_at = Tally(), started
    seconds = given.seconds if given.seconds is not None or given.schedules is not None else 60.0
    if given.processes == 1:
        tallies = run_seeds(given.seed, 1, given.schedules, seconds)
    else:
        tallies = run_processes(given.seed, given.processes, given.schedules, seconds)
    for tally in tallies:
        total.add(tally)
        for seed, sentence in tally.failures:
            print(f"seed {seed}: {sentence}", flush=True)
        if len({seed for seed, _ in total.failures}) >= FAILURES_MAX:
            break
        if time.monotonic() - told_at > _PROGRESS_INTERVAL_S:
            told_at = time.monotonic()
            rate = total.schedules / (told_at - started)
            print(f"{total.schedules} schedules, {rate:.0f} a second, {total.records} records", flush=True)
    return total


def _print(figures: dict[str, Any], seconds: float, found: list[str]) -> None:
    for kind, count in sorted(figures["reached"].items(), key=lambda item: item[1]):
        print(f"{count:9d}  {kind}")
    print(
        f"{figures['schedules']} schedules in {seconds} s ({figures['schedules_per_s']} a second, "
        f"{figures['schedules_per_cpu_s']} a second of processor), {figures['lives']} lives, "
        f"{figures['attempts']} attempts, {figures['records']} records, {figures['steps']} steps"
    )
    if figures["schedules"] < LONG_ENOUGH:
        print(f"whether every kind is reached is judged from {LONG_ENOUGH} schedules on")
    for sentence in found[:40]:
        print(sentence)


def _trace(seed: int) -> int:
    hush()
    schedule = Schedule(seed, tracing=True)
    try:
        found = judge(schedule.run())
    finally:
        print("\n".join(schedule.trace))
    for sentence in found:
        print(sentence)
    print(f"seed {seed}: {len(found)} found")
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, help="about how long to run; 60 if --schedules is not given either")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schedules", type=int)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--trace", action="store_true", help="run the one schedule of --seed and print its steps")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
