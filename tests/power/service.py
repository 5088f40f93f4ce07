"""The engine and the access file on one folder, opened as the server opens them, with clock, ids, randomness and free space given."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

from walletd.engine import Engine, EngineOptions
from walletd.engine.identity import HashedPassword
from walletd.engine.limits import IDEMPOTENCY_KEY_LIFE_US
from walletd.engine.ports import JournalFull
from walletd.engine.records import Row
from walletd.storage import access as access_module
from walletd.storage import image as image_module
from walletd.storage import journal as journal_module
from walletd.storage.access import SqliteAccess
from walletd.storage.folder import ACCESS_NAME, IMAGE_NAME, JOURNAL_NAME
from walletd.storage.image import SqliteImage
from walletd.storage.journal import SqliteJournal
from walletd.tests.builders import START_US

ROOM: Final = 1 << 20
"""Free bytes of the volume: so few that the journal asks before every append."""

WATCH_NEVER_S: Final = 1e9


class Chosen:
    """What a run is given from outside, all of it drawn from one seed: a clock, wallet ids, secrets, free space."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.now = START_US
        self.free = ROOM

    def clock(self) -> int:
        """Some time later than before; now and then much later."""
        self.now += self._random.choice((1, 900, 40_000, 11_000_000))
        return self.now

    def next_day(self) -> None:
        """So much later that every idempotency key has expired."""
        self.now += IDEMPOTENCY_KEY_LIFE_US + 1

    def id(self) -> str:
        """A UUID."""
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def secret(self, prefix: str) -> str:
        """A token or a key."""
        return f"{prefix}{self._random.getrandbits(128):032x}"


class PlainHasher:
    """A PasswordHasher that takes no time."""

    async def hash(self, password: str) -> HashedPassword:
        """See PasswordHasher."""
        return HashedPassword(f"plain:{password}")

    async def verify(self, hashed: HashedPassword | None, password: str) -> bool:
        """See PasswordHasher."""
        return hashed is not None and hashed.text == f"plain:{password}"


class NotedJournal(SqliteJournal):
    """The real journal, telling `note` when the append of a group begins, is done, or is refused for want of room."""

    note: Callable[[str, Sequence[Row]], None]

    async def append(self, epoch: int, group: Sequence[Row]) -> None:
        """See JournalStore."""
        self.note("begun", group)
        try:
            await super().append(epoch, group)
        except JournalFull:
            self.note("refused", group)
            raise
        self.note("durable", group)


class Service:
    """What runs on a folder."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        access: SqliteAccess,
        journal: SqliteJournal,
        image: SqliteImage,
        chosen: Chosen,
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.access = access
        self.journal = journal
        self.image = image
        self.chosen = chosen

    async def close(self) -> None:
        """Stop in good order."""
        try:
            await self.access.close()
        finally:
            await self.engine.stop()


async def open_service(
    folder: Path,
    chosen: Chosen,
    *,
    note: Callable[[str, Sequence[Row]], None] = lambda what, group: None,
    options: EngineOptions | None = None,
) -> Service:
    """Recover and start. Raises what the engine and the access file raise, with everything closed."""
    journal = NotedJournal(folder / JOURNAL_NAME, reserve_bytes=ROOM // 4, free_bytes=lambda _: chosen.free)
    journal.note = note
    image = SqliteImage(folder / IMAGE_NAME, folder / JOURNAL_NAME)
    options = options or EngineOptions(room_poll_s=0.05)
    engine = await Engine.start(journal, image, image, clock=chosen.clock, new_id=chosen.id, options=options)
    try:
        access = await SqliteAccess.open(folder / ACCESS_NAME, PlainHasher(), watch_interval_s=WATCH_NEVER_S)
    except BaseException:
        await engine.stop()
        raise
    return Service(folder, engine, access, journal, image, chosen)


@contextlib.asynccontextmanager
async def running(folder: Path, chosen: Chosen, **given: Any) -> AsyncIterator[Service]:
    """A service that is closed at the end."""
    service = await open_service(folder, chosen, **given)
    try:
        yield service
    finally:
        await service.close()


@contextlib.contextmanager
def small(chosen: Chosen) -> Iterator[None]:
    """Thresholds so low that a short run has checkpoints, restarts of the log and folds of many steps; and secrets that repeat."""
    with (
        mock.patch.object(journal_module, "CHECKPOINT_BYTES", 60_000),
        mock.patch.object(image_module, "CHECKPOINT_LEGS", 40),
        mock.patch.object(image_module, "FOLD_STEP_MAX", 7),
        mock.patch.object(access_module, "new_secret", chosen.secret),
    ):
        yield


ACCESS_TABLES: Final = (
    "SELECT user_id, hash FROM passwords ORDER BY user_id",
    "SELECT digest, user_id FROM sessions ORDER BY id",
    "SELECT id, digest, name, revoked_at FROM keys ORDER BY id",
)


def dump_access(path: Path) -> tuple[Any, ...]:
    """What the access file says, the uses of keys left out."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection:
        return tuple(tuple(connection.execute(statement).fetchall()) for statement in ACCESS_TABLES)
