"""Every decoder that reads what a stranger wrote, as a function of bytes that must hold for all bytes.

Each raises nothing but the documented faults, and these can be answered; what it accepts means the same after it was written again; an amount is the one that
`reference` finds. The same functions are searched by the guided fuzzer and replayed, on the inputs that it found, by the ordinary run.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import msgspec

from walletd.engine.records import BrokenJournal, Record, Row, decode_unchained, encode
from walletd.engine.refusals import Refusal, RefusalCode
from walletd.http import amounts, cursors, holders, idempotency, instants
from walletd.http.call import Call, number_in, number_of
from walletd.http.decoding import Body
from walletd.http.paging import integer_of
from walletd.http.problem import V1, HttpCode, HttpFault, problem_body, problem_of
from walletd.http.server import all_routes
from walletd.http.v1.wire import TransferRequest

Decoder = Callable[[bytes], None]

READING: Final = {
    RefusalCode.INVALID_REQUEST,
    RefusalCode.AMOUNT_NOT_POSITIVE,
    RefusalCode.AMOUNT_ABOVE_MAXIMUM,
    HttpCode.BODY_NOT_JSON,
}
"""What reading a request may be refused with."""

RECORD_KIND: Final = "moved"
INSTANT_END_US: Final = 253_402_300_800 * 1_000_000
"""The end of the year 9999."""

_routes: Final = all_routes()
_kinds: Final[dict[Any, None]] = dict.fromkeys(
    endpoint.contract.takes for endpoint in _routes.endpoints if endpoint.contract and endpoint.contract.takes
)
_bodies: Final = [Body(kind) for kind in _kinds]
BODY_KINDS: Final = len(_bodies)
_dialects: Final = list({endpoint.dialect.name: endpoint.dialect for endpoint in _routes.endpoints}.values())
_transfer: Final = Body(TransferRequest)
_json: Final = msgspec.json.Encoder()


@contextmanager
def refusing(*codes: str) -> Iterator[None]:
    """Let the documented faults pass, and see that each dialect can answer them."""
    try:
        yield
    except (Refusal, HttpFault) as fault:
        _check_answerable(fault, codes)


def _check_answerable(fault: Refusal | HttpFault, codes: tuple[str, ...]) -> None:
    """The fault is documented, and an answer can be made of it in each dialect."""
    assert fault.code in (codes or READING), f"{fault.code} is not what this is refused with"
    for dialect in _dialects:
        answer = problem_body(dialect, problem_of(dialect, fault, "/", "id"), fault)
        assert msgspec.json.decode(answer)["code"] == fault.code


def _text(data: bytes) -> str:
    """The text that the HTTP parser makes of a request's head."""
    return data.decode("utf-8", "surrogateescape")


def _amount_of(data: bytes) -> bytes | None:
    """The raw amount of a transfer whose amount is written as `data`; None where the transfer is refused."""
    with refusing():
        request = _transfer.read(b'{"source":"a","destination":"b","amount":%b}' % data)
        return bytes(request.amount)
    return None


def _agree(read: Callable[[], int], expected: int | None, raw: bytes) -> int | None:
    found: int | None = None
    with refusing():
        found = read()
    assert found == expected, f"{raw!r} was read as {found}; it is {expected}"
    return found


def minor_amount(data: bytes) -> None:
    """An amount in minor units, as the native API takes it."""
    from .reference import amount  # here, so that only the decoders themselves are instrumented

    raw = _amount_of(data)
    if raw is not None:
        found = _agree(lambda: amounts.minor_units(raw), amount(raw, 0, whole=True), raw)
        assert found is None or amounts.minor_units(b'"%d"' % found) == found


def signed_amount(data: bytes) -> None:
    """The amount of a leg."""
    from .reference import amount

    raw = _amount_of(data)
    if raw is not None:
        found = _agree(lambda: amounts.signed_minor_units(raw), amount(raw, 0, signed=True, whole=True), raw)
        assert found is None or amounts.signed_minor_units(b"%d" % found) == found


def decimal_amount(data: bytes) -> None:
    """An amount in major units, as the dialects take it, of an asset with as many decimals as the first byte says."""
    from .reference import amount

    scale, raw = (data[0] % 19 if data else 0), _amount_of(data[1:])
    if raw is not None:
        # Zeros that fill up the decimals count as digits, so the bound is on both together.
        found = _agree(lambda: amounts.major_units(raw, scale), amount(raw, scale), raw)
        if found is not None:
            number = bytes(amounts.decimal_number(found, scale))
            assert amounts.major_units(number, scale) == found
            assert amounts.major_units(b'"%b"' % number, scale) == found


def instant(data: bytes) -> None:
    """An RFC 3339 instant."""
    try:
        at = instants.microseconds(_text(data))
    except ValueError:
        return
    if 0 <= at < INSTANT_END_US:
        assert instants.microseconds(instants.rfc3339(at)) == at


def page_cursor(data: bytes) -> None:
    """A cursor of a list: what is no cursor, and one of another list, is refused."""
    filters = {"user_id": "7"}
    with refusing():
        place = cursors.place_of(_text(data), "wallets", filters)
        assert cursors.place_of(cursors.cursor("wallets", filters, place), "wallets", filters) == place


def idempotency_key(data: bytes) -> None:
    """The value of an Idempotency-Key header."""
    with refusing():
        key = idempotency.key_text(_text(data))
        quoted = '"{}"'.format(key.replace("\\", "\\\\").replace('"', '\\"'))
        assert idempotency.key_text(quoted) == key


def identifier(data: bytes) -> None:
    """A number in a path or a query, in each of its forms."""
    text = _text(data)
    number = number_in(text)
    assert number is None or (number > 0 and str(number) == text)
    with refusing(RefusalCode.TRANSFER_NOT_FOUND):
        assert f"tfr_{number_of(text, 'tfr_', RefusalCode.TRANSFER_NOT_FOUND)}" == text
    with refusing():
        value = holders.integer_in(text, "user_id")
        assert len(text) > 64 or value == int(text)
    with refusing():
        assert 0 <= integer_of(text, "limit", 20, 0, 10**12) == int(text)


def path(data: bytes) -> None:
    """A path: it leads to one resource or to none, and to the same when its parts are written otherwise."""
    text = quote(_text(data).partition("?")[0].encode("utf-8", "surrogateescape"), safe="/%:@!$&'()*+,;=~-._")
    resource, values = _routes.resolve(text)
    if resource is None:
        assert values == ()
        return
    variables = iter(quote(value, safe="") for value in values)
    again = "/".join(next(variables) if part[:1] == "{" else part for part in resource.route.split("/"))
    assert _routes.resolve(again) == (resource, values)
    for endpoint in resource.endpoints.values():
        assert tuple(endpoint.parameters(values).values()) == values


def query(data: bytes) -> None:
    """A query: parameters that the path does not have, or has twice, are refused."""
    nothing: Any = None
    call = Call(nothing, nothing, nothing, {}, _text(data), "id")
    with refusing():
        values = call.query(("limit", "cursor", "from"))
        assert values.keys() <= {"limit", "cursor", "from"}
    with refusing():
        assert all(map(str.isprintable, "".join(call.query(("limit",), others=True).values()).split()))
    with refusing():
        call.dry_run()


def body(data: bytes) -> None:
    """A body of the kind that the first byte says: what is read is read again from what it is written as."""
    read = _bodies[data[0] % len(_bodies)].read if data else _bodies[0].read
    with refusing():
        once = _json.encode(read(data[1:]))
        assert _json.encode(read(once)) == once


def record(data: bytes) -> None:
    """The body of a record of the journal."""
    try:
        found = decode_unchained(Row(1, 0, RECORD_KIND, data, b""))
    except BrokenJournal:
        return
    row = encode(found, bytes(32))
    again = decode_unchained(row)
    assert isinstance(again, Record)
    assert encode(again, bytes(32)) == row


DECODERS: Final[dict[str, Decoder]] = {
    decoder.__name__: decoder
    for decoder in (
        minor_amount,
        signed_amount,
        decimal_amount,
        instant,
        page_cursor,
        idempotency_key,
        identifier,
        path,
        query,
        body,
        record,
    )
}

assert V1 in _dialects
