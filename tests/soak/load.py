"""The load of a soak: requests of several APIs at a steady rate, and a book of what their senders were told.

Latency counts from when a request was due, not from when a connection was free for it.
"""

import asyncio
import json
import random
import re
import time
from typing import Final

CONNECTIONS: Final = 64
FUNDING_MINOR: Final = 10_000_000
BATCH_ITEMS: Final = 20
HOT: Final = 2
"""Wallets that take part in every twentieth transfer."""

PAYERS: Final = 4
"""Users who can log in. Each of their payments has a receipt printed, so they are few: two in a thousand requests."""

PASSWORD: Final = "correct horse battery"
USD: Final = 840
TREASURY: Final = -1
"""Stands for the Treasury where a wallet's index is meant: the last place of a book."""

_LENGTH: Final = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)


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


def request(method: str, path: str, body: object = None, key: str | None = None, token: str | None = None) -> bytes:
    """A request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    keyed = f"Idempotency-Key: {key}\r\n" if key is not None else ""
    keyed += f"Authorization: Token {token}\r\n" if token is not None else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{keyed}\r\n"
    return head.encode() + content


class Book:
    """What clients were told: by wallet, the Treasury last, the sum of what was acknowledged. Wallets that a lost answer leaves in doubt are in `doubtful`."""

    def __init__(self, size: int) -> None:
        self.sums = [0] * (size + 1)
        self.keys = 0
        self.written = 0
        self.doubtful: set[int] = set()
        self.acknowledged = 0
        self.refused = 0
        self.failed: list[str] = []
        self.retries: list[tuple[bytes, list[tuple[int, int, int]], int]] = []

    def moved(self, transfers: list[tuple[int, int, int]]) -> None:
        """Each (source, destination, amount) was acknowledged."""
        for source, destination, amount in transfers:
            self.sums[source] -= amount
            self.sums[destination] += amount
            self.acknowledged += 1


class Load:
    """Makes requests on wallets, given as (wallet id, user id), and sends them. `tokens` are the logins of the first wallets' users."""

    def __init__(self, wallets: list[tuple[str, int]], seed: int, tokens: list[str] | None = None) -> None:
        self.wallets = wallets
        self.tokens = tokens or []
        self.book = Book(len(wallets))
        self._rng = random.Random(seed)
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
        for sent, transfers, expected in retries:
            status, body = await client.ask(sent)
            self._judge(status, body, transfers, expected)
        client.close()

    async def _one(self, client: Client) -> None:
        kind = self._rng.random()
        if kind < 0.16:
            await self._read(client, kind < 0.08)
        elif kind < 0.20:
            await self._batch(client)
        else:
            await self._transfer(client, keyed=self._rng.random() < 0.2)

    def _pair(self) -> tuple[int, int, int]:
        source, destination = self._rng.sample(range(len(self.wallets)), 2)
        if self._rng.random() < 0.05:
            destination = self._rng.randrange(HOT)
            source = source if source != destination else HOT
        return source, destination, self._rng.randint(1, 500)

    async def _transfer(self, client: Client, *, keyed: bool) -> None:
        key = None
        if keyed:
            self.book.keys += 1
            key = f"{id(self)}-{self.book.keys}"
        ways = ((60, self._native), (12, self._digital), (12, self._service), (6, self._credits), (6, self._internal))
        way = self._rng.choices([way for _, way in ways], [weight for weight, _ in ways])[0]
        if self.tokens and self._rng.random() < 0.002:
            way = self._payment
        sent, moved, expected = way(key)
        status, first = await self._write(client, sent, [moved], expected, has_key=key is not None)
        if key is not None and status == expected and self._rng.random() < 0.1:
            again, second = await client.ask(sent)
            # One API answers the balance as it is by now.
            if again not in (status, 503) or (again == status and second != first and way != self._credits):
                self.book.failed.append(
                    f"a repetition of {sent[:60]!r} was answered {again} {second!r} after {first!r}"
                )

    def _native(self, key: str | None) -> tuple[bytes, tuple[int, int, int], int]:
        source, destination, amount = moved = self._pair()
        wallets = {"source": self.wallets[source][0], "destination": self.wallets[destination][0]}
        return request("POST", "/v1/transfers", wallets | {"amount": str(amount)}, key), moved, 201

    def _digital(self, key: str | None) -> tuple[bytes, tuple[int, int, int], int]:
        source, destination, amount = moved = self._pair()
        users = {"sender_user_id": self.wallets[source][1], "recipient_user_id": self.wallets[destination][1]}
        return request("POST", "/transfer", users | {"amount": amount / 100}, key), moved, 201

    def _service(self, key: str | None) -> tuple[bytes, tuple[int, int, int], int]:
        source, destination, amount = moved = self._pair()
        wallets = {"fromWalletId": self.wallets[source][0], "toWalletId": self.wallets[destination][0]}
        return request("POST", "/wallet/transfer", wallets | {"amount": amount / 100}, key), moved, 201

    def _credit(self) -> tuple[str, int, tuple[int, int, int]]:
        """A top-up or a spending: its name, the user, and what it moves."""
        index, _, amount = self._pair()
        if self._rng.random() < 0.5:
            return "topup", self.wallets[index][1], (TREASURY, index, amount)
        return "spend", self.wallets[index][1], (index, TREASURY, amount)

    def _credits(self, key: str | None) -> tuple[bytes, tuple[int, int, int], int]:
        kind, user, moved = self._credit()
        path = f"/api/v1/wallets/users/{user}/{kind.replace('topup', 'top-up')}"
        return request("POST", path, {"amount": str(moved[2] / 100), "asset_type_id": USD}, key), moved, 200

    def _internal(self, key: str | None) -> tuple[bytes, tuple[int, int, int], int]:
        kind, user, moved = self._credit()
        if key is None:  # this API takes none without
            self.book.keys += 1
            key = f"{id(self)}-{self.book.keys}"
        body = {"user_id": str(user), "asset_type": "USD", "amount": str(moved[2] / 100), "idempotency_key": key}
        return request("POST", f"/api/v1/transactions/{kind}", body), moved, 201

    def _payment(self, key: str | None) -> tuple[bytes, tuple[int, int, int], int]:
        source = self._rng.randrange(len(self.tokens))
        destination = self._rng.randrange(len(self.tokens), len(self.wallets))
        body = {"receiver_id": self.wallets[destination][1], "amount": "0.01"}
        sent = request("POST", "/api/wallet/transfer/", body, key, self.tokens[source])
        return sent, (source, destination, 1), 201

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
    ) -> tuple[int, bytes]:
        try:
            status, body = await client.ask(sent)
        except (OSError, asyncio.IncompleteReadError):
            if has_key:
                self.book.retries.append((sent, transfers, expected))
            else:
                self.book.doubtful.update(*((source, destination) for source, destination, _ in transfers))
            raise
        self._judge(status, body, transfers, expected)
        return status, body

    def _judge(self, status: int, body: bytes, transfers: list[tuple[int, int, int]], expected: int) -> None:
        if status == expected:
            self.book.written += 1
            self.book.moved(transfers)
        elif b"insufficient" in body.lower() or status == 503:
            self.book.refused += 1
        else:
            self.book.failed.append(f"a write was answered {status}: {body[:200]!r}")


async def log_in(client: Client) -> tuple[list[tuple[str, int]], list[str]]:
    """The payers, each with a wallet, and their logins."""
    wallets, tokens = [], []
    for number in range(PAYERS):
        name = f"payer-{number}"
        person = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        user = json.loads((await client.ask(request("POST", "/users", person)))[1])["user_id"]
        owned = json.loads((await client.ask(request("GET", f"/v1/wallets?user_id={user}")))[1])["data"]
        wallets.append((owned[0]["id"], user))
        _, body = await client.ask(request("POST", "/api/auth/login/", {"username": name, "password": PASSWORD}))
        tokens.append(json.loads(body)["token"])
    return wallets, tokens


async def populate(port: int, count: int) -> tuple[list[tuple[str, int]], str, list[str]]:
    """That many users with a funded wallet in the default asset each, the payers first; the Treasury's wallet id; the payers' logins."""
    client = await Client.connect(port)
    _, body = await client.ask(request("GET", "/v1/assets"))
    treasury = json.loads(body)["data"][0]["treasury_wallet_id"]
    wallets, tokens = await log_in(client)

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
    return wallets, treasury, tokens


async def balances(port: int, wallets: list[tuple[str, int]]) -> list[int]:
    """What each wallet holds, in minor units."""
    client = await Client.connect(port)
    held = []
    for wallet, _ in wallets:
        _, body = await client.ask(request("GET", f"/v1/wallets/{wallet}"))
        held.append(int(json.loads(body)["posted"]))
    client.close()
    return held
