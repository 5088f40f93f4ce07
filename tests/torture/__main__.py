"""The long forms of the suites that try to break the promise, one after another, and one table of what they did and found.

`python -m walletd.tests.torture [--minutes M] [--only NAME,...] [--report FILE]`, or `make torture`. Each suite is a module of its own
(`python -m walletd.tests.simulation --help`); its share of the time is below. Exits with 1 when anything was found, or when a suite did not run to its end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

SHARES: Final = {"simulation": 0.22, "power": 0.17, "crash": 0.15, "hostile": 0.05, "fuzz": 0.05, "soak": 0.36}
"""Each suite's part of the time given."""

UNTIMED: Final = ("planted",)
"""Suites that take as long as they take."""


class Finding(msgspec.Struct, frozen=True):
    """What one suite reports: `figures` are counts of what it did, `found` is empty when the promise held."""

    suite: str
    seconds: float
    figures: dict[str, Any]
    found: list[str]


def command(suite: str, seconds: float, report: Path) -> list[str]:
    """How a suite is run."""
    timed = [] if suite in UNTIMED else ["--seconds", f"{seconds:.0f}"]
    return [sys.executable, "-m", f"walletd.tests.{suite}", *timed, "--report", str(report)]


def run(suite: str, seconds: float, folder: Path) -> Finding:
    """Run one suite. What it prints is shown as it comes."""
    report = folder / f"{suite}.jsonl"
    started = time.monotonic()
    code = subprocess.run(command(suite, seconds, report), check=False).returncode
    spent = time.monotonic() - started
    lines = report.read_bytes().splitlines() if report.exists() else []
    if not lines:
        return Finding(suite, spent, {}, [f"did not run to its end (exit code {code})"])
    reported = msgspec.json.decode(lines[-1], type=Finding)
    if code != 0 and not reported.found:
        return msgspec.structs.replace(reported, found=[f"exit code {code}"])
    return reported


def table(findings: list[Finding]) -> Table:
    """One row a suite."""
    rows = Table(title="What was tried, and what was found")
    rows.add_column("suite")
    rows.add_column("minutes", justify="right")
    rows.add_column("done")
    rows.add_column("found")
    for finding in findings:
        numbers = {name: amount for name, amount in finding.figures.items() if isinstance(amount, int | float)}
        figures = ", ".join(f"{name.replace('_', ' ')} {amount:,.10g}" for name, amount in numbers.items())
        rows.add_row(finding.suite, f"{finding.seconds / 60:.1f}", figures, "\n".join(finding.found) or "nothing")
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m walletd.tests.torture", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=180.0, help="for the timed suites together (default 180)")
    parser.add_argument("--only", default=",".join((*SHARES, *UNTIMED)), help="suites, parted by commas")
    parser.add_argument("--report", type=Path, help="file to append the findings to, a JSON line a suite")
    given = parser.parse_args(arguments)
    suites = given.only.split(",")
    unknown = set(suites) - {*SHARES, *UNTIMED}
    if unknown:
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    shares = sum(SHARES.get(suite, 0.0) for suite in suites)
    findings = []
    with tempfile.TemporaryDirectory(prefix="walletd-torture-") as folder:
        for suite in suites:
            seconds = given.minutes * 60 * SHARES.get(suite, 0.0) / shares if shares else 0.0
            findings.append(run(suite, seconds, Path(folder)))
    Console().print(table(findings))
    if given.report is not None:
        with given.report.open("ab") as file:
            for finding in findings:
                file.write(msgspec.json.encode(finding) + b"\n")
    return 1 if any(finding.found for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
