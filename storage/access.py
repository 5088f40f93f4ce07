"""`access.db`: passwords, logins and API keys, which must not be in a log that never forgets.

The command line writes it while the server runs, so it has a rollback journal: two processes may write such a file with any SQLite, where releases before
3.51.3 can lose a write-ahead log's reset when two connections write and checkpoint. It is small and seldom written. Grants once found are kept in
memory; a look at the file's time, and at SQLite's count of changes by others where that has moved, tells when another process wrote.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite

from ..engine.grants import Grants
from ..engine.identity import (
    KEY_PREFIX,
    KEYS_MAX,
    SESSIONS_PER_USER_MAX,
    TOKEN_PREFIX,
    ApiKey,
    Grant,
    HashedPassword,
    Holder,
    PasswordHasher,
    Scope,
    digest_of,
    hint_of,
    new_secret,
)
from ..engine.ports import StorageUnusable
from ..engine.refusals import Refusal, RefusalCode
from .connections import BUSY_TIMEOUT_S, SQLITE_OLDEST, code_of, sync_folder, unusable
from .migrations import ACCESS, migrate, number_of, version_of

WATCH_INTERVAL_S: Final = 0.025
"""How often the file is looked at: what another process withdraws lives on for this long, and a hop into a thread."""

LOOKS_AFTER_CHANGE: Final = 4
"""Looks that ask SQLite after the file's time has moved: two writes within one tick of a file system's clock have one time."""

USE_INTERVAL_S: Final = 10.0
"""How long the last use of a key may wait before it is written."""

WAITING_MAX: Final = 1_024
"""Calls that may wait for the file."""

EXPIRED_STEP: Final = 1_000
"""Expired logins removed in one transaction."""

_log: Final = logging.getLogger("walletd.access")

ResultT = TypeVar("ResultT")

_FIND: Final = """
SELECT user_id, user_created_at, 0, '', '', expires_at FROM sessions WHERE digest = :digest AND expires_at > :now
UNION ALL
SELECT 0, 0, id, name, scopes, expires_at FROM keys
WHERE digest = :digest AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
"""

_KEEP_HASH: Final = """
INSERT INTO passwords (user_id, user_created_at, hash, changed_at) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET user_created_at = excluded.user_created_at, hash = excluded.hash, changed_at = excluded.changed_at
"""


class SqliteAccess:
    """See Access in engine/identity.py. Made by `open`."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, hasher: PasswordHasher) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = connection
        self._hasher = hasher
        self._grants = Grants()
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._writes: set[asyncio.Task[Any]] = set()
        self._used: dict[int, int] = {}
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, path: Path, hasher: PasswordHasher, *, watch_interval_s: float = WATCH_INTERVAL_S
    ) -> "SqliteAccess":
        """Open the file, which is made if it is missing, and watch it. Raises StorageUnusable."""
        access = cls(path, await _connect(path), hasher)
        version = await access._change_count()
        access._watcher = asyncio.create_task(access._watch(watch_interval_s, version))
        return access

    # ---------------------------------------------------------------------------------------------------- grants

    @property
    def generation(self) -> int:
        """See Access."""
        return self._grants.generation

    def known(self, digest: bytes, now: int) -> Grant | None:
        """See Access."""
        grant = self._grants.known(digest, now)
        if grant is not None and grant.key_id:
            self._used[grant.key_id] = now
        return grant

    async def find(self, digest: bytes, now: int) -> Grant | None:
        """See Access."""
        generation = self._grants.generation
        row = await self._row(_FIND, {"digest": digest, "now": now})
        if row is None:
            return None
        user_id, created_at, key_id, name, scopes, expires_at = row
        if key_id:
            grant = Grant(key_id=key_id, name=name, scopes=_scopes(scopes), expires_at=expires_at)
            self._used[key_id] = now
        else:
            grant = Grant(holder=Holder(user_id, created_at), expires_at=expires_at)
        self._grants.keep(digest, grant, generation)
        return grant

    def lend(self, digest: bytes, grant: Grant, generation: int) -> None:
        """See Access."""
        self._grants.keep(digest, grant, generation)

    # ------------------------------------------------------------------------------------------ passwords, logins

    async def hash_password(self, password: str) -> HashedPassword:
        """See Access."""
        return await self._hasher.hash(password)

    async def set_password(self, holder: Holder, hashed: HashedPassword, now: int) -> None:
        """See Access."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(_KEEP_HASH, (holder.user_id, holder.created_at, hashed.text, now))
            await connection.execute("DELETE FROM sessions WHERE user_id = ?", (holder.user_id,))

        await self._write(work, lambda: self._grants.withdraw_user(holder.user_id))

    async def check_password(self, holder: Holder | None, password: str) -> bool:
        """See Access."""
        user_id = 0 if holder is None else holder.user_id
        row = await self._row("SELECT user_created_at, hash FROM passwords WHERE user_id = ?", (user_id,))
        is_own = row is not None and holder is not None and row[0] == holder.created_at
        return await self._hasher.verify(HashedPassword(row[1]) if is_own and row is not None else None, password)

    async def open_session(self, holder: Holder, now: int, expires_at: int) -> str:
        """See Access."""
        token = new_secret(TOKEN_PREFIX)
        oldest: list[bytes] = []

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? LIMIT ?)",
                (now, EXPIRED_STEP),
            )
            rows = await connection.execute_fetchall(
                "SELECT digest FROM sessions WHERE user_id = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
                (holder.user_id, SESSIONS_PER_USER_MAX - 1),
            )
            oldest.extend(digest for (digest,) in rows)
            await connection.executemany("DELETE FROM sessions WHERE digest = ?", [(digest,) for digest in oldest])
            await connection.execute(
                "INSERT INTO sessions (digest, user_id, user_created_at, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
                (digest_of(token), holder.user_id, holder.created_at, now, expires_at),
            )

        def withdraw() -> None:
            for digest in oldest:
                self._grants.withdraw(digest)

        await self._write(work, withdraw)
        return token

    async def close_session(self, digest: bytes) -> None:
        """See Access."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute("DELETE FROM sessions WHERE digest = ?", (digest,))

        await self._write(work, lambda: self._grants.withdraw(digest))

    async def close_sessions(self, user_id: int) -> None:
        """See Access."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute("DELETE FROM sessions WHERE user_id = ?", (user_id,))

        await self._write(work, lambda: self._grants.withdraw_user(user_id))

    # ------------------------------------------------------------------------------------------------------ keys

    async def create_key(
        self, name: str, scopes: Collection[Scope], now: int, expires_at: int | None = None
    ) -> tuple[ApiKey, str]:
        """See Access."""
        secret = new_secret(KEY_PREFIX)
        granted = frozenset(scopes)

        async def work(connection: aiosqlite.Connection) -> int:
            if await number_of(connection, "SELECT count(*) FROM keys WHERE revoked_at IS NULL") >= KEYS_MAX:
                raise Refusal(RefusalCode.OVERLOADED, f"There are {KEYS_MAX} API keys; revoke those that are not used.")
            cursor = await connection.execute(
                "INSERT INTO keys (digest, name, hint, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
                (digest_of(secret), name, hint_of(secret), " ".join(sorted(granted)), now, expires_at),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

        key_id = await self._write(work)
        key = ApiKey(id=key_id, name=name, hint=hint_of(secret), scopes=granted, created_at=now, expires_at=expires_at)
        return key, secret

    async def keys(self) -> list[ApiKey]:
        """See Access."""
        await self._write_uses()
        rows = await self._rows(
            "SELECT id, name, hint, scopes, created_at, expires_at, last_used_at, revoked_at FROM keys ORDER BY id"
        )
        return [
            ApiKey(
                id=row[0],
                name=row[1],
                hint=row[2],
                scopes=_scopes(row[3]),
                created_at=row[4],
                expires_at=row[5],
                last_used_at=row[6],
                revoked_at=row[7],
            )
            for row in rows
        ]

    async def revoke_key(self, key_id: int, now: int) -> bool:
        """See Access."""

        async def work(connection: aiosqlite.Connection) -> bool:
            cursor = await connection.execute(
                "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now, key_id)
            )
            return cursor.rowcount > 0

        return await self._write(work, lambda: self._grants.withdraw_key(key_id))

    async def close(self) -> None:
        """See Access."""
        if self._connection is None:
            return
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
        # When a key was last used is worth less than a stop in good order.
        with suppress(Refusal, StorageUnusable):
            await self._write_uses()
        connection, self._connection = self._connection, None
        await connection.close()

    # -------------------------------------------------------------------------------------------------- watching

    async def _watch(self, interval_s: float, version: int) -> None:
        """Notice what other processes write after the change count was `version`, and write when keys were used."""
        loop = asyncio.get_running_loop()
        written_at = loop.time()
        seen, looks = (0, 0), LOOKS_AFTER_CHANGE
        while True:
            await asyncio.sleep(interval_s)
            try:
                found = self._path.stat()
                if (found.st_mtime_ns, found.st_ino) != seen:
                    seen, looks = (found.st_mtime_ns, found.st_ino), LOOKS_AFTER_CHANGE
                if looks:
                    looks -= 1
                    latest = await self._change_count()
                    if latest != version:
                        version = latest
                        self._grants.withdraw_all()
                if self._used and loop.time() - written_at >= USE_INTERVAL_S:
                    written_at = loop.time()
                    await self._write_uses()
            except (OSError, Refusal, StorageUnusable) as error:
                # Whether something was withdrawn cannot be told, so nothing is known any more.
                self._grants.withdraw_all()
                looks = LOOKS_AFTER_CHANGE
                _log.warning("access_not_watched", extra={"detail": str(error)})
                await asyncio.sleep(BUSY_TIMEOUT_S / 10)

    async def _change_count(self) -> int:
        """SQLite's count of commits by other connections."""
        row = await self._row("PRAGMA data_version")
        assert row is not None
        return int(row[0])

    async def _write_uses(self) -> None:
        """Write when keys were last used."""
        used, self._used = self._used, {}
        if not used:
            return

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.executemany(
                "UPDATE keys SET last_used_at = max(ifnull(last_used_at, 0), ?) WHERE id = ?",
                [(at, key_id) for key_id, at in used.items()],
            )

        try:
            await self._write(work)
        except (Refusal, StorageUnusable):
            self._used = used | self._used
            raise

    # ----------------------------------------------------------------------------------------------- the file

    async def _row(self, statement: str, parameters: Any = ()) -> Any:
        rows = await self._rows(statement, parameters)
        return rows[0] if rows else None

    async def _rows(self, statement: str, parameters: Any = ()) -> list[Any]:
        async with self._exclusive() as connection:
            return list(await connection.execute_fetchall(statement, parameters))

    async def _write(
        self, work: Callable[[aiosqlite.Connection], Awaitable[ResultT]], withdraw: Callable[[], None] | None = None
    ) -> ResultT:
        """Do `work` in one transaction, then `withdraw` from memory. Goes on to its end when nobody waits for it any more."""
        task = asyncio.create_task(self._write_now(work, withdraw))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def _write_now(
        self, work: Callable[[aiosqlite.Connection], Awaitable[ResultT]], withdraw: Callable[[], None] | None
    ) -> ResultT:
        async with self._exclusive() as connection:
            try:
                await connection.execute("BEGIN IMMEDIATE")
                try:
                    result = await work(connection)
                    await connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        await connection.execute("ROLLBACK")
                    raise
                return result
            finally:
                # Also after a failure: whether a failed commit is in the file is only known by asking it.
                if withdraw is not None:
                    withdraw()

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[aiosqlite.Connection]:
        """The connection, for one caller at a time, with the driver's errors turned into the engine's."""
        if self._waiting >= WAITING_MAX:
            raise Refusal(RefusalCode.OVERLOADED, "Too many requests wait for their credentials to be looked up.")
        self._waiting += 1
        try:
            async with self._turn:
                if self._connection is None:
                    raise Refusal(RefusalCode.STOPPING)
                with self._errors():
                    yield self._connection
        finally:
            self._waiting -= 1

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            primary = (code_of(error) or sqlite3.SQLITE_ERROR) & 0xFF
            if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Refusal(
                    RefusalCode.OVERLOADED, "Another process holds the file of keys and passwords."
                ) from error
            if primary == sqlite3.SQLITE_FULL:
                raise Refusal(RefusalCode.READ_ONLY) from error
            raise StorageUnusable(f"{self._path} cannot be used: {error}") from error
        except sqlite3.Error as error:
            raise StorageUnusable(f"{self._path} cannot be used: {error}") from error


async def copy_access(source: Path, to: Path) -> None:
    """Copy a file that others may be writing, without its logins: whoever uses the copy logs in anew. Raises StorageUnusable."""
    with unusable(source):
        original = await aiosqlite.connect(source, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        try:
            if await _version(original, source) == 0:
                return
            copy = await _connect(to)
            try:
                await original.backup(copy)
                await copy.execute("DELETE FROM sessions")
                # Pages of the logins must not stay readable in what the file holds free.
                await copy.execute("VACUUM")
            finally:
                await copy.close()
        finally:
            await original.close()


async def _connect(path: Path) -> aiosqlite.Connection:
    """Open the file for writing, with this user's eyes only on it, and bring it up to date."""
    if sqlite3.sqlite_version_info < SQLITE_OLDEST:
        raise StorageUnusable(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed")
    with unusable(path):
        _make_private(path)
        connection = await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        try:
            await _version(connection, path)
            mode = next(iter(await connection.execute_fetchall("PRAGMA journal_mode = DELETE")))[0]
            if mode != "delete":
                raise StorageUnusable(f"{path} cannot have a rollback journal (journal_mode is {mode!r})")
            # EXTRA syncs the folder too once the rollback journal is gone: else a power cut could bring back what was withdrawn.
            await connection.execute_fetchall("PRAGMA synchronous = EXTRA")
            # What is deleted is overwritten: a hash that is not valid any more has no business in the file.
            await connection.execute_fetchall("PRAGMA secure_delete = ON")
            await connection.execute_fetchall("PRAGMA mmap_size = 0")
            await _migrate(connection, path)
            sync_folder(path.parent)
        except BaseException:
            await connection.close()
            raise
    return connection


async def _migrate(connection: aiosqlite.Connection, path: Path) -> None:
    """Bring the file up to date, or find that another process has just done so."""
    if await _version(connection, path) == ACCESS.version:
        return
    try:
        await migrate(connection, path, ACCESS)
    except (sqlite3.OperationalError, StorageUnusable):
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        if await _version(connection, path) != ACCESS.version:
            raise


async def _version(connection: aiosqlite.Connection, path: Path) -> int:
    """The file's version, all that tells it read from one state of the file."""
    await connection.execute("BEGIN")
    try:
        return await version_of(connection, path, ACCESS)
    finally:
        await connection.execute("COMMIT")


def _make_private(path: Path) -> None:
    """Give the file mode 0600 before anything is in it. An existing one is not opened: closing it again would drop this process's locks on it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _scopes(text: str) -> frozenset[Scope]:
    """The scopes in a row; one that this version does not know grants nothing."""
    return frozenset(scope for scope in Scope if scope.value in text.split())
