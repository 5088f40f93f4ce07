"""The journal's near side: numbering, time, the chain, and which records go into one flush.

Records are appended in the order in which they will be replayed; `encode` makes a group of those that wait, and `flush` makes that group durable.
Invariant: the store holds a gap-free prefix of what was appended; everything after it is still here.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from .limits import GROUP_BYTES_MAX, GROUP_MAX, LOAD_CHUNK, READ_BYTES_MAX
from .ports import Head, JournalStore
from .records import Body, Record, Row, encode


def within_bytes(rows: Iterable[Row]) -> list[Row]:
    """The first of the rows, up to the one with which their bodies reach READ_BYTES_MAX."""
    taken: list[Row] = []
    size = 0
    for row in rows:
        if size >= READ_BYTES_MAX:
            break
        taken.append(row)
        size += len(row.body)
    return taken


class Pages:
    """The durable rows with after < seq <= through, oldest first; each page is read while the one before is used.

    Where rows are missing, they may end early, or go beyond `through`: as many as were expected. `close` drops what was read ahead.
    """

    def __init__(self, store: JournalStore, after: int, through: int) -> None:
        self._store = store
        self._through = through
        self._begin(after)

    async def next(self) -> list[Row]:
        """The next page, empty at the end. Raises what the store's `read` raises."""
        if self._page is None:
            return []
        rows = await self._page
        if rows:
            self._begin(rows[-1].seq)
            await asyncio.sleep(0)  # so that it begins at once
        return rows

    def _begin(self, after: int) -> None:
        left = self._through - after
        self._page = asyncio.create_task(self._store.read(after, min(LOAD_CHUNK, left))) if left > 0 else None

    def close(self) -> None:
        """Read no further. Safe to call twice."""
        if self._page is not None:
            self._page.cancel()


class Journal:
    """The one writer of a journal store.

    `seq` and `at` are those of the last record appended, durable or not.
    """

    def __init__(self, store: JournalStore, epoch: int, head: Head, clock: Callable[[], int]) -> None:
        self._store = store
        self._epoch = epoch
        self._clock = clock
        self._durable = head
        self.seq = head.seq
        self.at = head.at

    @property
    def durable(self) -> Head:
        """The last record that survives a power cut."""
        return self._durable

    def stamp(self, kind: str, body: Body) -> Record:
        """Number and date the next record. Time never falls, whatever the clock does."""
        self.seq += 1
        now = self._clock()
        if now > self.at:
            self.at = now
        return Record(self.seq, self.at, kind, body)

    def unstamp(self, seq: int) -> None:
        """Give back every number from `seq` on: those records were released."""
        assert seq > self._durable.seq
        self.seq = seq - 1

    def now(self) -> int:
        """The time that the next record would carry."""
        return max(self._clock(), self.at)

    def encode(self, records: Sequence[Record]) -> list[Row]:
        """The rows of the records after the durable ones, as many as one flush takes: at least one."""
        rows: list[Row] = []
        chain = self._durable.chain
        size = 0
        for record in records[:GROUP_MAX]:
            row = encode(record, chain)
            size += len(row.body)
            if rows and size > GROUP_BYTES_MAX:
                break
            rows.append(row)
            chain = row.chain
        return rows

    async def flush(self, rows: Sequence[Row]) -> None:
        """Make a group durable. Raises JournalFull, OutcomeUnknown, Fenced."""
        assert rows[0].seq == self._durable.seq + 1
        await self._store.append(self._epoch, rows)
        last = rows[-1]
        self._durable = Head(last.seq, last.at, last.chain)
