"""`/v1/wallets/{id}/entries`: a wallet's history, newest first."""

from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web

from ...engine.limits import AMOUNT_MAX
from ...engine.ports import HistoryQuery
from ...engine.refusals import RefusalCode
from ..call import Call
from ..contract import Parameter
from ..decoding import refuse_fields
from ..instants import InstantAsked, microseconds
from ..routes import Routes
from . import contracts
from .answers import entry_answer
from .listing import Listing
from .wire import EntryList

FILTERS: Final = ("type", "from", "to", "category", "min_amount", "max_amount")

TYPES: Final[dict[str, tuple[str, ...]]] = {
    "transfer": ("transfer_in", "transfer_out"),
    "transaction": ("transaction_in", "transaction_out"),
    **{
        name: (name,)
        for name in (
            "transfer_in",
            "transfer_out",
            "transaction_in",
            "transaction_out",
            "credit",
            "debit",
            "topup",
            "bonus",
            "spend",
        )
    },
}
"""A value of the filter `type` → the entries' types that it stands for."""

AmountAsked = Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MAX)]


_LISTED: Final = contracts.listed(
    EntryList,
    contracts.WALLET_ID,
    Parameter(
        name="type",
        kind=Literal[tuple(TYPES)],
        description="Entries of this type; `transfer` and `transaction` mean both directions.",
    ),
    Parameter(name="from", kind=InstantAsked, description="Entries at this instant or later."),
    Parameter(name="to", kind=InstantAsked, description="Entries before this instant."),
    Parameter(name="category", kind=str, description="Entries of this category."),
    Parameter(name="min_amount", kind=AmountAsked, description="Entries of at least this amount, whatever its sign."),
    Parameter(name="max_amount", kind=AmountAsked, description="Entries of at most this amount, whatever its sign."),
    refuses=(RefusalCode.WALLET_NOT_FOUND,),
)


def register(routes: Routes) -> None:
    """Add the history."""
    routes.add("GET", "/v1/wallets/{id}/entries", "entry_list", listing, no_store=True, contract=_LISTED)


async def listing(call: Call) -> web.StreamResponse:
    """A page of a wallet's entries. `from` is included, `to` is not; amounts compare without their sign."""
    wallet = call.engine.ledger.wallet(call.parameters["id"])
    call.principal.sees_wallet(wallet, call.parameters["id"])
    page = Listing(call, f"entries {wallet.number}", FILTERS)
    faults: list[tuple[str, str]] = []
    query = HistoryQuery(
        wallet=wallet.number,
        limit=page.limit,
        below=page.place,
        types=_types(page.filters, faults),
        category=page.filters.get("category"),
        at_from=_instant(page.filters, "from", faults),
        at_to=_instant(page.filters, "to", faults),
        min_amount=_amount(page.filters, "min_amount", faults),
        max_amount=_amount(page.filters, "max_amount", faults),
    )
    if faults:
        raise refuse_fields(faults)
    found = await call.engine.history(query)
    more = None if found.next_below is None else page.next(found.next_below)
    return call.answer(EntryList([entry_answer(wallet, row) for row in found.entries], more))


def _types(filters: dict[str, str], faults: list[tuple[str, str]]) -> tuple[str, ...] | None:
    text = filters.get("type")
    types = None if text is None else TYPES.get(text)
    if text is not None and types is None:
        faults.append(("/type", f"must be one of {', '.join(TYPES)}"))
    return types


def _instant(filters: dict[str, str], name: str, faults: list[tuple[str, str]]) -> int | None:
    text = filters.get(name)
    if text is None:
        return None
    try:
        return microseconds(text)
    except ValueError:
        faults.append((f"/{name}", "must be an RFC 3339 instant with its zone and at most six decimals"))
        return None


def _amount(filters: dict[str, str], name: str, faults: list[tuple[str, str]]) -> int | None:
    text = filters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 64 and int(text) <= AMOUNT_MAX):
        faults.append((f"/{name}", "must be an integer of minor units"))
        return None
    return int(text)
