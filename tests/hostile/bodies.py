"""Bodies that are too much, too deep, in no encoding or in another one, or that hold numbers which are none."""

import gzip
import json
import zlib
from random import Random
from typing import Any, Final

from .attack import check_documented
from .operations import Operation, every
from .people import POOR_MINOR, Person, last_sequence, settle
from .raw import Answer, Asker, asked, request
from .target import BODY_BYTES_MAX, Target

_FILL: Final = BODY_BYTES_MAX - 100
_BOMB: Final = b'{"description":"' + b"a" * 50_000_000 + b'"}'

NOT_JSON: Final = {
    "nothing": b"",
    "spaces": b" " * _FILL,
    "half an object": b'{"amount":',
    "arrays in arrays": b"[" * _FILL,
    "objects in objects": b'{"a":' * (_FILL // 5),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"amount":1}'.encode("utf-16"),
    "bytes that are no text": b'{"description":"\xff\xfe"}',
    "an overlong slash": b'{"description":"\xc0\xaf"}',
    "a lone surrogate": b'{"description":"\\ud800"}',
    "a zero byte": b'{"description":"\x00"}',
    "NaN": b'{"amount":NaN}',
    "Infinity": b'{"amount":Infinity}',
    "two objects": b"{}{}",
    "a comment": b"{/**/}",
    "a trailing comma": b'{"amount":1,}',
}
"""Bodies that are no JSON: 400 `body_not_json` wherever a body is read."""

ODD: Final = {
    "an array": b"[]",
    "null": b"null",
    "a text": b'"amount"',
    "a list of lists": b"[" * 500 + b"]" * 500,
    "ten thousand members": b"{" + b",".join(b'"m%d":1' % number for number in range(6_000)) + b"}",
    "a long name of a member": b'{"' + b"a" * _FILL + b'":1}',
    "an integer of 60,000 digits": b'{"amount":1' + b"0" * 60_000 + b"}",
    "a prototype": b'{"__proto__":{"amount":1},"constructor":{"prototype":{}}}',
    "a query of another database": b'{"amount":{"$gt":""},"source":{"$ne":null}}',
}
"""Bodies that are JSON and no request: refused for what they lack, or for what they have."""

NO_AMOUNTS: Final = [
    "0",
    "-0",
    "-1",
    "1e2",
    "1E+2",
    "0.001",
    "-9223372036854775809",
    "9223372036854775808",
    "18446744073709551617",
    "1180591620717411303424",
    "1e400",
    "-1e400",
    "1e-400",
    "true",
    "null",
    "[]",
    "{}",
    '""',
    '"',
    '"',
    '"1',
    '"',
    '"+1"',
    '"0x1"',
    '"1_0"',
    '"1e2"',
    '"NaN"',
    '"Infinity"',
    '"٣"',
    '"１"',
    '"1\\u0000"',
    '"1,0"',
    "[1]",
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "+1",
    ".5",
    "1.",
    "0x1",
    "1_0",
    "'1'",
    "1" + "0" * 400,
    '"' + "9" * 400 + '"',
    "0." + "0" * 400 + "1",
]
"""What is no amount of dollars, in cents or otherwise, to any API."""

TYPES: Final = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/jsonp",
    "application/json; charset=utf-16",
    "application/json, text/plain",
    "application/json;charset=utf-7",
    "",
)
CODINGS: Final = {"gzip": gzip.compress(_BOMB), "deflate": zlib.compress(_BOMB), "br": b"\x00", "gzip, identity": b"{}"}


def attack(target: Target, chance: Random) -> int:
    """All of them, at every operation that takes a body."""
    payee = target.wallet(0)
    name = f"body-{chance.getrandbits(64):x}"
    ann, bob = settle(target, f"{name}-a", POOR_MINOR, payee), settle(target, f"{name}-b", POOR_MINOR, payee)
    operations = [operation for operation in every() if operation.takes_body]
    asker = Asker(target.address)
    count = sum(_wrong_bodies(asker, operation, ann) for operation in operations)
    count += sum(_wrong_amounts(target, asker, operation, ann, bob) for operation in operations)
    asker.close()
    return count + _wrong_kinds(target) + _too_large(target)


def _headers(person: Person) -> dict[str, str]:
    return {"Authorization": f"Token {person.token}"}


def _send(asker: Asker, operation: Operation, person: Person, body: bytes) -> Answer:
    path = operation.path(person)
    answer = asker.ask(request(operation.endpoint.method, path, body, _headers(person), close=False))
    check_documented(operation.endpoint.method, path, answer)
    return answer


def _wrong_bodies(asker: Asker, operation: Operation, person: Person) -> int:
    optional = operation.endpoint.contract is not None and operation.endpoint.contract.body_optional
    for name, body in NOT_JSON.items():
        answer = _send(asker, operation, person, body)
        assert answer.code == "body_not_json" or (optional and not body), (operation.name, name, answer)
    for name, body in ODD.items():
        answer = _send(asker, operation, person, body)
        # Members of any name are nothing to a body all of whose members may be left out and whose others are ignored.
        assert 400 <= answer.status < 500, (operation.name, name, answer)
    return len(NOT_JSON) + len(ODD)


def _wrong_amounts(target: Target, asker: Asker, operation: Operation, ann: Person, bob: Person) -> int:
    text = json.dumps(_marked(operation.body(ann, bob)), ensure_ascii=False)
    if '"@"' not in text:
        return 0
    before = (target.posted(ann.wallet), target.posted(bob.wallet))
    for amount in NO_AMOUNTS:
        answer = _send(asker, operation, ann, text.replace('"@"', amount).encode())
        refused = 400 <= answer.status < 500 or all(item["status"] >= 400 for item in answer.json["results"])
        assert refused, (operation.name, amount[:40], answer)
    # Given twice, the last one counts, to every reader of the body alike.
    if text.count('"amount"') == 1 and "[" not in text:
        answer = _send(asker, operation, ann, text.replace('"@"', "1")[:-1].encode() + b',"amount":-1}')
        assert 400 <= answer.status < 500, (operation.name, "a member twice", answer)
    assert (target.posted(ann.wallet), target.posted(bob.wallet)) == before, operation.name
    return len(NO_AMOUNTS)


def _marked(value: Any) -> Any:
    """The value with `@` for each amount."""
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        return {name: "@" if name == "amount" else _marked(inner) for name, inner in value.items()}
    return value


def _wrong_kinds(target: Target) -> int:
    """Content types that are not JSON, and content codings, bombs among them: refused unread."""
    for kind in TYPES:
        answer = asked(target.address, request("POST", "/v1/users", b"{}", {"Content-Type": kind}))
        assert (answer.status, answer.code) == (415, "unsupported_media_type"), (kind, answer)
    for coding, body in CODINGS.items():
        assert len(body) <= BODY_BYTES_MAX
        answer = asked(target.address, request("POST", "/v1/users", body, {"Content-Encoding": coding}))
        assert (answer.status, answer.code) == (415, "unsupported_media_type"), (coding, answer)
    return len(TYPES) + len(CODINGS)


def _too_large(target: Target) -> int:
    """More than the bound: announced, sent, or in chunks without end. Refused long before it is all there, and nothing is made."""
    before = last_sequence(target)
    head = b"POST /v1/users HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\n"
    user = b'{"external_id":"too-large"}'
    announced = head + b"Content-Length: 1000000000000\r\n\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    just = user.ljust(BODY_BYTES_MAX + 1)
    for data in (announced, announced + piece * 100, chunked + piece * 100, request("POST", "/v1/users", just)):
        answer = asked(target.address, data)
        assert (answer.status, answer.code) == (413, "body_too_large"), answer
        assert answer.headers["connection"] == "close"
    assert not [event for event in target.get(f"/v1/events?after={before}")["data"] if event["type"] == "user_created"]
    return 4
