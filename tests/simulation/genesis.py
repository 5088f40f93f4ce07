"""Genesis: the ledger that every schedule starts from, made once in each process by the engine itself and then only copied.

Wallets are poor on purpose: most movements compete for little money.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

from walletd.engine import Command, CreateAsset, CreateUser, Engine, MemoryJournal, OpenWallet, transfer
from walletd.engine.limits import AMOUNT_MAX
from walletd.engine.records import Record, Row, decode_unchained
from walletd.tests.builders import START_US, Clock, Ids

from .model import Book, State
from .stores import SimulatedImage, SimulatedJournal, Weather
from .virtual_loop import new_loop

ASSETS: Final = (
    CreateAsset(code="USD", id=1),
    CreateAsset(code="EUR", id=2),
    CreateAsset(code="PTS", id=3, transferable=False),
    CreateAsset(code="LIM", id=4, min_amount=5, max_amount=20),
    CreateAsset(code="BIG", id=5, max_amount=AMOUNT_MAX),
    CreateAsset(code="OLD", id=6, active=False),
)
BALANCES: Final = (
    ("USD", (30, 20, 40, 15, 0)),
    ("EUR", (20, 20)),
    ("PTS", (10, 10)),
    ("LIM", (20, 20)),
    ("BIG", (AMOUNT_MAX - 10,)),
    ("OLD", (0,)),
)
"""What the first users have of each asset."""
USERS: Final = 5


@dataclass(frozen=True)
class Genesis:
    """The rows, the image, the model after them, and the ids by which clients know the wallets: asset → its Treasury's, then users'."""

    rows: tuple[Row, ...]
    records: tuple[Record, ...]
    image: SimulatedImage
    book: Book
    states: tuple[State, ...]
    ids: dict[str, tuple[str, ...]]
    last_id: int


@cache
def genesis() -> Genesis:
    """The one of this process."""
    store, ids = MemoryJournal(), Ids()
    weather = Weather(Random(0), lambda kind, words: None, 0.0)
    image = SimulatedImage(store, weather)
    loop = new_loop(Random(0))
    known: dict[str, tuple[str, ...]] = {}

    async def make() -> None:
        engine = await Engine.start(SimulatedJournal(store, weather), image, image, clock=Clock(), new_id=ids)
        known.update(await _populate(engine.execute))
        await engine.stop()

    task = loop.create_task(make())
    loop.run(task, 1_000_000)
    task.result()
    loop.drop()
    records = tuple(decode_unchained(row) for row in store.rows)
    book = Book()
    states = [State(book)]
    for record in records:
        book.grow(record)
        states.append(states[-1].after(record))
    return Genesis(tuple(store.rows), records, image, book, tuple(states), known, ids.last)


async def _populate(execute: Callable[[Command], object]) -> dict[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {}
    for asset in ASSETS:
        known[asset.code] = (await _opened(execute, asset),)
    for number in range(USERS):
        await execute(CreateUser(username=f"u{number}", external_id=f"x{number}"))  # type: ignore[misc]
    for code, balances in BALANCES:
        for number, balance in enumerate(balances, 1):
            wallet = await _opened(execute, OpenWallet(user_id=number, asset=code))
            known[code] += (wallet,)
            if balance:
                await execute(transfer(known[code][0], wallet, balance))  # type: ignore[misc]
    return known


async def _opened(execute: Callable[[Command], object], command: Command) -> str:
    outcome = await execute(command)  # type: ignore[misc]
    return str(outcome.record.body.wallets[0].id)


def first_time() -> int:
    """Microseconds since 1970 at the start of a schedule: some time after what is there."""
    return START_US + 1_000_000
