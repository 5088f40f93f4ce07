"""A connection: aiohttp reads, times and closes it; which requests it holds, and the loop that answers them, are here.

Most connections repeat themselves: the client sends one head again and again, each with a small body, and all of it arrives in one piece. Such a head is looked up instead of
parsed, and every request is answered in the connection's own task, not in one of its own: together a fifth of what a transfer costs.
Invariant: what is not such a request goes through aiohttp's parser, and once the parser may be in the middle of one, everything that follows does.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from aiohttp import web
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from .direct import DirectAnswer

HEADS_MAX: Final = 8
"""Heads that are known of one connection. The clients of one path send a few, which differ in the length of the body."""
HEAD_BYTES_MAX: Final = 1024
HEAD_LINES_MAX: Final = 24
"""Longer heads are parsed each time: what they are parsed to takes more memory than they do."""

BROKEN_BODY: Final = (web.RequestPayloadError, HttpProcessingError)
"""What a body whose framing is broken raises when it is read: by aiohttp's compiled parser the first, by the one in Python the second."""

_HEAD_END: Final = b"\r\n\r\n"


class WholeBody:
    """The body of a request that came in one piece: what is read of aiohttp's StreamReader, without its buffers and limits."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def is_eof(self) -> bool:
        """Whether all of it is here."""
        return True

    def read_nowait(self) -> bytes:
        """All of it, once."""
        data, self._data = self._data, b""
        return data

    async def readany(self) -> bytes:
        """All of it, once; nothing after that."""
        return self.read_nowait()

    def set_exception(self, exc: BaseException) -> None:
        """Nothing: all of it is here, also where its sender has left meanwhile."""


class _Known(NamedTuple):
    """A head as it was parsed, and the length of the body that it announces, in bytes."""

    message: RawRequestMessage
    length: int


class Connection(web.RequestHandler):
    """One connection. `_heads` is None, and stays so, after the first piece that was not exactly one whole request."""

    __slots__ = ("_heads", "_unreadable")

    def __init__(self, manager: "Connections", **options: Any) -> None:
        super().__init__(manager, **options)
        self._heads: dict[bytes, _Known] | None = {}
        self._unreadable = manager.unreadable

    # ------------------------------------------------------------------------------------------------------ reading

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._heads is None or not data:
            self._parse(data)
            return
        end = data.find(_HEAD_END) + len(_HEAD_END)
        known = self._heads.get(data[:end])
        if known is None or known.length != len(data) - end or self._messages:
            self._heads = self._parse_whole(data, end, self._heads)
            return
        body: Any = WholeBody(data[end:]) if known.length else EMPTY_PAYLOAD
        self._messages.append((known.message, body))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on where reading was stopped; aiohttp's asks the parser and the transport at the end of every body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _parse(self, data: bytes) -> None:
        """Have aiohttp take it. A body that breaks on its way is an error to the handler that reads it, which would else wait for the rest of it."""
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            body = self._messages[-2][1] if len(self._messages) > 1 else getattr(self._current_request, "content", None)
            if body is not None and not body.is_eof():
                body.set_exception(web.RequestPayloadError())

    def _parse_whole(self, data: bytes, end: int, heads: dict[bytes, _Known]) -> dict[bytes, _Known] | None:
        """Have aiohttp take it. What is known of heads afterwards: None if it was anything else than one whole, plain request."""
        before = len(self._messages)
        self._parse(data)
        if len(self._messages) != before + 1:
            return None
        message, body = self._messages[-1]
        head, length = data[:end], len(data) - end
        if (
            not isinstance(message, RawRequestMessage)
            or message.headers.get(CONTENT_LENGTH, "0") != str(length)
            or not body.is_eof()
        ):
            return None
        if len(head) <= HEAD_BYTES_MAX and len(message.raw_headers) <= HEAD_LINES_MAX:
            if len(heads) == HEADS_MAX:
                heads.clear()
            heads[head] = _Known(message, length)
        return heads

    # ---------------------------------------------------------------------------------------------------- answering

    async def start(self) -> None:
        """Answer one request after another until the connection ends. What could not be read is aiohttp's to answer, and ends it."""
        loop, messages, serve = self._loop, self._messages, self._request_handler
        assert serve is not None
        while not self._force_close:
            if not messages:
                self._waiter = loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
                if self._force_close:
                    break
            message, body = messages[0]
            if not isinstance(message, RawRequestMessage):
                await super().start()
                return
            messages.popleft()
            self._make_room()
            task: Any = self._task_handler
            request = web.BaseRequest(message, body, self, StreamWriter(self, loop), task, loop)
            self._current_request = request
            self._request_in_progress = True
            try:
                response = await serve(request)
                if isinstance(response, DirectAnswer) and not self._upgraded:
                    await response.write_eof()
                else:
                    await self._send(request, response)
                if not body.is_eof():
                    await self._linger(body)
            except ConnectionError:
                break  # the client has left
            except asyncio.CancelledError:
                self.force_close()
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the connection ends
                await self._give_up(request, body, error)
                break
            finally:
                self._current_request = None
                self._request_in_progress = False
                if self._handler_waiter is not None and not self._handler_waiter.done():
                    self._handler_waiter.set_result(None)
            if self._force_close or self._close or not response.keep_alive:
                break
            self._keep()
            if messages:
                await asyncio.sleep(0)  # others first: a handler may never have waited
        if not self._force_close and self.transport is not None:
            self._task_handler = None
            self.transport.close()

    def _make_room(self) -> None:
        """Let the parser go on that a client's many requests have stopped."""
        assert self._parser is not None
        self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    async def _linger(self, body: StreamReader) -> None:
        """Read and drop the rest of a body that was refused, so that its sender sees the answer instead of a reset."""
        try:
            async with asyncio.timeout(self._lingering_time):
                while not body.is_eof():
                    await body.readany()
        except (OSError, *BROKEN_BODY):  # the time is over, the client has left, or the rest is broken
            self.close()

    async def _give_up(self, request: web.BaseRequest, body: StreamReader, error: Exception) -> None:
        """Answer a request whose handling failed outside of what the server answers itself, if nothing of an answer is sent."""
        with contextlib.suppress(ConnectionError):
            await self._send(request, self._unreadable(500, error))
            await self._linger(body)

    async def _send(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Send an answer, or what is left of it. Raises ConnectionError where a part of another is sent already: then the connection must end."""
        if request.writer.output_size > 0 and not response.prepared:
            raise ConnectionResetError("a part of another answer is sent already")
        await self.finish_response(request, response, None)

    def _keep(self) -> None:
        """Begin the time for which a connection is kept without a request."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP; it ends the connection."""
        return self._unreadable(status, exc)


class Connections(web.Server):
    """All connections of a server. `serve` answers a request, `unreadable` makes the answer to one that could not be read or failed."""

    def __init__(
        self,
        serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        unreadable: Callable[[int, BaseException | None], web.Response],
        **options: Any,
    ) -> None:
        super().__init__(serve, auto_decompress=False, **options)
        self.unreadable = unreadable

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)
