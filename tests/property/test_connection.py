"""However the bytes of a connection are cut, its answers are those of aiohttp's own loop and parser; what is known of its heads saves time and nothing else."""

import asyncio
import gc
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from walletd.http.connection import HEAD_BYTES_MAX, HEAD_LINES_MAX, HEADS_MAX, Connection, Connections, WholeBody
from walletd.http.direct import DirectAnswer

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Unreadable = Callable[[int, BaseException | None], web.Response]


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and tells its protocol that it was closed."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.sent = b""
        self.closed = False
        self.reading = True
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Answers what the request was. One to /slow lets others go first, one to /deaf does not read its body, some fail."""
    match request.path:
        case "/broken":
            raise RuntimeError("broken")
        case "/cancelled":
            raise asyncio.CancelledError
        case "/torn":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"part")
            raise RuntimeError("broken")
        case "/slow":
            await turns(5)
    body = b""
    while request.path != "/deaf" and (chunk := await request.content.readany()):
        body += chunk
    said = f"{request.method} {request.raw_path} {request.headers.get('X')} {request.body_exists} "
    text = said.encode() + body
    if request.method == "POST":
        return DirectAnswer(request, 201, "", text)
    return web.Response(body=text)


def unreadable(status: int, _: BaseException | None) -> web.Response:
    response = web.Response(status=status)
    response.force_close()
    return response


class TheirConnection(web.RequestHandler):
    """What ours is held against: all of it aiohttp's, but for the answer where there is none."""

    def handle_error(self, request: web.BaseRequest, status: int = 500, *_: Any) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError
        return unreadable(status, None)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def opened(protocol: asyncio.Protocol) -> Wire:
    """The wire of a connection that waits for its first request."""
    wire = Wire(protocol)
    await turns(2)
    return wire


def unhandled() -> list[dict[str, Any]]:
    """What the loop is told from now on of exceptions that nobody takes."""
    lost: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    return lost


class Gate:
    """A handler that answers as `echo` once it may."""

    def __init__(self) -> None:
        self.going = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        await self.going.wait()
        return await echo(request)


class Failures:
    """An `unreadable` that keeps what it is told of."""

    def __init__(self) -> None:
        self.errors: list[BaseException | None] = []

    def __call__(self, status: int, error: BaseException | None) -> web.Response:
        self.errors.append(error)
        return unreadable(status, error)


async def answers(protocol: asyncio.Protocol, pieces: Sequence[tuple[bytes, int]]) -> tuple[str, bool]:
    """What comes back for pieces of bytes, each followed by some turns of the loop, and whether the connection was ended.

    An exception that nobody takes is raised here.
    """
    lost = unhandled()
    wire = await opened(protocol)
    for piece, after in pieces:
        if not wire.closed:
            protocol.data_received(piece)
        await turns(after)
    await turns(300)
    ended = wire.closed
    wire.close()
    await turns(3)
    assert not lost
    return re.sub("(Date|Server): .*\r\n", "", wire.sent.decode()), ended


def ours(serve: Handler = echo, unreadable: Unreadable = unreadable, **options: float) -> Connection:
    made = Connections(serve, unreadable, access_log=None, **options)()
    assert isinstance(made, Connection)
    return made


def theirs() -> web.RequestHandler:
    options: dict[str, Any] = {"access_log": None, "auto_decompress": False}
    return TheirConnection(web.Server(echo), loop=asyncio.get_running_loop(), **options)


def post(path: str, body: bytes, *lines: str, length: int | None = None) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body) if length is None else length}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


A = post("/a", b"1234")
NESTED = post("/slow", A)
GET = b"GET /g HTTP/1.1\r\nHost: x\r\n\r\n"

REQUESTS = (
    A,
    post("/a", b"5678"),
    post("/a", b"12345"),
    post("/slow", b"12"),
    NESTED,
    GET,
    b"GET /g HTTP/1.1\r\nHost: x\r\nX: other\r\n\r\n",
    b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    post("/a", b""),
    post("/a", b"\r\n\r\n"),
    b"POST /none HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    post("/upgrade", b"ab", "Connection: Upgrade", "Upgrade: websocket"),
    post("/deaf", b"12"),
    b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
)
ODD = (
    post("/last", b"ab", "Connection: close"),
    b"GET /old HTTP/1.0\r\nHost: x\r\n\r\n",
    b"\r\n" + A,
    b"\r\n\r\n" + A,
    A + b"\r\n",
    b"POST /bare HTTP/1.1\nHost: x\nContent-Length: 4\n\n1234",
    b"POST /bare HTTP/1.1\nHost: x\nContent-Length: 4\n\n\r\n\r\n1234",
    b"nonsense\r\n\r\n",
    post("/a", b"12", length=-1),
    post("/a", b"12", "Content-Length: 3"),
    b"GET /half HTTP/1.1\r\nHo",
    post("/a", b"12", length=20),
    post("/broken", b"12"),
    b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /cancelled HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /torn HTTP/1.1\r\nHost: x\r\n\r\n",
    A * 100,
    b"",
)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[bytes, int]]:
    """Requests, mostly sent whole and often again, some cut anywhere or sent with the one before; perhaps an odd one among them, after a while and before one.

    What comes together with an odd one is answered or dropped as it comes sooner or later, by aiohttp too: hence the while.
    """
    pieces = draw(cut(draw(st.lists(st.sampled_from(REQUESTS), max_size=8))))
    if draw(st.booleans()):
        for requests in ([draw(st.sampled_from(ODD))], draw(st.lists(st.sampled_from(REQUESTS), max_size=2))):
            pieces += [(b"", 60), *draw(cut(requests))]
    return pieces


@st.composite
def cut(draw: st.DrawFn, requests: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """Requests as pieces, each with the turns of the loop after it."""
    pieces: list[tuple[bytes, int]] = []
    for request in requests:
        parts = [request]
        if request and draw(st.integers(0, 3)) == 0:
            at = draw(
                st.sampled_from((1, request.find(b"\r\n\r\n") + 4, len(request) - 1)) | st.integers(0, len(request) - 1)
            )
            parts = [request[:at], request[at:]]
        if pieces and draw(st.integers(0, 3)) == 0:
            parts[0] = pieces.pop()[0] + parts[0]
        pieces += [(part, draw(st.sampled_from((0, 1, 30)))) for part in parts]
    return pieces


def both(pieces: Sequence[tuple[bytes, int]]) -> tuple[tuple[str, bool], tuple[str, bool]]:
    async def run() -> tuple[tuple[str, bool], tuple[str, bool]]:
        return await answers(ours(), pieces), await answers(theirs(), pieces)

    return asyncio.run(run())


@given(streams())
def test_a_connection_is_answered_as_by_aiohttp(pieces: list[tuple[bytes, int]]) -> None:
    mine, reference = both(pieces)
    assert mine == reference


@pytest.mark.parametrize("request_", [*REQUESTS, *ODD])
def test_what_follows_any_request_is_answered_as_by_aiohttp(request_: bytes) -> None:
    mine, reference = both([(A, 30), (GET, 30), (request_, 30), (A, 30), (GET, 30)])
    assert mine == reference


def test_pipelined_requests_are_all_answered_in_their_order() -> None:
    requests = [post("/slow", b"0"), *[post("/a", str(number).encode()) for number in range(100)]]
    mine, reference = both([(request, 0) for request in requests])
    assert mine == reference
    assert mine[0].count("HTTP/1.1 201") == 101


async def test_a_client_that_does_not_wait_for_answers_is_not_read_any_further() -> None:
    connection = ours()
    wire = await opened(connection)
    connection.data_received(A)
    await turns(2)
    for _ in range(200):
        if wire.reading:
            connection.data_received(A)
    assert not wire.reading
    assert len(connection._messages) < 40
    await turns(1000)
    assert wire.reading


async def test_reading_stops_at_a_large_body_and_goes_on_when_it_is_read() -> None:
    gate = Gate()
    connection = ours(gate)
    wire = await opened(connection)
    connection.data_received(post("/a", b"x" * 1_000_000, length=1_000_001))
    await turns(2)
    assert not wire.reading
    gate.going.set()
    await turns(50)
    assert wire.reading
    connection.data_received(b"x")
    await turns(50)
    assert wire.sent.count(b"x") == 1_000_001


async def test_a_client_with_many_requests_in_hand_lets_others_go_first() -> None:
    connection = ours()
    wire = await opened(connection)
    connection.data_received(A * 500)
    most = answered = 0
    while answered < 500:
        await turns(1)
        before, answered = answered, wire.sent.count(b"HTTP/1.1 201")
        most = max(most, answered - before)
    assert most == 1


async def test_a_head_that_came_before_is_not_parsed_again() -> None:
    kinds: list[type] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        kinds.append(type(request.content))
        await request.content.readany()
        return DirectAnswer(request, 201, "", b"")

    pieces = [(post("/a", b"12"), 5), (post("/a", b"34"), 5), (post("/b", b"34"), 5), (post("/a", b"56"), 5)]
    await answers(ours(serve), pieces)
    assert [kind is WholeBody for kind in kinds] == [False, True, False, True]


async def test_few_heads_are_known_and_no_long_ones() -> None:
    connection = ours()
    await answers(connection, [(post(f"/{number}", b"12"), 3) for number in range(10 * HEADS_MAX)])
    assert connection._heads
    assert len(connection._heads) <= HEADS_MAX

    long, many = f"X: {'x' * HEAD_BYTES_MAX}", ["X:"] * HEAD_LINES_MAX
    connection = ours()
    await answers(connection, [(post("/a", b"12", long), 3), (post("/a", b"12", *many), 3), (A, 3)])
    assert connection._heads is not None
    assert len(connection._heads) == 1


async def test_a_client_that_has_left_is_not_answered() -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        raise ConnectionResetError

    assert await answers(ours(serve), [(A, 5)]) == ("", True)


async def test_a_connection_that_is_lost_with_a_request_still_to_be_read_asks_nobody() -> None:
    asked: list[web.BaseRequest] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request)
        return web.Response()

    lost = unhandled()
    connection = ours(serve)
    await opened(connection)
    connection.data_received(A)
    connection.connection_lost(None)
    await turns(5)
    del connection
    gc.collect()
    assert not asked
    assert not lost


@pytest.mark.parametrize("rest", [b"", b"zz\r\n\r\n"])
async def test_a_refused_body_that_does_not_end_ends_the_connection_after_one_answer(rest: bytes) -> None:
    connection = ours(lingering_time=0.05)
    head = b"POST /deaf HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n"
    wire = await opened(connection)
    connection.data_received(head)
    await turns(5)
    assert wire.sent.count(b"HTTP/1.1") == 1
    assert not wire.closed
    if rest:
        connection.data_received(rest)
    await asyncio.sleep(0.2)
    assert wire.sent.count(b"HTTP/1.1") == 1
    assert wire.closed


@pytest.mark.parametrize("error", [OSError(113, "no route to host"), web.RequestPayloadError("broken")])
async def test_a_body_that_cannot_be_read_any_more_is_no_failure_of_its_request(error: Exception) -> None:
    failures = Failures()
    connection = ours(unreadable=failures)
    wire = await opened(connection)
    connection.data_received(post("/deaf", b"12", length=10))
    await turns(5)
    assert connection._current_request is not None
    connection._current_request.content.set_exception(error)
    await turns(5)
    assert (wire.closed, wire.sent.count(b"HTTP/1.1"), failures.errors) == (True, 1, [])


async def test_an_answer_that_fails_half_way_is_told_of_and_gets_no_second_head() -> None:
    failures = Failures()
    sent, ended = await answers(ours(unreadable=failures), [(b"GET /torn HTTP/1.1\r\nHost: x\r\n\r\n", 5)])
    assert (sent.count("HTTP/1.1"), ended) == (1, True)
    assert isinstance(failures.errors[0], RuntimeError)


async def test_the_sender_of_a_body_whose_request_fails_sees_the_answer() -> None:
    connection = ours()
    wire = await opened(connection)
    connection.data_received(post("/broken", b"12", length=10))
    await turns(5)
    assert wire.sent.startswith(b"HTTP/1.1 500")
    assert not wire.closed
    connection.data_received(b"34567890")
    await turns(5)
    assert wire.closed


async def test_a_connection_that_is_lost_leaves_no_timer() -> None:
    gate = Gate()
    connection = ours(gate, keepalive_timeout=0.05)
    await opened(connection)
    connection.data_received(GET)
    await asyncio.sleep(0.2)
    connection.connection_lost(None)
    gate.going.set()
    await turns(5)
    assert connection._keepalive_handle is None


async def test_a_shutdown_that_waited_long_enough_does_not_break_the_answer() -> None:
    gate = Gate()
    connection = ours(gate)
    wire = await opened(connection)
    connection.data_received(GET)
    await turns(2)
    shutdown = asyncio.create_task(connection.shutdown(60))
    await turns(2)
    assert connection._handler_waiter is not None
    gate.going.set()
    connection._handler_waiter.cancel()  # as at the end of its time
    answering = connection._task_handler
    await shutdown
    assert answering is not None
    await answering
    assert wire.sent.startswith(b"HTTP/1.1 200")


async def test_an_idle_connection_is_ended_and_one_in_use_is_not() -> None:
    connection = ours(keepalive_timeout=0.2)
    wire = Wire(connection)
    for count in range(8):
        connection.data_received(A)
        await asyncio.sleep(0.05)
        assert (wire.closed, wire.sent.count(b"HTTP/1.1")) == (False, count + 1)
    await asyncio.sleep(0.5)
    assert wire.closed


async def test_a_shutdown_waits_for_the_answer_in_hand_and_no_longer() -> None:
    connection = ours()
    wire = await opened(connection)
    connection.data_received(post("/slow", b"12"))
    await turns(3)
    async with asyncio.timeout(20):
        await connection.shutdown(60)
    assert wire.sent.startswith(b"HTTP/1.1 201")
    assert wire.closed
