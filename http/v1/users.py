"""`/v1/users`: who holds wallets."""

import msgspec
from aiohttp import web

from ...engine.commands import CreateUser, UpdateUser
from ...engine.ledger import User
from ...engine.refusals import Refusal, RefusalCode
from ..amounts import is_given
from ..call import Call, number_in
from ..decoding import Body, refuse_fields
from ..routes import Routes
from .answers import user_answer
from .listing import Listing
from .wire import UserList, UserPatch, UserRequest

_USER = Body(UserRequest)
_PATCH = Body(UserPatch)


def register(routes: Routes) -> None:
    """Add the users."""
    routes.add("POST", "/v1/users", "user_create", create)
    routes.add("GET", "/v1/users", "user_list", listing, no_store=True)
    routes.add("GET", "/v1/users/{id}", "user_get", get, no_store=True)
    routes.add("PATCH", "/v1/users/{id}", "user_update", update)


async def create(call: Call) -> web.StreamResponse:
    """Make a user."""
    request = await call.body(_USER)
    if is_given(request.password):
        raise refuse_fields([("/password", "is not taken: users have no login, so there is nothing it would open")])
    command = CreateUser(
        external_id=request.external_id,
        username=request.username,
        email=request.email,
        phone_number=request.phone_number,
        name=request.name,
    )
    outcome = await call.engine.execute(command, dry_run=call.dry_run())
    user = outcome.subject
    assert isinstance(user, User)
    return call.made(user_answer(user, outcome.dry_run), outcome, f"/v1/users/{user.id}")


async def listing(call: Call) -> web.StreamResponse:
    """Users in order of id."""
    page = Listing(call, "users")
    rows = call.engine.ledger.users(page.place or 0, page.limit + 1)
    shown = rows[: page.limit]
    more = page.next(shown[-1].id) if len(rows) > page.limit else None
    return call.answer(UserList([user_answer(user) for user in shown], more))


async def get(call: Call) -> web.StreamResponse:
    """One user."""
    call.query()
    return call.answer(user_answer(_user(call)))


async def update(call: Call) -> web.StreamResponse:
    """Change the members named."""
    user = _user(call)
    request = await call.body(_PATCH)
    dry_run = call.dry_run()
    changes = {name: value for name, value in msgspec.structs.asdict(request).items() if value is not msgspec.UNSET}
    if not changes:
        return call.answer(user_answer(user))
    outcome = await call.engine.execute(UpdateUser(user_id=user.id, **changes), dry_run=dry_run)
    assert isinstance(outcome.subject, User)
    return call.changed(user_answer(outcome.subject), outcome)


def _user(call: Call) -> User:
    number = number_in(call.parameters["id"])
    if number is None:
        raise Refusal(RefusalCode.USER_NOT_FOUND)
    return call.engine.ledger.user(number)
