"""A real server on a port of the system's choice, over an engine in memory, and a small client that speaks to it."""

import asyncio
import copy
import io
import json as json_text
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from walletd.engine.engine import Engine
from walletd.engine.identity import Access
from walletd.engine.memory import MemoryImage, MemoryJournal
from walletd.engine.memory_access import MemoryAccess
from walletd.http.currencies import RESERVED_ASSET_IDS
from walletd.http.server import Server, ServerOptions
from walletd.tests.builders import GatedJournal, quiet

from .conformance import CheckedResponse

Headers = dict[str, str]


class Answer:
    """What the server said."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json_text.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code."""
        return str(self.json["code"])

    @property
    def pointers(self) -> list[str]:
        """Where the problem's bad members are."""
        return [error["pointer"] for error in self.json.get("errors", [])]


class Client:
    """Requests to one server, and builders of what most tests need."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: Server,
        engine: Engine,
        address: tuple[str, int],
        gate: GatedJournal | None = None,
    ) -> None:
        self.session = session
        self.server = server
        self.engine = engine
        self.host, self.port = address
        self.gate = gate
        self.authorization = ""
        """What requests show who they are by, unless they say otherwise."""

    async def send(
        self, method: str, path: str, json: Any = None, *, data: bytes | None = None, headers: Headers | None = None
    ) -> Answer:
        sent = dict(headers or {})
        if self.authorization:
            sent.setdefault("Authorization", self.authorization)
        if json is not None:
            data = json_text.dumps(json).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(
            method,
            path,
            data=None if data is None else io.BytesIO(data),
            headers=sent,
            skip_auto_headers=("Content-Type",),
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    def acting(self, authorization: str) -> "Client":
        """The same client as somebody else."""
        other = copy.copy(self)
        other.authorization = authorization
        return other

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.send("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.send("POST", path, json, **options)

    async def at_once(self, *requests: Awaitable[Answer]) -> list[Answer]:
        """The answers to requests of which none is answered before all have come: nothing is durable until then."""
        assert self.gate is not None
        self.gate.shut()
        answers = asyncio.gather(*requests)
        while self.server._in_flight < len(requests):
            await quiet()
        await quiet()
        self.gate.open()
        return list(await answers)

    async def raw(self, text: bytes) -> bytes:
        """What comes back for these bytes until the server ends the connection or falls silent."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(text)
            await writer.drain()
            answer = b""
            while chunk := await asyncio.wait_for(reader.read(65536), 5):
                answer += chunk
            return answer
        finally:
            writer.close()

    async def asset(self, code: str = "USD", **members: Any) -> dict[str, Any]:
        answer = await self.post("/v1/assets", {"code": code, **members})
        assert answer.status == 201, answer.body
        return dict(answer.json)

    async def user(self, **members: Any) -> dict[str, Any]:
        answer = await self.post("/v1/users", members)
        assert answer.status == 201, answer.body
        return dict(answer.json)

    async def wallet(self, asset: str = "USD", amount: int = 0) -> str:
        """The id of a new user's wallet, credited with `amount`."""
        user = await self.user()
        answer = await self.post("/v1/wallets", {"user_id": user["id"], "asset": asset})
        assert answer.status == 201, answer.body
        wallet = str(answer.json["id"])
        if amount:
            credited = await self.transfer(await self.treasury(asset), wallet, amount)
            assert credited.status == 201, credited.body
        return wallet

    async def treasury(self, asset: str = "USD") -> str:
        return str((await self.get(f"/v1/assets/{asset}")).json["treasury_wallet_id"])

    async def transfer(
        self, source: str, destination: str, amount: Any, *, query: str = "", key: str | None = None, **members: Any
    ) -> Answer:
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"source": source, "destination": destination, "amount": amount, **members}
        return await self.post(f"/v1/transfers{query}", body, headers=headers)

    async def posted(self, wallet: str) -> int:
        return int((await self.get(f"/v1/wallets/{wallet}")).json["posted"])


Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server with the options given; all are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            rows_max: int | None = None,
            clock: Any = None,
            clock_us: Any = None,
            access: Access | None = None,
            default_asset: str = "USD",
            **options: Any,
        ) -> Client:
            store = MemoryJournal() if rows_max is None else MemoryJournal(rows_max)
            image, gate = MemoryImage(store), GatedJournal(store)
            engine = await Engine.start(gate, image, image, reserved_asset_ids=RESERVED_ASSET_IDS)
            stack.push_async_callback(engine.stop)
            chosen = ServerOptions(**{"port": 0, "shutdown_timeout_s": 5.0, **options})
            clocks = {} if clock is None else {"clock": clock}
            if clock_us is not None:
                clocks["clock_us"] = clock_us
            server = Server(
                engine, access or MemoryAccess(), chosen, version="1.2.3", default_asset=default_asset, **clocks
            )
            address = await server.start()
            stack.push_async_callback(server.stop)
            session = aiohttp.ClientSession(f"http://{address[0]}:{address[1]}", response_class=CheckedResponse)
            await stack.enter_async_context(session)
            return Client(session, server, engine, address, gate)

        yield start


@pytest.fixture
async def client(serve: Serve) -> Client:
    """A client of a server that knows USD."""
    client = await serve()
    await client.asset()
    return client


@pytest.fixture
async def credits_client(client: Client) -> Client:
    """A client of a server that also knows two closed-loop credits, and the user ann."""
    closed = {"transferable": False, "max_amount": 100_000_000}
    await client.asset("GOLD", id=1, name="Gold Coins", aliases=["GOLD_COINS"], **closed)
    await client.asset("DMND", id=2, name="Diamonds", aliases=["DIAMONDS"], **closed)
    await client.user(external_id="ann")
    return client
