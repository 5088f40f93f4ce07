"""`/v1/users`: who holds wallets."""

import msgspec
from aiohttp import web

from ...engine.commands import CreateUser, UpdateUser
from ...engine.identity import Scope
from ...engine.ledger import User
from ...engine.refusals import Refusal, RefusalCode
from ..call import Call, number_in
from ..decoding import Body, refuse_fields
from ..registration import holder_of, register_user
from ..routes import Routes
from . import contracts
from .answers import user_answer
from .listing import Listing
from .wire import UserAnswer, UserList, UserPatch, UserRequest

_USER = Body(UserRequest)
_PATCH = Body(UserPatch)


def register(routes: Routes) -> None:
    """Add the users."""
    made = contracts.created(UserAnswer, UserRequest, refuses=(RefusalCode.USER_EXISTS,))
    routes.add("POST", "/v1/users", "user_create", create, contract=made)
    routes.add("GET", "/v1/users", "user_list", listing, no_store=True, contract=contracts.listed(UserList))
    found = contracts.read(UserAnswer, contracts.USER_ID, RefusalCode.USER_NOT_FOUND)
    routes.add("GET", "/v1/users/{id}", "user_get", get, no_store=True, contract=found)
    refuses = (RefusalCode.USER_NOT_FOUND, RefusalCode.USER_EXISTS)
    changed = contracts.changed(UserAnswer, UserPatch, contracts.USER_ID, refuses=refuses)
    routes.add("PATCH", "/v1/users/{id}", "user_update", update, contract=changed)


async def create(call: Call) -> web.StreamResponse:
    """Make a user."""
    call.principal.require(Scope.WRITE)
    request = await call.body(_USER)
    command = CreateUser(
        external_id=request.external_id,
        username=request.username,
        email=request.email,
        phone_number=request.phone_number,
        name=request.name,
    )
    outcome = await register_user(call, command, request.password, dry_run=call.dry_run())
    user = outcome.subject
    assert isinstance(user, User)
    return call.made(user_answer(user, outcome.dry_run), outcome, f"/v1/users/{user.id}")


async def listing(call: Call) -> web.StreamResponse:
    """Users in order of id."""
    call.principal.require(Scope.READ)
    page = Listing(call, "users")
    rows = call.engine.ledger.users(page.place or 0, page.limit + 1)
    shown = rows[: page.limit]
    more = page.next(shown[-1].id) if len(rows) > page.limit else None
    return call.answer(UserList([user_answer(user) for user in shown], more))


async def get(call: Call) -> web.StreamResponse:
    """One user."""
    user_id = _user_id(call, Scope.READ)
    call.query()
    return call.answer(user_answer(call.engine.ledger.user(user_id)))


async def update(call: Call) -> web.StreamResponse:
    """Change the members named."""
    user = call.engine.ledger.user(_user_id(call, Scope.WRITE))
    request = await call.body(_PATCH)
    dry_run = call.dry_run()
    password = await _new_password(call, user, request)
    changes = {name: value for name, value in msgspec.structs.asdict(request).items() if value is not msgspec.UNSET}
    changes.pop("password", None)
    changes.pop("current_password", None)
    access = call.services.access
    # Hashed before anything changes, so that too much hashing refuses the whole, and kept after what may still be refused.
    hashed = None if password is None or dry_run else await access.hash_password(password)
    outcome = await call.engine.execute(UpdateUser(user_id=user.id, **changes), dry_run=dry_run) if changes else None
    if hashed is not None:
        await access.set_password(holder_of(user), hashed, call.services.clock_us())
    if outcome is None:
        return call.answer(user_answer(user))
    assert isinstance(outcome.subject, User)
    return call.changed(user_answer(outcome.subject), outcome)


async def _new_password(call: Call, user: User, request: UserPatch) -> str | None:
    """The password to set, if one is asked for. A user must know the present one, for a token may have been left behind somewhere."""
    if request.password is msgspec.UNSET:
        return None
    if call.principal.is_user:
        if request.current_password is msgspec.UNSET:
            raise refuse_fields([("/current_password", "is missing")])
        if not await call.services.authentication.confirms(user, request.current_password, call.request):
            raise refuse_fields([("/current_password", "is wrong")])
    return request.password


def _user_id(call: Call, scope: Scope) -> int:
    """The id in the path, of a user that the principal may read or change. Raises HttpFault FORBIDDEN before it looks whether there is one."""
    number = number_in(call.parameters["id"])
    call.principal.require_user(number or 0, scope)
    if number is None:
        raise Refusal(RefusalCode.USER_NOT_FOUND)
    return number
