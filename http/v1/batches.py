"""`/v1/transfers/batch`: many transfers in one request and one record.

The body must be well formed as a whole. Then each item stands for itself: one with an amount that is none, or a text with control characters, is refused like one that
the engine refuses. With `atomic`, amounts and texts are read first, so their faults come before those of balances.

Items are read and answered in portions, with a turn of the event loop between them for everybody else; they are decided and committed in one.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from aiohttp import web

from ...engine.commands import Batch, Move
from ...engine.identity import Scope
from ...engine.outcome import Item, Outcome
from ...engine.ports import Transaction
from ...engine.refusals import Refusal
from ..call import Call
from ..contract import Answer, Contract
from ..decoding import Body, refuse_fields
from ..idempotency import given
from ..lane import LONG_LIST
from ..problem import HttpFault, problem_of
from ..routes import Routes
from . import contracts
from .answers import transfer_json
from .guards import check_move
from .transfers import members_of, move_of
from .wire import BatchAnswer, BatchItem, BatchRequest, TransferRequest

Refused = Refusal | HttpFault

_encode: Final = msgspec.json.Encoder().encode

_BATCH = Body(BatchRequest)
_ROUTE = "/v1/transfers/batch"
_DONE = Contract(
    answers={200: Answer(body=BatchAnswer, description="Decided, item by item, in the order of the request.")},
    takes=BatchRequest,
    parameters=(contracts.DRY_RUN,),
    refuses=contracts.MOVES,
    keyed=True,
    atomic=True,
)


def register(routes: Routes) -> None:
    """Add the batches."""
    routes.add("POST", _ROUTE, "transfer_batch", create, contract=_DONE)


async def create(call: Call) -> web.StreamResponse:
    """Do many transfers."""
    request = await call.body(_BATCH)
    dry_run = call.dry_run()
    if not call.principal.is_user:
        call.principal.require(Scope.WRITE)
    moves, refused = await _read(call, request)
    key = call.idempotency_key(_members, (request, moves))
    allowed = tuple(move for index, move in enumerate(moves) if move is not None and index not in refused)
    items: Iterable[Item] = ()
    replayed = False
    if allowed:
        outcome: Outcome = await call.engine.execute(
            Batch(moves=allowed, atomic=request.atomic), key=key, dry_run=dry_run
        )
        items, replayed = outcome.each_item(), outcome.replayed
    if dry_run:
        call.outcome = "dry_run"
    return call.answer(await _answer(call, _in_order(items, refused), dry_run), replayed=replayed)


async def _read(call: Call, request: BatchRequest) -> tuple[list[Move | None], dict[int, Refused]]:
    """The moves by item, None where one cannot be read, and by index what is refused here; of an atomic batch raises the first."""
    moves: list[Move | None] = []
    refused: dict[int, Refused] = {}
    principal, ledger = call.principal, call.engine.ledger
    for index, item in enumerate(request.transfers):
        if index and index % LONG_LIST == 0:
            await call.services.lane.turn()
        move = None
        try:
            move = _move(item, index)
            if principal.is_user:
                check_move(principal, ledger, move)
        except Refusal as refusal:
            if request.atomic:
                raise Refusal(refusal.code, refusal.detail, fields=refusal.fields, index=index) from None
            refused[index] = refusal
        except HttpFault as fault:
            if request.atomic:
                raise HttpFault(fault.code, fault.detail, index=index) from None
            refused[index] = fault
        moves.append(move)
    return moves, refused


def _move(item: TransferRequest, index: int) -> Move:
    if item.metadata is not None or item.description or item.category or item.reference:
        faults = list(item.faults(f"/transfers/{index}"))
        if faults:
            raise refuse_fields(faults)
    try:
        return move_of(item)
    except Refusal:
        return move_of(item, f"/transfers/{index}")  # the same refusal, with the place of its item


def _members(read: tuple[BatchRequest, list[Move | None]]) -> dict[str, object]:
    request, moves = read
    items = [
        bytes(item.amount).decode() if move is None else given(members_of(move))
        for item, move in zip(request.transfers, moves, strict=True)
    ]
    return {"transfers": items, "atomic": request.atomic}


def _in_order(items: Iterable[Item], refused: dict[int, Refused]) -> Iterator[Transaction | Refused]:
    """What came of each item of the request: `refused` by index, and `items` of all others."""
    index = 0
    for item in items:
        while index in refused:
            yield refused[index]
            index += 1
        yield item
        index += 1
    while index in refused:
        yield refused[index]
        index += 1


async def _answer(call: Call, items: Iterable[Transaction | Refused], dry_run: bool) -> dict[str, object]:
    """A BatchAnswer. Its items are made and encoded one by one, while what they are made of is in the processor's cache."""
    ledger, dialect, reader = call.engine.ledger, call.endpoint.dialect, call.principal.user_id
    status = 200 if dry_run else 201
    results: list[msgspec.Raw] = []
    for index, item in enumerate(items):
        if index and index % LONG_LIST == 0:
            await call.services.lane.turn()
        if isinstance(item, Transaction):
            answer = b'{"status":%d,"transfer":%b}' % (status, transfer_json(ledger, item, dry_run, reader))
        else:
            problem = problem_of(dialect, item, f"{_ROUTE}#/transfers/{index}", None)
            answer = _encode(BatchItem(problem.status, problem=problem))
        results.append(msgspec.Raw(answer))
    return {"results": results}
