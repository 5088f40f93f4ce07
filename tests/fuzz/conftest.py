"""A real server in a thread of its own, on a port of the system's choice, with users, wallets and money for the generated requests to meet."""

import asyncio
import itertools
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from walletd.engine.engine import Engine
from walletd.engine.memory import MemoryImage, MemoryJournal
from walletd.engine.memory_access import MemoryAccess
from walletd.http.currencies import RESERVED_ASSET_IDS
from walletd.http.openapi.examples import v1
from walletd.http.server import Server, ServerOptions

USER = {"username": "john_doe", "email": "john@example.com", "password": "password123"}


class Served:
    """Where the server is, and the token of a user that is logged in there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            made: dict[str, Any] = json.loads(answer.read())
        return made


def new_id_of_examples() -> Any:
    """The ids of the document's examples first, so that its requests find what they name; then ones of no other use."""
    known = iter((v1.TREASURY, v1.ANN, v1.BOB))
    numbers = itertools.count(1)
    return lambda: next(known, None) or f"00000000-0000-4000-8000-{next(numbers):012x}"


async def _serve(ready: threading.Event, found: dict[str, Any]) -> None:
    journal = MemoryJournal()
    image = MemoryImage(journal)
    engine = await Engine.start(
        journal, image, image, new_id=new_id_of_examples(), reserved_asset_ids=RESERVED_ASSET_IDS
    )
    server = Server(engine, MemoryAccess(), ServerOptions(port=0), version="1.2.3", default_asset="USD")
    host, port = await server.start()
    stop = asyncio.Event()
    found.update(url=f"http://{host}:{port}", stop=stop, loop=asyncio.get_running_loop())
    ready.set()
    await stop.wait()
    await server.stop()
    await engine.stop()


def _fill(served: Served) -> None:
    """Assets, two users with wallets in dollars, one of them with money, and credits of another asset."""
    served.post("/v1/assets", {"code": "USD"})
    served.post("/users", USER)
    for body in ({"external_id": "user_001"}, {"external_id": "user_alice"}):
        user = served.post("/v1/users", body)
        if body["external_id"] == "user_001":
            served.post("/v1/wallets", {"user_id": user["id"], "asset": "USD"})
    gold = {"code": "GOLD", "id": 1, "aliases": ["GOLD_COINS"], "transferable": False}
    served.post("/v1/assets", gold)
    treasury = {"source": v1.TREASURY, "destination": v1.ANN, "amount": 10**9}
    served.post("/v1/transfers", treasury)
    credit = {"user_id": "user_001", "asset_type": "GOLD", "amount": "1000.00", "idempotency_key": "fill-1"}
    served.post("/api/v1/transactions/topup", credit)
    served.post("/api/v1/transactions/topup", {**credit, "user_id": "user_alice", "idempotency_key": "fill-2"})
    served.token = served.post("/api/auth/login/", USER)["token"]


@contextmanager
def serving() -> Iterator[Served]:
    """A filled server, until the context ends."""
    ready, found = threading.Event(), dict[str, Any]()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(ready, found)), name="server")
    thread.start()
    assert ready.wait(30)
    served = Served(found["url"])
    try:
        _fill(served)
        yield served
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A server for all generated requests of the run."""
    with serving() as served:
        yield served


@pytest.fixture
def fresh() -> Iterator[Served]:
    """A server that nothing was asked yet."""
    with serving() as served:
        yield served
