"""A long history: a wallet gets very many entries, and then pages of it are read one by one, anywhere in it.

Pages by number are asked over the digital wallet API, which counts them, at random depths; pages by cursor over /v1, from the newest
on. The service has nothing else to do meanwhile, and one connection waits for each page before it asks for the next.
"""

import random
import time
from collections.abc import Iterator
from typing import Any, Final

from .answers import Answer
from .client import Client, Connection, Unanswered, connect, content_of
from .dialects import V1
from .histogram import Histogram
from .requests import Address, get
from .runs import latency_of
from .screen import setup_progress
from .services import Service, settle
from .session import loop_run
from .workloads import BATCH_SIZE, Move

WALLET: Final = 0
"""The wallet whose history is made long, by index."""

PAGE: Final = 20
CURSOR_PAGES: Final = 200


def measured(service: Service, entries: int, pages: int, seed: int) -> dict[str, Any]:
    """The figures. `entries` is rounded up to whole batches. Raises Unanswered."""
    began = time.monotonic()
    loop_run(_lengthen(service, entries))
    seconds = time.monotonic() - began
    settle([service])
    return {"lengthening_s": seconds, **loop_run(_read(service, pages, random.Random(seed)))}


def lengthening(entries: int, others: int) -> Iterator[list[Move]]:
    """Batches that give the wallet so many entries at least: money goes to each of the others in turn, and comes back at once, so nobody's balance is another one afterwards."""
    for number in range(-(-entries // BATCH_SIZE)):
        # An odd stride, so that consecutive batches name different wallets.
        names = [WALLET + 1 + (number * BATCH_SIZE + index // 2) % others for index in range(BATCH_SIZE)]
        yield [(WALLET, other, 1) if index % 2 == 0 else (other, WALLET, 1) for index, other in enumerate(names)]


async def _lengthen(service: Service, entries: int) -> None:
    population, dialect = service.populations["v1"], V1()
    client = Client(service.address, 4)
    done = 0
    with setup_progress() as progress:

        def take(index: int, answer: Answer) -> None:
            nonlocal done
            results = content_of(answer, 200, "lengthening a history")["results"]
            if any(result["status"] != 201 for result in results):
                raise Unanswered("lengthening a history: an item was refused")
            done += len(results)
            progress("lengthening a history", done, -(-entries // BATCH_SIZE) * BATCH_SIZE)

        batches = (
            dialect.batch(
                service.address,
                [
                    (population.id_of(source), population.id_of(destination), amount)
                    for source, destination, amount in moves
                ],
            )
            for moves in lengthening(entries, len(population.ids) - 1)
        )
        await client.each(batches, take)


async def _read(service: Service, pages: int, rng: random.Random) -> dict[str, Any]:
    wallet = service.populations["v1"].ids[WALLET]
    user = (await Client(service.address, 1).read(f"/v1/wallets/{wallet}"))["user_id"]
    reader = _Reader(service.address, await connect(service.address))
    try:
        first = await reader.page(f"/transactions/{user}?page=1&limit={PAGE}")
        last = int(first["total"]) // PAGE
        reader.times = Histogram()
        for number in (1, last, *(rng.randint(1, last) for _ in range(pages - 2))):
            page = await reader.page(f"/transactions/{user}?page={number}&limit={PAGE}")
            if len(page["transactions"]) != PAGE:
                raise Unanswered("a page of a long history is not full")
        by_number, reader.times = reader.times, Histogram()
        mark = ""
        for _ in range(CURSOR_PAGES):
            page = await reader.page(f"/v1/wallets/{wallet}/entries?limit={PAGE}{mark}")
            if page["next"] is None:
                break
            mark = f"&cursor={page['next']}"
    finally:
        reader.connection.close()
    return {
        "entries": int(first["total"]), "pages": pages, "by_number": latency_of(by_number), "by_cursor": latency_of(reader.times),
    }  # fmt: skip


class _Reader:
    """One connection, and how long each page took over it, in microseconds."""

    def __init__(self, address: Address, connection: Connection) -> None:
        self._address = address
        self.connection = connection
        self.times = Histogram()

    async def page(self, path: str) -> Any:
        begun = time.perf_counter_ns()
        answer = await self.connection.ask(get(self._address, path))
        self.times.record((time.perf_counter_ns() - begun) // 1000)
        return content_of(answer, 200, path)
