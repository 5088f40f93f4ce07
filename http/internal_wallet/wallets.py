"""`/api/v1/wallets/{user_id}`: a user's balances, and the transactions of all its wallets."""

from typing import Final

from aiohttp import web

from ...engine.identity import Scope
from ...engine.ledger import User
from ...engine.ports import NumberedQuery
from ...engine.wallet import Asset
from ..call import Call
from ..decoding import refuse_fields
from ..holders import balance_of, holder, holder_name
from ..instants import rfc3339
from ..routes import Routes
from . import contracts
from .answers import DIALECT, TYPES, balance_answer, transaction_answer
from .listing import Listing
from .wire import BalancesAnswer

ROUTE: Final = "/api/v1/wallets/{user_id}"


def register(routes: Routes) -> None:
    """Add the users' wallets."""
    routes.add(
        "GET",
        f"{ROUTE}/balance",
        "internal_wallet_balance",
        balance,
        dialect=DIALECT,
        no_store=True,
        contract=contracts.BALANCES,
    )
    routes.add(
        "GET",
        f"{ROUTE}/transactions",
        "internal_wallet_transactions",
        listing,
        dialect=DIALECT,
        no_store=True,
        contract=contracts.TRANSACTIONS,
    )


async def balance(call: Call) -> web.StreamResponse:
    """A user's balance in every asset it holds, or in the one asked for, held or not."""
    user = holder(call, call.parameters["user_id"], Scope.READ)
    ledger = call.engine.ledger
    name = call.query(("asset_type",), others=True).get("asset_type")
    assets = [wallet.asset for wallet in ledger.wallets_of(user.id)] if name is None else [ledger.asset(name)]
    balances = [balance_answer(asset, *balance_of(ledger, user, asset)) for asset in assets]
    return call.answer(BalancesAnswer(holder_name(user), balances, rfc3339(call.services.clock_us())))


async def listing(call: Call) -> web.StreamResponse:
    """A page of a user's transactions, newest first; one that moved two assets of the user's is there for each of them."""
    user = holder(call, call.parameters["user_id"], Scope.READ)
    page = Listing(call, ("asset_type", "type"))
    ledger = call.engine.ledger
    name = page.filters.get("asset_type")
    wallets = _wallet_numbers(call, user, None if name is None else ledger.asset(name))
    query = NumberedQuery(wallets=wallets, offset=page.offset, limit=page.limit, types=_types(page.filters.get("type")))
    found = await call.engine.numbered(query)
    numbers = list(dict.fromkeys(row.transaction for row in found.entries))
    transactions = {transaction.id: transaction for transaction in await call.engine.transactions(numbers)}
    answers = [
        transaction_answer(ledger, call.principal, transactions[row.transaction], row.entry) for row in found.entries
    ]
    return call.answer(answers, total=found.total)


def _wallet_numbers(call: Call, user: User, asset: Asset | None) -> tuple[int, ...]:
    wallets = call.engine.ledger.wallets_of(user.id)
    return tuple(wallet.number for wallet in wallets if asset is None or wallet.asset is asset)


def _types(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    types = TYPES.get(text)
    if types is None:
        raise refuse_fields([("/type", f"must be one of {', '.join(TYPES)}")])
    return types
