"""The implementations that the contracts are run on. Another one is one line in each table."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from walletd.engine.memory import MemoryImage, MemoryJournal
from walletd.engine.ports import Image, JournalStore, Queries
from walletd.storage.image import SqliteImage
from walletd.storage.journal import SqliteJournal
from walletd.tests.contract.script import Script


class ImageAndQueries(Image, Queries, Protocol):
    """What the engine is given as its image, in one object."""


class Stores(NamedTuple):
    """A journal and an image that folds it, neither opened."""

    journal: JournalStore
    image: ImageAndQueries


async def sqlite_stores(folder: Path) -> Stores:
    journal = SqliteJournal(folder / "journal.db", reserve_bytes=0)
    return Stores(journal, SqliteImage(folder / "ledger.db", folder / "journal.db"))


async def memory_stores(_: Path) -> Stores:
    journal = MemoryJournal()
    return Stores(journal, MemoryImage(journal))


STORES: dict[str, Callable[[Path], Awaitable[Stores]]] = {"memory": memory_stores, "sqlite": sqlite_stores}
"""Name → factory of a journal and its image. A second call with the same folder reopens what the first one left."""

DURABLE: frozenset[str] = frozenset({"sqlite"})
"""Those whose content outlives the object."""


@pytest.fixture(params=STORES)
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stores(implementation: str, tmp_path: Path) -> AsyncIterator[Stores]:
    stores = await STORES[implementation](tmp_path)
    yield stores
    await stores.image.close()
    await stores.journal.close()


@pytest.fixture
def journal(stores: Stores) -> JournalStore:
    return stores.journal


@pytest.fixture
async def reopened(
    implementation: str, stores: Stores, tmp_path: Path
) -> AsyncIterator[Callable[[], Awaitable[Stores]]]:
    """Makes the stores anew over the same folder, after closing those before."""
    if implementation not in DURABLE:
        pytest.skip("keeps nothing")
    opened = [stores]

    async def reopen() -> Stores:
        await opened[-1].image.close()
        await opened[-1].journal.close()
        opened.append(await STORES[implementation](tmp_path))
        return opened[-1]

    yield reopen
    await opened[-1].image.close()
    await opened[-1].journal.close()


@pytest.fixture
def script() -> Script:
    return Script()
