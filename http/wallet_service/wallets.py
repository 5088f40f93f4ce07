"""`/wallet/create` and `/wallet/{id}`: opening and reading wallets, and their transactions."""

import re
from typing import Final

from aiohttp import web

from ...engine.commands import CreateUser, OpenWallet
from ...engine.identity import Scope
from ...engine.ledger import Ledger, User
from ...engine.refusals import Refusal, RefusalCode
from ...engine.wallet import Wallet
from ..call import Call
from ..decoding import Body, refuse_fields
from ..dialects import TYPES
from ..holders import default_asset, permitted
from ..paging import Paging
from ..routes import Routes
from . import contracts
from .answers import row_answer, wallet_answer
from .dialect import WALLET_SERVICE
from .wire import UUID_PATTERN, TransactionList, WalletRequest

_WALLET = Body(WalletRequest)
_UUID: Final = re.compile(UUID_PATTERN)


def register(routes: Routes) -> None:
    """Add opening and reading."""
    routes.add(
        "POST", "/wallet/create", "wallet_service_create", create, dialect=WALLET_SERVICE, contract=contracts.OPENED
    )
    routes.add(
        "GET",
        "/wallet/{id}",
        "wallet_service_get",
        get,
        dialect=WALLET_SERVICE,
        no_store=True,
        contract=contracts.WALLET,
    )
    routes.add(
        "GET",
        "/wallet/{id}/transactions",
        "wallet_service_transactions",
        listing,
        dialect=WALLET_SERVICE,
        no_store=True,
        contract=contracts.TRANSACTIONS,
    )


async def create(call: Call) -> web.StreamResponse:
    """Open a user's wallet in the default asset; a user that is not known yet is made with it."""
    request = await call.body(_WALLET)
    ledger, asset = call.engine.ledger, default_asset(call)
    user = permitted(call, request.user_id, Scope.WRITE)
    if user is None:
        made = await _made(call, request.user_id, asset.code)
        if made is not None:
            wallet = ledger.wallet_of(made.id, asset)
            assert wallet is not None
            return call.answer(wallet_answer(ledger, wallet), 201, location=f"/wallet/{wallet.id}")
        user = ledger.find_user(request.user_id)
    outcome = await call.engine.execute(OpenWallet(user_id=user.id, asset=asset.code))
    assert isinstance(outcome.subject, Wallet)
    return call.made(wallet_answer(ledger, outcome.subject), outcome, f"/wallet/{outcome.subject.id}")


async def _made(call: Call, external_id: str, asset: str) -> User | None:
    """The new user with its wallet; None if another request made the user meanwhile."""
    try:
        outcome = await call.engine.execute(CreateUser(external_id=external_id, wallet_asset=asset))
    except Refusal as refusal:
        if refusal.code is not RefusalCode.USER_EXISTS:
            raise
        return None
    assert isinstance(outcome.subject, User)
    return outcome.subject


async def get(call: Call) -> web.StreamResponse:
    """One wallet."""
    return call.answer(wallet_answer(call.engine.ledger, _wallet_in_path(call)))


async def listing(call: Call) -> web.StreamResponse:
    """A page of a wallet's transactions, latest first."""
    wallet = _wallet_in_path(call)
    paging = Paging(call, limit_default=contracts.LIMIT_DEFAULT, filters=("type",))
    type_ = paging.filters.get("type")
    if type_ is not None and type_ not in TYPES:
        raise refuse_fields([("/type", f"must be one of {', '.join(TYPES)}")])
    found = await paging.entries(call, wallet, None if type_ is None else TYPES[type_])
    answer = TransactionList(
        transactions=[row_answer(wallet, row) for row in found.entries],
        total=found.total,
        page=paging.page,
        limit=paging.limit,
        total_pages=-(-found.total // paging.limit),
    )
    return call.answer(answer)


def _wallet_in_path(call: Call) -> Wallet:
    id_ = call.parameters["id"]
    if _UUID.fullmatch(id_) is None:
        raise refuse_fields([("/id", "must be a UUID")])
    wallet = users_wallet(call.engine.ledger, id_)
    call.principal.sees_wallet(wallet, id_)
    return wallet


def users_wallet(ledger: Ledger, id_: str) -> Wallet:
    """The wallet of that id, if it is a user's: Treasuries are not part of this API. Raises Refusal WALLET_NOT_FOUND."""
    wallet = ledger.wallet(id_)
    if wallet.is_treasury:
        raise Refusal(RefusalCode.WALLET_NOT_FOUND, f"There is no wallet {id_!r}.")
    return wallet
