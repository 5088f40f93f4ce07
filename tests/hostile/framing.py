"""Requests whose end two readers could see in two places, and others that are hardly HTTP.

Behind each stands a second request, SMUGGLED. Where the first is refused the connection ends and the second is never answered; where it is taken, both sides can
only read it in one way, and the second is a request like any other. Beneath each shape stands what it is answered with.
"""

from contextlib import ExitStack
from random import Random
from typing import Final, NamedTuple

from .raw import TIMEOUT_S, Address, Answer, Connection
from .target import Target

SMUGGLED: Final = b"GET /v1/assets/SMUGGLED HTTP/1.1\r\nHost: walletd\r\nConnection: close\r\n\r\n"
_HEAD: Final = b"POST /v1/users HTTP/1.1\r\nHost: walletd\r\nContent-Type: application/json\r\n"
_GET: Final = b"GET /livez HTTP/1.1\r\nHost: walletd\r\n"
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_CHUNKS: Final = b"2\r\n{}\r\n0\r\n\r\n"


class Shape(NamedTuple):
    """The bytes of a request, and the statuses that it and the one behind it are answered with."""

    data: bytes
    statuses: tuple[int, ...] = (400,)


def _post(framing: bytes, body: bytes = b"{}", *statuses: int) -> Shape:
    return Shape(_HEAD + framing + b"\r\n" + body, statuses or (400,))


def _get(lines: bytes, *statuses: int) -> Shape:
    return Shape(_GET + lines + b"\r\n", statuses or (400,))


LENGTHS: Final = {
    "a length and chunks": _post(b"Content-Length: 2\r\n" + _CHUNKED, _CHUNKS),
    "chunks and a length": _post(_CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n"),
    "two lengths": _post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "),
    "one length twice": _post(b"Content-Length: 2\r\nContent-Length: 2\r\n"),
    "a list of lengths": _post(b"Content-Length: 2, 2\r\n"),
    "a length with plus": _post(b"Content-Length: +2\r\n"),
    "a length below zero": _post(b"Content-Length: -2\r\n"),
    "a length in hex": _post(b"Content-Length: 0x2\r\n"),
    "a length with a space": _post(b"Content-Length: 2 2\r\n"),
    "a length with an underscore": _post(b"Content-Length: 0_2\r\n"),
    "a length past 64 bits": _post(b"Content-Length: 18446744073709551618\r\n"),
    "a length of forty digits": _post(b"Content-Length: " + b"9" * 40 + b"\r\n"),
    "no length at all in digits": _post(b"Content-Length: \r\n"),
    "a length before a space": _post(b"Content-Length : 2\r\n"),
    "no framing": _post(b"", b"", 400, 404),
}
CODINGS: Final = {
    "identity": _post(b"Transfer-Encoding: identity\r\n"),
    "a coding that is nearly chunked": _post(b"Transfer-Encoding: xchunked\r\n", _CHUNKS),
    "chunked before another": _post(b"Transfer-Encoding: chunked, identity\r\n", _CHUNKS),
    "chunked twice": _post(_CHUNKED + _CHUNKED, _CHUNKS),
    "chunked and identity apart": _post(_CHUNKED + b"Transfer-Encoding: identity\r\n", _CHUNKS),
    "chunked in quotes": _post(b'Transfer-Encoding: "chunked"\r\n', _CHUNKS),
    "chunked behind a vertical tab": _post(b"Transfer-Encoding: \x0bchunked\r\n", _CHUNKS),
    "chunked before a space": _post(b"Transfer-Encoding : chunked\r\n", _CHUNKS),
    "chunked on a folded line": _post(b"Transfer-Encoding:\r\n chunked\r\n", _CHUNKS),
    "chunked in HTTP/1.0": Shape(_HEAD.replace(b"1.1", b"1.0") + _CHUNKED + b"\r\n" + _CHUNKS),
    "chunked behind a tab": _post(b"Transfer-Encoding:\tchunked\r\n", _CHUNKS, 201, 404),
    "chunked in capitals": _post(b"Transfer-Encoding: CHUNKED\r\n", _CHUNKS, 201, 404),
}
CHUNKS: Final = {
    "a chunk past 64 bits": _post(_CHUNKED, b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "a chunk below zero": _post(_CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with 0x": _post(_CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with plus": _post(_CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with a space": _post(_CHUNKED, b"2 \r\n{}\r\n0\r\n\r\n"),
    "chunks ended by line feeds": _post(_CHUNKED, b"2\n{}\n0\n\n"),
    "an extension ended by a line feed": _post(_CHUNKED, b"2;\n{}\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": _post(_CHUNKED, b"2\r\n{}xx\r\n0\r\n\r\n"),
    "a chunk of no digits": _post(_CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n"),
    "a length among the trailers": _post(_CHUNKED, b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "an extension": _post(_CHUNKED, b"2;a=b\r\n{}\r\n0\r\n\r\n", 201, 404),
    "a long extension": _post(_CHUNKED, b"2;a=" + b"b" * 20_000 + b"\r\n{}\r\n0\r\n\r\n", 201, 404),
}
LINES: Final = {
    "a folded line": _post(b"X-A: b\r\n c\r\nContent-Length: 2\r\n"),
    "line feeds alone": Shape(_GET.replace(b"\r\n", b"\n") + b"\n"),
    "a carriage return alone": _post(b"X-A: b\rContent-Length: 2\r\n"),
    "a zero byte in a header": _get(b"X-A: b\x00c\r\n"),
    "a header without a name": _get(b": b\r\n"),
    "a header without a colon": _get(b"Connection\r\n"),
    "a long value": _get(b"X-A: " + b"a" * 9_000 + b"\r\n"),
    "a long name": _get(b"a" * 9_000 + b": b\r\n"),
    "a thousand headers": _get(b"".join(b"X-%d: a\r\n" % number for number in range(1_000))),
    "a long target": Shape(b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "no host": Shape(b"GET /livez HTTP/1.1\r\n\r\n"),
    "two hosts": _get(b"Host: other\r\n"),
    "empty lines before": Shape(b"\r\n\r\n" + _GET + b"\r\n", (200, 404)),
}
STARTS: Final = {
    "HTTP/1.2": Shape(b"GET /livez HTTP/1.2\r\nHost: walletd\r\n\r\n"),
    "HTTP/11": Shape(b"GET /livez HTTP/11\r\nHost: walletd\r\n\r\n"),
    "the preface of HTTP/2": Shape(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "the hello of TLS": Shape(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n"),
    "a method in small letters": Shape(b"get /livez HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "a method with a sign": Shape(b"G<T /livez HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "a long method": Shape(b"A" * 9_000 + b" /livez HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "a space before the method": Shape(b" GET /livez HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "tabs for spaces": Shape(b"GET\t/livez\tHTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "a target with a space": Shape(b"GET /livez x HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "a target with a zero byte": Shape(b"GET /livez\x00 HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "an authority for a target": Shape(b"GET walletd:80 HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "an absolute target that is broken": Shape(b"GET http://[::1/livez HTTP/1.1\r\nHost: walletd\r\n\r\n"),
    "an absolute target elsewhere": Shape(b"GET http://u:p@else.example/livez HTTP/1.1\r\nHost: w\r\n\r\n", (200, 404)),
}
METHODS: Final = {
    "a body with GET": Shape(_GET + b"Content-Length: 2\r\n\r\n{}", (200, 404)),
    "TRACE": Shape(b"TRACE /livez HTTP/1.1\r\nHost: walletd\r\nCookie: secret\r\n\r\n", (405, 404)),
    "OPTIONS": Shape(b"OPTIONS /v1/users HTTP/1.1\r\nHost: walletd\r\n\r\n", (405, 404)),
    "OPTIONS of everything": Shape(b"OPTIONS * HTTP/1.1\r\nHost: walletd\r\n\r\n", (404, 404)),
    "a method that nobody knows": Shape(b"PROPFIND /v1/users HTTP/1.1\r\nHost: walletd\r\n\r\n", (405, 404)),
    "an upgrade to a web socket": _get(
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AA==\r\n", 200, 404
    ),
    "an upgrade with a body": _post(
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n", b"{}", 201, 404
    ),
}
SHAPES: Final[dict[str, Shape]] = LENGTHS | CODINGS | CHUNKS | LINES | STARTS | METHODS


def answered(address: Address, chance: Random) -> dict[str, list[Answer]]:
    """Every answer to each shape and to SMUGGLED behind it, each sent in two pieces, all at once: some are only answered when their time is up."""
    with ExitStack() as stack:
        connections = {name: stack.enter_context(Connection(address, TIMEOUT_S)) for name in SHAPES}
        for name, connection in connections.items():
            data = SHAPES[name].data + SMUGGLED
            cut = chance.randrange(len(data))
            connection.send(data[:cut])
            connection.send(data[cut:])
        return {name: connection.answers() for name, connection in connections.items()}


def attack(target: Target, chance: Random) -> int:
    """Every shape, each answered as it must be."""
    for name, answers in answered(target.address, chance).items():
        shape = SHAPES[name]
        assert tuple(answer.status for answer in answers) == shape.statuses, (name, answers)
        if shape.statuses == (400,):
            assert answers[0].code == "malformed_request", (name, answers)
            assert answers[0].headers["x-request-id"], name
        assert b"secret" not in answers[0].head + answers[0].body, name
    return len(SHAPES)


TAKEN_BY_PURE: Final = frozenset({"a length among the trailers", "HTTP/1.2", "a method in small letters"})
"""What aiohttp's parser in Python takes where the one in C refuses: it does not change where the request ends."""
