"""`/v1/wallets`: opening, reading, freezing and closing them."""

from typing import Final

from aiohttp import web

from ...engine.commands import Close, Command, Freeze, OpenWallet, Unfreeze
from ...engine.ports import WalletQuery
from ...engine.refusals import Refusal, RefusalCode
from ...engine.wallet import Wallet
from ..call import Call, number_in
from ..decoding import Body, refuse_fields
from ..routes import Routes
from .answers import wallet_answer
from .listing import Listing
from .wire import EmptyRequest, FreezeRequest, WalletList, WalletRequest

_WALLET = Body(WalletRequest)
_FREEZE = Body(FreezeRequest)
_EMPTY = Body(EmptyRequest)

STATUSES: Final = ("active", "frozen", "closed")


def register(routes: Routes) -> None:
    """Add the wallets."""
    routes.add("POST", "/v1/wallets", "wallet_open", create)
    routes.add("GET", "/v1/wallets", "wallet_list", listing, no_store=True)
    routes.add("GET", "/v1/wallets/{id}", "wallet_get", get, no_store=True)
    routes.add("POST", "/v1/wallets/{id}/freeze", "wallet_freeze", freeze)
    routes.add("POST", "/v1/wallets/{id}/unfreeze", "wallet_unfreeze", unfreeze)
    routes.add("POST", "/v1/wallets/{id}/close", "wallet_close", close)


async def create(call: Call) -> web.StreamResponse:
    """Open a user's wallet in an asset."""
    request = await call.body(_WALLET)
    command = OpenWallet(user_id=request.user_id, asset=request.asset)
    outcome = await call.engine.execute(command, dry_run=call.dry_run())
    wallet = outcome.subject
    assert isinstance(wallet, Wallet)
    answer = wallet_answer(call.engine.ledger, wallet, outcome.dry_run)
    return call.made(answer, outcome, f"/v1/wallets/{wallet.id}")


async def listing(call: Call) -> web.StreamResponse:
    """Wallets in order of opening. An unknown user or asset as a filter is 404."""
    page = Listing(call, "wallets", ("user_id", "asset", "status"))
    ledger = call.engine.ledger
    user, asset, status = page.filters.get("user_id"), page.filters.get("asset"), page.filters.get("status")
    if status is not None and status not in STATUSES:
        raise refuse_fields([("/status", f"must be one of {', '.join(STATUSES)}")])
    query = WalletQuery(
        limit=page.limit + 1,
        after=page.place or 0,
        user_id=None if user is None else _user_id(call, user),
        asset=None if asset is None else ledger.asset(asset).id,
        status=status,
    )
    rows = await call.engine.wallets(query)
    shown = rows[: page.limit]
    more = page.next(shown[-1].number) if len(rows) > page.limit else None
    return call.answer(WalletList([wallet_answer(ledger, wallet) for wallet in shown], more))


def _user_id(call: Call, text: str) -> int:
    number = number_in(text)
    if number is None:
        if text.isascii() and text.isdigit():
            raise Refusal(RefusalCode.USER_NOT_FOUND)
        raise refuse_fields([("/user_id", "must be a user's id, an integer")])
    return call.engine.ledger.user(number).id


async def get(call: Call) -> web.StreamResponse:
    """One wallet."""
    call.query()
    ledger = call.engine.ledger
    return call.answer(wallet_answer(ledger, ledger.wallet(call.parameters["id"])))


async def freeze(call: Call) -> web.StreamResponse:
    """Stop a wallet's debits, its credits, or both."""
    wallet = call.engine.ledger.wallet(call.parameters["id"])
    request = await call.body(_FREEZE)
    if not (request.debits or request.credits):
        raise refuse_fields([("/debits", "is false like credits: that freezes nothing; use unfreeze")])
    command = Freeze(wallet_id=wallet.id, reason=request.reason, debits=request.debits, credits=request.credits)
    return await _change(call, command)


async def unfreeze(call: Call) -> web.StreamResponse:
    """Let a wallet move again."""
    wallet = call.engine.ledger.wallet(call.parameters["id"])
    await call.optional_body(_EMPTY)
    return await _change(call, Unfreeze(wallet_id=wallet.id))


async def close(call: Call) -> web.StreamResponse:
    """Close an empty wallet for ever."""
    wallet = call.engine.ledger.wallet(call.parameters["id"])
    await call.optional_body(_EMPTY)
    return await _change(call, Close(wallet_id=wallet.id))


async def _change(call: Call, command: Command) -> web.StreamResponse:
    outcome = await call.engine.execute(command, dry_run=call.dry_run())
    assert isinstance(outcome.subject, Wallet)
    return call.changed(wallet_answer(call.engine.ledger, outcome.subject), outcome)
