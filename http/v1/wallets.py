"""`/v1/wallets`: opening, reading, freezing and closing them."""

from typing import Final

from aiohttp import web

from ...engine.commands import Close, Command, Freeze, OpenWallet, Unfreeze
from ...engine.identity import Scope
from ...engine.ports import WalletQuery
from ...engine.refusals import Refusal, RefusalCode
from ...engine.wallet import Wallet
from ..call import Call, number_in
from ..contract import Parameter
from ..decoding import Body, refuse_fields
from ..routes import Routes
from . import contracts
from .answers import wallet_answer
from .listing import Listing
from .wire import AssetName, EmptyRequest, FreezeRequest, UserId, WalletAnswer, WalletList, WalletRequest, WalletStatus

_WALLET = Body(WalletRequest)
_FREEZE = Body(FreezeRequest)
_EMPTY = Body(EmptyRequest)

STATUSES: Final = ("active", "frozen", "closed")

_UNKNOWN = (RefusalCode.USER_NOT_FOUND, RefusalCode.ASSET_NOT_FOUND)
_KEPT = (RefusalCode.WALLET_NOT_FOUND, RefusalCode.WALLET_IS_TREASURY, RefusalCode.WALLET_CLOSED)
_OPENED = contracts.created(
    WalletAnswer, WalletRequest, refuses=(*_UNKNOWN, RefusalCode.ASSET_INACTIVE, RefusalCode.WALLET_EXISTS)
)
_LISTED = contracts.listed(
    WalletList,
    Parameter(name="user_id", kind=UserId, description="Wallets of this user."),
    Parameter(name="asset", kind=AssetName, description="Wallets in this asset, by code or alias."),
    Parameter(name="status", kind=WalletStatus, description="Wallets of this status."),
    refuses=_UNKNOWN,
)
_FOUND = contracts.read(WalletAnswer, contracts.WALLET_ID, RefusalCode.WALLET_NOT_FOUND)
_FROZEN = contracts.changed(WalletAnswer, FreezeRequest, contracts.WALLET_ID, refuses=_KEPT)
_THAWED = contracts.changed(WalletAnswer, EmptyRequest, contracts.WALLET_ID, refuses=_KEPT, body_optional=True)
_CLOSED = contracts.changed(
    WalletAnswer,
    EmptyRequest,
    contracts.WALLET_ID,
    refuses=(*_KEPT, RefusalCode.WALLET_NOT_EMPTY),
    body_optional=True,
)


def register(routes: Routes) -> None:
    """Add the wallets."""
    routes.add("POST", "/v1/wallets", "wallet_open", create, contract=_OPENED)
    routes.add("GET", "/v1/wallets", "wallet_list", listing, no_store=True, contract=_LISTED)
    routes.add("GET", "/v1/wallets/{id}", "wallet_get", get, no_store=True, contract=_FOUND)
    routes.add("POST", "/v1/wallets/{id}/freeze", "wallet_freeze", freeze, contract=_FROZEN)
    routes.add("POST", "/v1/wallets/{id}/unfreeze", "wallet_unfreeze", unfreeze, contract=_THAWED)
    routes.add("POST", "/v1/wallets/{id}/close", "wallet_close", close, contract=_CLOSED)


async def create(call: Call) -> web.StreamResponse:
    """Open a user's wallet in an asset."""
    call.principal.require(Scope.WRITE)
    request = await call.body(_WALLET)
    command = OpenWallet(user_id=request.user_id, asset=request.asset)
    outcome = await call.engine.execute(command, dry_run=call.dry_run())
    wallet = outcome.subject
    assert isinstance(wallet, Wallet)
    answer = wallet_answer(call.engine.ledger, wallet, outcome.dry_run)
    return call.made(answer, outcome, f"/v1/wallets/{wallet.id}")


async def listing(call: Call) -> web.StreamResponse:
    """Wallets in order of opening; a logged-in user's own. An unknown user or asset as a filter is 404."""
    call.principal.reads_what_is_open()
    page = Listing(call, "wallets", ("user_id", "asset", "status"))
    ledger = call.engine.ledger
    user, asset, status = page.filters.get("user_id"), page.filters.get("asset"), page.filters.get("status")
    if status is not None and status not in STATUSES:
        raise refuse_fields([("/status", f"must be one of {', '.join(STATUSES)}")])
    query = WalletQuery(
        limit=page.limit + 1,
        after=page.place or 0,
        user_id=call.principal.user_id if user is None else _user_id(call, user),
        asset=None if asset is None else ledger.asset(asset).id,
        status=status,
    )
    rows = await call.engine.wallets(query)
    shown = rows[: page.limit]
    more = page.next(shown[-1].number) if len(rows) > page.limit else None
    return call.answer(WalletList([wallet_answer(ledger, wallet) for wallet in shown], more))


def _user_id(call: Call, text: str) -> int:
    number = number_in(text)
    if number is not None:
        call.principal.require_user(number, Scope.READ)
    if number is None:
        if text.isascii() and text.isdigit():
            raise Refusal(RefusalCode.USER_NOT_FOUND)
        raise refuse_fields([("/user_id", "must be a user's id, an integer")])
    return call.engine.ledger.user(number).id


async def get(call: Call) -> web.StreamResponse:
    """One wallet."""
    call.query()
    ledger = call.engine.ledger
    wallet = ledger.wallet(call.parameters["id"])
    call.principal.sees_wallet(wallet, call.parameters["id"])
    return call.answer(wallet_answer(ledger, wallet))


async def freeze(call: Call) -> web.StreamResponse:
    """Stop a wallet's debits, its credits, or both."""
    call.principal.require(Scope.ADMIN)
    wallet = call.engine.ledger.wallet(call.parameters["id"])
    request = await call.body(_FREEZE)
    if not (request.debits or request.credits):
        raise refuse_fields([("/debits", "is false like credits: that freezes nothing; use unfreeze")])
    command = Freeze(wallet_id=wallet.id, reason=request.reason, debits=request.debits, credits=request.credits)
    return await _change(call, command)


async def unfreeze(call: Call) -> web.StreamResponse:
    """Let a wallet move again."""
    call.principal.require(Scope.ADMIN)
    wallet = call.engine.ledger.wallet(call.parameters["id"])
    await call.optional_body(_EMPTY)
    return await _change(call, Unfreeze(wallet_id=wallet.id))


async def close(call: Call) -> web.StreamResponse:
    """Close an empty wallet for ever."""
    call.principal.require(Scope.ADMIN)
    wallet = call.engine.ledger.wallet(call.parameters["id"])
    await call.optional_body(_EMPTY)
    return await _change(call, Close(wallet_id=wallet.id))


async def _change(call: Call, command: Command) -> web.StreamResponse:
    outcome = await call.engine.execute(command, dry_run=call.dry_run())
    assert isinstance(outcome.subject, Wallet)
    return call.changed(wallet_answer(call.engine.ledger, outcome.subject), outcome)
