"""`python -m walletd.tests.planted`: plants each defect in a copy of the tree and tells which suite sees it. Exit code 1 where one is seen by none."""

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from .copying import tree_files
from .defect import Defect
from .defects import DEFECTS
from .running import Result, end_all, run_defect, suites_there

SUITE_S: Final = 240.0


def main(arguments: list[str]) -> int:
    """Run what the command line asks for."""
    asked = _parser().parse_args(arguments)
    names = {planted.name for planted in DEFECTS}
    if unknown := set(asked.only or ()) - names:
        print(f"no such defect: {', '.join(sorted(unknown))}")
        return 2
    chosen = [planted for planted in DEFECTS if not asked.only or planted.name in asked.only]
    suites = tuple(asked.suites.split(",")) if asked.suites else suites_there()
    files, started = tree_files(), time.monotonic()
    if not asked.trust_the_tree:
        sound = run_defect(None, files, suites, asked.suite_seconds, every=True)
        if sound.catches:
            for run in sound.catches:
                print(f"nothing is planted, and yet {run.suite}: {run.caught}\n{run.output[-2000:]}")
            return 2
        print(f"nothing planted: {len(suites)} suites are green, {time.monotonic() - started:.0f} s", flush=True)

    def judge(planted: Defect) -> Result | None:
        if asked.seconds is not None and time.monotonic() - started > asked.seconds:
            return None
        result = run_defect(planted, files, suites, asked.suite_seconds, every=asked.all_suites)
        print(_line(result), flush=True)
        return result

    with ThreadPoolExecutor(asked.processes) as pool:
        results = list(pool.map(judge, chosen))
    return _conclude(chosen, results, time.monotonic() - started, asked.report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.planted", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--seconds", type=float, help="begin no further defect after this time")
    parser.add_argument("--suite-seconds", type=float, default=SUITE_S, help="the most that one suite may take")
    parser.add_argument("--suites", help="comma-separated folders below tests/")
    parser.add_argument("--all-suites", action="store_true", help="go on after the first suite that sees a defect")
    parser.add_argument(
        "--trust-the-tree", action="store_true", help="do not run the suites on an unchanged copy first"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--seed", type=int, help="taken like by every suite, and without effect: nothing here is random"
    )
    parser.add_argument("--report", type=Path)
    return parser


def _line(result: Result) -> str:
    seconds = sum(run.seconds for run in result.runs)
    caught = "; ".join(f"{run.suite}: {run.caught}" for run in result.catches) or "SEEN BY NONE"
    return f"{result.name:36} {seconds:6.1f} s  {caught}"


def _conclude(chosen: list[Defect], results: list[Result | None], seconds: float, report: Path | None) -> int:
    ran = [result for result in results if result is not None]
    survivors = [result.name for result in ran if not result.catches]
    print(f"{len(ran)} of {len(chosen)} defects planted, {len(ran) - len(survivors)} seen, {seconds:.0f} s")
    for planted in chosen:
        if planted.name in survivors:
            print(f"SEEN BY NONE {planted.name}: {planted.wrong}")
    if report is not None:
        matrix = {result.name: {run.suite: run.caught for run in result.runs} for result in ran}
        line = {
            "suite": "planted",
            "seconds": round(seconds, 1),
            "figures": {"planted": len(ran), "seen": len(ran) - len(survivors), "left": len(chosen) - len(ran)},
            "found": [f"{name} is seen by no suite" for name in survivors],
            "matrix": matrix,
        }
        with report.open("a") as file:
            file.write(json.dumps(line) + "\n")
    return 1 if survivors else 0


def _give_up(number: int, _frame: object) -> None:
    end_all()
    os._exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _give_up)
    signal.signal(signal.SIGINT, _give_up)
    sys.exit(main(sys.argv[1:]))
