"""Power cuts: runs are recorded, cut everywhere, started again and checked. Some go on from a cut, so that recovery itself is cut too."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from . import one_thread
from .disk import Disk, Loss
from .promise import Checker, Expected, check_promises
from .run import Recording, record
from .sqlite_layer import Layer
from .truth import Truth

GENERATIONS: Final = 3
"""Runs of one seed, each going on from a cut of the one before."""

VARIANTS: Final = (Loss.NOTHING, Loss.EVERYTHING, Loss.LATEST, Loss.SOME, Loss.SOME)
"""What is lost at each place where something can be."""

DEEP_EVERY: Final = 64
"""Cuts from one that is followed by `verify` and a second start to the next."""

MEMORY: Final = Path("/dev/shm")


class Place:
    """One cut: after `k` events of generation `generation` of `seed`, the `variant`-th way to lose what was not synced."""

    def __init__(self, seed: int, generation: int, k: int, variant: int) -> None:
        self.seed, self.generation, self.k, self.variant = seed, generation, k, variant

    def __str__(self) -> str:
        return f"{self.seed}:{self.generation}:{self.k}:{self.variant}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """From what `str` gives."""
        return cls(*map(int, text.split(":")))

    def chance(self) -> Random:
        """The randomness of this cut alone, so that it can be made again without the others."""
        return Random(str(self))


class Cuts:
    """What was done and found."""

    def __init__(self, layer: Layer, folder: Path, *, steps: int = 6) -> None:
        self._layer = layer
        self._folder = folder
        self._steps = steps
        self.figures = {"cuts": 0, "runs": 0, "events": 0, "images_made_anew": 0, "keys_replayed": 0, "deep_checks": 0}
        self.found: list[str] = []

    def recordings(self, seed: int) -> Iterator[tuple[int, Recording]]:
        """The runs of a seed, each from a cut of the one before."""
        files: dict[str, bytes] = {}
        truth = Truth()
        for generation in range(GENERATIONS):
            steps = max(1, self._steps // (1 + generation))
            run = record(self._layer, self._folder, seed * 16 + generation, files=files, before=truth, steps=steps)
            yield generation, run
            chance = Random(f"{seed} goes on from {generation}")
            k = chance.randrange(len(run.events) // 2, len(run.events))
            disk, truth = at(run, k)
            files = disk.cut(Loss.SOME, chance)

    def seed(self, seed: int, until: float, *, every: int = 1, most: int = 1 << 60) -> None:
        """Record the runs of a seed and cut them after each `every`-th event, until a time or until there were `most` cuts in all."""
        try:
            for generation, run in self.recordings(seed):
                self.figures["runs"] += 1
                self.figures["events"] += len(run.events)
                check_promises(*ended(run))
                self._cut_everywhere(seed, generation, run, until, every, most)
                if time.monotonic() >= until or self.found or self.figures["cuts"] >= most:
                    return
        except Exception as error:  # noqa: BLE001 - whatever a run ends with is a finding
            self.found.append(f"cut {seed}: while running: {type(error).__name__}: {error}")

    def _cut_everywhere(self, seed: int, generation: int, run: Recording, until: float, every: int, most: int) -> None:
        checker = Checker(self._folder, Expected(), run.options)
        with one_thread.in_turn(), asyncio.Runner(loop_factory=one_thread.JumpingLoop) as runner:
            for k, disk, truth in moments(run):
                if (k + seed) % every:
                    continue
                for variant, loss in enumerate(VARIANTS if disk.unsynced else VARIANTS[:1]):
                    place = Place(seed, generation, k, variant)
                    self._cut(runner, checker, place, disk, loss, truth)
                if time.monotonic() >= until or len(self.found) >= 5 or self.figures["cuts"] >= most:
                    break
        self.figures["images_made_anew"] += checker.anew
        self.figures["keys_replayed"] += checker.replayed

    def _cut(
        self, runner: asyncio.Runner, checker: Checker, place: Place, disk: Disk, loss: Loss, truth: Truth
    ) -> None:
        self.figures["cuts"] += 1
        chance = place.chance()
        deep = self.figures["cuts"] % DEEP_EVERY == 0
        self.figures["deep_checks"] += deep
        try:
            runner.run(checker.check(disk.cut(loss, chance), truth, chance, deep=deep))
        except Exception as error:  # noqa: BLE001 - whatever ends a check is a finding
            self.found.append(f"cut {place}: {loss.name}: {type(error).__name__}: {str(error)[:300]}")

    def replay(self, place: Place) -> None:
        """Make one cut again. Raises what it raised."""
        for generation, run in self.recordings(place.seed):
            if generation == place.generation:
                disk, truth = at(run, place.k)
                checker = Checker(self._folder, Expected(), run.options)
                chance = place.chance()
                files = disk.cut(VARIANTS[place.variant], chance)
                one_thread.run(checker.check(files, truth, chance, deep=True))
                return


def moments(run: Recording) -> Iterator[tuple[int, Disk, Truth]]:
    """After each number of events: the disk, and what had been promised. Both change with the next."""
    disk, truth = Disk(run.files), run.before.copy()
    marks = iter([*run.marks, (len(run.events) + 1, "end", None)])
    mark = next(marks)
    for k in range(len(run.events) + 1):
        if k:
            disk.apply(run.events[k - 1])
        while mark[0] <= k:
            truth.happened(mark[1], mark[2])
            mark = next(marks)
        yield k, disk, truth


def at(run: Recording, k: int) -> tuple[Disk, Truth]:
    """The disk and the promises after `k` events."""
    for number, disk, truth in moments(run):
        if number == k:
            return disk, truth
    raise AssertionError(f"the run has {len(run.events)} events, not {k}")


def ended(run: Recording) -> tuple[Truth, list[Any]]:
    """The promises at the end of a run, and its rows."""
    truth = at(run, len(run.events))[1]
    return truth, truth.rows


def workplace() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is such a place: nothing here needs to survive."""
    return tempfile.TemporaryDirectory(prefix="walletd-power-", dir=MEMORY if MEMORY.is_dir() else None)
