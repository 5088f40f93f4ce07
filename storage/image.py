"""The image in SQLite: the whole ledger as of one record, folded forward from the journal and open to questions.

Invariant: what a transaction commits is the ledger after the record that `head` names, wholly, and no other. The file is
synchronised at checkpoints only (`synchronous=NORMAL`): the journal is durable before a record is folded, and a log cut
short by a power cut loses whole transactions from its end, so the image comes back as of an earlier record and is
folded on from there. It is never trusted further than it can be checked against the journal, which can make it anew.
"""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiosqlite
import msgspec

from ..engine.idempotency import key_digest
from ..engine.limits import FOLD_STEP_MAX
from ..engine.ports import (
    Chunk,
    Head,
    HistoryPage,
    HistoryQuery,
    ImageCounters,
    JournalFull,
    NumberedPage,
    NumberedQuery,
    StorageUnusable,
    Transaction,
    WalletQuery,
)
from ..engine.records import KINDS
from . import fold as program
from . import history, loading
from .connections import checkpoint, code_of, open_reader, open_writer, read_only_uri, unusable
from .migrations import LEDGER

LEGS_IN_STEP_MAX: Final = 40_000
"""Legs after which a step takes no further record: a batch has thousands, and a step must stay short."""

CHECKPOINT_LEGS: Final = 10_000
"""Legs folded from one checkpoint to the next: balances' pages are dirtied in every step and written once, but what is written at once
delays the journal's flushes on the same disk (80,000: by 25 ms)."""

CHECKPOINT_STEPS: Final = 400
"""Steps after which a checkpoint runs however few legs they had: where each read asks for a step, each logs its dozen pages anew."""

KEYS_FORGOTTEN_MAX: Final = 5_000
"""Idempotency keys deleted in one call."""

READERS: Final = 2
"""Connections for questions: a long walk on one leaves the other free."""

FOLD_CACHE_KIB: Final = 65_536
"""Page cache of the fold: it holds the balances of a million wallets, which each step updates at random."""

HEAD: Final = "SELECT seq, at, chain, users, wallets, transactions, entries FROM head WHERE id = 1"

FORGET_KEYS: Final = f"""
DELETE FROM idempotency_keys WHERE seq <= (
    SELECT max(seq) FROM (SELECT seq, at FROM idempotency_keys ORDER BY seq LIMIT {KEYS_FORGOTTEN_MAX}) WHERE at < :before
)"""

# Made when the first key is looked up: most servers hold all living keys in memory and never pay for it.
INDEX_KEYS: Final = """
CREATE INDEX IF NOT EXISTS idempotency_keys_by_digest ON idempotency_keys (key_digest(scope, key))"""

FIND_KEY: Final = "SELECT seq FROM idempotency_keys WHERE key_digest(scope, key) = ? ORDER BY seq DESC LIMIT 1"


class SqliteImage:
    """Image and Queries on one SQLite file. The journal is attached for reading; it must exist when `open` is called.

    One connection folds; questions have connections of their own and see the latest whole step.
    """

    def __init__(self, path: Path, journal_path: Path) -> None:
        self._path = path
        self._journal_path = journal_path
        self._folder: aiosqlite.Connection | None = None
        self._readers: list[aiosqlite.Connection] = []
        self._turns = itertools.count()
        self._writing = asyncio.Lock()  # one transaction at a time on the folding connection
        self._head = Head(0, 0, b"")
        self._counters = ImageCounters(0, 0, 0, 0)
        self._legs_in_log = 0  # folded since the last checkpoint
        self._steps_in_log = 0
        self._keys_indexed = False
        self._checkpointing: asyncio.Task[None] | None = None

    async def open(self) -> tuple[Head, ImageCounters]:
        """See Image."""
        await self._connect()
        assert self._folder is not None
        with unusable(self._path):
            await self._read_head()
            for finding in await loading.findings(self._readers, self._counters):
                raise StorageUnusable(f"{self._path} cannot be trusted: {finding}")
        return self._head, self._counters

    async def load(self, keys_since: int) -> AsyncIterator[Chunk]:
        """See Image."""
        try:
            with unusable(self._path):
                async for chunk in loading.chunks(self._reader(), keys_since):
                    yield chunk
                for connection in self._readers:  # what they read once is not read again: eight megabytes
                    await connection.execute_fetchall("PRAGMA shrink_memory")
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise StorageUnusable(f"{self._path} has a row that cannot be read: {error}") from error

    async def fold(self, through: int) -> Head:
        """See Image."""
        if through <= self._head.seq:
            return self._head
        if self._checkpointing is not None:
            await asyncio.wait([self._checkpointing])
            self._checkpointing.result()
        async with self._writing:
            await self._transaction(self._fold_step, through)
            self._steps_in_log += 1
        if self._legs_in_log >= CHECKPOINT_LEGS or self._steps_in_log >= CHECKPOINT_STEPS:
            self._checkpointing = asyncio.create_task(self._checkpoint(), name="walletd image checkpoint")
        return self._head

    async def expire_keys(self, before: int) -> bool:
        """See Image. Raises as `fold` does."""
        async with self._writing:
            folder = self._folder
            assert folder is not None, "used before open"
            changes = folder.total_changes
            await self._transaction(self._forget_keys, before)
            return folder.total_changes - changes >= KEYS_FORGOTTEN_MAX

    async def reset(self) -> None:
        """See Image. What was there is set aside under another name, in case somebody wants to look at it."""
        await self.close()
        with unusable(self._path):
            _set_aside(self._path)
        await self._connect()

    async def close(self) -> None:
        """See Image."""
        if self._checkpointing is not None:
            await asyncio.wait([self._checkpointing])
            self._checkpointing.exception()  # the next start finds out
            self._checkpointing = None
        async with self._writing:
            for connection in (*self._readers, self._folder):
                if connection is not None:
                    await connection.close()
            self._readers, self._folder = [], None
            self._keys_indexed = False

    async def transaction(self, number: int) -> Transaction | None:
        """See Queries."""
        with unusable(self._path):
            found = await history.transactions(self._reader(), [number])
            return found[0] if found else None

    async def transactions(self, numbers: Sequence[int]) -> list[Transaction]:
        """See Queries."""
        with unusable(self._path):
            return await history.transactions(self._reader(), numbers)

    async def transaction_of_entry(self, entry: int) -> Transaction | None:
        """See Queries."""
        with unusable(self._path):
            return await history.transaction_of_entry(self._reader(), entry)

    async def numbered(self, query: NumberedQuery) -> NumberedPage:
        """See Queries."""
        with unusable(self._path):
            return await history.numbered(self._reader(), query)

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """See Queries."""
        with unusable(self._path):
            return await history.page(self._reader(), query)

    async def wallets(self, query: WalletQuery) -> list[int]:
        """See Queries."""
        with unusable(self._path):
            return await history.wallets(self._reader(), query)

    async def key(self, digest: bytes) -> int | None:
        """See Queries. The first call builds an index over the keys that the image holds."""
        if not self._keys_indexed:
            # Where the disk has no room for the index, the keys are walked instead.
            with suppress(JournalFull):
                async with self._writing:
                    await self._transaction(self._index_keys, None)
                self._keys_indexed = True
        with unusable(self._path):
            rows = list(await self._reader().execute_fetchall(FIND_KEY, (digest,)))
            return rows[0][0] if rows else None

    def _reader(self) -> aiosqlite.Connection:
        assert self._readers, "asked before open"
        return self._readers[next(self._turns) % len(self._readers)]

    async def _connect(self) -> None:
        """Open every connection, unless they are open. Leaves none open when it fails."""
        if self._folder is not None:
            return
        folder = await open_writer(self._path, LEDGER, synchronous="NORMAL", cache_kib=FOLD_CACHE_KIB)
        self._folder = folder
        try:
            with unusable(self._path):
                # Zeros over what is replaced would be one more write of every page; the journal holds it all anyway.
                await folder.execute_fetchall("PRAGMA secure_delete = OFF")
                await folder.execute_fetchall(program.PAIRS_TABLE)
                await self._read_head()
            for _ in range(READERS):
                self._readers.append(await open_reader(self._path, LEDGER))
            for connection in (folder, *self._readers):
                await connection.create_function("key_digest", 2, key_digest, deterministic=True)
                with unusable(self._journal_path):
                    await connection.execute_fetchall("ATTACH ? AS journal", (read_only_uri(self._journal_path),))
                    await connection.execute_fetchall("SELECT 1 FROM journal.journal LIMIT 1")
        except BaseException:
            await self.close()
            raise

    async def _read_head(self) -> None:
        assert self._folder is not None
        rows = list(await self._folder.execute_fetchall(HEAD))
        if len(rows) != 1:
            raise StorageUnusable(f"{self._path} has no row in its table head")
        seq, at, chain, *counters = rows[0]
        self._head, self._counters = Head(seq, at, chain), ImageCounters(*counters)

    async def _transaction(self, work: Any, argument: Any) -> None:
        """Run `work` in one transaction, all or nothing, whatever ends it. Raises JournalFull, StorageUnusable."""
        folder = self._folder
        assert folder is not None, "used before open"
        try:
            with unusable(self._path):
                try:
                    if folder.in_transaction:  # a rollback was itself cut short
                        await folder.rollback()
                    await folder.execute_fetchall("BEGIN IMMEDIATE")
                    await work(folder, argument)
                    await folder.execute_fetchall("COMMIT")
                except BaseException:
                    await folder.rollback()  # behind a BEGIN that was cancelled and is still to run
                    raise
                await self._read_head()
        except StorageUnusable as error:
            if code_of(error.__cause__) == sqlite3.SQLITE_FULL:
                raise JournalFull(f"{self._path}: {error.__cause__}") from error.__cause__
            raise

    async def _fold_step(self, folder: aiosqlite.Connection, through: int) -> None:
        await self._read_head()  # a fold that was cancelled may have been committed all the same
        if through <= self._head.seq:
            return
        step = {"after": self._head.seq, "entries": self._counters.entries}
        step["last"] = await self._end_of_step(folder, step, min(through, self._head.seq + FOLD_STEP_MAX))
        kinds: dict[str, int] = dict(await _all(folder, program.KINDS_IN_STEP, step))
        if sum(kinds.values()) != step["last"] - step["after"]:
            raise StorageUnusable(f"{self._journal_path} lacks records between {step['after']} and {step['last']}")
        if not kinds.keys() <= KINDS:
            raise StorageUnusable(
                f"{self._journal_path} has a kind that cannot be folded: {sorted(kinds.keys() - KINDS)}"
            )
        numbered = {"users": 0, "wallets": 0, "transactions": 0, "entries": 0}
        moves = sum(kinds.get(kind, 0) for kind in program.MOVES)
        await self._run(folder, program.BEFORE_MOVES, kinds, step, numbered)
        if moves:
            changes = folder.total_changes
            await folder.execute_fetchall(program.PAIRS.sql, step)
            if pairs := folder.total_changes - changes:
                await self._run(folder, program.OF_PAIRS, kinds, step, numbered)
            if pairs < moves:
                await self._run(folder, program.OF_OTHER_MOVES, kinds, step, numbered)
            await self._run(folder, program.AFTER_MOVES, kinds, step, numbered)
        await folder.execute_fetchall(program.HEAD_OF_STEP, step)
        await self._check_numbers(folder, numbered)
        self._legs_in_log += numbered["entries"] + numbered["users"] + numbered["wallets"]

    async def _end_of_step(self, folder: aiosqlite.Connection, step: Mapping[str, int], last: int) -> int:
        """The last record of a step that has at most LEGS_IN_STEP_MAX legs before its last move."""
        while last > step["after"] + 1:
            rows = await _all(folder, program.LEGS_BEFORE_LAST_MOVE, {**step, "last": last})
            if not rows or rows[0][0] <= LEGS_IN_STEP_MAX:
                break
            last = step["after"] + (last - step["after"]) // 2
        return last

    async def _run(
        self,
        folder: aiosqlite.Connection,
        statements: tuple[program.Statement, ...],
        kinds: Mapping[str, int],
        step: Mapping[str, int],
        numbered: dict[str, int],
    ) -> None:
        """Run those statements that concern a kind of the step, counting the numbered rows they make."""
        for statement in statements:
            if statement.kinds.isdisjoint(kinds):
                continue
            changes = folder.total_changes
            await folder.execute_fetchall(statement.sql, step)
            if statement.numbers is not None:
                numbered[statement.numbers] += folder.total_changes - changes

    async def _check_numbers(self, folder: aiosqlite.Connection, numbered: Mapping[str, int]) -> None:
        """Rows are numbered without gaps: as many were made as the highest number grew by."""
        counters = dict(zip(numbered, (await _all(folder, HEAD))[0][3:], strict=True))
        for name, made in numbered.items():
            if counters[name] != getattr(self._counters, name) + made:
                raise StorageUnusable(f"{self._path}: {name} are not numbered without gaps up to {counters[name]}")

    async def _forget_keys(self, folder: aiosqlite.Connection, before: int) -> None:
        await folder.execute_fetchall(FORGET_KEYS, {"before": before})

    async def _index_keys(self, folder: aiosqlite.Connection, _: None) -> None:
        await folder.execute_fetchall(INDEX_KEYS)

    async def _checkpoint(self) -> None:
        """Write the log into the file, beside those who wait for the step before it."""
        async with self._writing:
            assert self._folder is not None
            self._legs_in_log = self._steps_in_log = 0
            with unusable(self._path):
                await checkpoint(self._folder)


async def _all(
    connection: aiosqlite.Connection, statement: str, values: Mapping[str, object] | tuple[()] = ()
) -> list[Any]:
    return list(await connection.execute_fetchall(statement, values))


def set_aside_path(path: Path) -> Path:
    """Where `reset` puts the file that it replaces."""
    return path.with_name(path.name + ".set-aside")


def _set_aside(path: Path) -> None:
    """Rename a file of SQLite and delete its log and index, those first: a log must never meet another file's pages."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    if path.exists():
        path.replace(set_aside_path(path))
