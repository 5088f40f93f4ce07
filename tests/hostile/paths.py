"""Paths that mean to lead elsewhere, and ids that are none: in every variable segment and every query of every operation."""

from random import Random
from typing import Final

from .attack import check_documented
from .operations import Operation, every
from .people import POOR_MINOR, Person, settle
from .raw import Answer, Asker, request
from .target import Target

TRICKS: Final = (
    "//v1/users",
    "/v1//users",
    "/v1/./users",
    "/v1/../v1/users",
    "/v1/x/../users",
    "/v1/%2e%2e/v1/users",
    "/v1%2fusers",
    "/v1/users%00",
    "/v1/users/",
    "/v1/users;a=b",
    "/V1/users",
    "/docs/../openapi.json",
    "/docs/..%2f..%2f..%2fsettings.py",
    "/docs/%2e%2e/server.py",
    "/docs/....//....//etc/passwd",
    "/docs/%2fetc%2fpasswd",
    "/docs/docs.css%00.html",
    "/redoc/..%5c..%5csettings.py",
    "/etc/passwd",
    "/.env",
    "/data/journal.db",
    "/media/receipts/",
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%c0%ae%c0%ae/etc/passwd",
    "/%252e%252e/etc/passwd",
    "/%",
    "/%zz",
    "/%ff",
    "/" + "a/" * 3_000,
    "/" + "%41" * 2_000,
)
"""Paths at which nothing stands, whatever a reader that tidies them up would find there."""

SEGMENTS: Final = [
    "0",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "0x1",
    "01",
    "9223372036854775808",
    "18446744073709551616",
    "null",
    "NaN",
    "true",
    "%00",
    "1%00",
    "%20",
    "1%20",
    "%0a",
    "%0d%0aX-A:%20b",
    "%2f",
    "%2e%2e",
    "..%2f1",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%ff",
    "%c0%af",
    "%ed%a0%80",
    "%d9%a7",
    "%ef%bc%97",
    "1%27%20OR%201=1--",
    "*",
    "%25s%25n",
    "{id}",
    "${jndi:x}",
    "txn_0",
    "txn_-1",
    "tfr_9223372036854775808",
    "tfr_%d9%a7",
    "ent_1",
    "00000000-0000-0000-0000-000000000000",
    "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
    "9" * 4000,
    "a" * 4000,
    "%f0%9f%92%a9" * 300,
    "-" + "1" * 70,
]
"""What stands where an id should."""

QUERIES: Final = (
    "limit=-1",
    "limit=0",
    "limit=99999999999999999999",
    "limit=1e3",
    "limit=%d9%a7",
    "limit=1&limit=2",
    "page=0",
    "page=1000000000001",
    "offset=-1",
    "offset=9223372036854775808",
    "cursor=" + "A" * 5_000,
    "cursor=%00",
    "cursor=W10",
    "cursor=WyJhIiw5OTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ",
    "after=-1",
    "after=" + "9" * 100,
    "from=9999-99-99T99:99:99Z",
    "to=2026-01-01T00:00:00%2B99:99",
    "type=%27",
    "user_id=%ff",
    "asset_type_id=" + "9" * 500,
    "asset_type_id=-1",
    "dry_run=maybe",
    "%00=1",
    "%ff=1",
    "=1",
    "&&&&",
    "a[b][c]=1",
    "x=" + "%" * 500,
    "&".join(f"a{number}=1" for number in range(900)),
)


SEGMENTS_AT_ONCE: Final = 24
QUERIES_AT_ONCE: Final = 8
"""How many of them each operation gets in one attack, chosen by chance."""


def attack(target: Target, chance: Random) -> int:
    """All tricks, and some ids and queries at each operation. What is answered is what the document says, and nothing is changed."""
    asker = Asker(target.address)
    name = f"path-{chance.getrandbits(64):x}"
    person = settle(target, name, POOR_MINOR, target.wallet(0))
    for path in TRICKS:
        answer = asker.ask(request("GET", path, close=False))
        assert (answer.status, answer.code) in ((404, "not_found"), (400, "malformed_request")), (path, answer)
        assert b"root:" not in answer.body
    operations = [operation for operation in every() if "{" in operation.route]
    count = sum(_ids(target, asker, operation, person, chance) for operation in operations)
    reads = [operation for operation in every() if operation.endpoint.method == "GET"]
    for operation in reads:
        for query in chance.sample(QUERIES, QUERIES_AT_ONCE):
            _send(asker, operation, person, f"{operation.path(person).partition('?')[0]}?{query}")
    asker.close()
    return len(TRICKS) + count + len(reads) * QUERIES_AT_ONCE


def _ids(target: Target, asker: Asker, operation: Operation, person: Person, chance: Random) -> int:
    before = target.posted(person.wallet)
    for segment in chance.sample(SEGMENTS, SEGMENTS_AT_ONCE):
        path = "/".join(segment if part[:1] == "{" else part for part in operation.route.split("/"))
        answer = _send(asker, operation, person, path)
        assert answer.status != 500, (path, answer)
    assert target.posted(person.wallet) == before
    return SEGMENTS_AT_ONCE


def _send(asker: Asker, operation: Operation, person: Person, path: str) -> Answer:
    body = b"{}" if operation.takes_body else None
    headers = {"Authorization": f"Token {person.token}"}
    answer = asker.ask(request(operation.endpoint.method, path, body, headers, close=False))
    if answer.code not in ("malformed_request", "not_found") or answer.status not in (400, 404):
        check_documented(operation.endpoint.method, path, answer)
    return answer
