"""How the two files are opened: one writing connection a file, any number of reading ones.

Only one connection ever writes and checkpoints a file: releases of SQLite before 3.51.3 can lose a write-ahead log's
reset when two do. Each connection runs in its own thread. Transactions are opened by name, never by the driver
(`isolation_level=None`), and memory mapping stays off: an I/O error must be an error, not a signal.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiosqlite

from ..engine.ports import StorageUnusable
from .migrations import Schema, migrate, number_of, version_of

SQLITE_OLDEST: Final = (3, 37, 0)
"""The first release with STRICT tables."""

BUSY_TIMEOUT_S: Final = 5.0
"""How long a lock of another process is waited for."""

SYNCHRONOUS: Final = {"NORMAL": 1, "FULL": 2}

LOG_PAGES_MAX: Final = 16_384
"""Pages of a write-ahead log, 64 MiB, after which its readers are waited for, so that it begins anew."""

PATIENCE_MS: Final = 10
"""How long readers are waited for at one checkpoint: whoever writes waits as long."""


@contextmanager
def unusable(path: Path) -> Iterator[None]:
    """Turns any error of the driver inside into StorageUnusable, naming the file.

    UnicodeError: the driver cannot decode SQLite's own message where that repeats bytes of a damaged file.
    """
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeError) as error:
        raise StorageUnusable(f"{path} cannot be used: {error}") from error


async def checkpoint(
    connection: aiosqlite.Connection, *, pages_max: int = LOG_PAGES_MAX, patience_ms: int = PATIENCE_MS
) -> None:
    """Write a file's log back into it, as far as no reader needs it. `main.`: what is attached has its own owner.

    A log begins anew only when nobody reads it. Where readers overlap so long that it grows large, those who read are waited for, and those who
    come meanwhile read the file alone; one who stays longer leaves the log as it is until the next checkpoint, and so does a full disk or another
    program in the way. Raises sqlite3.Error for anything else.
    """
    try:
        [(_, pages, _)] = await connection.execute_fetchall("PRAGMA main.wal_checkpoint(PASSIVE)")
        if (
            pages > pages_max
        ):  # in one call, so that nothing comes between; nothing is pending, or the one above would have failed
            await connection.executescript(
                f"PRAGMA busy_timeout = {patience_ms}; PRAGMA main.wal_checkpoint(RESTART); "
                f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}"
            )
    except sqlite3.Error as error:
        if code_of(error) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise


def code_of(error: BaseException | None) -> int | None:
    """SQLite's code of an error; None for one that Python raises itself, such as for a text that is no UTF-8."""
    return getattr(error, "sqlite_errorcode", None)


def read_only_uri(path: Path) -> str:
    """The name under which SQLite opens a file for reading only."""
    return f"file:{quote(str(path.absolute()))}?mode=ro"


async def open_writer(path: Path, schema: Schema, *, synchronous: str, cache_kib: int) -> aiosqlite.Connection:
    """The one connection that writes a file; makes the file if it is missing and brings its schema up to date.

    Raises StorageUnusable, among other reasons when the file system does not give what durability needs.
    """
    if sqlite3.sqlite_version_info < SQLITE_OLDEST:
        raise StorageUnusable(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed")
    if path.exists():
        _require(path, os.R_OK | os.W_OK)
    else:
        _require(path.parent, os.R_OK | os.W_OK | os.X_OK)
    with unusable(path):
        connection = await aiosqlite.connect(
            read_only_uri(path).replace("mode=ro", "mode=rwc"),
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_S,
            cached_statements=64,
        )
        try:
            await version_of(connection, path, schema)
            await _set_durability(connection, path, synchronous)
            # Checkpoints are run by the owner, when it suits: an automatic one lands inside somebody's commit.
            await connection.execute_fetchall("PRAGMA wal_autocheckpoint = 0")
            await connection.execute_fetchall(f"PRAGMA cache_size = -{cache_kib}")
            # Sorting for a statement is small and must not wait for a disk.
            await connection.execute_fetchall("PRAGMA temp_store = MEMORY")
            await migrate(connection, path, schema)
            sync_folder(path.parent)
        except BaseException:
            await connection.close()
            raise
    return connection


async def open_reader(path: Path, schema: Schema, *, cache_kib: int = 4096) -> aiosqlite.Connection:
    """A connection that only reads. Raises StorageUnusable if the file is missing, foreign or of a newer version."""
    _require(path, os.R_OK)
    with unusable(path):
        connection = await aiosqlite.connect(
            read_only_uri(path), uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S
        )
        try:
            if await version_of(connection, path, schema) != schema.version:
                raise StorageUnusable(
                    f"{path} has an older schema: start the server once, it brings the file up to date"
                )
            await connection.execute_fetchall(f"PRAGMA cache_size = -{cache_kib}")
        except BaseException:
            await connection.close()
            raise
    return connection


async def seal(path: Path) -> None:
    """Make a file that nobody has open stand alone: without a log beside it, so that it reads from any medium."""
    with unusable(path):
        connection = await aiosqlite.connect(path, isolation_level=None)
        try:
            await connection.execute_fetchall("PRAGMA journal_mode = DELETE")
        finally:
            await connection.close()


async def _set_durability(connection: aiosqlite.Connection, path: Path, synchronous: str) -> None:
    """Set the write-ahead log and its fsyncs, and read both back: SQLite keeps silent where it cannot comply."""
    mode = next(iter(await connection.execute_fetchall("PRAGMA journal_mode = WAL")))[0]
    if mode != "wal":
        raise StorageUnusable(f"{path} cannot have a write-ahead log on this file system (journal_mode is {mode!r})")
    await connection.execute_fetchall(f"PRAGMA synchronous = {synchronous}")
    if await number_of(connection, "PRAGMA synchronous") != SYNCHRONOUS[synchronous]:
        raise StorageUnusable(f"{path} does not take synchronous = {synchronous}: writes would not be durable")
    # A memory-mapped read turns a bad sector into a signal that ends the process without a word.
    await connection.execute_fetchall("PRAGMA mmap_size = 0")


def _require(path: Path, access: int) -> None:
    """Refuse what could not be opened before the driver tries: it would leave its thread behind for a moment."""
    if not path.exists():
        raise StorageUnusable(f"{path} is missing")
    if not os.access(path, access):
        raise StorageUnusable(f"{path} may not be {'written' if access & os.W_OK else 'read'} by this user")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a new file survives a power cut only with its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
