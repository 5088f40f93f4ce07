"""Clients that take their time: heads and bodies drop by drop, requests that stop half-way, answers that nobody reads, connections that do nothing."""

import socket
import time
from contextlib import ExitStack
from random import Random
from typing import Final

from .people import last_sequence
from .raw import Connection, request
from .target import BODY_TIMEOUT_S, HEADER_TIMEOUT_S, Target

GRACE_S: Final = 20.0
"""What may pass beyond a time limit: the rest of a refused body is waited for, and the machine may be busy."""
OF_EACH: Final = 10
IDLE: Final = 2_000
"""Connections that do nothing."""
STREAMS_MAX: Final = 64
UNREAD_BYTES: Final = 8 * 2**20
"""Of requests that are sent without reading an answer, how many a server may take at most."""

_POST: Final = b"POST /v1/users HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\n"
_CHUNKED: Final = _POST + b"Transfer-Encoding: chunked\r\n"

BEGINNINGS: Final = {
    "nothing at all": (b"", b""),
    "a byte that is half a request": (b"G", b""),
    "a target drop by drop": (b"GET /", b"a"),
    "headers drop by drop": (b"GET /livez HTTP/1.1\r\nHost: w\r\n", b"X-A: a\r\n"),
    "a second head drop by drop": (request("GET", "/livez", close=False) + b"GET /livez HTTP/1.1\r\n", b"X-A: a\r\n"),
    "a connection that was used once": (request("GET", "/livez", close=False), b""),
    "a body that does not come": (_POST + b"Content-Length: 100\r\n\r\n", b""),
    "a body drop by drop": (_POST + b"Content-Length: 1000\r\n\r\n{", b" "),
    "chunks drop by drop": (_CHUNKED + b"\r\n", b"1\r\n \r\n"),
    "an extension of a chunk without end": (_CHUNKED + b"\r\n2;a=", b"a" * 1_000),
    "a size of a chunk that does not come": (_CHUNKED + b"\r\n2", b""),
    "a body that waits to be asked for": (_POST + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n", b""),
}
"""How a request begins, and the drops that follow."""


def slow_clients(target: Target, chance: Random) -> int:
    """Some of each kind at once. All of them are cut off when their time is up, however diligently they drip."""
    with ExitStack() as stack:
        waiting: list[tuple[str, Connection, bytes]] = []
        for name, (head, drop) in BEGINNINGS.items():
            for _ in range(OF_EACH):
                connection = stack.enter_context(Connection(target.address))
                cut = chance.randint(0, len(head))
                connection.send(head[:cut])
                connection.send(head[cut:])
                waiting.append((name, connection, drop))
        count = len(waiting)
        end = time.monotonic() + max(HEADER_TIMEOUT_S, BODY_TIMEOUT_S) + GRACE_S
        while waiting and time.monotonic() < end:
            for _, connection, drop in waiting:
                connection.send(drop)
            time.sleep(0.1)
            waiting = [left for left in waiting if not (left[1].is_ended(0.0005) or left[1].is_timed_out)]
    assert not waiting, f"still served: {sorted({name for name, _, _ in waiting})}"
    return count


def leavers(target: Target, chance: Random) -> int:
    """Clients that go away in the middle: of a head, of a body, before the answer, and with one half of the connection only."""
    body = b'{"name":"nobody"}'
    data = request("POST", "/v1/users", body)
    for number in range(OF_EACH * 10):
        with Connection(target.address) as connection:
            connection.send(data[: chance.randint(1, len(data))])
            if number % 3 == 0:  # a reset instead of an end
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            elif number % 3 == 1:
                connection.socket.shutdown(socket.SHUT_WR)
                assert connection.is_ended(10)
    return OF_EACH * 10


def unread_answers(target: Target, chance: Random) -> int:
    """Requests one after another on a connection whose answers nobody reads: the server stops taking them."""
    data = request("GET", "/openapi.json", close=False) * 50
    sent = 0
    with socket.socket() as quiet:
        quiet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        quiet.connect(target.address)
        quiet.settimeout(0.5)
        try:
            while sent <= UNREAD_BYTES:
                sent += quiet.send(data)
        except (TimeoutError, ConnectionError):
            pass
    assert sent <= UNREAD_BYTES, "requests are taken although no answer is read"
    return 1


def unread_streams(target: Target, chance: Random) -> int:
    """Streams of events that nobody reads, an eighth of them of all that ever was, more than there may be; the rest is refused."""
    statuses: list[int] = []
    last = last_sequence(target)
    with ExitStack() as stack:
        for number in range(STREAMS_MAX + 8):
            connection = stack.enter_context(Connection(target.address))
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.send(request("GET", f"/v1/events/stream?after={0 if number % 8 == 0 else last}", close=False))
            head = connection.socket.recv(64)
            statuses.append(int(head.split()[1]))
        assert statuses == [200] * STREAMS_MAX + [503] * 8, statuses
        time.sleep(0.3)
    # The streams are given back once their clients are gone.
    end = time.monotonic() + 10
    while "walletd_event_streams 0.0" not in _metrics(target):
        assert time.monotonic() < end, "streams are kept although their clients are gone"
        time.sleep(0.05)
    return len(statuses)


def _metrics(target: Target) -> str:
    with Connection(target.address) as connection:
        connection.send(request("GET", "/metrics"))
        answer = connection.answer()
    assert answer is not None
    return answer.body.decode()


def idle_connections(target: Target, chance: Random) -> int:
    """Two thousand connections that do nothing, or nothing any more. They end by themselves."""
    with ExitStack() as stack:
        connections = []
        for number in range(IDLE):
            connection = stack.enter_context(Connection(target.address))
            connections.append(connection)
            if number % 2:
                connection.send(request("GET", "/livez", close=False))
                answer = connection.answer()
                assert answer is not None
                assert answer.status == 200
        end = time.monotonic() + HEADER_TIMEOUT_S + GRACE_S
        while connections and time.monotonic() < end:
            connections = [connection for connection in connections if not connection.is_ended(0.0005)]
    assert not connections, f"{len(connections)} idle connections are kept"
    return IDLE
