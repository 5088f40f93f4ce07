"""The full check of a data folder: the journal row by row, and the image against a fold of the journal from its first record.

It only reads, so it may run beside a server. What changes in place is copied in one short read; what is only appended is
compared a range at a time. A server's checkpoints wait for neither long. The fold goes to a scratch folder inside the data folder, which
therefore needs as much room again as the image.
"""

import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiosqlite
import msgspec

from ..engine.ports import Head, JournalFull, StorageUnusable
from .connections import open_reader, read_only_uri
from .folder import IMAGE_NAME, JOURNAL_NAME
from .image import SqliteImage
from .journal import SqliteJournal
from .loading import not_zero
from .migrations import JOURNAL, LEDGER
from .scan import FINDINGS_MAX, Finding, Progress, scan, silent

RANGE: Final = 50_000
"""Rows of a table compared at a time."""

WALLETS_RANGE: Final = 5_000
"""Wallets whose milestones are compared at a time: a busy one has thousands."""

COPIED: Final = {"assets": "id", "users": "id", "wallets": "number", "balances": "wallet"}
"""Tables that change in place, and their keys: compared as they were at one moment."""

APPENDED: Final = {
    "transactions": ("id", "id <= :transactions"),
    "entries": ("id", "id <= :entries"),
    "milestones": ("wallet", "entry <= :entries"),
    "idempotency_keys": ("seq", "seq <= :seq AND seq >= (SELECT min(seq) FROM live.idempotency_keys)"),
}
"""Tables that only grow, their keys, and what of them belongs to the image's head. Expired keys are gone from the front."""

INVARIANTS: Final = {
    "assets": (
        f"SELECT asset FROM wallet_states GROUP BY asset HAVING {not_zero('posted')}",
        "the balances of its wallets do not sum to zero",
    ),
    "wallets": (
        "SELECT number FROM wallet_states WHERE posted < 0 AND user_id <> 0",
        "its balance is negative",
    ),
    "balances": (
        "SELECT balances.wallet FROM balances LEFT JOIN entries AS e ON e.id = last_entry "
        "WHERE e.wallet IS NOT balances.wallet OR e.ordinal <> entry_count OR e.balance_after <> posted",
        "it is not what the wallet's latest entry says",
    ),
    "entries": (
        "SELECT e.id FROM entries AS e LEFT JOIN entries AS p ON p.id = e.previous "
        "WHERE e.ordinal <> coalesce(p.ordinal, 0) + 1 OR e.balance_after <> coalesce(p.balance_after, 0) + e.amount "
        "OR (p.id IS NOT NULL AND p.wallet <> e.wallet) OR (p.id IS NULL AND e.previous <> 0)",
        "it does not follow from the wallet's entry before it",
    ),
    "transactions": (
        "SELECT transaction_id FROM entries JOIN wallets ON number = wallet "
        f"GROUP BY transaction_id, asset HAVING {not_zero('amount')}",
        "its entries do not sum to zero",
    ),
}
"""Table → (keys of rows that break the rule, the sentence that says so), asked of the fold."""


class Report(msgspec.Struct, frozen=True):
    """What a check saw. `image` is the record that the image was as of; None if there is no image."""

    journal: Head
    image: Head | None
    findings: list[Finding]

    @property
    def sound(self) -> bool:
        return not self.findings


async def verify(folder: Path, on_progress: Progress = silent) -> Report:
    """Check everything in a data folder. Raises StorageUnusable if there is no journal that can be opened."""
    image_path = folder / IMAGE_NAME
    async with AsyncExitStack() as stack:
        journal = SqliteJournal(folder / JOURNAL_NAME, reserve_bytes=0)
        stack.push_async_callback(journal.close)
        head, found = await scan(journal, (await journal.head()).seq, on_progress)
        found += await _structure(folder / JOURNAL_NAME)
        image_head = None
        if image_path.exists():
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".verify-", dir=folder)))
            comparison = _Comparison(folder / JOURNAL_NAME, image_path, scratch, journal, on_progress)
            try:
                image_head = await comparison.run()
            except (StorageUnusable, JournalFull, sqlite3.Error, UnicodeError, TypeError) as error:
                comparison.findings.append(Finding(image_path.name, None, str(error)))
            finally:
                await comparison.close()
            found += comparison.findings
    return Report(head, image_head, found[:FINDINGS_MAX])


async def _structure(path: Path) -> list[Finding]:
    """What is wrong with the journal's pages and its table of writers, which no record shows."""
    reader = await open_reader(path, JOURNAL)
    try:
        try:
            told = [text for (text,) in await _rows(reader, "PRAGMA quick_check(10)") if text != "ok"]
            writers = await _rows(reader, "SELECT id, typeof(epoch) FROM writer LIMIT 2")
        except (sqlite3.Error, UnicodeError) as error:
            return [Finding(path.name, None, str(error))]
    finally:
        await reader.close()
    if [tuple(row) for row in writers] != [(1, "integer")]:
        told.append("the table writer does not hold its one row")
    return [Finding(path.name, None, text) for text in told]


class _Comparison:
    """One check of an image against a fold. `live` is the image, `copy` what was copied of it, `main` the fold."""

    def __init__(
        self, journal_path: Path, image_path: Path, scratch: Path, journal: SqliteJournal, on_progress: Progress
    ) -> None:
        self.findings: list[Finding] = []
        self._image_path = image_path
        self._scratch = scratch
        self._journal = journal
        self._on_progress = on_progress
        self._fold = SqliteImage(scratch / IMAGE_NAME, journal_path)
        self._connection: aiosqlite.Connection | None = None

    async def run(self) -> Head:
        """Compare; returns the record that the image was as of."""
        live = await open_reader(self._image_path, LEDGER)
        try:
            seq = (await _rows(live, "SELECT seq FROM head"))[0][0]
        finally:
            await live.close()
        if not await self._is_of_the_journal(seq):
            return Head(seq, 0, b"")
        await self._fold.open()
        await self._fold_to(seq)
        head = await self._copy()
        if not await self._is_of_the_journal(head["seq"]):
            return Head(head["seq"], head["at"], head["chain"])
        await self._fold_to(head["seq"])
        await self._compare_head(head)
        for table, key in COPIED.items():
            await self._compare(table, key, "copy", "TRUE", head)
        for table, (key, condition) in APPENDED.items():
            await self._compare(table, key, "live", condition, head)
        await self._check_invariants()
        return Head(head["seq"], head["at"], head["chain"])

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        await self._fold.close()

    async def _is_of_the_journal(self, seq: int) -> bool:
        last = (await self._journal.head()).seq
        if seq > last:
            self.findings.append(
                Finding("head", seq, f"the image is ahead of the journal, which ends at record {last}")
            )
        return seq <= last

    async def _fold_to(self, through: int) -> None:
        head = Head(0, 0, b"")
        while head.seq < through:
            head = await self._fold.fold(through)
            self._on_progress("folding the journal", head.seq, through)

    async def _copy(self) -> dict[str, Any]:
        """Copy what changes in place, in one read of the image; returns its head."""
        self._connection = await open_reader(self._scratch / IMAGE_NAME, LEDGER)
        connection = self._connection
        copy = read_only_uri(self._scratch / "copy.db").replace("mode=ro", "mode=rwc")
        await connection.execute_fetchall("ATTACH ? AS copy", (copy,))
        # Nothing of the copy is needed after this check, so nothing of it is made durable.
        await connection.execute_fetchall("PRAGMA copy.journal_mode = OFF")
        await connection.execute_fetchall("PRAGMA copy.synchronous = OFF")
        await connection.execute_fetchall("ATTACH ? AS live", (read_only_uri(self._image_path),))
        await connection.execute_fetchall("BEGIN")
        for table in COPIED:
            columns = await _rows(
                connection, f"SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = '{table}'"
            )
            await connection.execute_fetchall(columns[0][0].replace("CREATE TABLE ", "CREATE TABLE copy.", 1))
            await connection.execute_fetchall(f"INSERT INTO copy.{table} SELECT * FROM live.{table}")
        names = ("seq", "at", "chain", "users", "wallets", "transactions", "entries")
        head = (await _rows(connection, f"SELECT {', '.join(names)} FROM live.head"))[0]
        await connection.execute_fetchall("COMMIT")
        return dict(zip(names, head, strict=True))

    async def _compare_head(self, head: Mapping[str, Any]) -> None:
        assert self._connection is not None
        names = list(head)
        expected = (await _rows(self._connection, f"SELECT {', '.join(names)} FROM main.head"))[0]
        for name, value in zip(names, expected, strict=True):
            if head[name] != value:
                self.findings.append(
                    Finding("head", head["seq"], f"{name} is {head[name]!r}, the journal gives {value!r}")
                )

    async def _compare(self, table: str, key: str, other: str, condition: str, head: Mapping[str, Any]) -> None:
        """Compare a table of the fold with the same one of `other`, a range of keys at a time."""
        assert self._connection is not None
        bounds = await _rows(
            self._connection,
            f"SELECT max(coalesce((SELECT max({key}) FROM main.{table}), 0), coalesce((SELECT max({key}) FROM {other}.{table}), 0)), "
            f"min(coalesce((SELECT min({key}) FROM main.{table}), 0), coalesce((SELECT min({key}) FROM {other}.{table}), 0))",
        )
        highest, low = bounds[0]
        size = WALLETS_RANGE if table == "milestones" else RANGE
        while low <= highest and len(self.findings) < FINDINGS_MAX:
            values = {"low": low, "high": low + size, "transactions": 0, "entries": 0, "seq": 0, **head}
            rows = [
                f"SELECT * FROM {schema}.{table} WHERE {key} >= :low AND {key} < :high AND {condition}"
                for schema in ("main", other)
            ]
            lacking = await self._keys(f"SELECT {key} FROM ({rows[0]} EXCEPT {rows[1]})", values)
            surplus = await self._keys(f"SELECT {key} FROM ({rows[1]} EXCEPT {rows[0]})", values)
            for number in sorted(lacking | surplus):
                if number in lacking and number in surplus:
                    what = "it is not what the journal gives"
                else:
                    what = "missing from the image" if number in lacking else "the journal gives no such row"
                self.findings.append(Finding(table, number, what))
            low += size
            self._on_progress(f"comparing {table}", min(low, highest), highest)

    async def _keys(self, statement: str, values: Mapping[str, Any]) -> set[int]:
        assert self._connection is not None
        return {row[0] for row in await _rows(self._connection, f"{statement} LIMIT {FINDINGS_MAX}", values)}

    async def _check_invariants(self) -> None:
        for done, (table, (statement, sentence)) in enumerate(INVARIANTS.items()):
            self._on_progress("checking the invariants", done, len(INVARIANTS))
            for number in sorted(await self._keys(statement, {})):
                self.findings.append(Finding(table, number, sentence))


async def _rows(connection: aiosqlite.Connection, statement: str, values: Mapping[str, Any] | None = None) -> list[Any]:
    return list(await connection.execute_fetchall(statement, values or {}))
