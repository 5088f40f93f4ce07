"""Registration: making a user together with its password.

The password is hashed first, so that too much hashing refuses the whole; then the user is made; and only when it is durable its password is kept, so that
there is never a password of nobody. Where the process ends between the last two, there is a user without a password: an operator sets one by
`PATCH /v1/users/{id}`.
"""

from ..engine.commands import CreateUser
from ..engine.identity import Holder
from ..engine.ledger import User
from ..engine.outcome import Outcome
from .call import Call


async def register_user(call: Call, command: CreateUser, password: str | None, *, dry_run: bool = False) -> Outcome:
    """Make a user, with a password if one is given. Raises Refusal, and HttpFault RATE_LIMITED."""
    call.services.authentication.check_registration(call.principal, call.request)
    if password is None or dry_run:
        return await call.engine.execute(command, dry_run=dry_run)
    hashed = await call.services.access.hash_password(password)
    outcome = await call.engine.execute(command)
    user = outcome.subject
    assert isinstance(user, User)
    await call.services.access.set_password(holder_of(user), hashed, call.services.clock_us())
    return outcome


def holder_of(user: User) -> Holder:
    """A user as identity knows it."""
    return Holder(user.id, user.created_at)
