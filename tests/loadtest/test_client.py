"""The client against a scripted server: order, disconnects, busy answers, and what it gives up on."""

import pytest

from walletd.loadtest.client import Client, Unanswered, content_of
from walletd.loadtest.requests import get

from .scripted import Reply, Scripted, json_answer


async def test_answers_come_in_the_order_of_the_requests() -> None:
    async def script(method: str, path: str, body: bytes) -> Reply:
        return json_answer(200, {"path": path})

    async with Scripted(script) as server:
        answers = await Client(server.address, 3).all(get(server.address, f"/{number}") for number in range(20))
    assert [content_of(answer, 200, "")["path"] for answer in answers] == [f"/{number}" for number in range(20)]


async def test_a_request_whose_connection_ended_is_sent_again() -> None:
    seen: list[str] = []

    async def script(method: str, path: str, body: bytes) -> Reply:
        seen.append(path)
        return None if seen.count(path) == 1 else json_answer(200, {})

    async with Scripted(script) as server:
        answers = await Client(server.address, 2).all(get(server.address, f"/{number}") for number in range(4))
    assert len(answers) == 4
    assert sorted(seen) == sorted([f"/{number}" for number in range(4)] * 2)


async def test_a_busy_server_is_asked_again() -> None:
    replies = [503, 429, 200]

    async def script(method: str, path: str, body: bytes) -> Reply:
        return json_answer(replies.pop(0), {})

    async with Scripted(script) as server:
        assert (await Client(server.address, 1).get("/")).status == 200


async def test_an_answer_that_ends_the_connection_is_taken() -> None:
    async def script(method: str, path: str, body: bytes) -> Reply:
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"

    async with Scripted(script) as server:
        assert len(await Client(server.address, 1).all([get(server.address, "/")] * 3)) == 3


async def test_a_service_that_is_not_there_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("walletd.loadtest.client._RETRY_S", 0.0)

    async def script(method: str, path: str, body: bytes) -> Reply:
        return b"not HTTP\r\n\r\n"

    async with Scripted(script) as server:
        with pytest.raises(Unanswered):
            await Client(server.address, 1).get("/")


async def test_another_status_than_the_one_that_must_be_is_reported() -> None:
    async def script(method: str, path: str, body: bytes) -> Reply:
        return json_answer(404, {"code": "not_found"})

    async with Scripted(script) as server:
        with pytest.raises(Unanswered, match="not_found"):
            await Client(server.address, 1).read("/x")
