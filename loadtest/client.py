"""A small client for what is not measured: opening wallets before a run, reading them back after it.

Each connection has one request under way. Requests are answered in any order and handed over with their index; one that
the server is too busy for, or whose connection ends, is sent again a bounded number of times.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

import msgspec

from .answers import Answer, AnswerReader, MalformedAnswer
from .requests import Address, get, post

ATTEMPTS_MAX: Final = 8
ANSWER_TIMEOUT_S: Final = 60.0
_RETRY_S: Final = 0.05


class Unanswered(Exception):
    """The service did not answer, or not with what the load test can go on with."""


class Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._reader = AnswerReader()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        try:
            answers = self._reader.feed(data)
        except MalformedAnswer as error:
            self._end(error)
            return
        for answer in answers:
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(answer)
            if answer.closes:
                self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._transport = None
        try:
            answer = self._reader.end()
        except MalformedAnswer:
            answer = None
        if answer is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)
        self._end(exc or ConnectionResetError("the service closed the connection"))

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer. Raises OSError, MalformedAnswer, TimeoutError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await self._waiting

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def _end(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.close()


async def connect(address: Address) -> Connection:
    """A new connection. Raises OSError."""
    _, protocol = await asyncio.get_running_loop().create_connection(Connection, address.host, address.port)
    return protocol


class Client:
    """Up to `connections` at once to one service."""

    def __init__(self, address: Address, connections: int) -> None:
        self.address = address
        self._connections = connections

    async def each(self, requests: Iterable[bytes], take: Callable[[int, Answer], None]) -> None:
        """Send all requests; `take(index, answer)` is called for each as it is answered. Raises Unanswered."""
        numbered = enumerate(requests)
        lanes = [asyncio.create_task(self._work(numbered, take)) for _ in range(self._connections)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def all(self, requests: Iterable[bytes]) -> list[Answer]:
        """The answers in the order of the requests. Raises Unanswered."""
        answers: dict[int, Answer] = {}
        await self.each(requests, answers.__setitem__)
        return [answers[index] for index in range(len(answers))]

    async def get(self, path: str) -> Answer:
        """One GET. Raises Unanswered."""
        return (await self.all([get(self.address, path)]))[0]

    async def read(self, path: str) -> Any:
        """The JSON of a GET that is answered 200. Raises Unanswered."""
        return content_of(await self.get(path), 200, path)

    async def post(self, path: str, body: Any) -> Answer:
        """One POST. Raises Unanswered."""
        return (await self.all([post(self.address, path, body)]))[0]

    async def _work(self, numbered: Iterator[tuple[int, bytes]], take: Callable[[int, Answer], None]) -> None:
        connection: Connection | None = None
        try:
            for index, request in numbered:
                for attempt in range(ATTEMPTS_MAX):
                    try:
                        connection = connection or await connect(self.address)
                        answer = await connection.ask(request)
                    except TimeoutError as error:
                        raise Unanswered(
                            f"{self.address.authority}: no answer within {ANSWER_TIMEOUT_S:.0f} s to {request[:80]!r}"
                        ) from error
                    except (OSError, MalformedAnswer) as error:
                        if connection is not None:
                            connection.close()
                        connection = None
                        if attempt + 1 == ATTEMPTS_MAX:
                            raise Unanswered(f"{self.address.authority}: {error or type(error).__name__}") from error
                    else:
                        if answer.closes:
                            connection = None
                        if answer.status not in (429, 503) or attempt + 1 == ATTEMPTS_MAX:
                            take(index, answer)
                            break
                    await asyncio.sleep(_RETRY_S * 2**attempt)
        finally:
            if connection is not None:
                connection.close()


def content_of(answer: Answer, status: int, what: str) -> Any:
    """The JSON of an answer that must have this status. Raises Unanswered."""
    if answer.status != status:
        raise Unanswered(f"{what}: expected {status}, got {answer.status}: {answer.body[:300]!r}")
    try:
        return msgspec.json.decode(answer.body)
    except msgspec.DecodeError as error:
        raise Unanswered(f"{what}: the answer is not JSON: {answer.body[:100]!r}") from error
