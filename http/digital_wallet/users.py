"""`/users`: registration and profiles."""

from aiohttp import web

from ...engine.commands import CreateUser, UpdateUser
from ...engine.identity import Scope
from ...engine.ledger import User
from ..amounts import decimal_number
from ..call import Call
from ..decoding import Body
from ..holders import balance_of, default_asset, integer_in_path
from ..instants import rfc3339
from ..registration import register_user
from ..routes import Routes
from . import contracts
from .dialect import DIGITAL_WALLET
from .wire import Profile, UserChange, UserRequest

_USER = Body(UserRequest)
_CHANGE = Body(UserChange)


def register(routes: Routes) -> None:
    """Add the users."""
    routes.add(
        "POST",
        "/users",
        "digital_wallet_user_create",
        create,
        dialect=DIGITAL_WALLET,
        public=True,
        contract=contracts.REGISTERED,
    )
    routes.add(
        "GET",
        "/users/{user_id}",
        "digital_wallet_user_get",
        get,
        dialect=DIGITAL_WALLET,
        no_store=True,
        contract=contracts.PROFILE,
    )
    routes.add(
        "PUT",
        "/users/{user_id}",
        "digital_wallet_user_update",
        update,
        dialect=DIGITAL_WALLET,
        contract=contracts.CHANGED,
    )


def profile(call: Call, user: User) -> Profile:
    """A user as this API shows it."""
    asset = default_asset(call)
    balance, _ = balance_of(call.engine.ledger, user, asset)
    return Profile(
        user_id=user.id,
        username=user.username,
        email=user.email,
        phone_number=user.phone_number,
        balance=decimal_number(balance, asset.scale),
        created_at=rfc3339(user.created_at),
    )


async def create(call: Call) -> web.StreamResponse:
    """Register a user, with its wallet."""
    request = await call.body(_USER)
    command = CreateUser(
        username=request.username,
        email=request.email,
        phone_number=request.phone_number,
        wallet_asset=call.services.default_asset,
    )
    outcome = await register_user(call, command, request.password)
    user = outcome.subject
    assert isinstance(user, User)
    return call.made(profile(call, user), outcome, f"/users/{user.id}")


async def get(call: Call) -> web.StreamResponse:
    """One user."""
    user_id = integer_in_path(call, "user_id")
    call.principal.require_user(user_id, scope=Scope.READ)
    return call.answer(profile(call, call.engine.ledger.user(user_id)))


async def update(call: Call) -> web.StreamResponse:
    """Change the username or the phone number."""
    user_id = integer_in_path(call, "user_id")
    call.principal.require_user(user_id, scope=Scope.WRITE)
    user = call.engine.ledger.user(user_id)
    request = await call.body(_CHANGE)
    if request == UserChange():
        return call.answer(profile(call, user))
    command = UpdateUser(user_id=user_id, username=request.username, phone_number=request.phone_number)
    outcome = await call.engine.execute(command)
    changed = outcome.subject
    assert isinstance(changed, User)
    return call.changed(profile(call, changed), outcome)
