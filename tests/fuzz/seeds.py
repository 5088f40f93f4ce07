"""What the search of each decoder begins with: a few inputs that are right, and a few that are nearly."""

from typing import Final

from walletd.http import cursors

from . import decoders

_EXAMPLES: Final[dict[str, tuple[bytes, ...]]] = {
    "minor_amount": (
        b"1",
        b'"1"',
        b'"007"',
        b"-5",
        b"9223372036854775807",
        b"9223372036854775808",
        b'"\\u0031"',
        b"1.0",
    ),
    "signed_amount": (b"1", b'"-1"', b"-9223372036854775807", b"0", b'"-0"', b'"\\u002d1"', b"1e3"),
    "decimal_amount": (
        b"\x0210.50",
        b'\x12"0.000000000000000001"',
        b"\x0092233720368547758",
        b"\x0292233720368547758.07",
        b"\x0292233720368547758.08",
        b"\x02-1",
        b"\x021e2",
        b"\x021.005",
        b"\x001.5",
        b'\x02"1.990"',
    ),
    "instant": (b"2026-01-31T09:30:00Z", b"0001-01-01t00:00:00.5+23:59", b"9999-12-31T23:59:59.999999-23:59"),
    "page_cursor": (
        cursors.cursor("wallets", {"user_id": "7"}, 5).encode(),
        cursors.cursor("users", {}, 1).encode(),
        b"W10",
    ),
    "idempotency_key": (b"order-1", b'"a\\"b\\\\"', b'"open', b"\xc3\xa9"),
    "identifier": (b"7", b"tfr_12", b"-1", b"007", b"9" * 70, "٧".encode()),
    "path": (
        b"/v1/users/7",
        b"/v1/wallets/%41/entries",
        b"/wallet/a%2fb/balance",
        b"//",
        b"/%ff",
        b"/api/v1/users/../x/accounts",
    ),
    "query": (b"limit=5&cursor=x", b"limit=1&limit=2", b"dry_run=true", b"a=%00", b"%ff=1", b"\xff=1", b"from=%0a"),
    "body": (),
    "record": (
        b'{"first_transaction":1,"first_entry":1,"movements":[{"type":"transfer","metadata":{"a":[1.5]}}],"legs":[[0,1,-5,-5,1,0],[0,2,5,5,1,0]]}',
        b'{"users":[{"id":1,"name":"Ann"}],"key":{"scope":"s","key":"k","request":{"a":"b"}}}',
        b'{"refusals":[{"index":0,"code":"c","detail":"d","facts":{"a":1}}],"wallet_changes":[{"number":1}]}',
    ),
}

_BODIES: Final = (
    b"{}",
    b'{"source":"a","destination":"b","amount":"1","metadata":{"a":[{"b":null}]},"description":"\\u00e9"}',
    b'{"legs":[{"wallet_id":"a","amount":-1},{"wallet_id":"b","amount":1}]}',
    b'{"transfers":[{"source":"a","destination":"b","amount":1}],"atomic":true}',
    b'{"username":"ann","email":"ann@example.com","phone_number":"+1 (2)","password":"password1","external_id":"x"}',
    b'{"user_id":1,"asset_type":"GOLD","amount":"1.50","idempotency_key":"k","recipient_user_id":2,"sender_user_id":1}',
    b'{"fromWalletId":"00000000-0000-4000-8000-000000000000","toWalletId":"x","amount":1.5,"category":"c"}',
    b'{"code":"GEM","aliases":["A","B"],"scale":2,"min_amount":1,"max_amount":"5","id":1,"active":false}',
)


def of(name: str) -> tuple[bytes, ...]:
    """The inputs that a decoder's search begins with."""
    if name == "body":
        kinds = range(decoders.BODY_KINDS)
        return tuple(bytes((kind,)) + text for kind in kinds for text in _BODIES)
    return _EXAMPLES[name]
