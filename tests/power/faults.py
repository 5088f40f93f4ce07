"""Faults of the disk while the server runs: at every fsync, write, read and removal in turn, once or until room returns.

Law: what was acknowledged stays, what was refused leaves no trace, and the failure has the right name: a start fails with StorageUnusable or
BrokenJournal, a full disk makes the engine read-only until there is room again, and a journal that fails ends the engine.
After each run the folder is started again: as the system shows it, as a disk has it that dropped what a failed fsync should have written,
and as power cuts soon after the fault leave it.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from walletd.engine import EngineOptions, EngineState, Refusal
from walletd.engine.ports import OutcomeUnknown, StorageUnusable
from walletd.engine.records import BrokenJournal, Row

from . import one_thread
from .cuts import at
from .disk import Loss
from .promise import Checker, Expected, check_promises
from .recorder import Recorder
from .run import Recording, fill, recovered_beyond
from .service import Chosen, Service, open_service, small
from .sqlite_layer import Fault, Layer
from .traffic import Traffic
from .truth import Marks, Truth


def options_of(seed: int) -> EngineOptions:
    """Every second seed has more keys than memory's bound, so that they are looked up in the image."""
    return EngineOptions(room_poll_s=0.05, keys_in_memory_max=1_000_000 if seed % 2 else 4)


class Kind(NamedTuple):
    """A kind of fault: at which call, with which of SQLite's codes, for how many such calls, and whether half is written first."""

    name: str
    call: str
    code: int
    times: int = 1
    half: bool = False

    @property
    def full(self) -> bool:
        """Whether it says that the disk is full."""
        return self.code == sqlite3.SQLITE_FULL


KINDS: Final = (
    Kind("fsync", "sync", sqlite3.SQLITE_IOERR_FSYNC),
    Kind("every_fsync", "sync", sqlite3.SQLITE_IOERR_FSYNC, times=1 << 30),
    Kind("full", "write", sqlite3.SQLITE_FULL),
    Kind("full_for_long", "write", sqlite3.SQLITE_FULL, times=40),
    Kind("full_half_way", "write", sqlite3.SQLITE_FULL, half=True),
    Kind("short_write", "write", sqlite3.SQLITE_IOERR_WRITE, half=True),
    Kind("write", "write", sqlite3.SQLITE_IOERR_WRITE),
    Kind("read", "read", sqlite3.SQLITE_IOERR_READ),
    Kind("reads_for_long", "read", sqlite3.SQLITE_IOERR_READ, times=8),
    Kind("truncate", "truncate", sqlite3.SQLITE_IOERR_TRUNCATE),
    Kind("delete", "delete", sqlite3.SQLITE_IOERR_DELETE),
)


class Plan:
    """One fault: the n-th call of a kind, and as many after it as the kind says. `struck` tells where it began, None if it came to nothing."""

    def __init__(self, kind: Kind, n: int) -> None:
        self._kind = kind
        self._n = n
        self.calls = 0
        self.struck: str | None = None
        self.lifted = False

    def fault(self, call: str, path: str, size: int) -> Fault | None:
        """See Recorder."""
        if call != self._kind.call or self.lifted:
            return None
        self.calls += 1
        if not self._n <= self.calls < self._n + self._kind.times:
            return None
        self.struck = self.struck or path
        return Fault(self._kind.code, size // 2 if self._kind.half else 0)


class Faults:
    """What was done and found."""

    def __init__(self, layer: Layer, folder: Path, *, steps: int = 4) -> None:
        self._layer = layer
        self._folder = folder
        self._steps = steps
        self.figures = {"faults": 0, "starts_refused": 0, "engines_failed": 0, "read_only": 0, "went_on": 0}
        self.found: list[str] = []

    def sweep(self, seed: int, kind: Kind, *, first: int = 1, every: int = 1) -> Iterator[int]:
        """Strike at the first call, the next and so on, until the run has no more of them. Yields each number once it is done."""
        n = first
        while self.strike(seed, kind, n):
            yield n
            n += every

    def strike(self, seed: int, kind: Kind, n: int) -> bool:
        """One run with a fault at the n-th call; whether it came to that."""
        plan = Plan(kind, n)
        try:
            self._strike(seed, kind, plan)
        except Exception as error:  # noqa: BLE001 - whatever a run ends with is a finding
            why = f"{type(error).__name__}: {str(error)[:300]}"
            self.found.append(f"fault {seed}:{kind.name}:{n} at {plan.struck}: {why}")
        self.figures["faults"] += plan.struck is not None
        return plan.struck is not None

    def _strike(self, seed: int, kind: Kind, plan: Plan) -> None:
        fill(self._folder, {})
        recorder = Recorder(self._folder, seed=seed)
        marks = Marks(recorder.events, Truth(access=()))
        struck_after: list[int] = []

        def fault(call: str, path: str, size: int) -> Fault | None:
            found = plan.fault(call, path, size)
            if found is not None:
                struck_after.append(len(recorder.events))
            return found

        recorder.fault_of = fault
        chosen = Chosen(seed)
        keys: dict[int, bool | None] = {}
        with small(chosen), recorder.recording(self._layer, reads=kind.call == "read"):
            one_thread.run(self._run(seed, chosen, marks, kind, plan, keys))
        shown, kept = recorder.disk.files(), recorder.disk.cut(Loss.EVERYTHING, Random(seed))
        for files in (shown, kept):
            one_thread.run(self._check(files, marks.now, keys, seed))
        run = Recording(seed, {}, marks.before, recorder.events, marks.marks, options_of(seed))
        chance = Random(f"{seed} {plan.struck} {struck_after[:1]}")
        for first in struck_after[:1]:
            near = min(first + 3, len(run.events))
            for k in (near, chance.randint(near, min(near + 60, len(run.events)))):
                disk, truth = at(run, k)
                checker = Checker(self._folder, Expected(), options_of(seed))
                one_thread.run(checker.check(disk.cut(chance.choice((Loss.NOTHING, Loss.SOME)), chance), truth, chance))

    async def _run(
        self, seed: int, chosen: Chosen, marks: Marks, kind: Kind, plan: Plan, keys: dict[int, bool | None]
    ) -> None:
        random = Random(seed)
        for session in range(2):
            struck = plan.struck
            if session and seed % 4 >= 2:
                chosen.next_day()
            try:
                service = await open_service(self._folder, chosen, note=marks.group, options=options_of(seed))
            except (StorageUnusable, BrokenJournal) as refusal:
                _check_refusal(refusal, plan)
                self.figures["starts_refused"] += 1
                plan.lifted = plan.lifted or session == 0
                continue
            marks.add("durable", recovered_beyond(marks.now, await _rows(service)))
            traffic = Traffic(service, chosen, marks, random, f"f{session}", faulty=True)
            try:
                await self._traffic(service, traffic, kind, plan, anew=plan.struck is None or struck is None)
            finally:
                keys |= traffic.keys
                with contextlib.suppress(StorageUnusable):  # what the server's own stop allows for
                    await service.close()

    async def _traffic(self, service: Service, traffic: Traffic, kind: Kind, plan: Plan, *, anew: bool) -> None:
        engine = service.engine
        if await traffic.begin():
            await traffic.steps(self._steps)
        else:
            assert plan.struck, "what comes first is refused without a fault"
        if engine.state is EngineState.FAILED:
            failure = await engine.failure()
            assert plan.struck, f"failed without a fault: {failure}"
            assert not kind.full, f"a full disk has ended the engine: {failure}"
            assert isinstance(failure, OutcomeUnknown | StorageUnusable), f"failed by {failure!r}"
            self.figures["engines_failed"] += 1
            return
        if plan.struck and anew:
            self.figures["read_only"] += engine.state is EngineState.READ_ONLY
            self.figures["went_on"] += engine.state is EngineState.RUNNING
        await self._comes_back(service, traffic, plan)

    async def _comes_back(self, service: Service, traffic: Traffic, plan: Plan) -> None:
        """Once the fault is over, writes are taken and reads answered within moments, without anybody's help."""
        engine = service.engine
        while True:
            plan.lifted = plan.struck is not None
            await asyncio.sleep(5)
            if engine.state is not EngineState.FAILED:
                assert engine.state is EngineState.RUNNING, f"it does not come back: {engine.state}"
                try:
                    answered = await traffic.probe()
                except (Refusal, StorageUnusable):
                    answered = False
                if answered:
                    return
            # Where the fault had struck before, only the engine's own failure explains it; else it has struck just now.
            if engine.state is EngineState.FAILED:
                failure = await engine.failure()
                assert plan.struck, f"failed without a fault: {failure}"
                assert isinstance(failure, OutcomeUnknown | StorageUnusable), f"failed by {failure!r}"
                return
            assert plan.struck, "refused without a fault"
            assert not plan.lifted, "an engine that runs does not answer"

    async def _check(self, files: dict[str, bytes], truth: Truth, keys: dict[int, bool | None], seed: int) -> None:
        rows = await Checker(self._folder, Expected(), options_of(seed)).check(files, truth, Random(seed))
        check_promises(truth, rows)
        fill(self._folder, files)
        service = await open_service(self._folder, Chosen(seed), options=options_of(seed))
        try:
            there = {key.id: key.revoked_at is not None for key in await service.access.keys()}
        finally:
            await service.close()
        for number, revoked in keys.items():
            assert number in there, f"the API key {number} was acknowledged, and is gone"
            assert revoked is None or there[number] is revoked, f"the API key {number}: revoked is {there[number]}"


async def _rows(service: Service) -> list[Row]:
    """All rows; a read that fails is asked again, since it is not what is tested here."""
    for _ in range(20):
        with contextlib.suppress(StorageUnusable):
            return await service.journal.read(0, 1 << 30)
    return await service.journal.read(0, 1 << 30)


def _check_refusal(refusal: Exception, plan: Plan) -> None:
    """A start is refused for a fault only, and says which file or record it is."""
    assert plan.struck, f"refused without a fault: {refusal}"
    assert ".db" in str(refusal) or "record" in str(refusal), f"it names no file: {refusal}"
