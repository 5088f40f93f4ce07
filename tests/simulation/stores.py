"""The simulated disk: a journal and an image that are slow, full, fail with an unknown outcome, or belong to another writer.

What is in them survives a crash; a transaction is there as a whole or not at all. `phase` says where a call stands, so that a crash can be
told by what it interrupted.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from typing import TypeVar

from walletd.engine import MemoryImage, MemoryJournal
from walletd.engine.ports import (
    Chunk,
    Fenced,
    Head,
    HistoryPage,
    HistoryQuery,
    ImageCounters,
    JournalFull,
    OutcomeUnknown,
    StorageUnusable,
    Transaction,
)
from walletd.engine.records import Record, Row

from .kinds import Kind

T = TypeVar("T")


class Weather:
    """What the disk does next. Calm, it only takes its time; `trouble` is how likely each call is to fail.

    `note(kind, words)` is told what happened.
    """

    def __init__(self, random: Random, note: Callable[[Kind | None, str], None], slowness: float) -> None:
        self.random = random
        self.note = note
        self.slowness = slowness
        self.trouble = 0.0
        self.full_polls = 0
        """How often `has_room` will still say no."""

    async def pause(self) -> None:
        """Take some time, or none."""
        draw = self.random.random()
        if draw < 0.3:
            return
        if draw < 0.3 + self.slowness:
            await asyncio.sleep(self.random.random() * 0.02)
        else:
            await asyncio.sleep(0)

    def strikes(self, share: float) -> bool:
        """Whether a fault that takes this share of the trouble comes now."""
        return self.trouble > 0 and self.random.random() < self.trouble * share


class SimulatedJournal:
    """A JournalStore over rows that survive."""

    def __init__(self, store: MemoryJournal, weather: Weather) -> None:
        self.store = store
        self.weather = weather
        self.phase: Kind | None = None
        self._over = False

    async def claim(self) -> tuple[int, Head]:
        """See JournalStore."""
        await self.weather.pause()
        return await self.store.claim()

    async def append(self, epoch: int, group: Sequence[Row]) -> None:
        """See JournalStore."""
        weather = self.weather
        assert not self._over, "a writer whose outcome is unknown, or who was fenced, must not write again"
        assert self.phase is None, "one append at a time"
        weather.note(None, f"append {group[0].seq}..{group[-1].seq}")
        self.phase = Kind.CRASH_IN_FLUSH
        try:
            await weather.pause()
            unknown = self._fail(group)
            if weather.strikes(0.15):
                await self.store.claim()
                weather.note(Kind.FENCED, "another writer claims the journal")
            await self.store.append(epoch, group)
            self.phase = Kind.CRASH_AFTER_FLUSH
            weather.note(None, f"durable through {group[-1].seq}")
            await weather.pause()
            if unknown:
                weather.note(Kind.UNKNOWN_WRITTEN, "outcome unknown, written")
                raise OutcomeUnknown("written")
        except (OutcomeUnknown, Fenced):
            self._over = True
            raise
        finally:
            self.phase = None

    def _fail(self, group: Sequence[Row]) -> bool:
        """Raise what hinders the write; returns whether the outcome will be unknown although it is written."""
        weather = self.weather
        if weather.full_polls or weather.strikes(0.5):
            weather.full_polls = weather.full_polls or weather.random.randint(1, 4)
            weather.note(Kind.DISK_FULL, "no room for the group")
            raise JournalFull("simulated")
        if weather.strikes(0.2):
            weather.note(Kind.UNKNOWN_UNWRITTEN, "outcome unknown, not written")
            raise OutcomeUnknown("not written")
        return weather.strikes(0.2)

    async def read(self, after: int, limit: int) -> list[Row]:
        """See JournalStore."""
        await self.weather.pause()
        return await self.store.read(after, limit)

    async def has_room(self) -> bool:
        """See JournalStore."""
        weather = self.weather
        weather.full_polls = max(0, weather.full_polls - 1)
        if weather.full_polls == 0:
            weather.note(Kind.ROOM_AGAIN, "there is room again")
        return weather.full_polls == 0

    async def close(self) -> None:
        """See JournalStore."""


class SimulatedImage(MemoryImage):
    """An Image that survives, folds in small steps, and sometimes cannot be used."""

    def __init__(self, journal: MemoryJournal, weather: Weather) -> None:
        super().__init__(journal)
        self.weather = weather
        self.phase: Kind | None = None

    @property
    def seq(self) -> int:
        """The record that it is as of."""
        return self._head.seq

    def copy(self, weather: Weather, journal: MemoryJournal) -> "SimulatedImage":
        """One with the same contents over another journal."""
        other = SimulatedImage(journal, weather)
        other._head = self._head
        other._assets, other._users, other._wallets = [*self._assets], [*self._users], [*self._wallets]
        other._transactions = [*self._transactions]
        other._histories = {wallet: [*history] for wallet, history in self._histories.items()}
        other._keys = dict(self._keys)
        return other

    def take(self, record: Record, row: Row) -> None:
        """Apply one record at once."""
        self._apply(record)
        self._head = Head(row.seq, row.at, row.chain)

    def contents(self) -> dict[str, object]:
        """Everything but the keys, which expire, as plain values."""
        return {
            "head": self._head,
            "assets": self._assets,
            "users": self._users,
            "wallets": self._wallets,
            "transactions": self._transactions,
            "histories": self._histories,
        }

    async def open(self) -> tuple[Head, ImageCounters]:
        """See Image."""
        await self.weather.pause()
        self._may_be_unusable(Kind.UNUSABLE_AT_START, 0.3)
        return await super().open()

    async def load(self, keys_since: int) -> AsyncIterator[Chunk]:
        """See Image."""
        async for chunk in super().load(keys_since):
            await self.weather.pause()
            yield chunk

    async def fold(self, through: int) -> Head:
        """See Image."""
        weather = self.weather
        assert self.phase is None, "one fold at a time"
        self.phase = Kind.CRASH_IN_FOLD
        try:
            await weather.pause()
            if weather.full_polls or weather.strikes(0.15):
                weather.note(Kind.FOLD_FULL, "no room to fold")
                raise JournalFull("simulated")
            self._may_be_unusable(Kind.UNUSABLE_IN_FOLD, 0.07)
            head = await super().fold(min(through, self.seq + weather.random.choice((1, 2, 5, 50))))
            self.phase = Kind.CRASH_AFTER_FOLD
            weather.note(None, f"folded through {head.seq}")
            await weather.pause()
            return head
        finally:
            self.phase = None

    async def reset(self) -> None:
        """See Image."""
        await self.weather.pause()
        await super().reset()
        await self.weather.pause()

    def _may_be_unusable(self, kind: Kind, share: float) -> None:
        if self.weather.strikes(share):
            self.weather.note(kind, "the image cannot be used")
            raise StorageUnusable("simulated")

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        await self.weather.pause()
        self._may_be_unusable(Kind.UNUSABLE_IN_QUERY, 0.1)
        return await question()

    async def transaction(self, number: int) -> Transaction | None:
        """See Queries."""
        ask = super().transaction
        return await self._asked(lambda: ask(number))

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """See Queries."""
        ask = super().history
        return await self._asked(lambda: ask(query))

    async def key(self, digest: bytes) -> int | None:
        """See Queries."""
        ask = super().key
        self.weather.note(Kind.KEY_FROM_IMAGE, "a key is looked up in the image")
        return await self._asked(lambda: ask(digest))
