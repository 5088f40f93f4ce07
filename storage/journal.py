"""The journal in SQLite: the truth, made durable a group at a time.

A group is one statement. It is its own transaction, so it costs one hop to the connection's thread and one release of
the interpreter's lock, however many rows it has: binding row by row would wait for that lock once a row beside a busy
event loop. The statement writes nothing under a stale epoch. Invariant: rows are 1..head without gaps, and a row that
a reader can see is durable, since SQLite publishes a commit only after its fsync.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, repeat, starmap
from pathlib import Path
from typing import Any, Final, NoReturn

import aiosqlite
import msgspec

from ..engine.journal import within_bytes
from ..engine.limits import GROUP_MAX, READ_BYTES_MAX, SEARCH_STEP_MAX
from ..engine.ports import Fenced, Head, JournalFull, OutcomeUnknown, StorageUnusable
from ..engine.records import GENESIS, Row
from .connections import checkpoint, code_of, open_reader, open_writer, unusable
from .migrations import JOURNAL

CHECKPOINT_BYTES: Final = 2 * 2**20
"""Log bytes after which a checkpoint runs: small, so that the append behind it waits a few milliseconds, and
the log is written again over its own blocks, which makes the fsync of an append cheaper than one that grows a file."""

IDLE_CHECK_S: Final = 1.0
"""How often an idle journal is looked at for a rest to checkpoint."""

ROOM_CHECK_S: Final = 0.1
ROOM_CHECK_BYTES: Final = 16 * 2**20
"""Free space is asked for again after this time or this many bytes, whichever comes first."""

FEW_ROWS: Final = 2
"""A read of no more rows than these takes them plainly, which is quicker than to make one value of them."""

PLAIN_ROWS_MAX: Final = 100
"""Rows that are read plainly at a time, each of which may be large: where few are asked for, or a damaged page stands in the way of the other."""

PAGE_BYTES: Final = 4096

# Where the table does not hold its one row alone, its pages are another table's: to write there would destroy records.
CLAIM: Final = (
    "UPDATE writer SET epoch = epoch + 1 WHERE id = 1 AND (SELECT count(*) FROM writer) = 1 "
    "AND typeof(epoch) = 'integer' RETURNING epoch"
)
EPOCH: Final = "SELECT epoch FROM writer WHERE id = 1"
# A damaged page can put a value of any type into any column; as something of the declared type it does not fit the chain.
_AT: Final = "CAST(coalesce(at, -1) AS INTEGER)"
_KIND: Final = "CAST(coalesce(kind, '') AS BLOB)"
_BODY: Final = "CAST(coalesce(body, '') AS BLOB)"
_CHAIN: Final = "CAST(coalesce(chain, '') AS BLOB)"
_ROW: Final = f"seq, {_AT}, CAST(coalesce(kind, '') AS TEXT), {_BODY}, {_CHAIN}"  # the body undecoded

HEAD: Final = f"SELECT seq, {_AT}, {_CHAIN} FROM journal ORDER BY seq DESC LIMIT 1"

READ: Final = f"SELECT {_ROW} FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"

# Many rows come as one value, the lengths of its parts beside it: SQLite makes it beside the event loop, without the
# interpreter's lock. A row of values would need the lock twice for each row.
READ_PAGE: Final = f"""
WITH RECURSIVE page(number, before) AS (
    SELECT min(seq), 0 FROM journal WHERE seq > ?1
    UNION ALL
    SELECT (SELECT min(seq) FROM journal WHERE seq > number), before + length({_BODY})
    FROM page CROSS JOIN journal ON seq = number WHERE before + length({_BODY}) < {READ_BYTES_MAX}
    LIMIT ?2)
SELECT (SELECT max(seq) FROM journal),
       json_group_array(json_array(seq, {_AT}, length({_KIND}), length({_BODY}), length({_CHAIN}))),
       CAST(coalesce(group_concat({_KIND} || {_BODY} || {_CHAIN}, ''), '') AS BLOB)
FROM page CROSS JOIN journal ON seq = number"""

SEARCH: Final = (  # SQLite looks into the bodies itself: only what matches is ever made an object of
    f"SELECT {_ROW} FROM journal WHERE seq > ? AND seq <= ? "
    "AND kind IN (SELECT value FROM json_each(?)) AND instr(body, CAST(? AS TEXT)) ORDER BY seq LIMIT ?"
)

_decode_lengths: Final = msgspec.json.Decoder(list[tuple[int, int, int, int, int]]).decode


@cache
def append_statement(width: int) -> str:
    """Inserts up to `width` rows, those beyond the group's end being null, if the epoch (the last parameter) is current."""
    rows = ",".join(repeat("(?,?,?,?,?)", width))
    return (
        "INSERT INTO journal SELECT column1, column2, column3, CAST(column4 AS TEXT), column5 "
        f"FROM (VALUES {rows}) WHERE column1 IS NOT NULL AND (SELECT epoch FROM writer WHERE id = 1) = ?"
    )


def free_bytes_of(folder: Path) -> int:
    """What an ordinary user may still write on the volume of a folder."""
    volume = os.statvfs(folder)
    return volume.f_bavail * volume.f_frsize


class SqliteJournal:
    """The JournalStore on one SQLite file.

    `reserve_bytes` of the volume stay free: an append that would find less is refused as JournalFull before it writes,
    so that checkpoints and the image still have room. `free_bytes` tells the free space of a folder.
    """

    def __init__(self, path: Path, *, reserve_bytes: int, free_bytes: Callable[[Path], int] = free_bytes_of) -> None:
        self._path = path
        self._reserve_bytes = reserve_bytes
        self._free_bytes = free_bytes
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()
        self._head_seq = 0  # the last durable record, as far as this writer knows
        self._free_known = 0  # free space at the last look, less what was written since
        self._free_until = 0.0  # monotonic time up to which that is good enough
        self._log_bytes = 0  # appended since the last checkpoint
        self._appends = 0
        self._failed: Exception | None = None  # why nothing may be written any more
        self._checkpointing: asyncio.Task[None] | None = None
        self._idle: asyncio.Task[None] | None = None

    async def claim(self) -> tuple[int, Head]:
        """See JournalStore. Opens the file, makes it if it is missing, and raises the epoch durably."""
        if self._writer is None:
            self._writer = await open_writer(self._path, JOURNAL, synchronous="FULL", cache_kib=4096)
        with unusable(self._path):
            rows = await _all(self._writer, CLAIM)
            if len(rows) != 1:
                raise StorageUnusable(f"{self._path} does not have one row in its table writer")
            head = await self._read_head()
        self._head_seq = head.seq
        if self._idle is None:
            self._idle = asyncio.create_task(self._checkpoint_when_idle())
        return int(rows[0][0]), head

    async def append(self, epoch: int, group: Sequence[Row]) -> None:
        """See JournalStore."""
        writer = self._writer
        assert writer is not None, "append before claim"
        assert 0 < len(group) <= GROUP_MAX
        assert group[0].seq == self._head_seq + 1
        assert group[-1].seq == self._head_seq + len(group)
        if self._failed is not None:
            raise OutcomeUnknown(f"{self._path} failed before") from self._failed
        size = sum(len(row.body) for row in group) + 64 * len(group)
        self._require_room(size)
        width = 1 << (len(group) - 1).bit_length()
        padding = repeat(None, 5 * (width - len(group)))
        values = [*chain.from_iterable(map(msgspec.structs.astuple, group)), *padding, epoch]
        try:
            before = writer.total_changes
            await writer.execute_fetchall(append_statement(width), values)
            written = writer.total_changes - before
        except sqlite3.Error as error:
            await self._refuse_or_fail(error)
        if written == 0:
            raise Fenced(f"{self._path} has been claimed by another writer")
        assert written == len(group)
        self._head_seq += written
        self._written(size)

    async def head(self) -> Head:
        """The last durable record, without a claim. Raises StorageUnusable."""
        with unusable(self._path):
            return _head_of(await _all(await self._reading(), HEAD))

    async def read(self, after: int, limit: int) -> list[Row]:
        """See JournalStore. Reads from a connection of its own, with or without a claim. Raises StorageUnusable."""
        with unusable(self._path):
            reader = await self._reading()
            if limit > FEW_ROWS:
                [(head, lengths, parts)] = await _all(reader, READ_PAGE, (after, limit))
                rows = _rows_of(lengths, parts)
                if _is_whole(rows, after, limit, head or 0):
                    return rows
            return within_bytes(starmap(Row, await _all(reader, READ, (after, min(limit, PLAIN_ROWS_MAX)))))

    async def search(self, after: int, through: int, kinds: tuple[str, ...], mark: bytes, limit: int) -> list[Row]:
        """See RecordSearch. Reads as `read` does. Raises StorageUnusable."""
        assert through - after <= SEARCH_STEP_MAX
        values = (after, through, msgspec.json.encode(kinds).decode(), mark, limit)
        with unusable(self._path):
            return list(starmap(Row, await _all(await self._reading(), SEARCH, values)))

    async def has_room(self) -> bool:
        """See JournalStore. Twice the reserve must be free, so that writing does not stop again at once."""
        return self._free_bytes(self._path.parent) > 2 * self._reserve_bytes

    async def close(self) -> None:
        """See JournalStore. The last checkpoint is SQLite's own, when its last connection closes."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._checkpointing is not None:
            await asyncio.wait([self._checkpointing])
        for connection in (self._reader, self._writer):
            if connection is not None:
                await connection.close()
        self._reader = self._writer = None

    async def checkpoint(self) -> None:
        """Move the log's content into the file, as far as no reader needs it. Appends meanwhile wait behind it."""
        if self._checkpointing is None or self._checkpointing.done():
            self._checkpointing = asyncio.create_task(self._checkpoint())
        await asyncio.wait([self._checkpointing])

    async def _reading(self) -> aiosqlite.Connection:
        async with self._opening:
            if self._reader is None:
                self._reader = await open_reader(self._path, JOURNAL)
            return self._reader

    async def _read_head(self) -> Head:
        assert self._writer is not None
        return _head_of(await _all(self._writer, HEAD))

    def _require_room(self, size: int) -> None:
        """Raises JournalFull if the volume has less than the reserve. Looks at the volume only now and then."""
        now = time.monotonic()
        if now >= self._free_until or self._free_known < self._reserve_bytes + ROOM_CHECK_BYTES:
            self._free_known = self._free_bytes(self._path.parent)
            self._free_until = now + ROOM_CHECK_S
        self._free_known -= size
        if self._free_known < self._reserve_bytes:
            raise JournalFull(f"{self._path}: less than {self._reserve_bytes} bytes are free on its volume")

    async def _refuse_or_fail(self, error: sqlite3.Error) -> NoReturn:
        """Always raises: JournalFull if the disk was full and nothing was written for certain, else OutcomeUnknown."""
        assert self._writer is not None
        if code_of(error) == sqlite3.SQLITE_FULL:
            try:
                if self._writer.in_transaction:
                    await self._writer.rollback()
                if (await self._read_head()).seq == self._head_seq:
                    raise JournalFull(f"{self._path}: {error}") from error
            except sqlite3.Error as second:
                error = second
        self._failed = error
        raise OutcomeUnknown(f"{self._path}: {error}") from error

    def _written(self, size: int) -> None:
        self._appends += 1
        self._log_bytes += size + PAGE_BYTES  # the page that was begun before is written again
        if self._log_bytes >= CHECKPOINT_BYTES and (self._checkpointing is None or self._checkpointing.done()):
            self._checkpointing = asyncio.create_task(self._checkpoint())

    async def _checkpoint(self) -> None:
        """A failure that `checkpoint` raises ends this writer: an fsync that failed may have dropped what it was to write, so it is never tried
        again, and the next append says so."""
        assert self._writer is not None
        self._log_bytes = 0
        try:
            await checkpoint(self._writer)
        except sqlite3.Error as error:
            self._failed = error

    async def _checkpoint_when_idle(self) -> None:
        while True:
            appends = self._appends
            await asyncio.sleep(IDLE_CHECK_S)
            if appends == self._appends and self._log_bytes > 0:
                await self.checkpoint()


async def _all(connection: aiosqlite.Connection, statement: str, values: Sequence[object] = ()) -> list[Any]:
    return list(await connection.execute_fetchall(statement, values))


def _is_whole(rows: list[Row], after: int, limit: int, head: int) -> bool:
    """Whether a page has all that it should have. Its rows are looked up by number, and a damaged page of the file can hide one from that which a
    walk from row to row still meets."""
    end = after + len(rows)
    if rows and rows[-1].seq != end:
        return False
    return len(rows) == limit or end >= head or sum(len(row.body) for row in rows) >= READ_BYTES_MAX


def _rows_of(lengths: str, parts: bytes) -> list[Row]:
    """The rows of a page: `parts` are kind, body and chain of each, `lengths` says where they end."""
    rows: list[Row] = []
    start = 0
    for seq, at, kind_length, body_length, chain_length in _decode_lengths(lengths):
        body = start + kind_length
        chain = body + body_length
        end = chain + chain_length
        rows.append(Row(seq, at, parts[start:body].decode(errors="replace"), parts[body:chain], parts[chain:end]))
        start = end
    return rows


def _head_of(rows: list[Any]) -> Head:
    return Head(*rows[0]) if rows else Head(0, 0, GENESIS)
