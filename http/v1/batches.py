"""`/v1/transfers/batch`: many transfers in one request and one record.

The body must be well formed as a whole. Then each item stands for itself: one with an amount that is none, or a text with control characters, is refused like one that
the engine refuses. With `atomic`, amounts and texts are read first, so their faults come before those of balances.
"""

from aiohttp import web

from ...engine.commands import Batch, Move
from ...engine.outcome import Outcome
from ...engine.ports import Transaction
from ...engine.refusals import Refusal
from ..call import Call
from ..decoding import Body, refuse_fields
from ..problem import problem_of
from ..routes import Routes
from .answers import transfer_answer
from .transfers import members_of, move_of
from .wire import BatchAnswer, BatchRequest, ItemDone, ItemRefused, TransferRequest

_BATCH = Body(BatchRequest)
_ROUTE = "/v1/transfers/batch"


def register(routes: Routes) -> None:
    """Add the batches."""
    routes.add("POST", _ROUTE, "transfer_batch", create)


async def create(call: Call) -> web.StreamResponse:
    """Do many transfers."""
    request = await call.body(_BATCH)
    dry_run = call.dry_run()
    moves, refused = _read(request)
    key = call.idempotency_key(_members, (request, moves, refused))
    items: tuple[Transaction | Refusal, ...] = ()
    replayed = False
    if moves:
        batch = Batch(moves=tuple(moves), atomic=request.atomic)
        outcome: Outcome = await call.engine.execute(batch, key=key, dry_run=dry_run)
        items, replayed = outcome.items, outcome.replayed
    if dry_run:
        call.outcome = "dry_run"
    return call.answer(_answer(call, items, refused, dry_run), replayed=replayed)


def _read(request: BatchRequest) -> tuple[list[Move], dict[int, Refusal]]:
    """The moves of the items that can be read, and the refusals of the others by index; of an atomic batch raises the first."""
    moves: list[Move] = []
    refused: dict[int, Refusal] = {}
    for index, item in enumerate(request.transfers):
        try:
            moves.append(_move(item, index))
        except Refusal as refusal:
            if request.atomic:
                raise Refusal(refusal.code, refusal.detail, fields=refusal.fields, index=index) from None
            refused[index] = refusal
    return moves, refused


def _move(item: TransferRequest, index: int) -> Move:
    pointer = f"/transfers/{index}"
    if item.metadata is not None or item.description or item.category or item.reference:
        faults = list(item.faults(pointer))
        if faults:
            raise refuse_fields(faults)
    return move_of(item, pointer)


def _members(read: tuple[BatchRequest, list[Move], dict[int, Refusal]]) -> dict[str, object]:
    request, moves, refused = read
    readable = iter(moves)
    items: list[object] = []
    for index, item in enumerate(request.transfers):
        items.append(bytes(item.amount).decode() if index in refused else members_of(next(readable)))
    return {"transfers": items, "atomic": request.atomic}


def _answer(
    call: Call, items: tuple[Transaction | Refusal, ...], refused: dict[int, Refusal], dry_run: bool
) -> BatchAnswer:
    ledger, dialect = call.engine.ledger, call.endpoint.dialect
    status = 200 if dry_run else 201
    results: list[ItemDone | ItemRefused] = []
    decided = iter(items)
    for index in range(len(items) + len(refused)):
        item = refused.get(index) or next(decided)
        if isinstance(item, Refusal):
            wallet = item.facts.get("wallet")
            if isinstance(wallet, str):
                item.facts["wallet"] = ledger.wallet(wallet)
            problem = problem_of(dialect, item, f"{_ROUTE}#/transfers/{index}", None)
            results.append(ItemRefused(problem.status, problem))
        else:
            results.append(ItemDone(status, transfer_answer(ledger, item, dry_run)))
    return BatchAnswer(results)
