"""A service with a script: a raw server that answers each request with what a function says, bytes and all."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from walletd.loadtest.requests import Address

Reply = bytes | None
"""What is sent back; None ends the connection without an answer."""

Script = Callable[[str, str, bytes], Awaitable[Reply]]
"""Given method, path and body."""


def json_answer(status: int, content: Any) -> bytes:
    """An answer of JSON."""
    body = msgspec.json.encode(content)
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class Scripted:
    """The server, for the time of an `async with`. `address` is where it listens."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.address = Address("127.0.0.1", 0)

    async def __aenter__(self) -> "Scripted":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.address = Address("127.0.0.1", self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._server is not None
        self._server.close()
        for _ in range(3):  # a connection just taken reaches _accepted within so many turns of the loop
            await asyncio.sleep(0)
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for writer in self._serving.values():  # one that was ended before its first step has closed nothing
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._serving.values()), return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[asyncio.get_running_loop().create_task(self._serve(reader, writer))] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(" ", 2)
                length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")), 0)
                reply = await self._script(method, path, await reader.readexactly(length))
                if reply is None:
                    return
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
