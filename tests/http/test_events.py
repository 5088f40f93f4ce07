"""Laws of events: the journal, in pages and as a stream."""

import asyncio
import json
from typing import Any

import aiohttp
import msgspec
import pytest

from walletd.engine import CreateUser
from walletd.engine.memory import MemoryJournal
from walletd.engine.records import Row

from .conftest import Client, Serve


class Stream:
    """An open event stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def block(self) -> str:
        """The next block of the stream: an event or a comment."""
        return (await asyncio.wait_for(self.response.content.readuntil(b"\n\n"), 5)).decode()

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The next events."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            block = await self.block()
            if not block.startswith(":"):
                found.append(dict(line.split(": ", 1) for line in block.strip().split("\n")))
        return found


async def opened(client: Client, path: str = "/v1/events/stream", **headers: str) -> Stream:
    response = await client.session.get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["X-Request-Id"]
    return Stream(response)


async def test_every_record_is_an_event_in_order(client: Client) -> None:
    wallet = await client.wallet(amount=5)
    await client.post(f"/v1/wallets/{wallet}/freeze", {"reason": "why"})
    await client.send("PATCH", "/v1/users/1", {"name": "Ann"})
    events = (await client.get("/v1/events")).json["data"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event["id"] for event in events] == [f"evt_{number}" for number in range(1, 7)]
    assert [event["type"] for event in events] == [
        "asset_created",
        "user_created",
        "wallet_opened",
        "moved",
        "wallet_frozen",
        "user_updated",
    ]
    assert events[0]["assets"][0]["treasury_wallet_id"] == await client.treasury()
    assert events[3]["transactions"][0]["legs"][1] == {
        "wallet_id": wallet,
        "amount": "5",
        "asset": "USD",
        "scale": 2,
        "balance_after": "5",
        "entry_id": "ent_2",
    }
    assert events[4]["wallet_changes"][0]["reason"] == "why"
    assert events[5]["user_changes"][0]["name"] == "Ann"


async def test_events_leave_idempotency_keys_out(client: Client) -> None:
    a, b = await client.wallet(amount=5), await client.wallet()
    await client.transfer(a, b, 1, key="the-secret-key")
    item = {"source": a, "destination": b, "amount": 1}
    await client.post(
        "/v1/transfers/batch",
        {"transfers": [item, {**item, "amount": 99}]},
        headers={"Idempotency-Key": "the-secret-key"},
    )
    answer = await client.get("/v1/events")
    assert b"secret" not in answer.body
    assert b"anonymous" not in answer.body
    assert answer.json["data"][-1]["refusals"] == [
        {"index": 1, "code": "insufficient_balance", "detail": "Insufficient balance."}
    ]


async def test_events_are_walked_by_sequence(client: Client) -> None:
    for _ in range(6):
        await client.user()
    seen: list[int] = []
    after: str | None = "0"
    while after is not None:
        page = (await client.get(f"/v1/events?limit=3&after={after}")).json
        seen += [event["sequence"] for event in page["data"]]
        after = page["next"]
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert (await client.get("/v1/events?cursor=5")).json["data"][0]["sequence"] == 6
    assert (await client.get("/v1/events?after=7")).json == {"data": [], "next": None}
    assert (await client.get("/v1/events?limit=1000")).status == 200


async def test_a_page_of_large_events_is_shorter_and_names_the_next(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await client.user()
    monkeypatch.setattr("walletd.engine.journal.READ_BYTES_MAX", 1)
    pages = [(await client.get("/v1/events")).json]
    while (after := pages[-1]["next"]) is not None and len(pages) < 5:
        pages.append((await client.get(f"/v1/events?cursor={after}")).json)
    assert [[event["sequence"] for event in page["data"]] for page in pages] == [[1], [2], [3]]


async def test_a_walk_ends_with_what_was_durable_when_its_page_was_asked_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.user()
    read = MemoryJournal.read

    async def with_another_meanwhile(journal: MemoryJournal, after: int, limit: int) -> list[Row]:
        await client.engine.execute(CreateUser())
        return await read(journal, after, limit)

    monkeypatch.setattr(MemoryJournal, "read", with_another_meanwhile)
    page = (await client.get("/v1/events")).json
    assert [event["sequence"] for event in page["data"]] == [1, 2, 3]
    assert page["next"] is None


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=" + "9" * 19, "limit=1001", "limit=0", "after=1&cursor=1", "type=moved"]
)
async def test_a_bad_parameter_of_events_is_422(client: Client, query: str) -> None:
    assert (await client.get(f"/v1/events?{query}")).status == 422


async def test_a_stream_gives_what_was_and_what_comes(client: Client) -> None:
    stream = await opened(client)
    assert (await stream.events(1))[0]["event"] == "asset_created"
    await client.user(name="Ann")
    event = (await stream.events(1))[0]
    assert (event["id"], event["event"]) == ("2", "user_created")
    assert json.loads(event["data"]) == (await client.get("/v1/events?after=1")).json["data"][0]
    stream.response.close()


async def test_a_stream_is_resumed_after_the_last_event(client: Client) -> None:
    for _ in range(4):
        await client.user()
    for stream in (
        await opened(client, Last_Event_ID="3"),
        await opened(client, "/v1/events/stream?after=3"),
        await opened(client, "/v1/events/stream?after=1", Last_Event_ID="3"),
    ):
        assert [event["id"] for event in await stream.events(2)] == ["4", "5"]
        stream.response.close()
    assert (await client.get("/v1/events/stream", headers={"Last-Event-ID": "x"})).status == 422


async def test_a_silent_stream_has_heartbeats(serve: Serve) -> None:
    client = await serve(heartbeat_s=0.01)
    stream = await opened(client)
    assert (await stream.block()).startswith(":")
    assert await stream.block() == ": heartbeat\n\n"
    stream.response.close()


async def test_the_number_of_streams_is_bounded(serve: Serve) -> None:
    client = await serve(streams_max=1)
    stream = await opened(client)
    refused = await client.get("/v1/events/stream")
    assert (refused.status, refused.code) == (503, "overloaded")
    stream.response.close()


async def test_streams_end_when_the_server_stops(client: Client) -> None:
    stream = await opened(client)
    await stream.events(1)
    await asyncio.wait_for(client.server.stop(), 5)
    assert await stream.response.content.read() == b""


async def test_a_stream_whose_client_does_not_read_does_not_hold_up_a_stop(client: Client) -> None:
    wallet = await client.wallet()
    treasury = await client.treasury()
    transfers = [{"source": treasury, "destination": wallet, "amount": 1, "description": "x" * 500}] * 10_000
    for _ in range(3):  # far more than the buffers on the way take
        assert (await client.post("/v1/transfers/batch", {"transfers": transfers})).status == 200
    reader, writer = await asyncio.open_connection(client.host, client.port, limit=1024)
    writer.write(b"GET /v1/events/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"events follow")

    await asyncio.wait_for(client.server.stop(), 10)

    writer.transport.abort()


async def test_a_stream_that_fails_is_cut_and_gets_no_second_answer(client: Client) -> None:
    assert client.gate is not None
    rows = client.gate.store.rows
    await client.get("/v1/wallets")  # so that the image has what is damaged below
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET /v1/events/stream?after=%d HTTP/1.1\r\nHost: x\r\n\r\n" % len(rows))
    sent = await reader.readuntil(b": events follow\n\n\r\n")
    last, right = len(rows) - 1, rows[-1]
    rows[last] = msgspec.structs.replace(right, chain=bytes(32))
    await client.user()
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    sent += await asyncio.wait_for(reader.read(), 5)
    writer.close()
    rows[last] = right
    assert sent.count(b"HTTP/1.1") == 1
    assert not sent.endswith(b"0\r\n\r\n")
