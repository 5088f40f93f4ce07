"""Requests broken at random, by the thousand: none may stop the server, be answered 5xx, or be taken for money that was not asked for.

Each begins as a request that is right and is then cut, repeated, spliced with another, or sprinkled with bytes that mean something in HTTP and JSON. Several go
at once on connections of their own; what is not answered at once waits for more, and is left alone then.
"""

import re
import select
import socket
import time
from random import Random
from typing import Final

import msgspec

from .operations import every
from .people import Person
from .raw import request
from .target import Target

AT_ONCE: Final = 48
PATIENCE_S: Final = 0.03
"""How long answers are waited for once requests are sent: most break at once, and a cut one would wait for its rest."""
REQUEST_BYTES_MAX: Final = 4_096

# An answer names the version that the request named, whatever that was.
_STATUS: Final = re.compile(rb"HTTP/[0-9]\.[0-9] ([0-9]{3}) ")
_BROKEN: Final = re.compile(rb"Traceback|HTTP/[0-9]\.[0-9] 5(?!03)")
SPRINKLES: Final = (
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"%", b"%00", b"%2f", b"..", b"/", b"?", b"#", b"&", b'"', b"\\", b"{", b"}", b"[", b"]",
    b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"-", b"9223372036854775808", b"1e999", b"0", b"null", b"true", b"\\ud800", b"0\r\n\r\n", b"ffffffffffffffff",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Connection: close\r\n", b"Connection: Upgrade\r\n",
    b"Expect: 100-continue\r\n", b"Content-Encoding: gzip\r\n", b"Host: \r\n", b"Idempotency-Key: \"\r\n", b"Authorization: Basic Og==\r\n",
    b"HTTP/1.0", b"HTTP/0.9", b"OPTIONS", b"HEAD", b"X-Request-Id: \x1b[0m\r\n", b"\xed\xa0\x80",
)  # fmt: skip


class Tally(msgspec.Struct):
    """What was sent and what came back."""

    inputs: int = 0
    seconds: float = 0.0
    statuses: dict[int, int] = {}
    unanswered: int = 0


def originals(ann: Person, bob: Person) -> list[bytes]:
    """A right request for each operation, and some of their heads in other framing."""
    token = f"Token {ann.token}"
    found = [operation.bytes(ann, bob, token) for operation in every() if operation.name != "credit_logout"]
    found += [request("GET", f"/v1/wallets?limit=5&user_id={ann.user_id}", None, {"X-Request-Id": "m"}, close=False)]
    chunked = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    found.append(request("POST", "/v1/users", None, chunked) + b"2\r\n{}\r\n0\r\n\r\n")
    return found


def mutated(chance: Random, data: bytes, others: list[bytes]) -> bytes:
    """The request after one to four mutations."""
    for _ in range(chance.choice((1, 1, 2, 3, 4))):
        place, end = sorted(chance.choices(range(len(data) + 1), k=2))
        kind = chance.randrange(7)
        if kind == 0:
            data = data[:place] + chance.choice(SPRINKLES) + data[place:]
        elif kind == 1:
            data = data[:place] + data[min(end, place + 20) :]
        elif kind == 2:
            data = data[:place] + bytes((chance.randrange(256),)) + data[place + 1 :]
        elif kind == 3:
            data = data[:end] + data[place:end] * chance.choice((1, 2, 8)) + data[end:]
        elif kind == 4:
            other = chance.choice(others)
            data = data[:place] + other[chance.randrange(len(other) + 1) :]
        elif kind == 5:
            data = re.sub(
                rb"[0-9]+", lambda _: chance.choice((b"0", b"-1", b"99999999999999999999", b"1.5")), data, count=1
            )
        else:
            data = data[:place] + chance.choice(SPRINKLES) + data[end:]
    return data[:REQUEST_BYTES_MAX] or b"\r\n"


def burst(target: Target, chance: Random, requests: list[bytes], tally: Tally, found: list[str]) -> None:
    """Some mutated requests at once. What an answer must not be is added to `found`, with the bytes that it answers."""
    sent: dict[socket.socket, bytes] = {}
    heard: dict[socket.socket, bytes] = {}
    for _ in range(AT_ONCE):
        data = mutated(chance, chance.choice(requests), requests)
        connection = socket.create_connection(target.address, 10)
        try:
            connection.sendall(data)
        except ConnectionError:
            pass
        sent[connection] = data
        heard[connection] = b""
    _listen(heard)
    for connection, answer in heard.items():
        connection.close()
        tally.inputs += 1
        tally.unanswered += not answer
        for status in map(int, _STATUS.findall(answer)):
            tally.statuses[status] = tally.statuses.get(status, 0) + 1
        if _BROKEN.search(answer) or (answer and _STATUS.match(answer) is None):
            found.append(f"{answer[:300]!r} answers {sent[connection]!r}")


def _listen(heard: dict[socket.socket, bytes]) -> None:
    """What is said within the patience; a connection that the server has ended is not listened to any longer."""
    waiting = set(heard)
    end = time.monotonic() + PATIENCE_S
    while waiting and (left := end - time.monotonic()) > 0:
        readable, _, _ = select.select(list(waiting), [], [], left)
        if not readable:
            return
        for connection in readable:
            try:
                data = connection.recv(65_536)
            except ConnectionError:
                data = b""
            heard[connection] += data[: 65_536 - len(heard[connection])]
            if not data:
                waiting.discard(connection)


def fuzz(target: Target, chance: Random, requests: list[bytes], seconds: float) -> tuple[Tally, list[str]]:
    """Mutated requests for so long. Returns the tally, and every answer that no request may get."""
    tally, found = Tally(), list[str]()
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds and not found:
        burst(target, chance, requests, tally, found)
    tally.seconds = elapsed
    return tally, found
