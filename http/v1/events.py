"""`/v1/events`: the journal as events, in pages and as a stream. Idempotency keys are left out."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from ...engine.identity import Scope
from ...engine.ledger import Ledger
from ...engine.limits import EVENTS_PAGE_MAX
from ...engine.records import Record
from ...engine.refusals import Refusal, RefusalCode
from ..call import SERVER_NAME, Call
from ..contract import Answer, Contract, Parameter
from ..decoding import refuse_fields
from ..instants import rfc3339
from ..lane import LONG_LIST
from ..routes import Routes
from . import contracts
from .listing import limit_of
from .wire import (
    EventAnswer,
    EventAsset,
    EventList,
    EventRefusal,
    EventTransaction,
    EventUser,
    EventUserChange,
    EventWallet,
    EventWalletChange,
    LegAnswer,
)

SEQUENCE_LENGTH_MAX: Final = 18
CUT_AFTER_S: Final = 1.0
"""How long a stop waits for a stream whose client does not read."""
STREAM_STEP: Final = 200
"""Events read from the journal at a time for a stream."""

Sequence = Annotated[int, msgspec.Meta(ge=0, lt=10**SEQUENCE_LENGTH_MAX)]
_AFTER = Parameter(
    name="after", kind=Sequence, description="Events after this sequence; from the first by default.", example=0
)
_LISTED = contracts.listed(EventList, _AFTER, limit=contracts.LIMIT_EVENTS)
_LAST_EVENT_ID = Parameter(
    name="Last-Event-ID", kind=Sequence, description="The last event seen; it goes before `after`.", place="header"
)
_STREAMED = Contract(
    answers={
        200: Answer(
            body=str,
            description="Events as they become durable: `id` is the sequence, `event` the type, `data` an event as in the list.",
            media_type="text/event-stream",
        )
    },
    parameters=(_AFTER, _LAST_EVENT_ID),
)

_encode: Final = msgspec.json.Encoder().encode


def register(routes: Routes) -> None:
    """Add the events."""
    routes.add("GET", "/v1/events", "event_list", listing, no_store=True, contract=_LISTED)
    routes.add("GET", "/v1/events/stream", "event_stream", stream, no_store=True, stream=True, contract=_STREAMED)


async def listing(call: Call) -> web.StreamResponse:
    """Events after a sequence, oldest first. `cursor` is another name of `after`, which takes a page's `next`."""
    call.principal.require(Scope.READ)
    values = call.query(("after", "cursor", "limit"))
    if "after" in values and "cursor" in values:
        raise refuse_fields([("/cursor", "is another name of after; send one of them")])
    name = "cursor" if "cursor" in values else "after"
    after = _sequence(values.get(name), name)
    limit = limit_of(values.get("limit"), EVENTS_PAGE_MAX)
    through = call.engine.ledger.seq
    records = await call.engine.events(after, limit)
    more = str(records[-1].seq) if records and records[-1].seq < through else None
    if len(records) > LONG_LIST:
        await call.services.lane.turn()
    return call.answer(EventList([event_answer(call.engine.ledger, record) for record in records], more))


async def stream(call: Call) -> web.StreamResponse:
    """The same as server-sent events, from `Last-Event-ID` or `after` on, until the client or the server leaves or the key is withdrawn."""
    call.principal.require(Scope.READ)
    services = call.services
    values = call.query(("after",))
    last_id = call.request.headers.get("Last-Event-ID")
    after = _sequence(values.get("after"), "after") if last_id is None else _sequence(last_id, "Last-Event-ID")
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Request-Id": call.request_id,
            "Server": SERVER_NAME,
        }
    )
    if call.request.method == "HEAD":
        return response
    if services.streams >= services.options.streams_max:
        raise Refusal(RefusalCode.OVERLOADED, "Too many event streams are open.")
    services.streams += 1
    services.metrics.streams = services.streams
    try:
        call.mark(response)
        await response.prepare(call.request)
        await _until_stopped(call, _follow(call, response, after))
        await response.write_eof()
    except ConnectionError:
        call.outcome = "disconnected"
    finally:
        services.streams -= 1
        services.metrics.streams = services.streams
    return response


async def _until_stopped(call: Call, following: Coroutine[Any, Any, None]) -> None:
    """Let a stream run until its end; when the server stops, cut one whose client does not read on. Raises ConnectionError then."""
    task = asyncio.ensure_future(following)
    stopping = asyncio.ensure_future(call.services.stopping.wait())
    try:
        await asyncio.wait((task, stopping), return_when="FIRST_COMPLETED")
        await asyncio.wait((task,), timeout=CUT_AFTER_S)
        if not task.done():
            raise ConnectionError("the client does not read")
        task.result()
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
            if call.request.transport is not None:
                call.request.transport.abort()


async def _follow(call: Call, response: web.StreamResponse, after: int) -> None:
    engine, services = call.engine, call.services
    await response.write(b": events follow\n\n")
    stopping = asyncio.ensure_future(services.stopping.wait())
    try:
        while not stopping.done():
            records = await engine.events(after, STREAM_STEP)
            if not await services.authentication.is_still(call.principal, call.request, call.endpoint):
                return
            if records:
                after = records[-1].seq
                await response.write(b"".join(_message(engine.ledger, record) for record in records))
                continue
            fresh = asyncio.ensure_future(engine.beyond(after))
            try:
                await asyncio.wait(
                    (fresh, stopping), timeout=services.options.heartbeat_s, return_when="FIRST_COMPLETED"
                )
                if stopping.done():
                    return
                if not fresh.done():
                    await response.write(b": heartbeat\n\n")
                elif engine.ledger.seq <= after:
                    return
            finally:
                fresh.cancel()
    finally:
        stopping.cancel()


def _message(ledger: Ledger, record: Record) -> bytes:
    data = _encode(event_answer(ledger, record))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (record.seq, record.kind.encode(), data)


def _sequence(text: str | None, name: str) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= SEQUENCE_LENGTH_MAX):
        raise refuse_fields([(f"/{name}", "must be the sequence of an event, or 0")])
    return int(text)


def event_answer(ledger: Ledger, record: Record) -> EventAnswer:
    """A record as an event."""
    body = record.body
    return EventAnswer(
        id=f"evt_{record.seq}",
        sequence=record.seq,
        type=record.kind,
        at=rfc3339(record.at),
        assets=tuple(
            EventAsset(
                asset.id,
                asset.code,
                asset.aliases,
                asset.name,
                asset.scale,
                asset.transferable,
                str(asset.min_amount),
                str(asset.max_amount),
                asset.active,
                ledger.wallet_at(asset.treasury).id,
            )
            for asset in body.assets
        ),
        users=tuple(
            EventUser(user.id, user.external_id, user.username, user.email, user.phone_number, user.name)
            for user in body.users
        ),
        user_changes=tuple(
            EventUserChange(change.id, change.username, change.email, change.phone_number, change.name)
            for change in body.user_changes
        ),
        wallets=tuple(_wallet(ledger, wallet.number) for wallet in body.wallets),
        wallet_changes=tuple(
            EventWalletChange(
                ledger.wallet_at(change.number).id,
                change.debits_frozen,
                change.credits_frozen,
                change.closed,
                change.reason,
            )
            for change in body.wallet_changes
        ),
        transactions=_transactions(ledger, record),
        refusals=tuple(EventRefusal(item.index, item.code, item.detail) for item in body.refusals),
    )


def _wallet(ledger: Ledger, number: int) -> EventWallet:
    wallet = ledger.wallet_at(number)
    return EventWallet(wallet.id, wallet.user_id or None, wallet.asset.code, wallet.asset.scale)


def _transactions(ledger: Ledger, record: Record) -> tuple[EventTransaction, ...]:
    body = record.body
    legs: list[list[LegAnswer]] = [[] for _ in body.movements]
    for offset, leg in enumerate(body.legs):
        wallet = ledger.wallet_at(leg.wallet)
        entry_id = f"ent_{body.first_entry + offset}"
        legs[leg.movement].append(
            LegAnswer(
                wallet.id, str(leg.amount), wallet.asset.code, wallet.asset.scale, str(leg.balance_after), entry_id
            )
        )
    return tuple(
        EventTransaction(
            f"txn_{body.first_transaction + offset}",
            movement.type,
            tuple(legs[offset]),
            movement.description,
            movement.category,
            movement.reference,
            movement.metadata,
        )
        for offset, movement in enumerate(body.movements)
    )
