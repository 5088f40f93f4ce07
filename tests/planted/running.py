"""Running the suites of a copy, from quick to slow, until one sees the defect."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from .copying import FOREIGN, ROOT, Copy
from .defect import Defect, changed_files

QUICK_TO_SLOW: Final = (
    *(
        "unit",
        "property",
        "contract",
        "storage",
        "http",
        "hostile",
        "simulation",
        "power",
        "fuzz",
        "soak",
        "cli",
        "crash",
    ),
)
"""The suites that count, where they are there. The others look at the tree and not at what it does."""

_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", re.MULTILINE)


class Run(msgspec.Struct, frozen=True):
    """How one suite ended: `caught` is the test that failed, None where all passed."""

    suite: str
    caught: str | None
    seconds: float
    output: str = ""


class Result(msgspec.Struct, frozen=True):
    """What became of a defect, in the order of the runs."""

    name: str
    runs: tuple[Run, ...]

    @property
    def catches(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.caught is not None)


_alive: Final[set[int]] = set()


def end_all() -> None:
    """Kill every run under way: each is a process group of its own, which would outlive whoever started it."""
    for group in tuple(_alive):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


class NotTheCopy(Exception):
    """A run imported something else than the copy, or did not run at all: it tells nothing."""


def suites_there() -> tuple[str, ...]:
    """The suites that the tree has."""
    return tuple(name for name in QUICK_TO_SLOW if any((ROOT / "tests" / name).glob("test_*.py")))


def run_suite(copy: Copy, suite: str, seconds: float) -> Run:
    """Run a suite, or a file of one, in the copy. A run past its time counts as caught: a server that hangs is no server."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "planted_origin", "-p", "no:xdist", "--tb=line"]
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "WALLETD"))
    }
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    started = time.monotonic()
    process = subprocess.Popen(
        [copy.python, "-P", "-m", "pytest", *options, f"tests/{suite}"],
        cwd=copy.tree,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _alive.add(process.pid)
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Run(suite, f"did not end in {seconds:g} s", time.monotonic() - started, output)
    finally:
        _alive.discard(process.pid)
    spent = time.monotonic() - started
    if process.returncode == 0:
        return Run(suite, None, spent, output)
    failed = _FAILED.search(output)
    if process.returncode == FOREIGN or (failed is None and process.returncode in (4, 5)):
        raise NotTheCopy(f"{suite} ended with {process.returncode}:\n{output[-2000:]}")
    return Run(suite, failed[1] if failed else f"ended with {process.returncode}", spent, output)


def run_defect(
    planted: Defect | None, files: tuple[str, ...], suites: tuple[str, ...], seconds: float, *, every: bool
) -> Result:
    """Plant a defect in a copy of its own and run the suites; None plants nothing. Raises Misplaced, NotTheCopy."""
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="walletd-planted-") as folder:
        copy = Copy(Path(folder), files)
        if planted is not None:
            copy.write(changed_files(planted, copy.tree))
        first = () if planted is None or every else planted.first
        for suite in dict.fromkeys((*first, *suites)):
            runs.append(run_suite(copy, suite, seconds))
            if runs[-1].caught is not None and not every:
                break
    return Result("nothing planted" if planted is None else planted.name, tuple(runs))
