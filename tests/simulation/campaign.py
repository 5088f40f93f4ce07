"""Campaigns: many schedules in several processes. A process runs each N-th seed, and says now and then what it has seen.

A schedule rests on its seed alone, so a seed that fails in a campaign fails alone as well.
"""

import gc
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from typing import Final

from .checkers import judge
from .history import History
from .kinds import LONG_ENOUGH, missed
from .schedule import Schedule

TELL_INTERVAL_S: Final = 0.5
FAILURES_MAX: Final = 20
"""Failing seeds after which a campaign ends: more tell nothing more."""


@dataclass
class Tally:
    """What some schedules came to. `reached` counts schedules by kind, `failures` are (seed, sentence)."""

    schedules: int = 0
    attempts: int = 0
    acknowledged: int = 0
    records: int = 0
    lives: int = 0
    steps: int = 0
    cpu_s: float = 0.0
    """Processor time, which says more than the clock on a machine that others use."""
    reached: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take in what another one counted."""
        self.schedules += other.schedules
        self.attempts += other.attempts
        self.acknowledged += other.acknowledged
        self.records += other.records
        self.lives += other.lives
        self.steps += other.steps
        self.cpu_s += other.cpu_s
        self.reached.update(other.reached)
        self.failures += other.failures

    def take(self, seed: int) -> None:
        """Run one schedule and judge it. Whatever it raises is a failure of that seed."""
        began = time.process_time()
        schedule = Schedule(seed)
        self.schedules += 1
        try:
            history = schedule.run()
            found = judge(history)
            self.cpu_s += time.process_time() - began
        except Exception as error:  # noqa: BLE001 - the seed must be named whatever it is
            self.failures.append((seed, f"raised {error!r}"))
            return
        self._count(schedule, history)
        self.failures += [(seed, sentence) for sentence in found[:5]]

    def _count(self, schedule: Schedule, history: History) -> None:
        self.attempts += len(history.attempts)
        self.acknowledged += sum(attempt.acknowledged is not None for attempt in history.attempts)
        self.records += len(history.records) - history.prefix
        self.lives += len(history.lives)
        self.steps += schedule.loop.steps
        self.reached.update(schedule.reached)

    def found(self) -> list[str]:
        """Sentences for a report: failures by seed, and the kinds that so many schedules should have reached."""
        sentences = [f"seed {seed}: {sentence}" for seed, sentence in sorted(self.failures)]
        if self.schedules >= LONG_ENOUGH:
            sentences += [f"never reached in {self.schedules} schedules: {kind}" for kind in missed(self.reached)]
        return sentences


def hush() -> None:
    """Let the engine's log be silent: images are made anew all the time here."""
    logging.getLogger("walletd.engine").setLevel(logging.ERROR)


def run_seeds(first: int, step: int, count: int | None, seconds: float | None) -> Iterator[Tally]:
    """Run the seeds first, first + step, … and give what was counted, about twice a second."""
    hush()
    ends_at = None if seconds is None else time.monotonic() + seconds
    tally, told_at, done, seed = Tally(), time.monotonic(), 0, first
    while (count is None or done < count) and (ends_at is None or time.monotonic() < ends_at):
        tally.take(seed)
        seed += step
        done += 1
        if time.monotonic() - told_at > TELL_INTERVAL_S or tally.failures:
            yield tally
            tally, told_at = Tally(), time.monotonic()
    yield tally


def run_processes(seed: int, processes: int, schedules: int | None, seconds: float | None) -> Iterator[Tally]:
    """The same in several processes; each one's last word is None."""
    context = multiprocessing.get_context("spawn")
    told: Queue[Tally | None] = context.Queue()
    workers = []
    for index in range(processes):
        count = None if schedules is None else (schedules - index + processes - 1) // processes
        worker = context.Process(target=_work, args=(told, seed + index, processes, count, seconds), daemon=True)
        worker.start()
        workers.append(worker)
    try:
        open_ends = processes
        while open_ends:
            tally = told.get()
            if tally is None:
                open_ends -= 1
            else:
                yield tally
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _work(told: "Queue[Tally | None]", first: int, step: int, count: int | None, seconds: float | None) -> None:
    # Half of what a schedule makes is in circles, and most of it lives as long as the schedule: looking seldom saves a fifth.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        for tally in run_seeds(first, step, count, seconds):
            told.put(tally)
    finally:
        told.put(None)
