"""The load of a soak: requests of several APIs at a steady rate, and a book of what their senders were told.

Latency counts from when a request was due, not from when a connection was free for it.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Callable
from typing import Final

CONNECTIONS: Final = 64
FUNDING_MINOR: Final = 10_000_000
BATCH_ITEMS: Final = 20
HOT: Final = 2
"""Wallets that take part in every twentieth transfer."""

_LENGTH: Final = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)

Answered = Callable[[int, bytes], None]


class Client:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """A connection to a server on this machine. Raises OSError."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**22))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError and asyncio.IncompleteReadError when the server goes away."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length is not None, head
        return int(head[9:12]), await self._reader.readexactly(int(length[1]))

    def close(self) -> None:
        """End the connection."""
        self._writer.close()


def request(method: str, path: str, body: object = None, key: str | None = None) -> bytes:
    """A request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    keyed = f"Idempotency-Key: {key}\r\n" if key is not None else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{keyed}\r\n"
    return head.encode() + content


class Book:
    """What clients were told: by wallet the sum of what was acknowledged. Wallets that a lost answer leaves in doubt are in `doubtful`."""

    def __init__(self, size: int) -> None:
        self.sums = [0] * size
        self.doubtful: set[int] = set()
        self.acknowledged = 0
        self.refused = 0
        self.failed: list[str] = []
        self.retries: list[tuple[bytes, list[tuple[int, int, int]]]] = []

    def moved(self, transfers: list[tuple[int, int, int]]) -> None:
        """Each (source, destination, amount) was acknowledged."""
        for source, destination, amount in transfers:
            self.sums[source] -= amount
            self.sums[destination] += amount
            self.acknowledged += 1


class Load:
    """Makes requests on wallets, given as (wallet id, user id), and sends them."""

    def __init__(self, wallets: list[tuple[str, int]], seed: int) -> None:
        self.wallets = wallets
        self.book = Book(len(wallets))
        self._rng = random.Random(seed)
        self._keys = 0
        self.latencies: list[float] = []

    async def run(self, port: int, rate: float, seconds: float) -> None:
        """Send at `rate` requests a second for so long, or until the server goes away. Infinite: each as soon as the one before is answered."""
        started = time.perf_counter()
        arrivals = iter(range(int(rate * seconds))) if rate != float("inf") else iter(range(2**60))
        due_s = 0.0 if rate == float("inf") else 1 / rate

        async def work() -> None:
            client = await Client.connect(port)
            try:
                for index in arrivals:
                    due = started + index * due_s
                    if due_s == 0.0:
                        due = time.perf_counter()
                        if due - started > seconds:
                            return
                    if (early := due - time.perf_counter()) > 0:
                        await asyncio.sleep(early)
                    await self._one(client)
                    self.latencies.append(time.perf_counter() - due)
            finally:
                client.close()

        ended = await asyncio.gather(*(work() for _ in range(CONNECTIONS)), return_exceptions=True)
        for error in ended:
            if error is not None and not isinstance(error, OSError | asyncio.IncompleteReadError):
                raise error

    async def retry(self, port: int) -> None:
        """Send what was in doubt again, with its key: the answer says what became of it."""
        client = await Client.connect(port)
        retries, self.book.retries = self.book.retries, []
        for sent, transfers in retries:
            status, body = await client.ask(sent)
            self._judge(status, body, transfers, 201)
        client.close()

    async def _one(self, client: Client) -> None:
        kind = self._rng.random()
        if kind < 0.16:
            await self._read(client, kind < 0.08)
        elif kind < 0.20:
            await self._batch(client)
        else:
            await self._transfer(client, keyed=kind < 0.35, digital=kind > 0.88)

    def _pair(self) -> tuple[int, int, int]:
        source, destination = self._rng.sample(range(len(self.wallets)), 2)
        if self._rng.random() < 0.05:
            destination = self._rng.randrange(HOT)
            source = source if source != destination else HOT
        return source, destination, self._rng.randint(1, 500)

    async def _transfer(self, client: Client, *, keyed: bool, digital: bool) -> None:
        pair = self._pair()
        source, destination, amount = pair
        key = None
        if keyed:
            self._keys += 1
            key = f"{id(self)}-{self._keys}"
        if digital:
            body: dict[str, object] = {
                "sender_user_id": self.wallets[source][1],
                "recipient_user_id": self.wallets[destination][1],
                "amount": amount / 100,
            }
            sent, expected = request("POST", "/transfer", body, key), 201
        else:
            body = {
                "source": self.wallets[source][0],
                "destination": self.wallets[destination][0],
                "amount": str(amount),
            }
            sent, expected = request("POST", "/v1/transfers", body, key), 201
        await self._write(client, sent, [pair], expected, has_key=key is not None)
        if key is not None and self._rng.random() < 0.1:
            status, _ = await client.ask(sent)
            if status not in (201, 422, 409):
                self.book.failed.append(f"a repetition with its key was answered {status}")

    async def _batch(self, client: Client) -> None:
        pairs = [self._pair() for _ in range(BATCH_ITEMS)]
        items = [
            {"source": self.wallets[source][0], "destination": self.wallets[destination][0], "amount": amount}
            for source, destination, amount in pairs
        ]
        sent = request("POST", "/v1/transfers/batch", {"transfers": items, "atomic": True})
        await self._write(client, sent, pairs, 200, has_key=False)

    async def _read(self, client: Client, history: bool) -> None:
        wallet = self.wallets[self._rng.randrange(len(self.wallets))][0]
        status, body = await client.ask(request("GET", f"/v1/wallets/{wallet}{'/entries?limit=20' if history else ''}"))
        if status != 200:
            self.book.failed.append(f"a read was answered {status}: {body[:200]!r}")

    async def _write(
        self, client: Client, sent: bytes, transfers: list[tuple[int, int, int]], expected: int, *, has_key: bool
    ) -> None:
        try:
            status, body = await client.ask(sent)
        except (OSError, asyncio.IncompleteReadError):
            if has_key:
                self.book.retries.append((sent, transfers))
            else:
                self.book.doubtful.update(*((source, destination) for source, destination, _ in transfers))
            raise
        self._judge(status, body, transfers, expected)

    def _judge(self, status: int, body: bytes, transfers: list[tuple[int, int, int]], expected: int) -> None:
        if status == expected:
            self.book.moved(transfers)
        elif b"insufficient" in body.lower() or status == 503:
            self.book.refused += 1
        else:
            self.book.failed.append(f"a write was answered {status}: {body[:200]!r}")


async def populate(port: int, count: int) -> tuple[list[tuple[str, int]], str]:
    """That many users with a funded wallet in the default asset each, and the Treasury's wallet id."""
    client = await Client.connect(port)
    _, body = await client.ask(request("GET", "/v1/assets"))
    treasury = json.loads(body)["data"][0]["treasury_wallet_id"]
    wallets: list[tuple[str, int]] = []

    async def make(share: int) -> None:
        own = await Client.connect(port)
        for _ in range(share):
            user = json.loads((await own.ask(request("POST", "/v1/users", {})))[1])["id"]
            opened = json.loads((await own.ask(request("POST", "/v1/wallets", {"user_id": user, "asset": "USD"})))[1])
            wallets.append((opened["id"], user))
        own.close()

    await asyncio.gather(*(make(count // 50) for _ in range(50)))
    for start in range(0, len(wallets), 1000):
        items = [
            {"source": treasury, "destination": wallet, "amount": FUNDING_MINOR}
            for wallet, _ in wallets[start : start + 1000]
        ]
        status, body = await client.ask(request("POST", "/v1/transfers/batch", {"transfers": items, "atomic": True}))
        assert status == 200, body[:300]
    client.close()
    return wallets, treasury


async def balances(port: int, wallets: list[tuple[str, int]]) -> list[int]:
    """What each wallet holds, in minor units."""
    client = await Client.connect(port)
    held = []
    for wallet, _ in wallets:
        _, body = await client.ask(request("GET", f"/v1/wallets/{wallet}"))
        held.append(int(json.loads(body)["posted"]))
    client.close()
    return held
