"""A data folder with a ledger in it, and ways to spoil its files."""

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiosqlite
import pytest

from walletd.engine.limits import GROUP_MAX
from walletd.storage.image import SqliteImage
from walletd.storage.journal import SqliteJournal
from walletd.tests.contract.script import Script


class Place:
    """One data folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal_path = path / "journal.db"
        self.image_path = path / "ledger.db"

    @asynccontextmanager
    async def journal(self) -> AsyncIterator[SqliteJournal]:
        journal = SqliteJournal(self.journal_path, reserve_bytes=0)
        try:
            yield journal
        finally:
            await journal.close()

    @asynccontextmanager
    async def image(self) -> AsyncIterator[SqliteImage]:
        image = SqliteImage(self.image_path, self.journal_path)
        try:
            yield image
        finally:
            await image.close()

    async def write(self, script: Script, *, fold: bool = True) -> None:
        """Bring the folder's files up to the script."""
        async with self.journal() as journal:
            epoch, head = await journal.claim()
            rows = script.rows[head.seq :]
            for first in range(0, len(rows), GROUP_MAX):
                await journal.append(epoch, rows[first : first + GROUP_MAX])
            if fold:
                async with self.image() as image:
                    at, _ = await image.open()
                    while at.seq < len(script.rows):
                        at = await image.fold(len(script.rows))

    def spoil_image(self, statement: str) -> None:
        """Run a statement on the image behind its owner's back."""
        spoil(self.image_path, statement)

    def spoil_journal(self, statement: str) -> None:
        """Run a statement on the journal, as someone would who first removes its guards."""
        spoil(self.journal_path, "DROP TRIGGER journal_keeps_its_rows; DROP TRIGGER journal_loses_no_row; " + statement)


class Reader:
    """Somebody who reads one table of a file, from now on as it is now."""

    def __init__(self, path: Path, table: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._table = table
        self._connection.execute("BEGIN")
        self.count()

    def count(self) -> int:
        """How many rows it sees."""
        [(count,)] = self._connection.execute(f"SELECT count(*) FROM {self._table}")
        return int(count)

    def leave_when_waited_for(self, statement: str) -> None:
        """Told of the writer's statements: a moment after the one that waits for readers has begun, leave."""
        if "RESTART" in statement:
            threading.Timer(0.05, self.close).start()

    def close(self) -> None:
        """Leave."""
        self._connection.close()


async def pages_of_log(writer: aiosqlite.Connection) -> int:
    """How many pages the log has that a writing connection goes on with."""
    [(_, pages, _)] = await writer.execute_fetchall("PRAGMA main.wal_checkpoint(PASSIVE)")
    return int(pages)


def spoil(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(statements)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    path = tmp_path / "data"
    path.mkdir()
    return Place(path)


@pytest.fixture
def script() -> Script:
    """A ledger with one asset, six users and some movements."""
    script = Script()
    script.asset()
    for _ in range(6):
        script.user()
    script.random_moves(200, seed=7)
    return script
