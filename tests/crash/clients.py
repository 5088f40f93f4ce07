"""Clients: several connections that push at a server until it is gone, and one that reads meanwhile."""

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any, Final

import msgspec

from walletd.loadtest.answers import Answer, MalformedAnswer
from walletd.loadtest.client import Connection, connect
from walletd.loadtest.requests import Address, get, post

from .book import Book
from .operations import Maker, Operation, World

WRITERS: Final = 5
HEAVY_ITEMS: Final = 4_000
ANSWER_S: Final = 20.0
"""A request that is not answered by then never will be."""

PASSWORD: Final = "correct horse battery"


async def ask(connection: Connection, request: bytes) -> Answer:
    """Send a request. Raises OSError, MalformedAnswer, TimeoutError."""
    async with asyncio.timeout(ANSWER_S):
        return await connection.ask(request)


class Logins:
    """Tokens that were told: those that must work, and those that must not any more."""

    def __init__(self) -> None:
        self.alive: list[str] = []
        self.dead: list[str] = []

    async def work(self, address: Address, book: Book, ending: Callable[[], bool]) -> None:
        """Log in and out, and in again, until it is time to end or the server is gone."""
        connection = await connect(address)
        while not ending():
            login = {"username": "payer-0", "password": PASSWORD}
            answer = await ask(connection, post(address, "/api/auth/login/", login))
            if answer.status == 503:
                return
            if answer.status != 200:
                book.find(f"a login was answered {answer.status}: {answer.body[:200]!r}")
                return
            token = msgspec.json.decode(answer.body)["token"]
            self.alive.append(token)
            if len(self.alive) % 2:
                self.alive.remove(token)  # in between it is in doubt
                answer = await ask(connection, with_token(post(address, "/api/auth/logout/", {}), token))
                if answer.status == 204:
                    self.dead.append(token)


class Load:
    """One life's traffic on one server. `heavy`: batches so large that logs are checkpointed soon. `quiet` ends it."""

    def __init__(self, address: Address, book: Book, world: World, makers: list[Maker], chance: random.Random) -> None:
        self._address = address
        self._book = book
        self._world = world
        self._makers = makers
        self._chance = chance
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False

    def start(self, *, heavy: bool, logins: Logins | None) -> None:
        """Begin to push."""
        works = [self._write(maker, heavy=heavy and index == 0) for index, maker in enumerate(self._makers)]
        works.append(self._read())
        if logins is not None:
            works.append(logins.work(self._address, self._book, lambda: self._ending))
        self._tasks = [asyncio.create_task(self._until_gone(work)) for work in works]

    async def ended(self) -> None:
        """Wait until the server is gone for every client."""
        await asyncio.gather(*self._tasks)

    async def quiet(self) -> None:
        """Let each client finish what it has sent, and send no more."""
        self._ending = True
        await self.ended()

    async def _until_gone(self, work: Any) -> None:
        try:
            await work
        except TimeoutError:
            self._book.find(f"a request was not answered within {ANSWER_S:.0f} s")
        except (OSError, MalformedAnswer):  # the server is gone
            return

    async def _write(self, maker: Maker, *, heavy: bool) -> None:
        connection = await connect(self._address)
        try:
            while not self._ending:
                operation = maker.batch(HEAVY_ITEMS) if heavy else maker.next()
                told = self._book.send(operation)
                answer = await ask(connection, operation.request(self._address))
                self._book.answered(told, answer)
                if answer.status == 503:
                    return
        finally:
            connection.close()

    async def _read(self) -> None:
        """Balances and histories, which must be sound at any moment."""
        connection = await connect(self._address)
        world, choice = self._world, self._chance.choice
        try:
            while not self._ending:
                paths = (
                    f"/wallet/{choice(world.users)}/balance",
                    f"/transactions/{choice(world.users)}?page=1&limit=10",
                    f"/wallet/{choice(world.wallets)}/transactions?limit=10&page=1",
                    f"/api/v1/wallets/users/{choice(world.golden)}/balance?asset_type_id={world.gold}",
                    f"/api/v1/wallets/{choice(world.golden)}/transactions?limit=10",
                    f"/v1/wallets/{choice(world.wallets)}/entries?limit=20",
                )
                path = choice(paths)
                answer = await ask(connection, get(self._address, path))
                if answer.status == 503:
                    return
                self._judge(path, answer)
        finally:
            connection.close()

    def _judge(self, path: str, answer: Answer) -> None:
        self._book.count("reads under load")
        if answer.status != 200:
            self._book.find(f"{path} was answered {answer.status}: {answer.body[:200]!r}")
        elif path.startswith("/v1/"):
            page = msgspec.json.decode(answer.body)["data"]
            for newer, older in itertools.pairwise(page):
                if int(newer["balance_after"]) - int(newer["amount"]) != int(older["balance_after"]):
                    self._book.find(f"{path}: {newer['id']} does not follow from {older['id']}")


def with_token(request: bytes, token: str) -> bytes:
    """A request by a logged-in user."""
    at = request.index(b"\r\nHost: ")
    return request[:at] + f"\r\nAuthorization: Token {token}".encode() + request[at:]


async def tell(connection: Connection, address: Address, book: Book, operation: Operation) -> Any:
    """Send one operation that must be acknowledged; its answer's content."""
    told = book.send(operation)
    book.answered(told, await ask(connection, operation.request(address)))
    assert told.state == "done", book.findings
    return operation.answer
