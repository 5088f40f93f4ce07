"""`/api/v1/users`: users by the names that the services of an application give them, and their accounts."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from ...engine.commands import CreateUser
from ...engine.identity import Scope
from ...engine.ledger import User
from ...engine.refusals import Refusal, RefusalCode
from ..call import Call
from ..decoding import Body
from ..holders import holder, holder_name, permitted
from ..instants import rfc3339
from ..routes import Routes
from . import contracts
from .answers import DIALECT, account_answer
from .listing import Listing
from .wire import NewUserAnswer, UserAnswer, UserRequest

ROUTE: Final = "/api/v1/users"

_USER = Body(UserRequest)


def register(routes: Routes) -> None:
    """Add the users."""
    routes.add("GET", ROUTE, "internal_wallet_users", listing, dialect=DIALECT, no_store=True, contract=contracts.USERS)
    routes.add("POST", ROUTE, "internal_wallet_user_create", create, dialect=DIALECT, contract=contracts.CREATED)
    routes.add(
        "GET",
        f"{ROUTE}/{{user_id}}/accounts",
        "internal_wallet_accounts",
        accounts,
        dialect=DIALECT,
        no_store=True,
        contract=contracts.ACCOUNTS,
    )


async def listing(call: Call) -> web.StreamResponse:
    """A page of all users, newest first."""
    call.principal.require(Scope.READ)
    page = Listing(call)
    ledger = call.engine.ledger
    total = ledger.user_count
    newest = max(total - page.offset, 0)
    users = ledger.users(max(newest - page.limit, 0), min(newest, page.limit))
    answers = [UserAnswer(holder_name(user), len(ledger.wallets_of(user.id))) for user in reversed(users)]
    return call.answer(answers, total=total)


async def create(call: Call) -> web.StreamResponse:
    """Make a user, without an account: the first credit opens one. A name that finds a user already is refused."""
    call.principal.require(Scope.WRITE)
    request = await call.body(_USER)
    if permitted(call, request.user_id, Scope.WRITE) is not None:
        raise Refusal(RefusalCode.USER_EXISTS, f"There is a user {request.user_id!r} already.")
    outcome = await call.engine.execute(CreateUser(external_id=request.user_id, name=request.name))
    user = outcome.subject
    assert isinstance(user, User)
    answer = NewUserAnswer(
        user_id=holder_name(user),
        name=user.name,
        account_count=len(call.engine.ledger.wallets_of(user.id)),
        created_at=rfc3339(user.created_at),
        updated_at=rfc3339(user.updated_at),
    )
    return call.made(answer, outcome, f"{ROUTE}/{quote(request.user_id, safe='')}/accounts")


async def accounts(call: Call) -> web.StreamResponse:
    """A user's accounts, one for each asset it holds, in the order in which they were opened."""
    user = holder(call, call.parameters["user_id"], Scope.READ)
    ledger = call.engine.ledger
    return call.answer([account_answer(ledger, wallet) for wallet in ledger.wallets_of(user.id)])
