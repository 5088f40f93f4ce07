"""A client that sends any bytes at all, and reads answers as the bytes that they are."""

import json
import re
import socket
import time
from typing import Any, Final

from multidict import CIMultiDict, CIMultiDictProxy

Address = tuple[str, int]

TIMEOUT_S: Final = 10.0
_LENGTH: Final = re.compile(rb"\r\nContent-Length: *([0-9]+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\nTransfer-Encoding: *chunked", re.IGNORECASE)


class Answer:
    """One answer."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        self.status = int(head.split(b" ", 2)[1])
        pairs = (line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        self.headers = {name.decode("latin-1").lower(): value.strip().decode("latin-1") for name, value in pairs}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def multidict(self) -> CIMultiDictProxy[str]:
        """The headers, as a client's library has them."""
        return CIMultiDictProxy(CIMultiDict(self.headers))

    @property
    def code(self) -> str:
        """The problem's code; empty where there is none."""
        if self.headers.get("content-type") != "application/problem+json" or not self.body:
            return ""
        return str(self.json["code"])

    def __repr__(self) -> str:
        return f"Answer({self.head!r}, {self.body[:300]!r})"


class Connection:
    """One connection, which is closed when its context ends."""

    def __init__(self, address: Address, timeout: float = TIMEOUT_S) -> None:
        self.socket = socket.create_connection(address, timeout)
        self._read = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it; what the server does not take, because it has closed, is no error."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    @property
    def is_timed_out(self) -> bool:
        """Whether the server has said that time is up."""
        return b" 408 " in self._read[:64]

    def is_ended(self, seconds: float) -> bool:
        """Whether the server ends the connection within that time; what it says before is kept."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False
            if not data:
                return True
            self._read += data
        return False

    def answer(self, *, to_head: bool = False) -> Answer | None:
        """The next answer, None where the connection ends before one. Raises TimeoutError and ValueError."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                if self._read:
                    raise ValueError(f"the answer ends within its head: {self._read!r}")
                return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if to_head or b" 204 " in head[:16] or b" 100 " in head[:16]:
            return Answer(head, b"")
        if length is not None:
            return Answer(head, self._taken(int(length[1])))
        if _CHUNKED.search(head) is not None:
            return Answer(head, self._chunks())
        while self._more():
            pass
        body, self._read = self._read, b""
        return Answer(head, body)

    def answers(self) -> list[Answer]:
        """Every answer until the server ends the connection, or says that time is up: then it only waits for what is still on its way."""
        found: list[Answer] = []
        while (not found or found[-1].status != 408) and (answer := self.answer()) is not None:
            found.append(answer)
        return found

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._read:
                if not self._more():
                    raise ValueError("the answer ends within a chunk's size")
            size, _, self._read = self._read.partition(b"\r\n")
            chunk = self._taken(int(size, 16) + 2)
            if len(chunk) == 2:
                return body
            body += chunk[:-2]

    def _taken(self, length: int) -> bytes:
        while len(self._read) < length:
            if not self._more():
                raise ValueError("the answer ends within its body")
        data, self._read = self._read[:length], self._read[length:]
        return data

    def _more(self) -> bool:
        self.socket.settimeout(TIMEOUT_S)
        try:
            data = self.socket.recv(65_536)
        except ConnectionResetError:
            return False
        self._read += data
        return bool(data)


def request(
    method: str,
    target: str | bytes,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    close: bool = True,
) -> bytes:
    """The bytes of a request that is right, but for what it is made of."""
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target.encode() if isinstance(target, str) else target)]
    sent = {"Host": "walletd", **({"Connection": "close"} if close else {})}
    if body is not None:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    sent |= headers or {}
    lines += [f"{name}: {value}".encode("utf-8", "surrogateescape") for name, value in sent.items() if value != "-"]
    return b"\r\n".join([*lines, b"", body or b""])


def asked(address: Address, data: bytes, *, to_head: bool = False, timeout: float = TIMEOUT_S) -> Answer:
    """The one answer to these bytes. Raises AssertionError where there is none."""
    with Connection(address, timeout) as connection:
        connection.send(data)
        answer = connection.answer(to_head=to_head)
    assert answer is not None, data[:300]
    return answer


class Asker:
    """Sends requests one after another on one connection, and on a new one where the server ended it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Connection | None = None

    def ask(self, data: bytes) -> Answer:
        """The answer. Raises AssertionError where there is none."""
        for _ in range(2):
            fresh = self._connection is None
            self._connection = self._connection or Connection(self._address)
            self._connection.send(data)
            answer = self._connection.answer()
            if answer is None or answer.headers.get("connection") == "close" or answer.head.startswith(b"HTTP/1.0"):
                self.close()
            if answer is not None:
                return answer
            assert not fresh, data[:300]
        raise AssertionError(data[:300])

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.socket.close()
            self._connection = None
