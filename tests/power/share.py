"""What one process of a long run does: its share of the cuts, of the faults and of the rot."""

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from .cuts import Cuts, workplace
from .faults import KINDS, Faults
from .rot import Rot
from .sqlite_layer import UNREACHABLE, Layer, make_layer

SHARES: Final = {"cuts": 0.6, "faults": 0.2, "rot": 0.2}
"""Each part's share of the time."""

STRIDE: Final = 7
"""Most runs are cut after each seventh event, so that there are many runs."""

EVERYWHERE: Final = 8
"""One seed of so many is cut after every write and every sync."""

TELL_S: Final = 20.0


class Task(NamedTuple):
    """What one process does: the `place`-th of `processes`."""

    seed: int
    seconds: float
    cuts_max: int
    parts: tuple[str, ...]
    place: int
    processes: int


class Done(NamedTuple):
    """What came of it."""

    figures: dict[str, int]
    found: list[str]


def work(task: Task) -> Done:
    """One process's part."""
    logging.disable(logging.CRITICAL)  # images made anew are counted, not told
    layer = make_layer()
    assert layer is not None, UNREACHABLE
    figures: Counter[str] = Counter()
    found: list[str] = []
    shares = sum(SHARES[part] for part in task.parts)
    runs = {"cuts": _cuts, "faults": _faults, "rot": _rot}
    for part in task.parts:
        with workplace() as folder:
            done = runs[part](task, layer, Path(folder), time.monotonic() + task.seconds * SHARES[part] / shares)
        figures.update(done.figures)
        found += done.found
        _tell(task, part, done)
    return Done(dict(figures), found)


def _cuts(task: Task, layer: Layer, folder: Path, until: float) -> Done:
    cuts = Cuts(layer, folder)
    seed, told = task.seed + task.place, time.monotonic()
    while time.monotonic() < until and cuts.figures["cuts"] < task.cuts_max and len(cuts.found) < 5:
        cuts.seed(seed, until, every=1 if seed % EVERYWHERE == 0 else STRIDE, most=task.cuts_max)
        seed += task.processes
        if time.monotonic() - told > TELL_S:
            told = time.monotonic()
            _tell(task, f"cuts, at seed {seed}", Done(cuts.figures, cuts.found))
    return Done(cuts.figures, cuts.found)


def _faults(task: Task, layer: Layer, folder: Path, until: float) -> Done:
    faults = Faults(layer, folder)
    seed, told = task.seed, time.monotonic()
    while time.monotonic() < until:
        for kind in KINDS:
            for _ in faults.sweep(seed, kind, first=1 + task.place, every=task.processes):
                if time.monotonic() >= until or len(faults.found) >= 20:
                    return Done(faults.figures, faults.found)
                if time.monotonic() - told > TELL_S:
                    told = time.monotonic()
                    _tell(task, f"faults, at seed {seed}, {kind.name}", Done(faults.figures, faults.found))
        seed += 1
    return Done(faults.figures, faults.found)


def _rot(task: Task, layer: Layer, folder: Path, until: float) -> Done:
    rot = Rot(folder)
    seed = task.seed + task.place
    while time.monotonic() < until and len(rot.found) < 20:
        rot.seed(seed, until)
        seed += task.processes
    return Done(rot.figures, rot.found)


def _tell(task: Task, what: str, done: Done) -> None:
    figures = ", ".join(f"{name} {number}" for name, number in done.figures.items())
    print(f"[{task.place}] {what}: {figures}; found {len(done.found)}", flush=True)
