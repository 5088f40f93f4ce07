"""A schedule: some lives of one ledger under one seed, each ended by a crash, a failure or a stop, the next begun by real recovery.

The last life is calm: whoever does not know what became of a keyed request asks again, everything is folded, and the history is complete.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final

from walletd.engine import Engine, EngineOptions, EngineState, MemoryJournal
from walletd.engine.limits import GATHER_S, IDEMPOTENCY_KEY_LIFE_US
from walletd.engine.ports import Fenced, JournalFull, OutcomeUnknown, StorageUnusable
from walletd.engine.records import GENESIS, BrokenJournal, decode, decode_unchained
from walletd.tests.builders import Ids

from .clients import Clients
from .generator import Generator
from .genesis import first_time, genesis
from .history import History, Life
from .kinds import Kind
from .stores import SimulatedImage, SimulatedJournal, Weather
from .virtual_loop import new_loop
from .watching import left_behind, shown, watch

STEPS_MAX: Final = 20_000
"""Steps after which a life does not end by itself any more; usual ones have some hundreds."""
SETTLE_POLLS_MAX: Final = 400


class Schedule:
    """One seed. `run` gives its history; `reached` are the kinds it came by, `trace` its steps where they are wanted."""

    def __init__(self, seed: int, *, tracing: bool = False) -> None:
        self.random = random = Random(seed)
        self.tracing = tracing
        self.trace: list[str] = []
        self.reached: set[str] = set()
        start = genesis()
        self.store = MemoryJournal()
        self.store.rows = [*start.rows]
        self.history = History([], len(start.rows))
        self.weather = Weather(random, self.note, random.choice((0.0, 0.2, 0.5, 0.7)))
        self.image = start.image.copy(self.weather, self.store)
        self.journal = SimulatedJournal(self.store, self.weather)
        self.loop = new_loop(random)
        self.life = Life(0, len(start.rows))
        self.engine: Engine
        self.started = False
        self._ids = Ids()
        self._ids.last = start.last_id
        self._clock_offset = first_time()
        self._clock_peak = 0
        self._clients = Clients(self, random, Generator(random, start))
        self._busyness = random.choice((0.1, 0.4, 0.7, 0.9))
        self._trouble = random.choice((0.0, 0.0, 0.05, 0.15, 0.4))

    def run(self) -> History:
        """Live all lives."""
        random = self.random
        lives = random.choice((1, 1, 2, 2, 3))
        for _ in range(lives):
            self._live(random.randint(4, 28), crash=random.random() < 0.6)
        self.weather.trouble, self.weather.full_polls = 0.0, 0
        self._live(0, crash=False)
        self._finish()
        return self.history

    # ------------------------------------------------------------------------------------------------- one life

    def _live(self, acts: int, *, crash: bool) -> None:
        random, calm = self.random, acts == 0
        self.loop = new_loop(random, self.loop)
        self.journal = SimulatedJournal(self.store, self.weather)
        self.life = Life(len(self.history.lives), len(self.store.rows))
        self.history.lives.append(self.life)
        self.started = False
        self._clients.begin_life()
        if not calm:
            self.weather.trouble = self._trouble
            self.weather.full_polls = 0
        self._choose_image()
        self.note(None, f"life {self.life.number} begins after record {self.life.floor}")
        main = self.loop.create_task(self._life(acts, self._options(calm)))
        early = random.random() < 0.15
        crash_at = self.loop.steps + (random.randint(1, 12) if early else random.randint(10, 30 + 5 * acts))
        if crash and self.loop.run(main, crash_at) and not main.done():
            self._crash()
        else:
            self._end(main)
        self.history.raised += self.loop.raised
        self.loop.drop()

    def _options(self, calm: bool) -> EngineOptions:
        if calm:
            return EngineOptions(room_poll_s=0.01)
        random = self.random
        tight = random.random() < 0.25
        options = EngineOptions(
            in_flight_max=random.randint(1, 4) if tight else 1_000,
            mailbox_depth_max=random.randint(1, 2) if random.random() < 0.25 else 1_000,
            keys_in_memory_max=random.choice((1, 2, 1_000)),
            room_poll_s=0.01,
            gather_s=random.choice((0.0, GATHER_S)),
        )
        self.life.in_flight_max, self.life.mailbox_max = options.in_flight_max, options.mailbox_depth_max
        return options

    def _choose_image(self) -> None:
        """The image there is, or one that has fallen behind: it is folded on its own, and may be lost."""
        self.image.phase = None
        draw = self.random.random()
        start = genesis()
        if draw < 0.06:
            self.image = SimulatedImage(self.store, self.weather)
            self.note(Kind.IMAGE_LOST, "the image is lost")
        elif draw < 0.3 and self.image.seq > len(start.rows):
            through = self.random.randint(len(start.rows), self.image.seq - 1)
            self.image = start.image.copy(self.weather, self.store)
            for row in self.store.rows[len(start.rows) : through]:
                self.image.take(decode_unchained(row), row)
            self.note(Kind.IMAGE_BEHIND, f"the image is as of {through}")

    async def _life(self, acts: int, options: EngineOptions) -> None:
        try:
            self.engine = await Engine.start(
                self.journal, self.image, self.image, clock=self.clock, new_id=self._ids, options=options
            )
        except (StorageUnusable, JournalFull) as error:
            self._check_simulated(error)
            return
        self.started = True
        self.life.recovered = shown(self.engine.ledger)
        for code in ("USD", "EUR"):
            assert self.engine.ledger.asset(code).treasury.is_treasury
        self.note(None, f"recovered at {self.engine.ledger.seq}")
        if acts == 0:
            self._clients.ask_all_again()
        stop_at = self.random.randrange(acts) if acts and self.random.random() < 0.15 else -1
        stopping = await self._act(acts, stop_at)
        if stopping is None and (acts == 0 or self.random.random() < 0.8):
            await self._settle()
        elif stopping is None:
            await self.weather.pause()
        self._note_stop()
        try:
            await (stopping or self.engine.stop())
        except StorageUnusable as error:
            self._check_simulated(error)
        self.note(None, "stopped")

    def _check_simulated(self, error: Exception) -> None:
        if "simulated" not in str(error):
            self.history.raised.append(f"a life ended by {error!r}")

    async def _act(self, acts: int, stop_at: int) -> "asyncio.Task[None] | None":
        random, stopping = self.random, None
        for number in range(acts):
            if self.engine.state is EngineState.FAILED:
                break
            if number == stop_at:
                self._note_stop()
                stopping = asyncio.get_running_loop().create_task(self.engine.stop())
            if random.random() < 0.03:
                self._set_clock()
            self._clients.act()
            if random.random() > self._busyness:
                await asyncio.sleep(random.random() * 0.02)
            elif random.random() < 0.3:
                await asyncio.sleep(0)
        return stopping

    async def _settle(self) -> None:
        """Wait until nothing is under way, and see that nothing is left."""
        engine = self.engine
        for _ in range(SETTLE_POLLS_MAX):
            if engine.state is EngineState.FAILED:
                return
            if not (engine.in_flight or engine.waiting or engine.state is EngineState.READ_ONLY):
                break
            await asyncio.sleep(0.02)
        self.life.left += left_behind(engine)

    def _end(self, main: "asyncio.Task[None]") -> None:
        """A life that nothing cuts short ends, answers everybody and raises nothing."""
        if not self.loop.run(main, self.loop.steps + STEPS_MAX):
            self.history.raised.append("nothing is left to run, and the engine has neither stopped nor answered")
        elif not main.done():
            self.history.raised.append(f"the engine has not stopped after {STEPS_MAX} steps")
        else:
            self._note_failure()
            if main.exception() is not None:
                self.history.raised.append(f"a life ended by {main.exception()!r}")
            self.loop.run(None, self.loop.steps + STEPS_MAX)
            self.history.raised += [f"{who} was never answered" for who in self._clients.unanswered()]
            self.life.ended_well = self.started and self.engine.state is not EngineState.FAILED

    def _crash(self) -> None:
        self._note_failure()
        for kind in self._interrupted():
            self.note(kind, f"crash: {kind.value}")

    def _interrupted(self) -> Iterator[Kind]:
        """What a crash now cuts short."""
        if not self.started:
            yield Kind.CRASH_IN_RECOVERY
            return
        engine = self.engine
        if self.life.stopped is not None:
            yield Kind.CRASH_WHILE_STOPPING
        if engine.state is EngineState.READ_ONLY:
            yield Kind.CRASH_READ_ONLY
        if self.image.phase is not None:
            yield self.image.phase
        if self.journal.phase is not None:
            yield self.journal.phase
        elif engine.in_flight:
            yield Kind.CRASH_BEFORE_APPEND
        else:
            yield Kind.CRASH_QUIET

    # ----------------------------------------------------------------------------------------------------- looking

    def clock(self) -> int:
        """The engine's clock."""
        now = self._clock_offset + int(self.loop.time() * 1_000_000)
        if now > self._clock_peak:
            self._clock_peak = now
        return now

    def _set_clock(self) -> None:
        """Somebody sets the clock: back, or past the life of every key."""
        if self.random.random() < 0.6:
            self._clock_offset -= self.random.randint(1, 5_000_000)
            self.note(Kind.CLOCK_BACK, "the clock is set back")
        else:
            self._clock_offset += IDEMPOTENCY_KEY_LIFE_US + self.random.choice((-1, 1, 3)) * 1_000_000
            self.note(Kind.KEY_EXPIRED, "the clock is set past the life of keys")
        self.history.clock_peaks.append((len(self.store.rows), self.clock()))

    def note(self, kind: Kind | None, words: str) -> None:
        """Somewhere something happened."""
        if kind is not None:
            self.reached.add(kind.value)
            self._follow(kind)
        if words and self.tracing:
            self.trace.append(f"{self.loop.steps:6d} {self.loop.time():9.4f}  {words}")
        if self.started and (kind is None or kind is Kind.DISK_FULL):
            self.history.holdings += watch(
                self.engine, self.loop.steps, self.journal.phase, self.image.phase, self.reached
            )

    def _follow(self, kind: Kind) -> None:
        step = self.loop.steps
        if kind is Kind.DISK_FULL:
            self.life.full.append(step)
            if self.started and self.engine.waiting:
                self.reached.add(Kind.FULL_WITH_WAITING.value)
        elif kind is Kind.ROOM_AGAIN:
            self.life.room.append(step)
        elif kind is Kind.FOLD_FULL:
            self.life.fold_full.append(step)
        elif self.life.failed is None and kind in _FATAL:
            self.life.failed = step

    def _note_stop(self) -> None:
        if self.life.stopped is None and self.engine.state is not EngineState.FAILED:
            self.life.stopped = self.loop.steps
            self.note(Kind.STOP_IN_FLIGHT if self.engine.in_flight else Kind.STOP_IDLE, "stop")
            if self.journal.phase is not None:
                self.reached.add(Kind.STOP_IN_FLUSH.value)

    def _note_failure(self) -> None:
        """An engine may fail only of what the disk did to it."""
        if self.started and self.engine._failure.done():
            error = self.engine._failure.result()
            if not isinstance(error, StorageUnusable | OutcomeUnknown | Fenced):
                self.history.raised.append(f"the engine failed: {error!r}")

    def _finish(self) -> None:
        """Read everything back."""
        start, history = genesis(), self.history
        history.records, history.book, history.states = [*start.records], start.book.copy(), [*start.states]
        replay = start.image.copy(self.weather, self.store)
        chain = self.store.rows[history.prefix - 1].chain if history.prefix else GENESIS
        for row in self.store.rows[history.prefix :]:
            try:
                record = decode(row, chain)
            except BrokenJournal as error:
                history.chain_broken = str(error)
                record = decode_unchained(row)
            history.records.append(record)
            replay.take(record, row)
            chain = row.chain
        history.states = [replace(state, book=history.book) for state in history.states]
        history.follow()
        history.image, history.replayed = self.image.contents(), replay.contents()


_FATAL: Final = (
    Kind.UNKNOWN_WRITTEN,
    Kind.UNKNOWN_UNWRITTEN,
    Kind.FENCED,
    Kind.UNUSABLE_IN_FOLD,
    Kind.UNUSABLE_IN_QUERY,
    Kind.UNUSABLE_AT_START,
)
"""After these an engine may fail; an image may fail it where it was made anew before."""
