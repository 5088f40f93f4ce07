"""Direct answers: head and body of a small answer in one piece, in one write.

aiohttp builds an answer's head from a multidict and asks about chunking, compression and cookies on the way, a fifth of what a transfer costs. A small JSON answer to a POST over
HTTP/1.1 needs none of it. Everything else goes the common way.
"""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

DIRECT_BYTES_MAX: Final = 32 * 1024
UNSENT_BYTES_MAX: Final = 64 * 1024
"""Bytes that the transport may hold for a client that does not read, before its next answer waits."""

_HEADS: Final[dict[int, bytes]] = {
    status.value: (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: walletd\r\nContent-Type: application/json\r\nDate: "
    ).encode()
    for status in HTTPStatus
}


class _Date:
    """The Date header's text, made once a second."""

    __slots__ = ("second", "text")

    def __init__(self) -> None:
        self.second = 0
        self.text = b""

    def now(self) -> bytes:
        second = int(time.time())
        if second != self.second:
            self.second = second
            self.text = formatdate(second, usegmt=True).encode()
        return self.text


_date: Final = _Date()


def is_fit(request: web.BaseRequest, body: bytes) -> bool:
    """Whether the request may be answered directly with this body."""
    return len(body) <= DIRECT_BYTES_MAX and request.method == "POST" and request.version == HttpVersion11


class DirectAnswer(web.StreamResponse):
    """A JSON answer that writes itself. `lines` are further header lines, each ended by CRLF, of checked values.

    It has no headers of its own: what aiohttp's response would make for them is not made, which saves a hundredth of a transfer.
    """

    _reason = ""  # so that it can be printed

    def __init__(self, request: web.BaseRequest, status: int, lines: str, body: bytes) -> None:
        self._request = request
        self._status = status
        self._lines = lines
        self._body_bytes = body

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection goes on: as the client wishes."""
        return self._request.keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing: head and body are written together."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the whole answer."""
        request, body = self._request, self._body_bytes
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        close = "" if request.keep_alive else "Connection: close\r\n"
        tail = f"\r\nContent-Length: {len(body)}\r\n{self._lines}{close}\r\n".encode()
        answer = b"".join((_HEADS[self.status], _date.now(), tail, body))
        transport.write(answer)
        request.writer.output_size = len(answer)
        if transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            await request.writer.drain()
